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
