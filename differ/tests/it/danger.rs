//! What rows say about danger, and when they say nothing.

use crate::fleet::{Fleet, tables};
use herdiff_differ::{Finding, Options, Report, outliers};

fn compare(fleet: &Fleet) -> Report {
    outliers(&fleet.bundle(), &tables(), &Options::default())
}

fn of<'r>(report: &'r Report, title: &str) -> &'r Finding {
    let found = report.findings.iter().find(|finding| finding.title.contains(title));
    found.unwrap_or_else(|| panic!("{title} is not among {:?}", report.findings))
}

#[test]
fn a_sign_of_changes_speaks_only_where_something_changed() {
    let mut fleet = Fleet::new(&["users"], 20);
    fleet
        .all("users", "username=root|uid=0|shell=/bin/bash")
        .all("users", "username=ana|uid=1000|shell=/bin/bash");
    for host in 0..20 {
        let shell = if host == 4 { "/bin/bash" } else { "/usr/sbin/nologin" };
        fleet.row(host, "users", &format!("username=www-data|uid=33|shell={shell}"));
    }
    fleet.row(9, "users", "username=eve|uid=1001|shell=/bin/bash");
    let report = compare(&fleet);
    let (changed, new) = (of(&report, "www-data"), of(&report, "eve"));
    assert!(changed.why.contains("it has a shell to log in with"), "{}", changed.why);
    assert!(!new.why.contains("it has a shell to log in with"), "{}", new.why);
    assert!(changed.score > new.score + 2.0, "{} {}", changed.score, new.score);
}

#[test]
fn a_sign_that_all_rows_show_says_nothing() {
    let score = |directory: &str| {
        let mut fleet = Fleet::new(&["file"], 20);
        for n in 0..8 {
            fleet.all("file", &format!("path={directory}/usual{n}|type=regular|mode=0644"));
        }
        fleet.row(3, "file", "path=/tmp/odd|type=regular|mode=0644");
        of(&compare(&fleet), "/tmp/odd").score
    };
    assert!(score("/etc") > score("/tmp") + 1.5, "{} {}", score("/etc"), score("/tmp"));
}

#[test]
fn a_few_hosts_cannot_make_a_sign_worthless() {
    let score = |flood: usize| {
        let mut fleet = Fleet::new(&["file"], 20);
        fleet.all("file", "path=/etc/hosts|type=regular|mode=0644");
        for n in 0..flood {
            fleet.row(3, "file", &format!("path=/tmp/{}/x|type=regular|mode=0644", "abcdefgh".repeat(n + 1)));
        }
        fleet.row(7, "file", "path=/tmp/odd|type=regular|mode=0644");
        of(&compare(&fleet), "/tmp/odd").score
    };
    assert!(score(0) - score(12) < 1.5, "{} {}", score(0), score(12));
}

#[test]
fn what_alone_shows_a_sign_is_odd_among_rows_that_are_all_different() {
    let mut fleet = Fleet::new(&["processes"], 20);
    let words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "islet", "jetty"];
    for host in 0..20 {
        let job = format!("{} --{}", words[host % 10], words[host / 10]);
        fleet.row(
            host,
            "processes",
            &format!("path=/usr/bin/python3|cmdline=python3 {job}|on_disk=1|uid=995"),
        );
    }
    fleet.row(5, "processes", "path=/usr/bin/python3|cmdline=python3 -c import pty|on_disk=1|uid=995");
    let report = compare(&fleet);
    assert_eq!(report.findings[0].host.as_str(), "web-05");
    assert!(report.findings[0].why.contains("ties a shell to a connection"), "{}", report.findings[0].why);
    assert!(report.findings[0].score > 8.0, "{}", report.findings[0].score);
}

#[test]
fn one_content_in_several_queries_is_one_finding() {
    let pack = r#"{"queries":{
        "program_hashes":{"query":"SELECT path, sha256 FROM hash WHERE path LIKE '/usr/sbin/%'"},
        "process_hashes":{"query":"SELECT p.path, h.sha256 FROM processes p JOIN hash h USING (path)",
                          "herdiff":{"key":["path"],"weight":3}}}}"#;
    let mut fleet = Fleet::of_pack(pack, 20);
    for query in ["program_hashes", "process_hashes"] {
        for host in 0..20 {
            let sha = if host == 6 { "ab".repeat(32) } else { "01".repeat(32) };
            fleet.row(host, query, &format!("path=/usr/sbin/sshd|sha256={sha}"));
        }
    }
    let report = compare(&fleet);
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert_eq!(report.findings[0].parts.len(), 2);
}

#[test]
fn another_content_says_less_where_a_package_went_forward() {
    let score = |version: &str| {
        let pack = r#"{"queries":{"deb_packages":{"query":"SELECT * FROM deb_packages"},
            "program_hashes":{"query":"SELECT path, sha256 FROM hash"}}}"#;
        let mut fleet = Fleet::of_pack(pack, 20);
        for host in 0..20 {
            let (version, sha) = if host == 6 { (version, "ab") } else { ("1.0-1", "01") };
            fleet.row(host, "deb_packages", &format!("name=vim|version={version}|arch=amd64"));
            fleet.row(host, "program_hashes", &format!("path=/usr/bin/vim|sha256={}", sha.repeat(32)));
        }
        of(&compare(&fleet), "/usr/bin/vim").score
    };
    assert!(score("1.0-1") > score("1.0-2") + 2.0, "{} {}", score("1.0-1"), score("1.0-2"));
}

