//! The real `herdiff`, run as a user would run it.

use super::CommandError;
use herdiff_testbed::site::Site;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::process::Command;

/// The program, and how to write it so that it can be copied.
pub(crate) struct Herdiff {
    path: PathBuf,
    shown: String,
}

impl Herdiff {
    /// The one that was built together with this program.
    pub(crate) fn beside_us() -> Result<Self, CommandError> {
        let own = env::current_exe()?;
        let path = own.with_file_name("herdiff");
        if !path.is_file() {
            let released = own.parent().is_some_and(|directory| directory.ends_with("release"));
            let build = if released { "cargo build --release" } else { "cargo build" };
            return Err(CommandError::NoHerdiff(own, build));
        }
        let shown = shown(&path);
        Ok(Self { path, shown })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// As it is to be typed.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Runs it with its output going where ours goes, after showing the line.
    pub(crate) async fn show_and_run(&self, arguments: &[String]) -> Result<ExitStatus, CommandError> {
        println!("$ {} {}", self.shown, line(arguments));
        self.command(arguments).status().await.map_err(|cause| self.start_error(cause))
    }

    /// Runs it and takes its output.
    pub(crate) async fn output(&self, arguments: &[String]) -> Result<(ExitStatus, Vec<u8>), CommandError> {
        let output = self.command(arguments).stderr(Stdio::inherit()).output().await;
        output.map(|output| (output.status, output.stdout)).map_err(|cause| self.start_error(cause))
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn start_error(&self, cause: std::io::Error) -> CommandError {
        CommandError::Start { program: self.path.display().to_string(), cause }
    }
}

/// The arguments of a sweep of the hosts of a site.
pub(crate) fn collect(site: &Site, bundle: &Path) -> Vec<String> {
    let text = |path: PathBuf| path.display().to_string();
    let mut words = vec!["collect".to_owned()];
    for (flag, path) in [
        ("-i", site.inventory()),
        ("--identity", site.identity()),
        ("--known-hosts", site.known_hosts()),
        ("-o", bundle.to_owned()),
    ] {
        words.extend([flag.to_owned(), text(path)]);
    }
    words
}

/// Plain `herdiff` where that is what the shell would find, else a path.
fn shown(path: &Path) -> String {
    let found = env::var_os("PATH")
        .and_then(|paths| env::split_paths(&paths).map(|p| p.join("herdiff")).find(|p| p.is_file()));
    let same = |other: &PathBuf| other.canonicalize().ok() == path.canonicalize().ok();
    if found.as_ref().is_some_and(same) {
        return "herdiff".to_owned();
    }
    let here = env::current_dir().ok();
    let short = here.and_then(|here| path.strip_prefix(here).ok());
    short.unwrap_or(path).display().to_string()
}

/// Arguments as a shell takes them.
pub(crate) fn line(arguments: &[String]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@+%".contains(&byte);
    let quote = |word: &String| {
        if !word.is_empty() && word.bytes().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_copied_into_a_shell() {
        let line = line(&["show".to_owned(), "a b/c.herd".to_owned(), "it's".to_owned(), String::new()]);
        assert_eq!(line, r"show 'a b/c.herd' 'it'\''s' ''");
    }
}
