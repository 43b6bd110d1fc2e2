//! A process group on this machine, which is ended as a whole.

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep};

/// How long a command that was left alone may take to clean up by itself: the script of a sweep looks every two seconds
/// whether somebody is still there.
const TO_CLEAN_UP: Duration = Duration::from_secs(5);
/// How long it may take after it was told to end.
const TO_END: Duration = Duration::from_millis(1000);
const STEP: Duration = Duration::from_millis(10);

/// A command and everything it has started, unless that left the group by itself.
pub(super) struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    /// Starts a command as the leader of a new group.
    pub(super) fn spawn(mut command: Command) -> std::io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, id })
    }

    /// The ends of its pipes.
    pub(super) fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for the leader.
    pub(super) async fn wait(&mut self) -> Option<ExitStatus> {
        self.child.wait().await.ok()
    }

    /// Waits a while for all to end by themselves, then tells them to, then makes them.
    pub(super) async fn end(mut self) {
        if self.ends_within(TO_CLEAN_UP).await {
            return;
        }
        self.send(Signal::HUP);
        if self.ends_within(TO_END).await {
            return;
        }
        self.send(Signal::KILL);
        let _ = self.child.wait().await;
        // The others of the group are ending, too; on a busy machine that takes a moment.
        self.ends_within(TO_END).await;
    }

    fn send(&self, signal: Signal) {
        if let Some(id) = self.id {
            let _ = kill_process_group(id, signal);
        }
    }

    async fn ends_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            // The leader stays in the group as a zombie until it was waited for.
            let leader_ended = matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
            let group_ended = self.id.is_none_or(|id| test_kill_process_group(id).is_err());
            if leader_ended && group_ended {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            sleep(STEP).await;
        }
    }
}
