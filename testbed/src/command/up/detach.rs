//! The same command again, in the background.

use crate::command::CommandError;
use herdiff_testbed::live::state::State;
use herdiff_testbed::site::Site;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

pub(super) fn run(site: &Site) -> Result<ExitCode, CommandError> {
    // Without a name, so that nothing is left of it.
    let log = tempfile::tempfile()?;
    let same = std::env::args_os().skip(1).filter(|word| word != "-d" && word != "--detach");
    let mut again = Command::new(std::env::current_exe()?);
    // A group of its own, so that Ctrl-C here does not reach it.
    again.args(same).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).process_group(0);
    let mut child = again.spawn()?;
    loop {
        let said = read(&log)?;
        if let Some((said, _)) =
            said.split_once("\nCtrl-C ends them.").filter(|_| State::is_in(site.directory()))
        {
            print!("{said}");
            println!("\nherdiff-testbed down --dir {} ends them.", site.directory().display());
            return Ok(ExitCode::SUCCESS);
        }
        if child.try_wait()?.is_some() {
            let said = read(&log)?;
            return Err(CommandError::NotStarted(
                said.trim().trim_start_matches("herdiff-testbed: ").to_owned(),
            ));
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// All that it has said until now.
fn read(log: &File) -> Result<String, CommandError> {
    let end = log.metadata()?.len();
    let mut said = vec![0; usize::try_from(end).unwrap_or(0)];
    log.read_exact_at(&mut said, 0)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}
