//! The served hosts, in a process of their own so that their cost is not counted.

use crate::command::CommandError;
use crate::command::up::Form;
use herdiff_testbed::site::Site;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Hosts that another process of this program serves.
pub(crate) struct Served {
    child: Child,
    site: Site,
    directory: TempDir,
}

impl Served {
    pub(crate) fn start(form: Form, hosts: u32, faults: &[String]) -> Result<Self, CommandError> {
        let directory = tempfile::tempdir()?;
        let site = Site::open(&directory.path().join("site"))?;
        let mut up = Command::new(std::env::current_exe()?);
        up.args(["up", "--form", form.name(), "--hosts", &hosts.to_string(), "--dir"]).arg(site.directory());
        for fault in faults {
            up.args(["--fault", fault]);
        }
        let mut child = up.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take();
        let served = Self { child, site, directory };
        let ready = output.is_some_and(|output| {
            BufReader::new(output).lines().map_while(Result::ok).any(|line| line.starts_with("Ctrl-C"))
        });
        if !ready {
            return Err(CommandError::NotAsExpected("the hosts could not be served".to_owned()));
        }
        Ok(served)
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// The process that serves them.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A place for files that the measured programs write.
    pub(crate) fn scratch(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// A file there, for the measured programs to read.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String, CommandError> {
        let path = self.scratch().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// The names of the hosts, one a line.
    pub(crate) fn names(&self) -> Result<String, CommandError> {
        let inventory = std::fs::read_to_string(self.site.inventory())?;
        let hosts = inventory.lines().filter_map(|line| line.split_once(" ansible_host="));
        Ok(hosts.map(|(name, _)| format!("{name}\n")).collect())
    }

    pub(crate) fn stop(mut self) -> Result<(), CommandError> {
        self.end();
        self.child.wait()?;
        Ok(())
    }

    fn end(&self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
            let _ = self.child.wait();
        }
    }
}
