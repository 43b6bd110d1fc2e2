//! The script as one command line that every login shell passes on unharmed.

use std::fmt::Write;
use std::time::Duration;

const REMOTE: &str = include_str!("remote.sh");

/// The command for `exec`. `limit` is how long the engine may run.
///
/// The login shell may be anything. Between single quotes bash, dash, zsh, fish and csh agree about everything but
/// `'`, `!`, line ends and backslashes before these; so the script is sent with these written as octal numbers, and a
/// plain `sh` turns them back with its `printf`. Nothing of a host or of an inventory is in the command.
pub(crate) fn command(limit: Duration) -> String {
    command_for("/bin/sh", limit)
}

fn command_for(sh: &str, limit: Duration) -> String {
    let seconds = limit.as_secs().max(1);
    format!(r#"exec {sh} -c 'eval "$(printf "$0")"' '{}' {seconds}"#, encode(&minify(REMOTE)))
}

/// Without comments and indentation.
fn minify(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// As a format for `printf`.
fn encode(script: &str) -> String {
    let mut encoded = String::with_capacity(script.len() * 2);
    for c in script.chars() {
        match c {
            '%' => encoded.push_str("%%"),
            '\n' => encoded.push_str("\\n"),
            '\'' | '!' | '\\' => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "\\{:03o}", u32::from(c));
            }
            c => encoded.push(c),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// Runs the command as sshd would, and returns what it printed.
    fn run(login_shell: &[&str], sh: &str, input: &[u8]) -> String {
        let command = command_for(sh, Duration::from_secs(20));
        let mut child = Command::new(login_shell[0])
            .args(&login_shell[1..])
            .arg("-c")
            .arg(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{login_shell:?}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        // A script that has given up no longer reads.
        let _ = stdin.write_all(input);
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).replace("\u{1e}\n", "");
        assert_eq!(stderr, "", "{login_shell:?} {sh}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn upload(engine: &str, hash: Option<&str>) -> Vec<u8> {
        let probe = crate::delivery::ProbeBinary::for_arch("any", engine.as_bytes().to_vec());
        let hash = hash.unwrap_or(probe.sha256());
        format!("probe {hash} {}\n{{\"queries\":\"it's 100% \\\\ !\"}}\n{engine}", engine.len()).into_bytes()
    }

    fn directory(output: &str) -> String {
        let hello = output.split("\"dir\":\"").nth(1).unwrap_or_else(|| panic!("no hello: {output:?}"));
        hello.split('"').next().unwrap().to_owned()
    }

    /// Whether a shell is on this machine. With `CI` in the environment all must be.
    fn exists(program: &str) -> bool {
        let there = ["/bin", "/usr/bin"].iter().any(|dir| std::path::Path::new(dir).join(program).exists());
        assert!(there || std::env::var_os("CI").is_none(), "{program} is not installed");
        there
    }

    const ENGINE: &str = "#!/bin/sh\necho engine $1; cat; exit 3\n";

    fn check(login_shell: &[&str], sh: &str) {
        let output = run(login_shell, sh, &upload(ENGINE, None));
        let dir = directory(&output);
        assert!(
            output.contains("\nengine --sweep\n{\"queries\":\"it's 100% \\\\ !\"}\n"),
            "{login_shell:?} {sh}: {output}"
        );
        assert!(
            output.contains("\n\u{1e}{\"receipt\":1,\"status\":3,\"killed\":false,\"removed\":true,"),
            "{output}"
        );
        assert!(!std::path::Path::new(&dir).exists(), "{dir} is still there");
    }

    #[test]
    fn every_login_shell_passes_it_on() {
        for shell in [&["bash"][..], &["dash"], &["sh"]] {
            check(shell, "/bin/sh");
        }
        // Shells that are not on every machine that tests are run on.
        for shell in ["fish", "tcsh", "zsh", "mksh"] {
            if exists(shell) {
                check(&[shell], "/bin/sh");
            }
        }
    }

    #[test]
    fn every_sh_runs_it() {
        check(&["sh"], "dash");
        check(&["sh"], "bash --posix");
        if exists("busybox") {
            check(&["busybox", "sh"], "busybox sh");
        }
    }

    #[test]
    fn an_upload_that_is_not_whole_never_runs() {
        let output = run(&["sh"], "/bin/sh", &upload("#!/bin/sh\necho ran\n", Some(&"0".repeat(64))));
        assert!(output.contains("\"fault\":\"hash\"") && !output.contains("\nran"), "{output}");
        let mut short = upload("#!/bin/sh\necho ran\n# the end", None);
        short.truncate(short.len() - 3);
        let output = run(&["sh"], "/bin/sh", &short);
        assert!(output.contains("\"fault\":\"upload\"") && output.contains("\"removed\":true"), "{output}");
        assert!(!output.contains("\nran"), "{output}");
    }

    #[test]
    fn a_quit_and_a_silent_collector_leave_nothing() {
        for input in [&b"quit\n"[..], b"", b"nonsense"] {
            let output = run(&["sh"], "/bin/sh", input);
            assert!(output.contains("\"removed\":true"), "{output}");
            assert!(!std::path::Path::new(&directory(&output)).exists());
        }
    }

    #[test]
    fn the_watchdog_kills_an_engine_that_goes_on() {
        let command = command_for("/bin/sh", Duration::from_secs(2));
        let mut child = Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let engine = "#!/bin/sh\ntrap '' TERM HUP INT\nexec sleep 300\n";
        child.stdin.take().unwrap().write_all(&upload(engine, None)).unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(output.contains("\"status\":137,\"killed\":true,\"removed\":true"), "{output}");
    }

    #[test]
    fn leftovers_of_a_killed_visit_are_cleared() {
        let dir = directory(&run(&["sh"], "/bin/sh", b"quit\n"));
        let base = std::path::Path::new(&dir).parent().unwrap();
        let left = base.join(format!(".herdiff.{}.left", i32::MAX));
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join("herdiff-probe"), "x").unwrap();
        run(&["sh"], "/bin/sh", b"quit\n");
        assert!(!left.exists(), "{left:?}");
    }

    #[test]
    fn nothing_is_left_that_a_login_shell_would_take_apart() {
        let command = command(Duration::from_secs(180));
        let encoded = command.split("' '").nth(1).unwrap();
        assert!(!encoded.contains(['!', '\n', '\r']), "{encoded}");
        assert_eq!(encoded.matches('\'').count(), 1, "only the quote at its end");
        assert!(command.is_ascii() && command.len() < 8000, "{}", command.len());
    }
}
