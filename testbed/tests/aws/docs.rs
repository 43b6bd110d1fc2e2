//! Every `herdiff` command that docs/AWS.md shows is run, in its order.

use crate::ground::{Cloud, Weather};
use herdiff_testbed::ssm::Rules;
use std::path::Path;

/// What the document takes for granted: a second group, a tag, and the group in two other accounts.
const SETUP: &str = r#"
import boto3, sys
url, tagged = sys.argv[1:3]
def clients(*names, **keys):
    keys = keys or dict(aws_access_key_id="a", aws_secret_access_key="b")
    return [boto3.client(name, endpoint_url=url, region_name="eu-west-1", **keys) for name in names]
def group(name, ec2, asg):
    image = ec2.describe_images()["Images"][0]["ImageId"]
    asg.create_launch_configuration(LaunchConfigurationName=name, ImageId=image, InstanceType="t3.micro")
    asg.create_auto_scaling_group(AutoScalingGroupName=name, LaunchConfigurationName=name, MinSize=1, MaxSize=1,
                                  DesiredCapacity=1, AvailabilityZones=["eu-west-1a"])
ec2, asg, sts = clients("ec2", "autoscaling", "sts")
group("api", ec2, asg)
ec2.create_tags(Resources=[tagged], Tags=[{"Key": "Role", "Value": "db"}])
for account in ["111122223333", "444455556666"]:
    keys = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/herdiff", RoleSessionName="herdiff")["Credentials"]
    group("web", *clients("ec2", "autoscaling", aws_access_key_id=keys["AccessKeyId"],
                          aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"]))
"#;

/// The commands of the document's blocks, lines that go on put together, comments left out.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs/AWS.md"));
    let text = text.unwrap().replace("\\\n", " ");
    let blocks = text.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).filter(|line| line.starts_with("herdiff "));
    lines.map(|line| line.split(" # ").next().unwrap_or(line).trim().to_owned()).collect()
}

#[test]
fn every_command_of_the_document_works() {
    let Some(cloud) =
        Cloud::new(Weather { instances: 4, trees: 4, behaviours: &[], rules: Rules::default() })
    else {
        return;
    };
    cloud.moto.python(SETUP, &[&cloud.ids[3]]);
    // The golden host's bundle is in S3 before the incident, and so is the one of the day.
    for (instance, there) in [(0, "golden"), (2, "IR-17")] {
        let there = format!("s3://ir-evidence/{there}/web.herd");
        let (code, out, err) = cloud.sweep(&there, &["--instance", &cloud.ids[instance]]);
        assert_eq!(code, 0, "{out}{err}");
    }
    let commands = commands();
    for (number, command) in commands.iter().enumerate() {
        let line = command.replace("i-0123456789abcdef0", &cloud.ids[2]);
        // One bundle is written twice in the document: here the first is put aside.
        let _ = std::fs::rename(
            cloud.place.path().join("today.herd"),
            cloud.place.path().join(format!("{number}.herd")),
        );
        if command.starts_with("herdiff outliers") {
            let _ = std::fs::rename(
                cloud.place.path().join(format!("{number}.herd")),
                cloud.place.path().join("today.herd"),
            );
        }
        let arguments: Vec<_> = line.split_whitespace().skip(1).collect();
        let (code, out, err) = cloud.herdiff(&arguments);
        let expected = match command {
            // One host has an account that the others lack.
            _ if command.starts_with("herdiff outliers") => 1,
            // There is no bastion here, and the agents of the other accounts are not of this world: all of them are told
            // to be unreachable.
            _ if command.contains(" -J ") || command.contains("--aws-account") => 4,
            _ => 0,
        };
        assert_eq!(code, expected, "{command}\n{out}{err}");
        assert!(!err.contains("error:"), "{command}\n{err}");
    }
    assert!(commands.len() >= 7, "{commands:?}");
    for verb in ["collect", "outliers", "inventory", "diff"] {
        assert!(commands.iter().any(|command| command.split(' ').nth(1) == Some(verb)), "{verb}");
    }
}
