//! The script as one command line that every login shell passes on unharmed.

use super::{Account, Privilege, Prompt};
use std::fmt::Write;
use std::time::Duration;

const REMOTE: &str = include_str!("remote.sh");

/// The command for `exec`. `limit` is how long the engine may run.
///
/// The login shell may be anything. Between single quotes bash, dash, zsh, fish and csh agree about everything but
/// `'`, `!`, line ends and backslashes before these; so the script is sent with these written as octal numbers, and a
/// plain `sh` turns them back with its `printf`. Nothing of a host or of an inventory is in the command, but the plain name of an
/// account.
///
/// Root, or that account, is asked for by that plain `sh`, unless it is that already. With a password, sudo reads it from standard input when it
/// has asked on standard error; without one, it must not ask.
pub(crate) fn command(
    limit: Duration,
    privilege: Privilege,
    account: Option<&Account>,
    prompt: Option<&Prompt>,
) -> String {
    let script = encode(&minify(REMOTE));
    let seconds = limit.as_secs().max(1);
    let how = match (privilege, prompt) {
        (Privilege::AsIs, _) => return command_for("/bin/sh", &script, seconds),
        (Privilege::Sudo, Some(_)) => r#"sudo -S -p "$(printf "\036$3")""#,
        (Privilege::Sudo, None) => "sudo -n",
        (Privilege::Doas, _) => "doas -n",
    };
    let prompt = prompt.map_or("", Prompt::text);
    let (is, user) = match account.filter(|account| !account.is_root()).map(Account::as_str) {
        None => (r#""$(id -u)" = 0"#.to_owned(), String::new()),
        Some(name) => (format!(r#""$(id -un)" = {name}"#), format!(" -u {name}")),
    };
    format!(
        r#"exec /bin/sh -c '[ {is} ] || exec {how}{user} /bin/sh -c "$2" "$0" "$1"; eval "$2"' '{script}' {seconds} 'eval "$(printf "$0")"' '{prompt}'"#
    )
}

fn command_for(sh: &str, script: &str, seconds: u64) -> String {
    format!(r#"exec {sh} -c 'eval "$(printf "$0")"' '{script}' {seconds}"#)
}

/// The script for a transport that can bring it as a file.
pub(super) fn plain() -> String {
    minify(REMOTE)
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
        run_script(REMOTE, login_shell, sh, input)
    }

    fn run_script(script: &str, login_shell: &[&str], sh: &str, input: &[u8]) -> String {
        let command = command_for(sh, &encode(&minify(script)), 20);
        // Shells make files of their own there: fish complains when two of it do that at the same time.
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(login_shell[0])
            .args(&login_shell[1..])
            .arg("-c")
            .arg(&command)
            .env("HOME", home.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
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

    /// With a stand-in for sudo, which asks as sudo does, and for a user who is not root.
    #[test]
    fn every_login_shell_passes_on_the_way_to_root() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let program = |name: &str, script: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        };
        program("id", "#!/bin/sh\necho 1000\n");
        program(
            "sudo",
            "#!/bin/sh\n[ \"$1$2\" = -S-p ] || exit 9\nprintf %s \"$3\" >&2\nIFS= read -r word\n\
             [ \"$word\" = right ] || exit 8\nshift 3\nexec \"$@\"\n",
        );
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
        let prompt = Prompt::new();
        let command = command(Duration::from_secs(20), Privilege::Sudo, None, Some(&prompt));
        for shell in ["bash", "dash", "fish", "tcsh", "zsh", "mksh"].into_iter().filter(|shell| exists(shell))
        {
            let mut child = Command::new(shell)
                .args(["-c", &command])
                .env("PATH", &path)
                .env("HOME", dir.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let input = [&b"right\n"[..], &upload(ENGINE, None)].concat();
            let _ = child.stdin.take().unwrap().write_all(&input);
            let output = child.wait_with_output().unwrap();
            let (stdout, stderr) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(stdout.contains("\nengine --sweep\n"), "{shell}: {stdout} {stderr}");
            assert!(stderr.starts_with(&format!("\u{1e}{}", prompt.text())), "{shell}: {stderr}");
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
        let command = command_for("/bin/sh", &encode(&minify(REMOTE)), 2);
        let mut child = Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A time that no process of another test run sleeps.
        let time = format!("614.{:07}", std::process::id());
        let engine = format!("#!/bin/sh\ntrap '' TERM HUP INT\nsleep {time} & sleep {time}\n");
        child.stdin.take().unwrap().write_all(&upload(&engine, None)).unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(output.contains("\"status\":137,\"killed\":true,\"removed\":true"), "{output}");
        let left = || {
            let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
            let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
            lines.filter(|line| *line == format!("sleep\0{time}\0").into_bytes()).count()
        };
        // A killed process has to be scheduled once more to go.
        let start = std::time::Instant::now();
        while left() > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "what the engine started outlived it");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// In a place of its own: in the usual ones every visit clears, those of other tests too.
    #[test]
    fn leftovers_of_a_killed_visit_are_cleared() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path().display().to_string();
        let script = REMOTE.replace("for base in /dev/shm ", &format!("for base in {base} "));
        assert_ne!(script, REMOTE);
        let make = |name: &str| {
            let left = place.path().join(name);
            std::fs::create_dir(&left).unwrap();
            std::fs::write(left.join("herdiff-probe"), "x").unwrap();
            left
        };
        // Of a script that is gone, of one that runs, and what only looks alike.
        let gone = make(&format!(".herdiff.{}.left", i32::MAX));
        let kept =
            [make(&format!(".herdiff.{}.runs", std::process::id())), make(".herdiff.x.y"), make("other")];
        let output = run_script(&script, &["sh"], "/bin/sh", b"quit\n");
        assert!(directory(&output).starts_with(&base), "{output}");
        assert!(output.contains("\"leftovers\":1"), "{output}");
        assert!(!gone.exists());
        assert!(kept.iter().all(|kept| kept.join("herdiff-probe").exists()));
    }

    /// What was left is compared once more when it is to run: it may have changed since the hello.
    #[test]
    fn an_engine_that_was_left_runs_only_as_what_it_was() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let base = place.path().display().to_string();
        let script = REMOTE.replace("for base in /dev/shm ", &format!("for base in {base} "));
        let uid = Command::new("id").arg("-u").output().unwrap().stdout;
        let kept = place.path().join(format!(".herdiff-engine.{}", String::from_utf8_lossy(&uid).trim()));
        let probe = crate::delivery::ProbeBinary::for_arch("any", ENGINE.as_bytes().to_vec());
        let ask = |hash: &str, stay: &str| {
            let input = format!("probe {hash} kept {stay}\n{{\"queries\":1}}\n");
            run_script(&script, &["sh"], "/bin/sh", input.as_bytes())
        };
        std::fs::create_dir(&kept).unwrap();
        std::fs::set_permissions(&kept, PermissionsExt::from_mode(0o700)).unwrap();
        std::fs::write(kept.join("herdiff-probe"), ENGINE).unwrap();
        std::fs::set_permissions(kept.join("herdiff-probe"), PermissionsExt::from_mode(0o700)).unwrap();
        let output = ask(&"0".repeat(64), "stay");
        assert!(output.contains(&format!("\"kept\":\" {}\"", probe.sha256())), "{output}");
        assert!(output.contains("\"fault\":\"hash\"") && !output.contains("engine --sweep"), "{output}");
        let output = ask(probe.sha256(), "stay");
        assert!(output.contains("engine --sweep\n{\"queries\":1}") && kept.exists(), "{output}");
        let output = ask(probe.sha256(), "go");
        assert!(output.contains("engine --sweep\n") && output.contains("\"removed\":true"), "{output}");
        assert!(!kept.exists());
    }

    #[test]
    fn another_account_than_root_is_named_plainly() {
        let oracle = Account::parse("oracle").unwrap();
        let of = |how, account| command(Duration::from_secs(9), how, account, None);
        let sudo = of(Privilege::Sudo, Some(&oracle));
        assert!(sudo.contains(r#"[ "$(id -un)" = oracle ] || exec sudo -n -u oracle /bin/sh"#), "{sudo}");
        assert!(of(Privilege::Doas, Some(&oracle)).contains("exec doas -n -u oracle /bin/sh"));
        let root = Account::parse("root").unwrap();
        assert_eq!(of(Privilege::Sudo, Some(&root)), of(Privilege::Sudo, None));
        for name in ["", "-x", "a b", "a'b", "a;b", "$(id)", "#0", "ä", "a\nb"] {
            assert!(Account::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn nothing_is_left_that_a_login_shell_would_take_apart() {
        let command = command(Duration::from_secs(180), Privilege::AsIs, None, None);
        let encoded = command.split("' '").nth(1).unwrap();
        assert!(!encoded.contains(['!', '\n', '\r']), "{encoded}");
        assert_eq!(encoded.matches('\'').count(), 1, "only the quote at its end");
        assert!(command.is_ascii() && command.len() < 8000, "{}", command.len());
    }
}
