//! Looks at hosts that are to become a baseline, so that what an intruder left on them does not become known-good.

use crate::report::{Options, Report, outliers};
use crate::roster::Roster;
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::Tables;
use herdiff_model::name::HostName;
use herdiff_model::outcome::{QueryFailure, QueryFailureKind, QueryOutcome, RowSet};
use herdiff_model::snapshot::Snapshot;
use herdiff_model::sweep::SweepFacts;
use herdiff_model::visit::Answer;
use std::collections::BTreeSet;

/// Compares the hosts of a candidate with those of a sweep of their herd, and with each other: what stands out on a host of the
/// candidate. Where the sweep has no host of a candidate's herd, all its hosts are the herd.
pub fn vet(candidate: &Bundle, sweep: Option<&Bundle>, tables: &Tables, options: &Options) -> Report {
    let joined = sweep.map(|sweep| joined(candidate, sweep));
    let everything = Options { most: usize::MAX, accepted: options.accepted.clone() };
    let mut report = outliers(joined.as_ref().unwrap_or(candidate), tables, &everything);
    let hosts: BTreeSet<&HostName> = candidate.snapshots.iter().map(|host| &host.host).collect();
    report.findings.retain(|finding| finding.hosts.iter().any(|host| hosts.contains(host)));
    report.total = report.findings.len();
    report.findings.truncate(options.most);
    report.suspects.retain(|suspect| hosts.contains(&suspect.host));
    report
}

/// One bundle with the hosts of both. A host that is in both is there as the candidate has it.
fn joined(candidate: &Bundle, sweep: &Bundle) -> Bundle {
    let own: BTreeSet<&HostName> = candidate.snapshots.iter().map(|host| &host.host).collect();
    let herds: Vec<_> = Roster::herds(candidate).into_iter().map(|(herd, _)| herd).collect();
    let others = Roster::herds(sweep);
    let mut joined = candidate.clone();
    for herd in &herds {
        let of_herd = others.iter().filter(|(name, _)| name == herd);
        let of_herd: Vec<&Snapshot> = of_herd.flat_map(|(_, roster)| roster.hosts.iter().copied()).collect();
        let known = if of_herd.is_empty() { Roster::everyone(sweep).hosts } else { of_herd };
        for host in known.into_iter().filter(|host| !own.contains(&host.host)) {
            let snapshot = Snapshot { herd: herd.clone(), part: 0, ..taken_over(host, sweep, &mut joined) };
            joined.snapshots.push(snapshot);
        }
    }
    joined.facts = SweepFacts { targets: joined.snapshots.len() as u64, ..joined.facts };
    joined
}

/// A host of the sweep with its answers to what the candidate was asked.
fn taken_over(host: &Snapshot, sweep: &Bundle, into: &mut Bundle) -> Snapshot {
    let place = sweep.snapshots.iter().position(|other| std::ptr::eq(other, host));
    let visit = place.and_then(|place| sweep.visit(place));
    let answers = visit.map(|visit| visit.answers).unwrap_or_default();
    let not_asked =
        || QueryOutcome::Failed(QueryFailure { kind: QueryFailureKind::NotAsked, detail: String::new() });
    let queries = into.pack.queries().iter().zip(&mut into.tables).map(|(query, table)| {
        let place = sweep.pack.queries().iter().position(|other| other.name == query.name);
        match (place.and_then(|place| answers.get(place)), place.and_then(|place| host.queries.get(place))) {
            (Some(Answer::Rows { batches, .. }), Some(QueryOutcome::Rows(rows))) => {
                let mut ids = Vec::new();
                batches.iter().for_each(|batch| table.intern(batch, &mut ids));
                ids.sort_unstable();
                QueryOutcome::Rows(RowSet { ids, ..rows.clone() })
            }
            (_, Some(outcome @ QueryOutcome::Failed(_))) => outcome.clone(),
            _ => not_asked(),
        }
    });
    Snapshot { queries: queries.collect(), ..host.clone() }
}
