//! `herdiff verify` and `herdiff merge`.

use crate::support::{Fleet, Place, compromised};
use herdiff_model::bundle::Bundle;
use insta::assert_snapshot;

/// Digests depend on who runs the test, and when.
fn with_digests_hidden(told: &str, name: &str) {
    insta::with_settings!({filters => vec![(r"[0-9a-f]{64}", "[digest]"), (r"[0-9]+ kB", "[size]"),
        (r"frames  ([0-9]+) in [0-9]+ bytes", "frames  $1 in [n] bytes")]}, {
        assert_snapshot!(name, told);
    });
}

/// A journal, and the same sealed.
fn bundles() -> Place {
    let place = Place::new();
    compromised().troubled().write(&place.path("sweep.herd"));
    compromised().troubled().write_sealed(&place.path("sealed.herd"));
    place
}

#[test]
fn what_is_in_order_is_said_to_be() {
    let place = bundles();
    let whole = std::fs::read(place.path("sweep.herd")).unwrap();
    std::fs::write(place.path("cut.herd"), &whole[..whole.len() - 100]).unwrap();
    let mut told = String::new();
    for arguments in [
        &["sweep.herd"][..],
        &["sealed.herd"],
        &["sealed.herd", "--content"],
        &["sealed.herd", "--format", "ndjson"],
        &["sweep.herd", "--host", "web-09"],
        &["sealed.herd", "--host", "web-09"],
        &["sealed.herd", "--host", "web-09", "--format", "ndjson"],
        &["sealed.herd", "--host", "nobody"],
        &["cut.herd"],
        &["cut.herd", "--host", "web-01"],
        &["sealed.herd", "--format", "csv"],
        &["nothing.herd"],
    ] {
        told += &format!("$ herdiff verify {}\n", arguments.join(" "));
        told += &place.herdiff(&[&["verify"], arguments].concat());
        told += "\n";
    }
    with_digests_hidden(&told, "what_is_in_order");
}

#[test]
fn damage_is_named_and_what_is_intact_is_saved() {
    let place = bundles();
    let mut told = String::new();
    for (name, at) in
        [("sweep.herd", 2_400), ("sealed.herd", 1_250), ("sealed.herd", 900), ("sealed.herd", 17)]
    {
        let mut bytes = std::fs::read(place.path(name)).unwrap();
        bytes[at] ^= 1;
        std::fs::write(place.path("damaged.herd"), bytes).unwrap();
        for arguments in [
            &["verify", "damaged.herd"][..],
            &["verify", "damaged.herd", "--recover", "saved.herd"],
            &["verify", "damaged.herd", "--recover", "saved.herd"],
            &["verify", "saved.herd", "--content"],
            &["show", "saved.herd", "--failures"],
        ] {
            told += &format!("$ herdiff {}  # {name} changed at {at}\n", arguments.join(" "));
            told += &place.herdiff(arguments);
            told += "\n";
        }
        std::fs::remove_file(place.path("saved.herd")).unwrap();
    }
    with_digests_hidden(&told, "damage_is_named");
}

#[test]
fn merging_says_what_it_made_of_what() {
    let place = Place::new();
    Fleet::new().write(&place.path("monday.herd"));
    compromised().write(&place.path("tuesday.herd"));
    std::fs::write(place.path("cut.herd"), &std::fs::read(place.path("monday.herd")).unwrap()[..3000])
        .unwrap();
    let mut told = String::new();
    for arguments in [
        &["merge", "monday.herd", "tuesday.herd", "-o", "both.herd"][..],
        &["merge", "monday.herd", "tuesday.herd", "-o", "both.herd"],
        &["merge", "both.herd", "cut.herd", "-o", "more.herd"],
        &["merge", "monday.herd", "nothing.herd", "-o", "none.herd"],
        &["merge", "-o", "none.herd"],
    ] {
        told += &format!("$ herdiff {}\n", arguments.join(" "));
        told += &place.herdiff(arguments);
        told += "\n";
    }
    with_digests_hidden(&told, "merging");
    assert!(!place.path("none.herd").exists());
    let both = Bundle::read(std::fs::File::open(place.path("both.herd")).unwrap()).unwrap();
    assert_eq!((both.snapshots.len(), both.parts.len()), (24, 2));
    // What a host said last counts.
    assert_eq!(
        place.herdiff(&["outliers", "both.herd", "--format", "ndjson"]),
        place.herdiff(&["outliers", "tuesday.herd", "--format", "ndjson"]),
    );
}
