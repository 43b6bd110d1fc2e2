//! Every host against its herd: what few have, what nearly all have and a few lack, and what a few have otherwise.

use crate::deviation::{Deviation, Event, QueryView, other_columns};
use crate::finding::Prevalence;
use crate::gather::Gathering;
use crate::identity::{Compared, Counts, HostIdentities, Identities, IdentityId, Told};
use crate::pairing;
use crate::roster::Roster;
use crate::surprise::Surprise;
use herdiff_model::knowledge::Tables;

/// Of the hosts that could tell, at most this share has a thing that is odd, and at least the rest a thing that is
/// usual. Between the two, a herd is of two minds and neither is odd.
const ODD_SHARE: f64 = 0.25;

/// Looks at all queries of one herd.
pub(crate) fn deviations<'a>(
    roster: &Roster<'a>,
    tables: &Tables,
) -> (Vec<QueryView<'a>>, Vec<Deviation<'a>>) {
    let mut views = Vec::new();
    let mut deviations = Vec::new();
    for query in roster.bundle.pack.queries() {
        let Some(asked) = roster.ask(query.name.as_str()) else { continue };
        let knowledge = tables.of_query(query);
        let compared = Compared::of(&[&asked], &knowledge);
        let mut identities = Identities::new();
        let hosts = identities.take_in(&asked, &compared);
        let view =
            QueryView { query, knowledge, compared, identities, asked, other_columns: other_columns(&hosts) };
        deviations.extend(of_query(views.len(), &view, &hosts));
        views.push(view);
    }
    (views, deviations)
}

fn of_query<'a>(view_index: usize, view: &QueryView<'a>, hosts: &[HostIdentities]) -> Vec<Deviation<'a>> {
    let counts = Counts::of(hosts, view.identities.len());
    let events = events(view, hosts, &counts);
    let surprise =
        Surprise::learn(&[(&view.asked, hosts)], &view.identities, &view.compared, &view.knowledge);
    // A row that is missing is shown as the first host has it that has it.
    let usual =
        |id: IdentityId| hosts.iter().find_map(|host| host.row_of(id)).and_then(|row| view.asked.row(row));
    let gathering = Gathering { place: view_index, view, hosts, counts: &counts, surprise: &surprise };
    gathering.deviations(&events, usual)
}

fn events(view: &QueryView<'_>, hosts: &[HostIdentities], counts: &Counts) -> Vec<Event> {
    let share = |id: IdentityId| {
        let Prevalence { present, absent, .. } = counts.prevalence(id);
        (f64::from(present), f64::from(present + absent))
    };
    let all = || (0..view.identities.len() as u32).map(IdentityId);
    // With fewer than three hosts that could tell there is no majority to differ from.
    let odd: Vec<bool> = all()
        .map(|id| {
            let (present, told) = share(id);
            told >= 3.0 && (present <= told * ODD_SHARE || present == 1.0)
        })
        .collect();
    let usual: Vec<IdentityId> = all()
        .filter(|&id| {
            let (present, told) = share(id);
            told >= 3.0 && (present >= told * (1.0 - ODD_SHARE) || present == told - 1.0)
        })
        .collect();
    let is_odd = |id: IdentityId| odd.get(id.0 as usize) == Some(&true);
    let mut events = Vec::new();
    for (host, has) in hosts.iter().enumerate() {
        let added: Vec<_> = has.rows.iter().map(|&(id, _)| id).filter(|&id| is_odd(id)).collect();
        let lacking = lacking(has, &usual);
        events.extend(pairing::events(host, &added, &lacking, &view.compared, &view.identities));
    }
    events
}

/// Those of the ascending `usual` that the host is known not to have.
pub(crate) fn lacking(has: &HostIdentities, usual: &[IdentityId]) -> Vec<IdentityId> {
    if has.told != Told::Whole {
        return Vec::new();
    }
    let mut rows = has.rows.iter().map(|&(id, _)| id).peekable();
    let lacks = |id: &&IdentityId| {
        while rows.next_if(|row| row < *id).is_some() {}
        rows.peek() != Some(*id)
    };
    usual.iter().filter(lacks).copied().collect()
}
