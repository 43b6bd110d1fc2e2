//! Herds for the evaluation, in memory: a bundle as a sweep would have brought it, and the answers of any host again, to plant
//! scenarios in.

use super::desk::Desk;
use super::noise;
use crate::dice::Dice;
use crate::fleet::{Fleet, FleetPlan, Noise};
use crate::generate::{Row, Rows, merged_pack, tables};
use herdiff_model::bundle::{Bundle, Ending};
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{
    HostOutcome, HostOutcomeKind, Phase, QueryFailure, QueryFailureKind, QueryOutcome, RowSet,
};
use herdiff_model::pack::{Pack, PackError};
use herdiff_model::row::RowBatch;
use herdiff_model::rowtable::RowTable;
use herdiff_model::snapshot::{Receipt, Snapshot};
use herdiff_model::sweep::SweepFacts;
use std::collections::{BTreeMap, BTreeSet};

/// What a herd is like.
#[derive(Clone, Copy, Debug)]
pub struct HerdPlan {
    /// How many hosts.
    pub hosts: u32,
    /// About how many rows each.
    pub rows: usize,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Whether a third of the hosts are databases in truth.
    pub mixed: bool,
    /// Whether the rows come without statements, under names and with columns that are not those of the pack.
    pub foreign: bool,
    /// Whether the hosts are named by words and not by numbers.
    pub words: bool,
}

/// A clean herd.
pub struct Herd {
    /// What a sweep of it brings.
    pub bundle: Bundle,
    fleet: Fleet,
    plan: HerdPlan,
    dice: Dice,
}

impl Herd {
    /// Makes a herd.
    ///
    /// # Errors
    /// Where the pack of this program cannot be read.
    pub fn grow(plan: HerdPlan) -> Result<Self, PackError> {
        let fleet_plan =
            FleetPlan { seed: plan.seed, hosts: plan.hosts, noise: Noise::Hard, ..FleetPlan::default() };
        let mut fleet = Fleet::grow(&fleet_plan);
        let dice = Dice::new(plan.seed).named("evaluation");
        for (place, host) in fleet.hosts.iter_mut().enumerate() {
            if plan.words {
                host.name = in_words(place);
            }
            noise::upgrade(host, &dice.named(&host.name));
        }
        let text = merged_pack().unwrap_or_default();
        let mut pack = Pack::parse(&text)?;
        if plan.foreign {
            pack =
                Pack::of_names(pack.queries().iter().map(|query| foreign_query(query.name.as_str()).into()));
        }
        let facts = SweepFacts { targets: u64::from(plan.hosts), ..SweepFacts::default() };
        let tables = vec![RowTable::default(); pack.queries().len()];
        let bundle = Bundle {
            facts,
            pack,
            tables,
            snapshots: Vec::new(),
            ending: Ending::Open { offset: 0 },
            parts: Vec::new(),
        };
        let mut herd = Self { bundle, fleet, plan, dice };
        for place in 0..herd.fleet.hosts.len() {
            let answers = herd.answers(place);
            let mut snapshot = herd.snapshot(place, answers);
            herd.trouble(place, &mut snapshot);
            herd.bundle.snapshots.push(snapshot);
        }
        Ok(herd)
    }

    /// How many hosts it has.
    pub fn len(&self) -> usize {
        self.fleet.hosts.len()
    }

    /// True where it has no hosts.
    pub fn is_empty(&self) -> bool {
        self.fleet.hosts.is_empty()
    }

    /// Whether a host answered everything.
    pub fn answers_all(&self, place: usize) -> bool {
        self.bundle.snapshots.get(place).is_some_and(|host| host.outcome.kind == HostOutcomeKind::Ok)
    }

