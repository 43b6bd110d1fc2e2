//! Every host against its herd.

use crate::fleet::{Fleet, tables};
use herdiff_differ::{Finding, Kind, Note, Options, Prevalence, Report, outliers};

fn compare(fleet: &Fleet) -> Report {
    outliers(&fleet.bundle(), &tables(), &Options::default())
}

/// Twelve web servers with the usual rows.
fn herd() -> Fleet {
    let mut fleet = Fleet::new(&["crontab", "processes", "listening_ports", "users", "kernel_modules"], 12);
    fleet
        .all("crontab", "path=/etc/crontab|command=root run-parts /etc/cron.hourly")
        .all("processes", "pid=4{}|name=nginx|path=/usr/sbin/nginx|cmdline=nginx -g daemon|on_disk=1|uid=33")
        .all(
            "processes",
            "pid=5{}|name=agent|path=/opt/agent/agentd|cmdline=/opt/agent/agentd|on_disk=1|uid=0",
        )
        .all("listening_ports", "pid=4{}|address=0.0.0.0|port=80|protocol=6|path=")
        .all("users", "username=root|uid=0|directory=/root")
        .all("kernel_modules", "name=ext4|status=Live");
    fleet
}

fn best(report: &Report) -> &Finding {
    &report.findings[0]
}

#[test]
fn a_herd_of_equals_has_no_findings() {
    let report = compare(&herd());
    assert_eq!(report.findings, [], "pids differ on every host, and mean nothing");
    assert!(report.coverage.is_whole());
    assert_eq!(report.notes, []);
}

#[test]
fn names_the_one_odd_row_and_how_rare_it_is() {
    let mut fleet = herd();
    fleet.row(7, "crontab", "path=/etc/cron.d/x|command=root /var/tmp/.x/upd");
    let report = compare(&fleet);
    let finding = best(&report);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(
        (finding.host.as_str(), finding.kind, finding.query.as_str()),
        ("web-07", Kind::Added, "crontab")
    );
    assert_eq!(finding.prevalence, Prevalence { present: 1, absent: 11, unknown: 0 });
    assert!(
        finding.why.starts_with("only on web-07, of 12; it runs something in a directory"),
        "{}",
        finding.why
    );
    assert_eq!(finding.title, "cron job root /var/tmp/.x/upd");
    assert_eq!(finding.attack[0].0, "T1053.003");
    assert_eq!(report.suspects[0].host.as_str(), "web-07");
}

#[test]
fn sees_what_is_not_there() {
    let mut fleet = herd();
    fleet.clear(3, "processes").row(
        3,
        "processes",
        "pid=9|name=nginx|path=/usr/sbin/nginx|cmdline=nginx -g daemon|on_disk=1|uid=33",
    );
    let report = compare(&fleet);
    let finding = best(&report);
    assert_eq!((finding.host.as_str(), finding.kind), ("web-03", Kind::Missing));
    assert_eq!(finding.row.iter().find(|(column, _)| *column == "name").unwrap().1, "agent");
    assert_eq!(finding.prevalence, Prevalence { present: 11, absent: 1, unknown: 0 });
    assert!(finding.why.contains("11 of 12 have it, web-03 does not"), "{}", finding.why);
}

#[test]
fn another_value_of_the_same_thing_is_a_change() {
    let mut fleet = herd();
    fleet.clear(5, "users").row(5, "users", "username=root|uid=0|directory=/var/tmp/.r");
    let report = compare(&fleet);
    assert_eq!(report.findings.len(), 1, "not one thing too much and one too few");
    let finding = best(&report);
    assert_eq!(finding.kind, Kind::Changed);
    assert!(finding.why.contains("directory /var/tmp/.r instead of /root"), "{}", finding.why);
    assert!(finding.before.is_some());
}

