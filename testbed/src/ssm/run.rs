//! Runs a script as the agent does: from a file, in a process group of its own, ended as a group by signal 9.

use super::Instance;
use super::command::{Invocation, Order, cut_error, cut_output};
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// What is read of a stream; what is longer is cut anyhow.
const MOST: u64 = 1 << 20;

enum End {
    Exited(std::process::ExitStatus),
    Late,
    Cancelled,
}

/// Runs the script to its end; says how the invocation ends. `kill_after` plays an agent that dies.
pub(super) async fn run(
    id: &str,
    instance: &Instance,
    order: &Order,
    cancel: &CancellationToken,
    kill_after: Option<Duration>,
) -> Invocation {
    let failed = |why: String| Invocation {
        status: "Failed",
        details: "Failed",
        code: 1,
        output: String::new(),
        error: why,
    };
    let Ok(directory) = tempfile::tempdir() else { return failed("no directory".to_owned()) };
    let script = directory.path().join("_script.sh");
    if let Err(error) = tokio::fs::write(&script, &order.script).await {
        return failed(error.to_string());
    }
    let home = instance.root.join("root");
    let mut shell = Command::new("/bin/sh");
    shell.arg(&script).env_clear().current_dir(directory.path());
    shell.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", home);
    shell.env("AWS_SSM_INSTANCE_ID", id).env("AWS_SSM_REGION_NAME", "eu-west-1");
    shell.env("HERDIFF_PROBE_ROOT", &instance.root);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = match shell.spawn() {
        Ok(child) => child,
        Err(error) => return failed(error.to_string()),
    };
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let output = tokio::spawn(take(child.stdout.take()));
    let error = tokio::spawn(take(child.stderr.take()));
    let killed = async {
        match kill_after {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let end = tokio::select! {
        status = child.wait() => match status {
            Ok(status) => End::Exited(status),
            Err(error) => return failed(error.to_string()),
        },
        () = tokio::time::sleep(order.execution) => End::Late,
        () = killed => End::Late,
        () = cancel.cancelled() => End::Cancelled,
    };
    if let Some(group) = group.filter(|_| !matches!(end, End::Exited(_))) {
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait().await;
    }
    let (output, error) = (output.await.unwrap_or_default(), error.await.unwrap_or_default());
    let (status, details, code) = match end {
        End::Exited(status) if status.success() => ("Success", "Success", 0),
        End::Exited(status) => match status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)) {
            137 => ("TimedOut", "Execution Timed Out", 137),
            code => ("Failed", "Failed", code),
        },
        End::Late => ("TimedOut", "Execution Timed Out", -1),
        End::Cancelled => ("Cancelled", "Cancelled", -1),
    };
    Invocation { status, details, code, output: cut_output(&output), error: cut_error(&error) }
}

async fn take(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = (&mut stream).take(MOST).read_to_end(&mut bytes).await;
        // What comes after it is taken, too: a full pipe would stop the script.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    bytes
}
