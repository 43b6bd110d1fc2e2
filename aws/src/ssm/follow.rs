//! Waits for a command on all its hosts: one list of how it stands for all of them, now and then, and the output of each
//! once.

use super::api::{self, Invocation};
use super::status::{Patience, State, state};
use super::{Context, failure};
use crate::client::Client;
use crate::error::AwsError;
use futures::StreamExt;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind as Kind, Phase};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Outputs that are fetched at a time. The pace of calls is below them.
const AT_A_TIME: usize = 8;
/// How much longer than delivery and execution a command may stand before it is given up.
const GRACE: Duration = Duration::from_secs(60);
/// How long cancelling may take when everything is to stop.
const TO_CANCEL: Duration = Duration::from_secs(10);

/// How a command ended on a host.
#[derive(Debug)]
pub(super) enum Ended {
    /// The script ended by itself.
    Ran(Invocation),
    /// It did not.
    Lost(HostOutcome),
}

/// A command that is under way.
pub(super) struct Follow<'a> {
    context: &'a Context,
    client: &'a Client,
    command: String,
    patience: Patience,
    pending: BTreeSet<String>,
    deadline: Instant,
    pause: Duration,
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        context: &'a Context,
        client: &'a Client,
        command: String,
        ids: impl IntoIterator<Item = String>,
    ) -> Self {
        let patience = context.config.patience();
        Self {
            context,
            client,
            command,
            patience,
            pending: ids.into_iter().collect(),
            deadline: Instant::now() + patience.delivery + patience.execution + GRACE,
            pause: context.config.first_look,
        }
    }

    /// The hosts on which it is over now; `None` when it is over on all. Each host comes once, whatever happens.
    pub(super) async fn next(&mut self) -> Option<Vec<(String, Ended)>> {
        while !self.pending.is_empty() {
            tokio::select! {
                () = self.context.stop.cancelled() => {
                    self.cancel().await;
                    let why = "the sweep was stopped, and the command cancelled";
                    return Some(self.give_up(&HostOutcome::failed(Kind::Interrupted, Phase::Run, why)));
                }
                () = sleep(jitter(self.pause)) => {}
            }
            if Instant::now() >= self.deadline {
                self.cancel().await;
                let why = "Systems Manager never said how the command ended";
                return Some(self.give_up(&HostOutcome::failed(Kind::Timeout, Phase::Run, why)));
            }
            let found = self.look().await;
            let next = match &found {
                // As long as hosts end it is worth to look often.
                Ok(found) if !found.is_empty() => self.context.config.first_look,
                Ok(_) => self.pause.mul_f64(1.5),
                // Systems Manager will be there again, or the deadline comes.
                Err(_) => self.pause.mul_f64(2.0),
            };
            self.pause = next.min(self.context.config.longest_look);
            match found {
                Ok(found) if !found.is_empty() => return Some(found),
                Err(error) if error.code().is_some_and(|code| code.is_denied()) => {
                    return Some(self.give_up(&failure(&error, Phase::Run)));
                }
                _ => {}
            }
        }
        None
    }

    /// What cannot be cancelled ends by the time limits that were sent along.
    async fn cancel(&self) {
        let _ = tokio::time::timeout(TO_CANCEL, api::cancel(self.client, &self.command)).await;
    }

    fn give_up(&mut self, outcome: &HostOutcome) -> Vec<(String, Ended)> {
        std::mem::take(&mut self.pending).into_iter().map(|id| (id, Ended::Lost(outcome.clone()))).collect()
    }

    async fn look(&mut self) -> Result<Vec<(String, Ended)>, AwsError> {
        let (client, patience) = (self.client, self.patience);
        let standings = api::standings(client, &self.command).await?;
        let over = standings.into_iter().filter(|standing| {
            let state = state(&standing.status, &standing.status_details, patience);
            self.pending.contains(&standing.instance_id) && state != State::Under
        });
        let over: BTreeSet<_> = over.map(|standing| standing.instance_id).collect();
        let command = self.command.as_str();
        let outputs = futures::stream::iter(over).map(|id| async move {
            let invocation = api::invocation(client, command, &id).await;
            (id, invocation)
        });
        let outputs: Vec<_> = outputs.buffer_unordered(AT_A_TIME).collect().await;
        let mut found = Vec::new();
        for (id, invocation) in outputs {
            let ended = match invocation {
                Ok(Some(invocation)) => match state(&invocation.status, &invocation.status_details, patience)
                {
                    State::Under => continue,
                    State::Ran => Ended::Ran(invocation),
                    State::Lost(outcome) => Ended::Lost(outcome),
                },
                Err(error) if error.code().is_some_and(|code| code.is_denied()) => {
                    Ended::Lost(failure(&error, Phase::Run))
                }
                // Not to be had now: it is asked for again.
                Ok(None) | Err(_) => continue,
            };
            self.pending.remove(&id);
            found.push((id, ended));
        }
        Ok(found)
    }
}

/// Commands that were sent together are not looked at together.
fn jitter(pause: Duration) -> Duration {
    let dice = RandomState::new().hash_one("look") % 500;
    pause.mul_f64(0.75 + dice as f64 / 1000.0)
}