#[test]
fn rows_of_one_story_are_one_finding() {
    let mut fleet = herd();
    fleet
        .row(7, "crontab", "path=/etc/cron.d/x|command=root /var/tmp/.x/upd")
        .row(7, "processes", "pid=666|name=upd|path=/var/tmp/.x/upd|cmdline=[kworker/1]|on_disk=0|uid=0")
        .row(7, "listening_ports", "pid=666|address=0.0.0.0|port=4444|protocol=6|path=")
        .row(2, "kernel_modules", "name=evil|status=Live");
    let report = compare(&fleet);
    assert_eq!(report.findings.len(), 2);
    let story = report.findings.iter().find(|finding| finding.host.as_str() == "web-07").unwrap();
    let queries: Vec<_> = story.parts.iter().map(|part| part.query.as_str()).collect();
    assert_eq!(queries, ["processes", "crontab", "listening_ports"], "strongest first");
    assert_eq!(story.query.as_str(), "processes");
    assert!(story.score > story.parts.len() as f64);
}

#[test]
fn a_thing_that_all_hosts_name_links_nothing() {
    let mut fleet = herd();
    fleet.row(7, "crontab", "path=/etc/cron.d/x|command=root /usr/sbin/nginx -s reload").row(
        7,
        "processes",
        "pid=666|name=nginx|path=/usr/sbin/nginx|cmdline=nginx -x|on_disk=1|uid=0",
    );
    assert_eq!(compare(&fleet).findings.len(), 2);
}

#[test]
fn what_several_hosts_share_is_one_finding() {
    let mut fleet = herd();
    fleet.row(1, "kernel_modules", "name=evil|status=Live").row(9, "kernel_modules", "name=evil|status=Live");
    let report = compare(&fleet);
    assert_eq!(report.findings.len(), 1);
    let hosts: Vec<_> = best(&report).hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["web-01", "web-09"]);
    assert_eq!(best(&report).prevalence.present, 2);
}

#[test]
fn who_could_not_tell_counts_neither_way() {
    let mut fleet = herd();
    fleet
        .row(7, "crontab", "path=/etc/cron.d/x|command=x")
        .fail(1, "crontab")
        .unread(2, "crontab")
        .unreachable(3);
    let report = compare(&fleet);
    let finding = best(&report);
    assert_eq!(finding.prevalence, Prevalence { present: 1, absent: 8, unknown: 3 });
    assert!(finding.why.ends_with("3 hosts could not tell"), "{}", finding.why);
    assert!(
        report.findings.iter().all(|finding| finding.kind != Kind::Missing),
        "a query that timed out makes nothing missing"
    );
    assert!(!report.coverage.is_whole() && report.coverage.lacks_rows());
    assert_eq!((report.coverage.hosts, report.coverage.with_rows), (12, 11));
    let crontab = &report.coverage.incomplete[0];
    assert_eq!((crontab.whole, crontab.partly, crontab.failed["timeout"]), (9, 1, 1));
}

#[test]
fn a_quiet_place_outranks_a_noisy_one() {
    let mut fleet = herd();
    fleet.all("processes", "pid=1{}|name=job|path=/usr/bin/job|cmdline=job --id {}|on_disk=1|uid=0");
    fleet.row(4, "kernel_modules", "name=evil|status=Live");
    let report = compare(&fleet);
    assert_eq!(best(&report).query.as_str(), "kernel_modules");
    let noisy = report.findings.iter().filter(|finding| finding.query.as_str() == "processes");
    assert!(noisy.map(|finding| finding.score).all(|score| score * 2.0 < best(&report).score));
}

#[test]
fn a_column_that_one_engine_lacks_is_unknown_not_changed() {
    let mut fleet = herd();
    fleet.clear(6, "kernel_modules").row(6, "kernel_modules", "name=ext4");
    let report = compare(&fleet);
    assert_eq!(report.findings, [], "{:?}", report.findings);
}

#[test]
fn a_liar_cannot_take_columns_from_the_others() {
    let mut fleet = herd();
    fleet.clear(6, "users").row(6, "users", "username=root");
    fleet.clear(2, "users").row(2, "users", "username=root|uid=0|directory=/var/tmp/.r");
    let report = compare(&fleet);
    assert_eq!((best(&report).host.as_str(), best(&report).kind), ("web-02", Kind::Changed));
    assert_eq!(best(&report).prevalence, Prevalence { present: 1, absent: 10, unknown: 1 });
}

