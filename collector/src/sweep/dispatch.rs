//! Who is visited when: a bounded number of hosts at a time, in the order of the inventory. The one place that starts
//! visits, so that there are no races about which were started.

use super::pace::{Pace, Watch};
use super::visit::{Context, interrupted, visit, without_rows};
use super::{Event, Sent, TargetId};
use crate::delivery::Share;
use crate::inventory::Target;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase};
use herdiff_model::snapshot::Receipt;
use herdiff_model::visit::Visit;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Visits all targets, then ends. Each ends in one `Done`, whatever happens to its visit.
pub(super) async fn dispatch(
    context: Arc<Context>,
    targets: Vec<Target>,
    forks: usize,
    mut pace: Pace,
    mut watch: Watch,
    events: mpsc::Sender<Sent>,
) {
    let mut waiting = targets.into_iter().enumerate().map(|(n, target)| (TargetId(n), target)).peekable();
    let mut running = Running { visits: JoinSet::new(), targets: HashMap::new() };
    let mut ended: Option<String> = None;
    loop {
        let free = running.visits.len() < forks && ended.is_none() && !context.stop.is_cancelled();
        let startable = free && waiting.peek().is_some_and(|(id, _)| watch.lets(id.0));
        if startable && pace.next() <= Instant::now() {
            let Some((id, target)) = waiting.next() else { continue };
            if events.send(Event::Started(id).into()).await.is_err() {
                return;
            }
            pace.started(Instant::now());
            running.start(&context, id, target, &events);
            continue;
        }
        if running.visits.is_empty() && !startable {
            break;
        }
        let done = tokio::select! {
            done = running.next(&context), if !running.visits.is_empty() => done,
            () = sleep_until(pace.next()), if startable => continue,
            () = context.stop.cancelled(), if running.visits.is_empty() => continue,
        };
        let Some((id, visit, share)) = done else { continue };
        let failed = !matches!(visit.outcome.kind, HostOutcomeKind::Ok | HostOutcomeKind::Partial);
        ended = watch.over(failed).or(ended);
        let sent = Sent { event: Event::Done(id, Box::new(visit)), share };
        if events.send(sent).await.is_err() {
            // Nobody listens any more. Dropping the set ends all visits.
            return;
        }
    }
    // Only a sweep that was stopped leaves any.
    for (id, target) in waiting {
        let outcome = match &ended {
            Some(why) => HostOutcome::failed(HostOutcomeKind::Interrupted, Phase::Resolve, why.as_str()),
            None => interrupted(None).outcome(),
        };
        let visit = without_rows(target, outcome, Receipt::default(), context.queries);
        if events.send(Event::Done(id, Box::new(visit)).into()).await.is_err() {
            return;
        }
    }
}

/// The visits that are under way.
struct Running {
    visits: JoinSet<(TargetId, Visit, Option<Share>)>,
    /// Whom a task visits, should it end without saying so.
    targets: HashMap<Id, (TargetId, Target)>,
}

impl Running {
    fn start(&mut self, context: &Arc<Context>, id: TargetId, target: Target, events: &mpsc::Sender<Sent>) {
        let (context, events) = (Arc::clone(context), events.clone());
        let copy = target.clone();
        let task = self.visits.spawn(async move {
            let (visit, share) = visit(&context, id, target, events).await;
            (id, visit, share)
        });
        self.targets.insert(task.id(), (id, copy));
    }

    /// The next visit that ends; `None` when none is under way.
    async fn next(&mut self, context: &Context) -> Option<(TargetId, Visit, Option<Share>)> {
        match self.visits.join_next_with_id().await? {
            Ok((task, done)) => {
                self.targets.remove(&task);
                Some(done)
            }
            Err(error) => self.broken(&error, context),
        }
    }

    /// A visit that failed within this program is still an outcome of its host.
    fn broken(&mut self, error: &JoinError, context: &Context) -> Option<(TargetId, Visit, Option<Share>)> {
        let (id, target) = self.targets.remove(&error.id())?;
        let why = "the visit failed inside this program; please report it";
        let outcome = HostOutcome::failed(HostOutcomeKind::Interrupted, Phase::Session, why);
        Some((id, without_rows(target, outcome, Receipt::default(), context.queries), None))
    }
}
