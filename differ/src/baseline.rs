//! Hosts against a baseline: what no clean host has, what all of them have and a host lacks, and what it has otherwise.

use crate::deviation::{Clean, Deviation, Event, QueryView, other_columns};
use crate::finding::Method;
use crate::gather::{Gathering, Weighed, of_events};
use crate::herd::lacking;
use crate::identity::{Compared, Counts, HostIdentities, Identities, IdentityId, Told};
use crate::pairing;
use crate::roster::{Asked, Roster};
use crate::side_by_side::side_by_side;
use crate::usual::Usual;
use herdiff_model::knowledge::Tables;

/// Looks at all queries that both sides have.
pub(crate) fn deviations<'a>(
    baseline: &Roster<'a>,
    target: &Roster<'a>,
    tables: &Tables,
) -> (Vec<QueryView<'a>>, Vec<Deviation<'a>>) {
    let queries: Vec<_> = target.bundle.pack.queries().iter().collect();
    let compared = side_by_side(&queries, |place, query| {
        let name = query.name.as_str();
        let (clean, asked) = (baseline.ask(name)?, target.ask(name)?);
        // The trusted side says how rows are compared: a target's pack could call everything volatile.
        let trusted = baseline.bundle.pack.queries().iter().find(|known| known.name == query.name);
        let mut knowledge = tables.of_rows(trusted.unwrap_or(query), clean.usual_shape());
        let compared = Compared::of(&[&clean, &asked], &knowledge);
        let (identities, mut hosts) = Identities::of(&[&clean, &asked], &compared);
        let (hosts, known) = (hosts.pop()?, hosts.pop()?);
        let reference = Reference { hosts: known, asked: clean };
        let sides = [(&reference.asked, &*reference.hosts), (&asked, &*hosts)];
        let usual = Usual::learn(&sides, identities.len(), &compared, &knowledge);
        usual.weigh_signs(&[&reference.hosts, &hosts], &mut knowledge);
        let view = QueryView {
            query,
            method: Method::Baseline,
            other_columns: other_columns(&hosts),
            shared: usual.shared_values().collect(),
            clean: Some(reference.clean(identities.len())),
            knowledge,
            compared,
            identities,
            asked,
        };
        let deviations = of_query(place, &view, &reference, &hosts, &usual);
        Some((view, deviations))
    });
    joined(compared)
}

/// What was found for single queries, as one: views, and deviations that name their places.
pub(crate) fn joined<'a>(
    queries: impl IntoIterator<Item = Option<(QueryView<'a>, Vec<Deviation<'a>>)>>,
) -> (Vec<QueryView<'a>>, Vec<Deviation<'a>>) {
    let mut views = Vec::new();
    let mut deviations = Vec::new();
    for (view, mut of_query) in queries.into_iter().flatten() {
        of_query.iter_mut().for_each(|deviation| deviation.view = views.len());
        deviations.extend(of_query);
        views.push(view);
    }
    (views, deviations)
}

/// One query of the clean hosts.
struct Reference<'a> {
    hosts: Vec<HostIdentities>,
    asked: Asked<'a>,
}

impl<'a> Reference<'a> {
    /// What some clean host has, for later questions.
    fn clean(&self, identities: usize) -> Clean {
        let mut has = vec![false; identities];
        for &(id, _) in self.hosts.iter().flat_map(|host| &host.rows) {
            has.get_mut(id.0 as usize).into_iter().for_each(|has| *has = true);
        }
        Clean { has, tells: self.tells() }
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
    let is_new = |id: IdentityId| view.clean.as_ref().and_then(|clean| clean.has(id)) == Some(false);
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