#[test]
fn a_herd_of_two_minds_is_not_odd() {
    let mut fleet = herd();
    for host in 0..12 {
        let version = if host % 3 == 0 { "2" } else { "1" };
        fleet.row(host, "users", &format!("username=app|uid={version}|directory=/"));
    }
    let report = compare(&fleet);
    assert!(report.findings.iter().all(|finding| finding.score < 9.5), "{:?}", report.findings);
}

#[test]
fn what_an_intruder_did_often_does_not_make_it_usual() {
    let mut fleet = herd();
    for n in 0..9 {
        fleet.row(4, "users", &format!("username=eve{n}|uid=90{n}|directory=/"));
    }
    let report = compare(&fleet);
    assert_eq!((report.findings.len(), best(&report).parts.len()), (1, 9));
    assert!(best(&report).score > 5.0, "{}", best(&report).score);
    assert!(best(&report).why.contains("only on web-04, of 12, 9 times"), "{}", best(&report).why);
}

#[test]
fn what_a_host_said_last_counts() {
    let mut fleet = herd();
    let first = fleet.visits[5].clone();
    fleet.row(5, "users", "username=eve|uid=0|directory=/");
    fleet.visits.insert(0, first.clone());
    let report = compare(&fleet);
    assert_eq!((report.coverage.hosts, report.findings.len()), (12, 1));
    fleet.visits.push(first);
    assert_eq!(compare(&fleet).findings, []);
}

#[test]
fn too_few_hosts_are_said_to_be_too_few() {
    let mut two = Fleet::new(&["users"], 2);
    two.all("users", "username=root").row(0, "users", "username=eve");
    let report = compare(&two);
    assert_eq!(report.findings, []);
    assert_eq!(report.notes, [Note::HerdTooSmall { herd: "web".into(), hosts: 2 }]);

    let mut three = Fleet::new(&["users"], 3);
    three.all("users", "username=root").row(0, "users", "username=eve");
    let report = compare(&three);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.notes, [Note::HerdSmall { herd: "web".into(), hosts: 3 }]);
}

#[test]
fn a_thing_with_another_number_on_each_host_is_one_thing() {
    let mut fleet = Fleet::new(&["systemd_units"], 40);
    fleet.all("systemd_units", "id=cron.service|sub_state=running");
    for host in [3, 8, 21, 22, 30] {
        fleet.row(host, "systemd_units", &format!("id=session-{}.scope|sub_state=running", 1000 + host));
    }
    let report = compare(&fleet);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(best(&report).prevalence, Prevalence { present: 5, absent: 35, unknown: 0 });
    assert!(best(&report).why.contains("on 5 of 40, each a little different"), "{}", best(&report).why);
}

#[test]
fn where_every_host_has_its_own_number_none_is_a_surprise() {
    let mut fleet = Fleet::new(&["listening_ports", "kernel_modules"], 40);
    fleet.all("listening_ports", "protocol=6|address=127.0.0.1|port=4{}|name=agent");
    fleet.all("kernel_modules", "name=ext4|size=1");
    let report = compare(&fleet);
    assert!(report.findings.iter().all(|finding| finding.score < 3.0), "{:?}", report.findings.first());
}

#[test]
fn an_odd_value_among_numbers_that_are_all_alike_is_a_surprise() {
    let mut fleet = Fleet::new(&["listening_ports"], 40);
    // The port is noise on every host, and the address is not.
    for host in 0..40 {
        let address = if host == 17 { "10.0.0.9" } else { "127.0.0.1" };
        fleet.row(
            host,
            "listening_ports",
            &format!("protocol=6|address={address}|port={}|name=agent", 4000 + host),
        );
    }
    let report = compare(&fleet);
    assert_eq!(best(&report).host.as_str(), "web-17");
    assert!(best(&report).score > 5.0);
    assert!(report.findings.iter().all(|finding| finding.score < 3.0 || finding.host.as_str() == "web-17"));
}

