//! Bundles that become one.

use crate::fleet::{PACK, facts, fleet, told_visit, told_visits};
use herdiff_model::bundle::{Bundle, BundleWriter, Ending, Head, MergeError, merge};
use herdiff_model::pack::Pack;
use herdiff_model::sweep::{SweepEnd, SweepFacts, UnixMillis};
use herdiff_model::visit::Visit;

fn sweep(started: u64, pack: &str, visits: &[Visit]) -> Bundle {
    let facts = SweepFacts { started: UnixMillis(started), ..facts() };
    let mut writer = BundleWriter::start(Vec::new(), &facts, &Pack::parse(pack).unwrap()).unwrap();
    visits.iter().for_each(|visit| writer.append(visit).unwrap());
    Bundle::read(&*writer.finish(UnixMillis(started + 100), false).unwrap().0).unwrap()
}

fn merged(bundles: &[Bundle]) -> Result<Bundle, MergeError> {
    let heads: Vec<Head> = bundles.iter().map(Head::of).collect();
    let facts = SweepFacts { tool: "merge".into(), ..SweepFacts::default() };
    let load = |number: usize| Ok::<_, MergeError>(bundles[number].clone());
    let (bytes, _) = merge(&heads, &facts, UnixMillis(999), Vec::new(), load)?;
    Ok(Bundle::read(&*bytes).unwrap())
}

fn at(mut visit: Visit, started: u64) -> Visit {
    visit.receipt.started = UnixMillis(started);
    visit
}

#[test]
fn parts_of_a_fleet_become_the_whole_with_all_their_facts() {
    let visits = fleet(100);
    let (one, other) = (sweep(10, PACK, &visits[..60]), sweep(5, PACK, &visits[60..]));
    let bundle = merged(&[one.clone(), other.clone()]).unwrap();
    assert_eq!(told_visits(&bundle), [told_visits(&other), told_visits(&one)].concat());
    let seal = |bundle: &Bundle| match bundle.ending {
        Ending::Whole { seal, end } => (Some(seal), Some(end)),
        Ending::Open { .. } => panic!(),
    };
    assert_eq!(bundle.parts.len(), 2);
    for (part, bundle) in bundle.parts.iter().zip([&other, &one]) {
        assert_eq!((&part.facts, (part.seal, part.end)), (&bundle.facts, seal(bundle)));
    }
    assert!(bundle.snapshots[..40].iter().all(|host| host.part == 0));
    assert!(bundle.snapshots[40..].iter().all(|host| host.part == 1));
    // A merged bundle is merged again: its sweeps stay apart.
    let third = sweep(1, PACK, &visits[..1]);
    let again = merged(&[bundle, third]).unwrap();
    assert_eq!(again.parts.len(), 3);
    assert_eq!(again.snapshots.iter().map(|host| host.part).max(), Some(2));
}

#[test]
fn a_host_that_was_visited_twice_is_kept_twice_and_the_later_visit_comes_last() {
    let visits = fleet(3);
    let visit = |n: usize, started| at(visits[n].clone(), started);
    let early = sweep(100, PACK, &[visit(0, 150), visit(1, 110), visit(2, 120)]);
    let late = sweep(105, PACK, &[visit(0, 140), visit(1, 160)]);
    for bundles in [[early.clone(), late.clone()], [late.clone(), early.clone()]] {
        let bundle = merged(&bundles).unwrap();
        assert_eq!(bundle.snapshots.len(), 5);
        let of = |host: &str| -> Vec<u64> {
            let own = bundle.snapshots.iter().filter(|snapshot| snapshot.host.as_str() == host);
            own.map(|snapshot| snapshot.receipt.started.0).collect()
        };
        assert_eq!(of("h0000"), [140, 150], "although its bundle started earlier");
        assert_eq!(of("h0001"), [110, 160]);
        let parts: Vec<u64> = bundle.parts.iter().map(|part| part.facts.started.0).collect();
        assert_eq!(parts, [100, 105]);
        let first = bundle.snapshots.iter().position(|snapshot| snapshot.receipt.started.0 == 150).unwrap();
        assert_eq!(bundle.snapshots[first].part, 0);
        assert_eq!(told_visit(&bundle.visit(first).unwrap()), told_visit(&visit(0, 150)));
    }
}

#[test]
fn sweeps_that_asked_other_things_are_not_merged() {
    let visits = fleet(1);
    let error =
        |pack: &str| merged(&[sweep(1, PACK, &visits), sweep(2, pack, &visits)]).unwrap_err().to_string();
    assert_eq!(
        error(&PACK.replace("FROM users", "FROM users WHERE uid = 0")),
        "bundle 2 did not ask what the first one asked: its query \"users\" is another statement"
    );
    assert!(
        error(&PACK.replace("\"crontab\"", "\"jobs\""))
            .contains("its query \"jobs\" stands where \"crontab\"")
    );
    assert!(matches!(merged(&[]), Err(MergeError::Nothing)));
    // Another text with the same statements is no other question; the later one counts.
    let spaced = PACK.replace("{\"query\"", "{ \"query\"");
    assert_eq!(merged(&[sweep(1, PACK, &visits), sweep(2, &spaced, &visits)]).unwrap().pack.text(), spaced);
}

#[test]
fn a_pack_that_only_asked_more_is_another() {
    let more = format!("{}, \"zeal\": {{\"query\": \"SELECT 1\"}}}}}}", PACK.strip_suffix("}}").unwrap());
    let error =
        |one: &str, other: &str| merged(&[sweep(1, one, &[]), sweep(2, other, &[])]).unwrap_err().to_string();
    assert_eq!(
        error(PACK, &more),
        "bundle 2 did not ask what the first one asked: it has 3 queries, and not 2"
    );
    assert_eq!(
        error(&more, PACK),
        "bundle 2 did not ask what the first one asked: it has 2 queries, and not 3"
    );
}

#[test]
fn what_is_merged_of_an_unfinished_sweep_is_not_finished() {
    let whole = sweep(10, PACK, &fleet(2));
    let interrupted = |bundles: &[Bundle]| match merged(bundles).unwrap().ending {
        Ending::Whole { end, .. } => end.interrupted,
        Ending::Open { .. } => panic!(),
    };
    assert!(!interrupted(&[whole.clone(), whole.clone()]));
    let stopped = Bundle { ending: Ending::Open { offset: 7 }, ..whole.clone() };
    assert!(interrupted(&[whole.clone(), stopped.clone()]) && interrupted(&[stopped.clone(), whole.clone()]));
    let bundle = merged(&[whole.clone(), stopped]).unwrap();
    assert_eq!(bundle.parts.iter().map(|part| part.end.is_some()).collect::<Vec<_>>(), [true, false]);
    let Ending::Whole { end, seal } = whole.ending else { panic!() };
    let ended = Bundle {
        ending: Ending::Whole { end: SweepEnd { interrupted: true, ..end }, seal },
        ..whole.clone()
    };
    assert!(interrupted(&[whole, ended]));
}
