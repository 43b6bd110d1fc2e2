//! `herdiff show`, and help.

use crate::support::{Place, compromised};
use insta::assert_snapshot;

#[test]
fn what_is_in_a_bundle() {
    let place = Place::new();
    compromised().troubled().write(&place.path("sweep.herd"));
    let mut told = String::new();
    for arguments in [
        &[][..],
        &["--hosts"],
        &["--failures"],
        &["--query", "crontab"],
        &["--host", "web-09", "--format", "ndjson"],
        &["--host", "web-09", "--query", "users", "--format", "csv"],
        &["--host", "nobody"],
        &["--query", "nothing"],
        &["--format", "csv"],
    ] {
        told += &format!("$ herdiff show sweep.herd {}\n", arguments.join(" "));
        told += &place.herdiff(&[&["show", "sweep.herd"], arguments].concat());
        told += "\n";
    }
    insta::with_settings!({filters => vec![(r"seal  +[0-9a-f]{64}", "seal       [seal]")]}, {
        assert_snapshot!(told);
    });
}

#[test]
fn help_is_a_map() {
    assert_snapshot!(Place::new().herdiff(&["--help"]));
}