#[test]
fn a_flood_of_values_on_one_host_does_not_make_its_odd_one_usual() {
    let mut fleet = Fleet::new(&["listening_ports"], 30);
    fleet.all("listening_ports", "protocol=6|address=0.0.0.0|port=443|name=nginx");
    fleet.row(11, "listening_ports", "protocol=6|address=0.0.0.0|port=31337|name=nginx");
    let alone = best(&compare(&fleet)).score;
    for port in 0..500 {
        fleet.row(
            11,
            "listening_ports",
            &format!("protocol=6|address=0.0.0.0|port={}|name=nginx", 40000 + port),
        );
    }
    let report = compare(&fleet);
    assert_eq!(best(&report).host.as_str(), "web-11");
    assert!(best(&report).score >= alone - 1.0, "{} {alone}", best(&report).score);
    assert_eq!(
        (report.findings.len(), best(&report).parts.len()),
        (1, 501),
        "and does not bury what others have"
    );
}

#[test]
fn harmless_decoys_do_not_hide_the_dangerous_one() {
    let mut fleet = herd();
    for n in 1..6 {
        let uid = if n == 4 { "0".to_owned() } else { format!("100{n}") };
        fleet.row(6, "users", &format!("username=eve{n}|uid={uid}|directory=/home"));
        fleet.row(3, "users", &format!("username=eve{n}|uid=200{n}|directory=/home"));
    }
    let report = compare(&fleet);
    assert_eq!((best(&report).title.as_str(), best(&report).host.as_str()), ("user eve4 (uid 0)", "web-06"));
    assert!(best(&report).score > 10.0, "{}", best(&report).score);
}

#[test]
fn one_odd_column_does_not_make_the_rows_of_others_incomparable() {
    let mut fleet = Fleet::new(&["crontab"], 12);
    fleet.row(1, "crontab", "path=/etc/cron.d/x|command=root /var/tmp/.x/upd");
    fleet.row(2, "crontab", "path=/etc/cron.d/y|command=root true|zzz=1");
    let report = compare(&fleet);
    assert!(report.findings.iter().any(|finding| finding.host.as_str() == "web-01"), "{:?}", report.findings);
}

#[test]
fn a_herd_of_two_engines_is_compared_on_what_both_have() {
    let mut fleet = Fleet::new(&["crontab"], 10);
    for host in 0..10 {
        let own = if host % 2 == 0 { "minute=1" } else { "event=" };
        fleet.row(host, "crontab", &format!("path=/etc/crontab|command=root true|{own}"));
    }
    fleet.row(4, "crontab", "path=/etc/cron.d/x|command=root /tmp/evil|minute=1");
    let report = compare(&fleet);
    assert_eq!((report.findings.len(), best(&report).host.as_str()), (1, "web-04"));
    assert!(!report.leaves_open());
}

#[test]
fn rows_that_are_not_compared_are_said() {
    let mut fleet = herd();
    fleet.row(8, "users", "name=eve");
    let report = compare(&fleet);
    assert_eq!(report.findings, []);
    assert!(report.leaves_open());
    assert_eq!(report.coverage.incomplete[0].other_columns, 1);
}

#[test]
fn volume_on_a_few_hosts_does_not_hide_itself() {
    let mut fleet = herd();
    for host in 0..3 {
        for n in 0..60 {
            let word = ["a", "b", "c", "d", "e", "f"][n % 6].repeat(n / 6 + 1);
            fleet.row(
                host,
                "crontab",
                &format!("path=/etc/cron.d/{word}{}|command=root /var/tmp/{word}", ["x", "y", "z"][host]),
            );
        }
    }
    let report = compare(&fleet);
    assert!(best(&report).score > 7.0, "{}", best(&report).score);
}

#[test]
fn an_emptied_answer_is_one_finding() {
    let mut fleet = herd();
    for n in 0..40 {
        fleet.all(
            "kernel_modules",
            &format!("name=module{}|status=Live", ["a", "b", "c", "d", "e"][n % 5].repeat(n / 5 + 1)),
        );
    }
    fleet.clear(2, "kernel_modules");
    let report = compare(&fleet);
    assert_eq!(
        (report.findings.len(), best(&report).kind, best(&report).parts.len()),
        (1, Kind::Missing, 41)
    );
    assert!(
        best(&report).why.contains("11 of 12 have it, web-02 does not; 40 more rows like this"),
        "{}",
        best(&report).why
    );
}

