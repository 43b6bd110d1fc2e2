//! Bundles in S3, instances as an inventory, roles in other accounts.

use crate::ground::{Cloud, Weather};
use herdiff_testbed::ssm::Rules;

#[test]
fn bundles_live_in_s3_and_are_never_written_over() {
    let Some(cloud) =
        Cloud::new(Weather { instances: 4, trees: 4, behaviours: &[], rules: Rules::default() })
    else {
        return;
    };
    let there = "s3://ir-evidence/2026/web.herd";
    let (code, out, err) = cloud.sweep(there, &[]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains(&format!("bundle  {there}")), "{out}");
    let (code, out, err) = cloud.herdiff(&["outliers", there]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("sysbackup"), "{out}");
    let (code, out, err) = cloud.herdiff(&["diff", there, there]);
    assert_eq!(code, 0, "{out}{err}");

    let (code, _, err) = cloud.sweep(there, &[]);
    assert_eq!(code, 2);
    assert!(err.contains("it exists") && err.contains("never overwritten"), "{err}");
    let (code, _, err) = cloud.herdiff(&["show", "s3://ir-evidence/none.herd"]);
    assert_eq!(code, 2);
    assert!(err.contains("s3://ir-evidence/none.herd does not exist"), "{err}");
    let (code, _, err) = cloud.herdiff(&["show", "s3://IR/none.herd"]);
    assert_eq!(code, 2);
    assert!(err.contains("cannot be the name of a bucket"), "{err}");
}

#[test]
fn instances_are_an_inventory() {
    let Some(cloud) =
        Cloud::new(Weather { instances: 3, trees: 1, behaviours: &[], rules: Rules::default() })
    else {
        return;
    };
    let (code, out, err) = cloud.herdiff(&["inventory", "--asg", "web", "--format", "json"]);
    assert_eq!(code, 0, "{err}");
    let hosts: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    let ids: Vec<_> = hosts.iter().map(|host| host["host"].as_str().unwrap()).collect();
    assert_eq!(ids, cloud.ids);
    for host in &hosts {
        assert_eq!(host["herd"], "web");
        assert!(host["address"].as_str().unwrap().parse::<std::net::Ipv4Addr>().is_ok(), "{host}");
    }
    // By the tag that Auto Scaling gives, and by id.
    let tag = "aws:autoscaling:groupName=web";
    let (_, by_tag, err) = cloud.herdiff(&["inventory", "--ec2-tag", tag, "--format", "csv"]);
    assert_eq!(by_tag.lines().count(), 4, "{by_tag}{err}");
    let (_, by_id, err) = cloud.herdiff(&["inventory", "--instance", &cloud.ids[0], "--format", "csv"]);
    assert!(by_id.contains(&cloud.ids[0]) && by_id.contains("web"), "{by_id}{err}");

    let (code, _, err) = cloud.herdiff(&["inventory", "--asg", "nobody"]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no Auto Scaling group \"nobody\" in eu-west-1"), "{err}");

    // A role in an account: its own credentials, and the incident as the session's name.
    let (code, out, err) = cloud.herdiff(&[
        "inventory",
        "--asg",
        "web",
        "--aws-role",
        "audit",
        "--aws-account",
        "123456789012",
        "--aws-external-id",
        "x17",
        "--incident",
        "IR 17",
    ]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("3 hosts in 1 herd"), "{out}");
    let heard = String::from_utf8_lossy(&cloud.stand_in.heard()).into_owned();
    let role = "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Faudit";
    for part in [role, "RoleSessionName=herdiff-IR-17", "ExternalId=x17"] {
        assert!(heard.contains(part), "{part}");
    }
}

/// Rows that no compression makes small: of each of some hosts a megabyte.
fn write_large_answers(place: &std::path::Path) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut word = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    for host in 0..10 {
        let rows: Vec<_> = (0..2_000)
            .map(|_| {
                let noise: String = (0..128).map(|_| format!("{:016x}", word())).collect();
                serde_json::json!({"name": format!("{:x}", word()), "value": noise})
            })
            .collect();
        let directory = place.join(format!("web-{host:02}"));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("noise.json"), serde_json::to_vec(&rows).unwrap()).unwrap();
    }
}

