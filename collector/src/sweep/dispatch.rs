//! Who is visited when: a bounded number of hosts at a time, in the order of the inventory. The one place that starts
//! visits, so that there are no races about which were started.

use super::visit::{Context, interrupted, visit, without_rows};
use super::{Event, TargetId};
use crate::inventory::Target;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase};
use herdiff_model::snapshot::Receipt;
use herdiff_model::visit::Visit;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};

/// Visits all targets, then ends. Each ends in one `Done`, whatever happens to its visit.
pub(super) async fn dispatch(
    context: Arc<Context>,
    targets: Vec<Target>,
    forks: usize,
    events: mpsc::Sender<Event>,
) {
    let mut waiting = targets.into_iter().enumerate().map(|(n, target)| (TargetId(n), target));
    let mut running = Running { visits: JoinSet::new(), targets: HashMap::new() };
    loop {
        while running.visits.len() < forks
            && !context.stop.is_cancelled()
            && let Some((id, target)) = waiting.next()
        {
            if events.send(Event::Started(id)).await.is_err() {
                return;
            }
            running.start(&context, id, target, &events);
        }
        let Some((id, visit)) = running.next(&context).await else { break };
        if events.send(Event::Done(id, Box::new(visit))).await.is_err() {
            // Nobody listens any more. Dropping the set ends all visits.
            return;
        }
    }
    // Only a sweep that was stopped leaves any.
    for (id, target) in waiting {
        let outcome = interrupted(None).outcome();
        let visit = without_rows(target, outcome, Receipt::default(), context.queries);
        if events.send(Event::Done(id, Box::new(visit))).await.is_err() {
            return;
        }
    }
}

/// The visits that are under way.
struct Running {
    visits: JoinSet<(TargetId, Visit)>,
    /// Whom a task visits, should it end without saying so.
    targets: HashMap<Id, (TargetId, Target)>,
}

impl Running {
    fn start(&mut self, context: &Arc<Context>, id: TargetId, target: Target, events: &mpsc::Sender<Event>) {
        let (context, events) = (Arc::clone(context), events.clone());
        let copy = target.clone();
        let task = self.visits.spawn(async move { (id, visit(&context, id, target, events).await) });
        self.targets.insert(task.id(), (id, copy));
    }

    /// The next visit that ends; `None` when none is under way.
    async fn next(&mut self, context: &Context) -> Option<(TargetId, Visit)> {
        match self.visits.join_next_with_id().await? {
            Ok((task, done)) => {
                self.targets.remove(&task);
                Some(done)
            }
            Err(error) => self.broken(&error, context),
        }
    }

    /// A visit that failed within this program is still an outcome of its host.
    fn broken(&mut self, error: &JoinError, context: &Context) -> Option<(TargetId, Visit)> {
        let (id, target) = self.targets.remove(&error.id())?;
        let why = "the visit failed inside this program; please report it";
        let outcome = HostOutcome::failed(HostOutcomeKind::Interrupted, Phase::Session, why);
        Some((id, without_rows(target, outcome, Receipt::default(), context.queries)))
    }
}