#[test]
fn rows_that_are_volatile_throughout_leave_nothing_open() {
    let mut fleet = Fleet::new(&["uptime"], 5);
    fleet.all("uptime", "total_seconds=8{}");
    let report = compare(&fleet);
    assert_eq!(report.findings, []);
    assert!(report.coverage.is_whole(), "{:?}", report.coverage);
}

#[test]
fn in_a_small_herd_danger_counts_in_full_for_what_one_host_alone_has() {
    let score = |hosts: u32| {
        let mut fleet = Fleet::new(&["users"], hosts as _);
        fleet.all("users", "username=root|uid=0|directory=/root");
        fleet.row(3, "users", "username=sysbackup|uid=0|directory=/var/backups");
        best(&compare(&fleet)).score
    };
    // What is added to the surprise is the same at four hosts and at six, where a row is alone with 2.0 and with 2.6 bits.
    let danger = |hosts: u32| score(hosts) - f64::from(hosts).log2();
    assert!((danger(4) - danger(6)).abs() < 0.11, "{} {}", danger(4), danger(6));
}

#[test]
fn an_intruder_on_a_third_of_the_herd_is_found_and_another_image_is_not() {
    let mut fleet = Fleet::new(&["crontab", "processes", "users", "kernel_modules"], 30);
    fleet.all("users", "username=root|uid=0|directory=/root").all("kernel_modules", "name=ext4|status=Live");
    for host in 0..10 {
        fleet.row(host, "crontab", "path=/etc/cron.d/x|command=root /var/tmp/.x/upd").row(
            host,
            "processes",
            &format!("pid=66{host}|name=upd|path=/var/tmp/.x/upd|cmdline=upd|on_disk=1|uid=0"),
        );
    }
    for host in 15..25 {
        fleet.row(host, "users", "username=tss|uid=110|directory=/var/lib/tpm").row(
            host,
            "kernel_modules",
            "name=virtio_rng|status=Live",
        );
    }
    let report = compare(&fleet);
    assert_eq!(best(&report).hosts.len(), 10);
    assert_eq!(best(&report).query.as_str(), "crontab");
    assert!(best(&report).score >= 9.5, "{}", best(&report).score);
    let image = report.findings.iter().find(|finding| finding.host.as_str() == "web-15").unwrap();
    assert!(image.score < 7.0, "{}", image.score);
}

#[test]
fn what_carries_the_own_name_is_the_same_everywhere_even_where_hosts_are_named_by_words() {
    let names =
        ["athena", "hermes", "zeus", "apollo", "artemis", "hera", "ares", "demeter", "hades", "hestia"];
    let mut fleet = Fleet::new(&["processes", "file"], names.len());
    for (n, name) in names.iter().enumerate() {
        fleet.visits[n].host = format!("{name}.corp.example").as_str().into();
        fleet
            .row(
                n,
                "processes",
                &format!(
                    "path=/opt/agent/agentd|cmdline=agentd --node {name} --peer {}|uid=0",
                    names[(n + 1) % 10]
                ),
            )
            .row(n, "file", &format!("path=/etc/agent/{name}.pem|mode=0600|uid=0"));
    }
    assert_eq!(compare(&fleet).findings, [], "only whose it is differs");
    fleet.row(3, "file", "path=/etc/agent/medusa.pem|mode=0600|uid=0");
    let report = compare(&fleet);
    assert_eq!(report.findings.len(), 1, "no host is called that");
    assert!(best(&report).title.contains("medusa"), "{}", best(&report).title);
}

