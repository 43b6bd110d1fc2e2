//! Programs that print an inventory: run with `--list`, as Ansible runs them.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// They often ask a cloud's interface.
const PATIENCE: Duration = Duration::from_secs(120);
/// More than any fleet needs.
const MOST_BYTES: u64 = 64 << 20;

/// What the program prints, or why there is nothing.
pub(super) fn list(program: &Path) -> Result<String, String> {
    let program = program.canonicalize().map_err(|error| error.to_string())?;
    let mut child = Command::new(&program)
        .arg("--list")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let read = |stream: Option<Box<dyn Read + Send>>, most: u64| {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stream.map(|stream| stream.take(most + 1).read_to_end(&mut bytes));
            let _ = sender.send(read.map_or(Ok(0), |read| read).map(|_| bytes));
        });
        receiver
    };
    let stdout = read(child.stdout.take().map(|stream| Box::new(stream) as _), MOST_BYTES);
    let stderr = read(child.stderr.take().map(|stream| Box::new(stream) as _), 4096);
    let printed = stdout.recv_timeout(PATIENCE);
    let too_much =
        printed.as_ref().is_ok_and(|read| read.as_ref().is_ok_and(|bytes| bytes.len() as u64 > MOST_BYTES));
    if printed.is_err() || too_much {
        end(&mut child);
        let seconds = PATIENCE.as_secs();
        return Err(if too_much {
            format!("`--list` prints more than {MOST_BYTES} bytes")
        } else {
            format!("`--list` does not end within {seconds} s")
        });
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let said = stderr.recv_timeout(Duration::from_secs(1)).ok().and_then(Result::ok).unwrap_or_default();
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        return Err(format!("`--list` failed ({status}): {}", said.trim()));
    }
    let bytes = printed.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "`--list` prints something other than text".to_owned())
}

/// The program and all that it started.
fn end(child: &mut std::process::Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}
