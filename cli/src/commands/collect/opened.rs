//! The bundle that a sweep writes to: a new one, or an unfinished one that it goes on with.

use super::options::Plan;
use super::writing::Writing;
use crate::envelope::IdentityArgs;
use crate::error::Failure;
use crate::output::count;
use crate::output::summary::Summary;
use crate::{bundle_file, bundle_output, environment};
use herdiff_model::bundle::{BundleWriter, Resumed};
use herdiff_model::name::HostName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind};
use herdiff_model::sweep::SweepFacts;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A bundle that is open for writing.
pub(super) struct Opened {
    pub(super) writer: Writing,
    /// Counts the hosts that are in it already.
    pub(super) summary: Summary,
    pub(super) resumed: bool,
}

impl Opened {
    /// Opens what the plan says. Where a sweep is resumed, the plan keeps the hosts that are missing, and asks what it asked.
    pub(super) fn of(plan: &mut Plan) -> Result<Self, Failure> {
        if !plan.resume {
            let writer = Self::start(plan)?;
            return Ok(Self { writer, summary: Summary::default(), resumed: false });
        }
        if bundle_file::is_sealed_to_others(&plan.output)? {
            return Err(Failure::usage(format!("cannot go on with {}", plan.output.display()))
                .why("it is encrypted, and what is in it cannot be read on the machine that writes it")
                .next("save what is in it with `herdiff verify FILE --age-identity KEY --recover OUT`, visit the others with -l, and merge the two"));
        }
        let mut done = BTreeMap::new();
        let path = plan.output.clone();
        // What is left is known when it is known what is there.
        let go_on = |resumed: &Resumed| {
            done = done_in(resumed);
            plan.targets.retain(|target| !done.contains_key(&target.host));
            facts(plan)
        };
        let (writer, resumed) =
            BundleWriter::resume(&path, go_on).map_err(|error| Failure::bundle(&path, &error))?;
        let Resumed { pack, cut, .. } = resumed;
        plan.pack = Arc::new(pack);
        let mut summary = Summary::default();
        done.iter().for_each(|(host, outcome)| summary.count_done(host, outcome));
        let (before, left) = (count(done.len(), "host"), count(plan.targets.len(), "host"));
        plan.notes.push(format!("{}: {before} done before, {left} to visit", plan.output.display()));
        if cut > 0 {
            plan.notes.push(format!("an unfinished host of {cut} bytes was cut off at its end"));
        }
        Ok(Self { writer: Writing::plain(writer), summary, resumed: true })
    }

    fn start(plan: &Plan) -> Result<Writing, Failure> {
        let file = bundle_output::create(&plan.output)?;
        Writing::start(file, &plan.output, &facts(plan), &plan.pack, plan.recipients.as_ref())
            .map_err(|error| Failure::file("write the bundle", &plan.output, &error))
    }
}

/// Who visits the hosts of the plan, from where and when.
fn facts(plan: &Plan) -> SweepFacts {
    SweepFacts {
        tool: concat!("herdiff ", env!("CARGO_PKG_VERSION")).to_owned(),
        started: environment::now(),
        operator: environment::operator(),
        transport: plan.transport.name().to_owned(),
        inventory: plan.sources.clone(),
        targets: plan.targets.len() as u64,
    }
}

/// The hosts that are done. One that was under way when the sweep was stopped is not.
fn done_in(resumed: &Resumed) -> BTreeMap<HostName, HostOutcome> {
    let last: BTreeMap<HostName, HostOutcome> =
        resumed.done.iter().map(|(host, _, outcome)| (host.clone(), outcome.clone())).collect();
    last.into_iter().filter(|(_, outcome)| outcome.kind != HostOutcomeKind::Interrupted).collect()
}

/// The hosts of a bundle that were not reached, or brought nothing: of each its last visit counts.
pub(super) fn failed_in(path: &Path, identity: &IdentityArgs) -> Result<BTreeSet<HostName>, Failure> {
    let bundle = bundle_file::read(path, identity)?;
    let last: BTreeMap<HostName, HostOutcomeKind> =
        bundle.snapshots.iter().map(|snapshot| (snapshot.host.clone(), snapshot.outcome.kind)).collect();
    let failed =
        last.into_iter().filter(|(_, kind)| !matches!(kind, HostOutcomeKind::Ok | HostOutcomeKind::Partial));
    Ok(failed.map(|(host, _)| host).collect())
}