#[test]
fn a_quiet_program_stays_quiet_beside_one_that_is_different_everywhere() {
    let mut fleet = Fleet::new(&["processes"], 30);
    for host in 0..30u64 {
        let id = format!(
            "{:08x}-{:04x}-4a1b-9c2d-{:012x}",
            host * 2_654_435_761 % 4_294_967_296,
            host * 7919,
            host * 104_729
        );
        fleet
            .row(host as usize, "processes", &format!("path=/usr/bin/agent|cmdline=agent --id {id}|uid=0"))
            .row(
                host as usize,
                "processes",
                &format!(
                    "path=/usr/bin/job|cmdline=job {}|uid=0",
                    ["mon", "tue", "wed"][host as usize % 3].repeat(host as usize + 1)
                ),
            );
        let more = if host == 7 { " --extra=/srv/evil" } else { "" };
        fleet.row(
            host as usize,
            "processes",
            &format!("path=/usr/bin/bar|cmdline=bar --listen 10.1.1.{host}{more}|uid=0"),
        );
    }
    let report = compare(&fleet);
    assert_eq!(best(&report).hosts.len(), 1, "{report:?}");
    assert!(best(&report).title.contains("--extra"), "{}", best(&report).title);
    assert!(best(&report).score > 4.0, "{}", best(&report).score);
}

#[test]
fn another_network_is_odd_for_a_program_that_talks_to_many_addresses_of_some() {
    let mut fleet = Fleet::new(&["process_open_sockets"], 30);
    for host in 0..30 {
        for n in 0..4 {
            let network = [52, 54][(host + n) % 2];
            let row = format!(
                "path=/usr/bin/node|protocol=6|remote_address={network}.{}.{}.9|remote_port=443",
                host * 7 + n,
                n * 31
            );
            fleet.row(host, "process_open_sockets", &row);
        }
    }
    assert!(compare(&fleet).findings.iter().all(|finding| finding.score < 3.0), "they differ everywhere");
    fleet.row(
        11,
        "process_open_sockets",
        "path=/usr/bin/node|protocol=6|remote_address=193.142.146.35|remote_port=443",
    );
    assert!(best(&compare(&fleet)).title.contains("193.142"), "{}", best(&compare(&fleet)).title);
}

#[test]
fn a_file_of_no_bytes_is_odd_among_those_of_many() {
    let mut fleet = Fleet::new(&["file"], 20);
    for host in 0..20 {
        let size = if host == 4 { 0 } else { 1000 + host * 37 };
        fleet.row(host, "file", &format!("path=/srv/data/app.db|size={size}|mode=0640|type=regular"));
    }
    let report = compare(&fleet);
    assert_eq!(best(&report).hosts, ["web-04".into()]);
    assert_eq!(report.findings.len(), 1, "other sizes differ everywhere");
}

#[test]
fn what_a_third_of_the_herd_has_alone_is_seen_and_another_image_is_not() {
    let mut fleet = Fleet::new(&["file", "deb_packages"], 30);
    fleet.all("file", "path=/etc/profile.d/lang.sh|mode=0644|uid=0|gid=0");
    for host in (0..30).filter(|host| host % 3 == 0) {
        fleet.row(host, "file", "path=/etc/profile.d/locale-fix.sh|mode=0644|uid=0|gid=0");
    }
    for host in (0..30).filter(|host| host % 4 == 0) {
        for n in 0..25 {
            let name = char::from(b'a' + n).to_string().repeat(3);
            fleet.row(host, "deb_packages", &format!("name={name}|version=1|arch=amd64"));
        }
    }
    let report = compare(&fleet);
    assert!(best(&report).title.contains("locale-fix"), "{}", best(&report).title);
    let image = report.findings.iter().find(|finding| finding.query.as_str() == "deb_packages");
    assert!(image.is_none_or(|image| image.score < 2.0), "{image:?}");
}

#[test]
fn hosts_whose_engine_knows_fewer_columns_are_compared_by_what_all_know() {
    let mut fleet = Fleet::new(&["users"], 20);
    for host in 0..20 {
        let more = if host % 3 == 0 { "" } else { "|include_remote=0|avatar=none" };
        fleet.row(host, "users", &format!("username=root|uid=0|directory=/root{more}"));
        fleet.row(host, "users", &format!("username=www-data|uid=33|directory=/var/www{more}"));
    }
    fleet.row(6, "users", "username=eve|uid=1001|directory=/home/eve");
    let report = compare(&fleet);
    assert_eq!((report.findings.len(), best(&report).host.as_str()), (1, "web-06"), "{report:?}");
    assert!(report.coverage.is_whole(), "all were compared");
}