/// The bytes that were asked for by ranges from a point of what was heard on.
fn asked_for(heard: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(heard);
    let ranges = text.lines().filter_map(|line| {
        let range = line.strip_prefix("range: bytes=")?;
        let (from, to) = range.split_once('-')?;
        Some(to.parse::<u64>().ok()? - from.parse::<u64>().ok()? + 1)
    });
    ranges.sum()
}

#[test]
fn a_large_bundle_goes_there_in_parts_and_is_read_where_it_is_needed() {
    let Some(cloud) =
        Cloud::new(Weather { instances: 1, trees: 1, behaviours: &[], rules: Rules::default() })
    else {
        return;
    };
    write_large_answers(&cloud.place.path().join("answers"));
    let there = "s3://ir-evidence/large.herd";
    let (code, out, err) = cloud.herdiff(&["import", "answers", "-o", there]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(&format!("bundle  {there} (")) && !out.contains("(0 kB)"), "{out}");
    let (code, _, err) = cloud.herdiff(&["import", "answers", "-o", "here.herd"]);
    assert_eq!(code, 0, "{err}");
    let size = std::fs::metadata(cloud.place.path().join("here.herd")).unwrap().len();
    assert!(size > 16 << 20, "{size} bytes go in one piece");
    let heard = cloud.stand_in.heard();
    let text = String::from_utf8_lossy(&heard);
    assert!(text.matches("partNumber=").count() >= 3, "it did not go in parts");
    assert!(text.contains("if-none-match: *"), "it could have been written over");
    let kept = cloud.moto.python(
        "import boto3, json, sys\n\
         s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='eu-west-1', aws_access_key_id='a', aws_secret_access_key='b')\n\
         print(json.dumps({o['Key']: o['Size'] for o in s3.list_objects_v2(Bucket='ir-evidence')['Contents']}))",
        &[],
    );
    assert_eq!(kept.as_object().unwrap().len(), 1, "parts are left: {kept}");
    assert!(kept["large.herd"].as_u64().unwrap() > 16 << 20, "{kept}");

    let before = cloud.stand_in.heard().len();
    let (code, out, err) = cloud.herdiff(&["show", there, "--hosts", "--format", "ndjson"]);
    assert_eq!((code, out.lines().count()), (0, 10), "{err}");
    let asked = asked_for(&cloud.stand_in.heard()[before..]);
    assert!((1..=1 << 20).contains(&asked), "{asked} of {size} bytes were fetched to list the hosts");

    let (code, out, err) = cloud.herdiff(&["verify", there]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(": in order"), "{out}");
    let (code, _, err) = cloud.herdiff(&["merge", "here.herd", "-o", there]);
    assert_eq!(code, 2);
    assert!(err.contains("it exists"), "{err}");
    let (code, _, err) = cloud.herdiff(&["sign", there, "--key", "none"]);
    assert_eq!(code, 2);
    assert!(err.contains("name a file here with -o"), "{err}");
}

#[test]
fn what_systems_manager_cannot_keep_is_not_promised() {
    let Some(cloud) =
        Cloud::new(Weather { instances: 1, trees: 1, behaviours: &[], rules: Rules::default() })
    else {
        return;
    };
    for (flag, value) in [("--rate", "3"), ("--canary", "1")] {
        let (code, _, err) = cloud.sweep("none.herd", &[flag, value]);
        assert_eq!(code, 2);
        assert!(err.contains(&format!("{flag} does not go with --transport ssm")), "{err}");
    }
    assert_eq!(cloud.stand_in.calls().len(), 0, "it was refused too late");
    let (code, out, err) = cloud.sweep("root.herd", &["--become"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        err.contains("--become changes nothing") || out.contains("--become changes nothing"),
        "{out}{err}"
    );
}
