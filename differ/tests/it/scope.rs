//! From an indicator to what else its hosts share.

use crate::fleet::Fleet;
use herdiff_differ::{Indicator, scope};

#[test]
fn what_the_hosts_in_scope_share_and_few_others_have_is_the_next_thing_to_look_for() {
    let mut fleet = Fleet::new(&["crontab", "users"], 30);
    fleet.all("users", "username=root|uid=0").all("crontab", "path=/etc/crontab|command=run-parts");
    for host in [3, 7, 11] {
        fleet.row(host, "crontab", "path=/etc/cron.d/x|command=/var/tmp/.x/upd").row(
            host,
            "users",
            "username=sysd|uid=0",
        );
    }
    // On two of them and one other; on one of them alone; on half of the herd.
    for host in [3, 7, 20] {
        fleet.row(host, "users", "username=deploy|uid=1001");
    }
    fleet.row(3, "users", "username=ana|uid=1002");
    for host in 0..15 {
        fleet.row(host, "users", "username=backup|uid=34");
    }
    let indicator = Indicator { query: None, cells: vec![(None, b"/var/tmp/.x/upd".to_vec())] };
    let scope = scope(&fleet.bundle(), &indicator);
    assert_eq!(scope.prevalence.present, 3);
    let shared: Vec<_> = scope
        .shared
        .iter()
        .map(|shared| {
            let name = shared.row.iter().find(|(column, _)| *column == "username").unwrap().1;
            (name.to_string(), shared.in_scope, shared.elsewhere)
        })
        .collect();
    assert_eq!(shared, [("sysd".to_owned(), 3, 0), ("deploy".to_owned(), 2, 1)]);
}