    fn answers(&self, place: usize) -> BTreeMap<&'static str, Rows> {
        let Some(host) = self.fleet.hosts.get(place) else { return BTreeMap::new() };
        let dice = self.dice.named(&host.name);
        let mut tables: BTreeMap<_, _> = tables(host, self.plan.rows).into_iter().collect();
        if dice.named("image").chance(35) {
            noise::second_image(&mut tables);
        }
        noise::own_identity(&mut tables, host, &dice);
        noise::leftovers(&mut tables, host, &dice);
        if self.plan.mixed && dice.named("role").chance(33) {
            noise::database_role(&mut tables, &dice);
        }
        tables
    }

    /// The answers of a host, for a scenario to work on. Scenarios with the same `which` draw the same names and numbers.
    pub fn desk(&self, place: usize, which: &str) -> Option<Desk> {
        let host = self.fleet.hosts.get(place)?;
        let dice = self.dice.named("scenario").named(which);
        Some(Desk {
            tables: self.answers(place),
            marks: Vec::new(),
            address: host.address.to_string(),
            now: host.clock.now,
            dice,
        })
    }

    /// Puts answers in place of what a host has in a copy of the bundle.
    pub fn replace(&self, bundle: &mut Bundle, place: usize, answers: BTreeMap<&'static str, Rows>) {
        let snapshot = self.snapshot_in(&mut bundle.tables, place, answers);
        if let Some(slot) = bundle.snapshots.get_mut(place) {
            *slot = snapshot;
        }
    }

    fn snapshot(&mut self, place: usize, answers: BTreeMap<&'static str, Rows>) -> Snapshot {
        let mut tables = std::mem::take(&mut self.bundle.tables);
        let snapshot = self.snapshot_in(&mut tables, place, answers);
        self.bundle.tables = tables;
        snapshot
    }

    fn snapshot_in(
        &self,
        tables: &mut [RowTable],
        place: usize,
        answers: BTreeMap<&'static str, Rows>,
    ) -> Snapshot {
        let by_name: BTreeMap<String, Rows> =
            answers.into_iter().map(|(query, rows)| (self.query_name(query), rows)).collect();
        let queries = self.bundle.pack.queries().iter().zip(tables);
        let outcome = |(query, table): (&herdiff_model::pack::Query, &mut RowTable)| {
            let rows = by_name.get(query.name.as_str()).map_or(&[][..], Vec::as_slice);
            let mut ids = Vec::with_capacity(rows.len());
            for rows in rows.chunk_by(|a, b| a.keys().eq(b.keys())) {
                let Some(first) = rows.first() else { continue };
                let kept: Vec<&str> = first.keys().copied().filter(|column| self.keeps(column)).collect();
                let names: Vec<ColumnName> = kept.iter().map(|&column| column.into()).collect();
                let mut batch = RowBatch::new(&names);
                for row in rows {
                    batch.push(&kept.iter().map(|column| cell(row, column)).collect::<Vec<_>>());
                }
                table.intern(&batch, &mut ids);
            }
            ids.sort_unstable();
            QueryOutcome::Rows(RowSet { ids, ..RowSet::default() })
        };
        Snapshot {
            part: 0,
            host: self.fleet.hosts.get(place).map(|host| host.name.as_str()).unwrap_or_default().into(),
            herd: "web".into(),
            outcome: HostOutcome::ok(),
            receipt: Receipt::default(),
            queries: queries.map(outcome).collect(),
        }
    }

    /// A query's name as the bundle has it.
    pub fn query_name(&self, query: &str) -> String {
        if self.plan.foreign { foreign_query(query) } else { query.to_owned() }
    }

    /// Whether the bundle has that column.
    pub fn keeps(&self, column: &str) -> bool {
        !(self.plan.foreign && FOREIGN_LACKS.contains(&column))
    }

    /// Some hosts are out of reach, and some could not answer everything.
    fn trouble(&self, place: usize, snapshot: &mut Snapshot) {
        let mut dice = self.dice.named("trouble").numbered(place as u64);
        match dice.between(0, 200) {
            0 | 1 => {
                snapshot.outcome = HostOutcome::failed(HostOutcomeKind::Timeout, Phase::Connect, "timed out");
                let failure = || QueryFailure { kind: QueryFailureKind::NotRun, detail: String::new() };
                snapshot.queries.fill_with(|| QueryOutcome::Failed(failure()));
            }
            2..=5 => {
                snapshot.outcome.kind = HostOutcomeKind::Partial;
                let at = dice.between(0, snapshot.queries.len() as u64) as usize;
                let failure =
                    QueryFailure { kind: QueryFailureKind::Timeout, detail: "no answer within 30 s".into() };
                snapshot
                    .queries
                    .get_mut(at)
                    .into_iter()
                    .for_each(|query| *query = QueryOutcome::Failed(failure.clone()));
            }
            _ => {}
        }
    }

    /// Hosts to compromise, by chance, of those that answered everything.
    pub fn victims(&self, which: &str, count: usize) -> BTreeSet<usize> {
        let mut places: Vec<usize> = (0..self.len()).filter(|&place| self.answers_all(place)).collect();
        self.dice.named("victims").named(which).shuffle(&mut places);
        places.into_iter().take(count).collect()
    }
}

fn cell<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).map(String::as_str).unwrap_or_default()
}

/// Columns that another collector would not have asked for.
const FOREIGN_LACKS: &[&str] =
    &["euid", "egid", "root", "family", "status", "unit_file_state", "root", "local_address"];

/// As another tool could call it: no name of a table of osquery, but for some that have it somewhere within.
/// A name without digits, another one for each number.
fn in_words(number: usize) -> String {
    const SYLLABLES: &[&str] = &["ka", "lo", "mi", "ne", "ru", "sa", "ti", "vo", "zen", "dor"];
    let mut name = String::new();
    let mut rest = number;
    // Three syllables at least, as names have them.
    while name.len() < 6 || rest > 0 {
        name.extend(SYLLABLES.get(rest % SYLLABLES.len()).copied());
        rest /= SYLLABLES.len();
    }
    name
}

fn foreign_query(name: &str) -> String {
    match name {
        "processes" => "ps_snapshot".into(),
        "listening_ports" => "net_listen".into(),
        "connections" => "netstat".into(),
        "crontab" => "scheduled_jobs".into(),
        "users" => "local_accounts".into(),
        "kernel_modules" => "lsmod".into(),
        "suid_bin" => "privileged_binaries".into(),
        "persistence_files" => "autoruns".into(),
        "temporary_files" => "tmp_listing".into(),
        "systemd_units" => "services".into(),
        "iptables" => "fw".into(),
        other => format!("pack_ir_{other}"),
    }
}
