//! A conversation that nobody listened to while it was held: for transports without a channel, such as Systems Manager.
//!
//! Such a transport runs [`Script::text`] on the host with one of the two inputs, keeps what it prints, and gives that to
//! [`Script::read`] later. What is believed of it, and under which limits, is the same as on a channel.

use super::dialogue::{Dialogue, End, Orders};
use super::{Budget, Privilege, ProbeBinary, Prompt, script};
use crate::engine::{EngineChoice, Limits, Plan};
use crate::inventory::Target;
use bytes::Bytes;
use herdiff_model::outcome::HostOutcome;
use herdiff_model::pack::Pack;
use herdiff_model::snapshot::Receipt;
use herdiff_model::visit::Visit;
use std::sync::Arc;
use std::time::Duration;

/// What is the same for all hosts of a sweep.
#[derive(Clone, Debug)]
pub struct Script {
    orders: Arc<Orders>,
    queries: usize,
}

/// What the script printed.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'a> {
    /// On standard output.
    pub stdout: &'a [u8],
    /// On standard error.
    pub stderr: &'a [u8],
}

impl Script {
    /// Prepares the questions of a pack.
    pub fn new(
        pack: &Pack,
        query_timeout: Duration,
        choice: EngineChoice,
        probes: Vec<ProbeBinary>,
        limits: Limits,
    ) -> Self {
        let plan = Arc::new(Plan::new(pack, &limits, query_timeout));
        let orders = Arc::new(Orders {
            plan,
            choice,
            probes,
            osquery: Vec::new(),
            leave: false,
            prompt: Prompt::new(),
            // Answers are read one after the other.
            budget: Budget::new(limits.waiting_bytes, 1),
            limits: Arc::new(limits),
        });
        Self { orders, queries: pack.queries().len() }
    }

    /// The script that speaks on standard output, for `/bin/sh`. Its argument is how many seconds the engine may run, its
    /// input is a line that names the engine, then what [`Self::for_probe`] or [`Self::for_osqueryi`] say: see
    /// docs/PROTOCOL.md.
    pub fn text(&self) -> String {
        script::plain()
    }

    /// Which engine the host has to choose, by the same rules as here.
    pub fn choice(&self) -> EngineChoice {
        self.orders.choice
    }

    /// The probes that can be pushed.
    pub fn probes(&self) -> &[ProbeBinary] {
        &self.orders.probes
    }

    /// How much a host may send.
    pub fn limits(&self) -> &Limits {
        &self.orders.limits
    }

    /// What comes before the probe's file.
    pub fn for_probe(&self) -> &Bytes {
        self.orders.plan.probe_input()
    }

    /// What osqueryi is given.
    pub fn for_osqueryi(&self) -> Bytes {
        self.orders.plan.osqueryi_input(0)
    }

    /// The visit, from what was printed. `broken` is why that may not be all.
    pub fn read(
        &self,
        target: Target,
        printed: Printed<'_>,
        broken: Option<HostOutcome>,
        mut receipt: Receipt,
    ) -> Visit {
        let mut dialogue = Dialogue::new(Arc::clone(&self.orders), Privilege::AsIs, 0);
        // By lines: before the script has spoken they may not be as long as after it.
        let mut lines = printed.stdout.split_inclusive(|&byte| byte == b'\n');
        let heard = lines.try_for_each(|line| dialogue.stdout(line).map(|_| ()));
        // The statements that osqueryi refuses are named on standard error, which has to be heard before the end.
        let heard = heard.and_then(|()| dialogue.stderr(printed.stderr).map(|_| ()));
        let end = match (heard, broken) {
            (Err(outcome), _) | (Ok(()), Some(outcome)) => End::Broken(outcome),
            (Ok(()), None) => End::Closed,
        };
        let (outcome, answers, _share) = dialogue.finish(end, &mut receipt);
        Visit { host: target.host, herd: target.herd, outcome, receipt, answers }.settle()
    }

    /// A visit that brought nothing.
    pub fn without_rows(&self, target: Target, outcome: HostOutcome, receipt: Receipt) -> Visit {
        Visit::without_rows(target.host, target.herd, outcome, receipt, self.queries)
    }
}
