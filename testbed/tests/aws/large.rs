//! Answers that are too long for one command arrive whole: in pieces, and through S3.

use crate::ground::{BUCKET, Cloud, Weather};
use herdiff_testbed::ssm::Rules;
use std::path::PathBuf;

/// Rows that do not compress: so many hashes.
fn hashes(count: u32) -> String {
    let rows = format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count})");
    format!(r#"{{"queries":{{"hashes":{{"query":"{rows} SELECT n, sha256(n) AS hash FROM c"}}}}}}"#)
}

#[test]
fn long_answers_arrive_whole() {
    let Some(cloud) =
        Cloud::new(Weather { instances: 3, trees: 1, behaviours: &[], rules: Rules::default() })
    else {
        return;
    };
    let write = |name: &str, text: String| std::fs::write(cloud.place.path().join(name), text).unwrap();
    // 64 characters of a hash are 32 bytes, packed. A piece is 17,400.
    for (count, bundle, commands) in [(2000, "pieces.herd", 1 + 3), (12_000, "staged.herd", 1 + 3)] {
        write("hashes.conf", hashes(count));
        let sent = || cloud.stand_in.calls().iter().filter(|call| call.operation == "SendCommand").count();
        let already = sent();
        let (code, out, err) = cloud.sweep(bundle, &["--pack", "hashes.conf"]);
        let failures = || cloud.herdiff(&["show", bundle, "--failures"]).1;
        assert_eq!((code, err.as_str()), (0, ""), "{out}{}", failures());
        // Pieces are fetched from all hosts at once, uploads are ordered from each host by itself.
        assert!(sent() - already >= commands, "{count}: {}", sent() - already);
        let (code, out, err) = cloud.herdiff(&["show", bundle, "--query", "hashes", "--format", "csv"]);
        assert_eq!(code, 0, "{err}");
        assert!(out.lines().count() >= count as usize, "{}", out.lines().count());
        for (host, facts) in cloud.hosts(bundle) {
            assert_eq!(facts["traces"], "removed", "{host}: {facts}");
        }
    }
    // What hosts left in S3 is gone; the engine stays for the next sweep.
    let list = r#"
import boto3, json, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
print(json.dumps([o["Key"] for o in s3.list_objects_v2(Bucket=sys.argv[2]).get("Contents", [])]))
"#;
    let keys = cloud.moto.python(list, &[BUCKET]);
    let keys: Vec<_> = keys.as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert!(matches!(keys.as_slice(), [key] if key.starts_with("staging/engine/")), "{keys:?}");
    assert_eq!(cloud.left_behind(&[]), [] as [PathBuf; 0]);

    // Without a place in S3 a host that has no osqueryi says so, and what is too long is not cut in silence.
    let arguments = ["collect", "--transport", "ssm", "--asg", "web", "-q", "-o", "bare.herd"];
    let (code, out, _) = cloud.herdiff(&arguments);
    assert_eq!(code, 4, "{out}");
    for facts in cloud.hosts("bare.herd").values() {
        assert_eq!(facts["outcome"], "engine-missing", "{facts}");
    }
}
