//! Hosts against a baseline: what no clean host has, what all of them have and a host lacks, and what it has otherwise.

use crate::deviation::{Deviation, Event, QueryView, other_columns};
use crate::gather::{Gathering, Weighed, of_events};
use crate::herd::lacking;
use crate::identity::{Compared, Counts, HostIdentities, Identities, IdentityId, Told};
use crate::pairing;
use crate::roster::{Asked, Roster};
use crate::usual::Usual;
use herdiff_model::knowledge::Tables;

/// Looks at all queries that both sides have.
pub(crate) fn deviations<'a>(
    baseline: &Roster<'a>,
    target: &Roster<'a>,
    tables: &Tables,
) -> (Vec<QueryView<'a>>, Vec<Deviation<'a>>) {
    let mut views = Vec::new();
    let mut deviations = Vec::new();
    for query in target.bundle.pack.queries() {
        let name = query.name.as_str();
        let (Some(clean), Some(asked)) = (baseline.ask(name), target.ask(name)) else { continue };
        // The trusted side says how rows are compared: a target's pack could call everything volatile.
        let trusted = baseline.bundle.pack.queries().iter().find(|known| known.name == query.name);
        let knowledge = tables.of_rows(trusted.unwrap_or(query), clean.usual_shape());
        let compared = Compared::of(&[&clean, &asked], &knowledge);
        let (identities, mut hosts) = Identities::of(&[&clean, &asked], &compared);
        let (Some(hosts), Some(known)) = (hosts.pop(), hosts.pop()) else { continue };
        let reference = Reference::of(known, clean);
        let sides = [(&reference.asked, &*reference.hosts), (&asked, &*hosts)];
        let usual = Usual::learn(&sides, identities.len(), &compared, &knowledge);
        let other_columns = other_columns(&hosts);
        let view =
            QueryView { query, knowledge, compared, identities, asked, other_columns, shared: Vec::new() };
        deviations.extend(of_query(views.len(), &view, &reference, &hosts, &usual));
        views.push(QueryView { shared: usual.shared_values().collect(), ..view });
    }
    (views, deviations)
}

/// One query of the clean hosts.
struct Reference<'a> {
    hosts: Vec<HostIdentities>,
    asked: Asked<'a>,
}

impl<'a> Reference<'a> {
    fn of(hosts: Vec<HostIdentities>, asked: Asked<'a>) -> Self {
        Self { hosts, asked }
    }

    /// Only a baseline that told the whole truth can say that something is new.
    fn tells(&self) -> bool {
        self.hosts.iter().any(|host| host.told == Told::Whole)
            && self.hosts.iter().all(|host| host.told != Told::Partly)
    }

    /// What every clean host that answered has, ascending.
    fn expected(&self, identities: usize) -> Vec<IdentityId> {
        let mut count = vec![0usize; identities];
        let answering = self.hosts.iter().filter(|host| host.told != Told::Nothing);
        let hosts = answering.clone().count();
        for &(id, _) in answering.flat_map(|host| &host.rows) {
            count.get_mut(id.0 as usize).into_iter().for_each(|count| *count += 1);
        }
        let ids = (0..).map(IdentityId).zip(count);
        ids.filter(|&(_, count)| hosts > 0 && count == hosts).map(|(id, _)| id).collect()
    }
}

fn of_query<'a>(
    view_index: usize,
    view: &QueryView<'a>,
    reference: &Reference<'a>,
    hosts: &[HostIdentities],
    usual: &Usual<'a>,
) -> Vec<Deviation<'a>> {
    let size = view.identities.len();
    let mut known = vec![false; size];
    for &(id, _) in reference.hosts.iter().flat_map(|host| &host.rows) {
        known.get_mut(id.0 as usize).into_iter().for_each(|known| *known = true);
    }
    let is_new = |id: IdentityId| reference.tells() && known.get(id.0 as usize) == Some(&false);
    let expected = reference.expected(size);
    let mut events: Vec<Event> = Vec::new();
    for (host, has) in hosts.iter().enumerate() {
        let added: Vec<_> = has.rows.iter().map(|&(id, _)| id).filter(|&id| is_new(id)).collect();
        let lacking = lacking(has, &expected);
        events.extend(pairing::events(host, &added, &lacking, &view.compared, &view.identities));
    }

    let counts = Counts::of(hosts, size);
    let clean = |id: IdentityId| {
        let row = reference.hosts.iter().find_map(|host| host.row_of(id))?;
        reference.asked.row(row)
    };
    let weighed = Weighed::default();
    let gathering = Gathering { place: view_index, view, hosts, counts: &counts, usual, weighed: &weighed };
    gathering.deviations(of_events(events), clean)
}
