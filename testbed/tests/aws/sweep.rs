//! A fleet is the same over SSH and over Systems Manager; nothing secret goes out, nothing stays; five hundred hosts through
//! a service that turns every second call away.

use crate::ground::{Cloud, SECRET, Weather};
use herdiff_testbed::serve::{Farm, HostSpec};
use herdiff_testbed::site::{Site, Way};
use herdiff_testbed::ssm::Rules;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn both_transports_give_the_same_findings() {
    let weather = Weather {
        instances: 8,
        trees: 8,
        behaviours: &[],
        rules: Rules { hidden: Duration::from_millis(700), ..Rules::default() },
    };
    let Some(cloud) = Cloud::new(weather) else { return };
    let (code, out, err) = cloud.sweep("ssm.herd", &["--incident", "IR-17"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("8 hosts: 8 ok"), "{out}");

    // The same hosts under the same names, over SSH.
    let site = Site::open(&cloud.place.path().join("site")).unwrap();
    let farm = cloud.runtime.block_on(async {
        let key = site.make_identity().unwrap();
        let hosts = cloud.ids.iter().zip(&cloud.fleet.hosts);
        let specs = hosts.map(|(id, host)| HostSpec {
            name: id.clone(),
            root: cloud.trees.of(&host.name),
            fault: None,
        });
        let farm = Farm::start(specs.collect(), key.public_key()).await.unwrap();
        let ways = farm.endpoints().iter().map(|endpoint| Way::straight(endpoint, "web").unwrap());
        site.describe(&ways.collect::<Vec<_>>()).unwrap();
        farm
    });
    let arguments = "collect -i site/inventory.ini --identity site/id_ed25519 --known-hosts site/known_hosts -q -o ssh.herd";
    let (code, out, err) = cloud.herdiff(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    cloud.runtime.block_on(farm.stop());

    // Hosts finish in any order, and nothing of a finding depends on it.
    let findings = |bundle: &str| {
        let (code, out, err) =
            cloud.herdiff(&["outliers", bundle, "--min-score", "0", "--top", "1000", "--format", "ndjson"]);
        assert_eq!(code, 1, "{err}");
        let lines = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let kept = |line: serde_json::Value| {
            ["id", "hosts", "kind", "query", "score", "prevalence", "why"]
                .map(|name| line[name].to_string())
                .join(" ")
        };
        lines.map(kept).collect::<Vec<_>>()
    };
    let (over_ssm, over_ssh) = (findings("ssm.herd"), findings("ssh.herd"));
    assert!(
        over_ssm.iter().any(|line| line.contains(&cloud.ids[1]) && line.contains("\"users\"")),
        "no account"
    );
    let only = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    assert_eq!(only(&over_ssm, &over_ssh), only(&over_ssh, &over_ssm));
    assert_eq!(over_ssm, over_ssh, "the same findings in another order");
    // And every host against itself: the same identities on both sides.
    let (code, out, err) = cloud.herdiff(&["diff", "ssh.herd", "ssm.herd", "--min-score", "0"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("Nothing stands out."), "{out}");

    // Receipts say what was placed and that it is gone; and it is.
    for (host, facts) in cloud.hosts("ssm.herd") {
        assert_eq!(facts["traces"], "removed", "{host}: {facts}");
        assert!(facts["engine"].as_str().unwrap().starts_with("probe "), "{facts}");
    }
    assert_eq!(cloud.left_behind(&[]), [] as [PathBuf; 0]);

    let heard = cloud.stand_in.heard();
    assert!(!contains(&heard, SECRET), "the secret key left the controller");
    assert!(contains(&heard, "\"Comment\":\"IR-17\""));
    assert_eq!(cloud.stand_in.complaints(), [] as [&str; 0]);
}

#[test]
fn five_hundred_instances_through_a_throttled_service() {
    const RATE: u64 = 120;
    let weather = Weather {
        instances: 500,
        trees: 3,
        behaviours: &[],
        rules: Rules { throttle_every: Some(2), ..Rules::default() },
    };
    let Some(cloud) = Cloud::new(weather) else { return };
    let pack = cloud.place.path().join("small.conf");
    std::fs::write(&pack, r#"{"queries":{"users":{"query":"SELECT username, uid FROM users"}}}"#).unwrap();
    let rate = RATE.to_string();
    let start = Instant::now();
    let (code, out, err) =
        cloud.sweep("many.herd", &["--pack", "small.conf", "--aws-rate", &rate, "--forks", "150"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("500 hosts: 500 ok"), "{out}");

    let calls = cloud.stand_in.calls();
    let count = |operation: &str| calls.iter().filter(|call| call.operation == operation).count();
    let throttled = calls.iter().filter(|call| call.throttled).count();
    assert_eq!(throttled, calls.len() / 2);
    // Each call twice, on the average: ten commands, ten looks beforehand, one output for each host.
    assert!(count("SendCommand") >= 20 - 8 && count("SendCommand") <= 40, "{}", count("SendCommand"));
    assert!(count("GetCommandInvocation") <= 1100, "{}", count("GetCommandInvocation"));
    // All calls together stay below the rate, but for the burst at the beginning. They are counted where they arrive, so a
    // second in the middle may hold what a busy machine has kept back of the second before.
    let most = RATE as f64 * start.elapsed().as_secs_f64() + RATE as f64 / 10.0 + 5.0;
    assert!(calls.len() as f64 <= most, "{} calls, {most} at the most", calls.len());
    eprintln!("{} calls for 500 instances, {throttled} of them throttled", calls.len());
    assert_eq!(cloud.stand_in.complaints(), [] as [&str; 0]);
}