#[test]
fn impostors_of_well_known_packages_are_known_where_nobody_has_the_package() {
    let mut fleet = Fleet::new(&["python_packages"], 20);
    fleet.all("python_packages", "name=flask|version=3.0|path=/usr/lib");
    fleet.row(2, "python_packages", "name=reqeusts|version=2.0|path=/usr/lib");
    fleet.row(8, "python_packages", "name=httpie|version=2.0|path=/usr/lib");
    let report = compare(&fleet);
    let why = |name: &str| of(&report, name).why.clone();
    assert!(why("reqeusts").contains("almost the name of requests"), "{}", why("reqeusts"));
    assert!(!why("httpie").contains("almost"), "{}", why("httpie"));
}

#[test]
fn the_more_hosts_have_something_as_odd_the_less_each_of_it_counts() {
    let score = |others: usize| {
        let mut fleet = Fleet::new(&["kernel_modules"], 64);
        fleet.all("kernel_modules", "name=ext4|status=Live");
        let names = ["tun", "loop", "isofs", "usb_storage", "nf_log", "dummy", "bonding", "macsec"];
        for (host, name) in names.iter().enumerate().take(others) {
            fleet.row(host, "kernel_modules", &format!("name={name}|status=Live"));
        }
        fleet.row(40, "kernel_modules", "name=evil|status=Live");
        of(&compare(&fleet), "evil").score
    };
    // Seven more hosts are three bits less of surprise, and 0.3 for each of them.
    assert!(score(0) > score(7) + 3.0, "{} {}", score(0), score(7));
}

#[test]
fn a_key_on_a_third_of_the_herd_is_a_finding() {
    let mut fleet = Fleet::new(&["authorized_keys"], 30);
    fleet.all("authorized_keys", "username=deploy|uid=1000|key=AAAA|comment=ci");
    for host in 0..10 {
        fleet.row(host, "authorized_keys", "username=deploy|uid=1000|key=BBBB|comment=backup");
    }
    let report = compare(&fleet);
    assert_eq!(report.findings[0].hosts.len(), 10);
    assert!(report.findings[0].score >= 8.0, "{}", report.findings[0].score);
}

#[test]
fn signs_of_harmlessness_do_not_make_a_part_of_the_herd_an_intruder() {
    let score = |unit: &str| {
        let mut fleet = Fleet::new(&["systemd_units", "processes"], 30);
        fleet.all("systemd_units", "id=ssh.service|fragment_path=/lib/systemd/system/ssh.service");
        fleet.all("processes", "path=/usr/sbin/sshd|cmdline=sshd|on_disk=1|uid=0");
        for host in 0..10 {
            fleet.row(host, "systemd_units", unit);
            fleet.row(host, "processes", "path=/usr/sbin/smartd|cmdline=smartd|on_disk=1|uid=0");
        }
        compare(&fleet).findings.iter().map(|finding| finding.score).fold(0.0, f64::max)
    };
    let (harmless, own) = (
        score("id=disks.slice|fragment_path="),
        score("id=disks.service|fragment_path=/etc/systemd/system/disks.service"),
    );
    assert!(harmless + 3.0 < own, "{harmless} {own}");
}

#[test]
fn the_reasons_of_a_score_add_up_to_it() {
    let mut fleet = Fleet::new(&["crontab", "users", "file"], 20);
    fleet.all("crontab", "path=/etc/crontab|command=root run-parts /etc/cron.hourly");
    fleet.all("users", "username=root|uid=0|directory=/root|shell=/bin/bash");
    fleet.row(3, "crontab", "path=/etc/cron.d/x|command=root /var/tmp/.x/upd");
    fleet.row(3, "file", "path=/var/tmp/.x/upd|type=regular|mode=0755");
    for host in (0..20).filter(|host| host % 4 == 1) {
        fleet.row(host, "users", "username=toor|uid=0|directory=/root|shell=/bin/bash");
    }
    let report = compare(&fleet);
    assert!(report.findings.len() >= 2, "one alone, one of a part: {report:?}");
    for finding in &report.findings {
        let sum: f64 = finding.reasons.iter().map(|reason| reason.bits).sum();
        assert!((sum - finding.score).abs() < 0.3, "{} is not {sum}: {:?}", finding.score, finding.reasons);
    }
    assert!(of(&report, "/var/tmp").reasons.iter().any(|reason| reason.say.contains("other kinds")));
    assert!(of(&report, "toor").reasons.iter().any(|reason| reason.say.contains("part of the herd")));
}

#[test]
fn packages_that_went_back_are_odd_and_the_more_of_them_do_not_hide_it() {
    let score = |back: usize, version: &str| {
        let mut fleet = Fleet::new(&["deb_packages"], 20);
        for n in 0..30 {
            let name = char::from(b'a' + n as u8 % 26).to_string().repeat(2 + n / 26);
            for host in 0..20 {
                let version = if host == 4 && n < back { version } else { "2.0" };
                fleet.row(host, "deb_packages", &format!("name={name}|version={version}|arch=amd64"));
            }
        }
        compare(&fleet).findings.first().map_or(0.0, |finding| finding.score)
    };
    assert!(score(1, "1.9") > score(12, "1.9"), "one went back, many are late");
    assert!(score(12, "1.9") > score(12, "2.1") + 1.0, "and late is odder than ahead");
}
