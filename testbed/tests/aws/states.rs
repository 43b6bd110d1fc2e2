//! Every state of an invocation and of an agent has its outcome; a sweep that is stopped leaves nothing.

use crate::ground::{Cloud, PATIENCE, Weather};
use herdiff_testbed::ssm::{Behaviour, Rules};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn every_state_has_its_outcome() {
    let behaviours = [
        (1, Behaviour::Unmanaged),
        (2, Behaviour::Offline),
        (3, Behaviour::Leaving),
        (4, Behaviour::Windows),
        (5, Behaviour::Slow),
        (6, Behaviour::Deaf),
        (7, Behaviour::Undeliverable),
        (8, Behaviour::Terminated),
        (9, Behaviour::Killed),
        (10, Behaviour::Babbling),
    ];
    let weather = Weather { instances: 12, trees: 3, behaviours: &behaviours, rules: Rules::default() };
    let Some(cloud) = Cloud::new(weather) else { return };
    let (code, out, _) = cloud.sweep("states.herd", &[]);
    assert_eq!(code, 3, "{out}");
    let expected = [
        ("ok", "", ""),
        ("unreachable", "connect", "not managed by Systems Manager"),
        ("unreachable", "connect", "the agent is not online: ConnectionLost"),
        ("unreachable", "session", "InvalidInstanceId"),
        ("engine-missing", "connect", "Windows"),
        ("ok", "", ""),
        ("timeout", "connect", "did not take the command within 60 s"),
        ("unreachable", "connect", "cannot be delivered"),
        ("interrupted", "session", "because of errors on other hosts"),
        ("timeout", "run", "the agent ended the script"),
        ("malformed-output", "run", "the command printed no answer"),
        ("ok", "", ""),
    ];
    let hosts = cloud.hosts("states.herd");
    assert_eq!(hosts.len(), expected.len());
    for (id, (outcome, phase, why)) in cloud.ids.iter().zip(expected) {
        let facts = &hosts[id];
        let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
        assert_eq!((text("outcome").as_str(), text("phase").as_str()), (outcome, phase), "{facts}");
        assert!(text("why").contains(why), "{facts}");
    }
    assert_eq!(cloud.left_behind(&[]), [] as [PathBuf; 0]);
    assert_eq!(cloud.stand_in.complaints(), [] as [&str; 0]);
}

#[test]
fn a_sweep_that_is_stopped_cancels_its_commands_and_leaves_nothing() {
    let Some(cloud) =
        Cloud::new(Weather { instances: 3, trees: 1, behaviours: &[], rules: Rules::default() })
    else {
        return;
    };
    // A query that goes on until it is ended.
    let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
    let pack = format!(r#"{{"queries":{{"endless":{{"query":"{endless}"}}}}}}"#);
    std::fs::write(cloud.place.path().join("endless.conf"), pack).unwrap();
    let staging = "s3://ir-evidence/staging";
    let mut command = cloud.command(&[
        "collect",
        "--transport",
        "ssm",
        "--asg",
        "web",
        "--aws-staging",
        staging,
        "--pack",
        "endless.conf",
        "-o",
        "x.herd",
        "--query-timeout",
        "600",
        "--host-timeout",
        "600",
    ]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    // One of the command and one of the script, on each host.
    while cloud.private_directories().len() < 6 {
        assert!(Instant::now() < deadline, "the hosts do not work");
        std::thread::sleep(Duration::from_millis(100));
    }
    let seen = cloud.private_directories();
    let stopped = Instant::now();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    // Its queries would go on for ten minutes.
    assert!(stopped.elapsed() < PATIENCE, "{:?}", stopped.elapsed());
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let calls = cloud.stand_in.calls();
    assert_eq!(calls.iter().filter(|call| call.operation == "CancelCommand").count(), 1);
    for facts in cloud.hosts("x.herd").values() {
        assert_eq!(facts["outcome"], "interrupted", "{facts}");
    }
    assert_eq!(cloud.left_behind(&seen), [] as [PathBuf; 0]);
}
