//! What the tests stand on: moto, the stand-in, a fleet that is known to both, and the command.

use herdiff_testbed::attack::Attack;
use herdiff_testbed::fleet::{Fleet, FleetPlan};
use herdiff_testbed::ground::Trees;
use herdiff_testbed::ssm::{Behaviour, Instance, Rules, StandIn};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long something may take that has to happen, on however busy a machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const TESTBED: &str = env!("CARGO_BIN_EXE_herdiff-testbed");
/// Looked for in everything that leaves the command.
pub(crate) const SECRET: &str = "7GnotasecretofAWSbutlikeone/xyz012345678";
pub(crate) const BUCKET: &str = "ir-evidence";

/// Makes what the emulator has: a bucket, and a group of instances. Prints the ids.
const SETUP: &str = r#"
import boto3, json, sys
url, count = sys.argv[1], int(sys.argv[2])
def client(name):
    return boto3.client(name, endpoint_url=url, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
client("s3").create_bucket(Bucket="ir-evidence", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
image = client("ec2").describe_images()["Images"][0]["ImageId"]
asg = client("autoscaling")
asg.create_launch_configuration(LaunchConfigurationName="web", ImageId=image, InstanceType="t3.micro")
asg.create_auto_scaling_group(AutoScalingGroupName="web", LaunchConfigurationName="web", MinSize=count, MaxSize=count,
                              DesiredCapacity=count, AvailabilityZones=["eu-west-1a"])
group = asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]
print(json.dumps(sorted(i["InstanceId"] for i in group["Instances"])))
"#;

/// The emulator, ended with the test.
pub(crate) struct Moto {
    child: Child,
    python: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// `None` where it is not installed, which is said; with `CI` set it must be.
    pub(crate) fn start() -> Option<Self> {
        let target = Path::new(TESTBED).parent()?.parent()?;
        let programs =
            std::env::var_os("HERDIFF_MOTO").map_or_else(|| target.join("moto"), PathBuf::from).join("bin");
        if !programs.join("moto_server").exists() {
            assert!(std::env::var_os("CI").is_none(), "{} has no moto_server", programs.display());
            eprintln!(
                "NOT TESTED: there is no moto in {} (python3 -m venv, pip install 'moto[server]')",
                programs.display()
            );
            return None;
        }
        // It takes a free port by itself and says which: one that is looked for before could be somebody else's by then.
        let mut child = Command::new(programs.join("moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = said.find_map(|line| line.split_once("http://")?.1.trim().parse().ok());
        // It logs every request, and must not stop at a full pipe.
        std::thread::spawn(move || said.for_each(drop));
        let moto = Self { child, python: programs.join("python3"), address: address.expect("moto listens") };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(moto.address).is_err() {
            assert!(Instant::now() < deadline, "moto does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(moto)
    }

    /// Runs a script with boto3.
    pub(crate) fn python(&self, script: &str, arguments: &[&str]) -> Value {
        let url = format!("http://{}", self.address);
        let output = Command::new(&self.python).args(["-c", script, &url]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }
}

/// A fleet on both sides: an Auto Scaling group at moto, agents at the stand-in.
pub(crate) struct Cloud {
    pub(crate) runtime: Runtime,
    pub(crate) stand_in: StandIn,
    pub(crate) moto: Moto,
    /// The instances, in order.
    pub(crate) ids: Vec<String>,
    pub(crate) trees: Trees,
    pub(crate) fleet: Fleet,
    pub(crate) place: TempDir,
}

/// What a cloud is like.
pub(crate) struct Weather<'a> {
    pub(crate) instances: usize,
    /// Trees are shared where there are fewer.
    pub(crate) trees: u32,
    /// By place in the group.
    pub(crate) behaviours: &'a [(usize, Behaviour)],
    pub(crate) rules: Rules,
}

impl Cloud {
    pub(crate) fn new(weather: Weather<'_>) -> Option<Self> {
        let moto = Moto::start()?;
        let ids = moto.python(SETUP, &[&weather.instances.to_string()]);
        let ids: Vec<_> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), weather.instances);
        let mut fleet = Fleet::grow(&FleetPlan { hosts: weather.trees, ..FleetPlan::default() });
        let victim = fleet.hosts[1.min(fleet.hosts.len() - 1)].name.clone();
        fleet.plant(&victim, Attack::BackdoorAccount).unwrap();
        let trees = Trees::write(&fleet, &std::env::temp_dir()).unwrap();
        let instances: BTreeMap<_, _> = ids
            .iter()
            .enumerate()
            .map(|(n, id)| {
                let root = trees.of(&fleet.hosts[n % fleet.hosts.len()].name);
                let behaviour = weather.behaviours.iter().find(|(place, _)| *place == n);
                (id.clone(), Instance { root, behaviour: behaviour.map(|(_, b)| *b).unwrap_or_default() })
            })
            .collect();
        let runtime = Runtime::new().unwrap();
        let rules = Rules { upstream: Some(moto.address), ..weather.rules };
        let stand_in = runtime.block_on(StandIn::start(instances, rules)).unwrap();
        Some(Self { runtime, stand_in, moto, ids, trees, fleet, place: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let herdiff = Path::new(TESTBED).with_file_name("herdiff");
        let mut command = Command::new(&herdiff);
        command
            .args(arguments)
            .current_dir(self.place.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.place.path())
            .env("USER", "ada")
            .env("AWS_ENDPOINT_URL", self.stand_in.url())
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Runs it: exit status, standard output, standard error.
    pub(crate) fn herdiff(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// A sweep of the group over Systems Manager.
    pub(crate) fn sweep(&self, output: &str, more: &[&str]) -> (i32, String, String) {
        let staging = format!("s3://{BUCKET}/staging");
        let mut arguments =
            vec!["collect", "--transport", "ssm", "--aws-staging", &staging, "-q", "-o", output];
        arguments.extend(more);
        if !more.contains(&"--instance") {
            arguments.extend(["--asg", "web"]);
        }
        self.herdiff(&arguments)
    }

    /// What `show --format ndjson` says of the hosts.
    pub(crate) fn hosts(&self, bundle: &str) -> BTreeMap<String, Value> {
        let (code, out, err) = self.herdiff(&["show", bundle, "--hosts", "--format", "ndjson"]);
        assert_eq!(code, 0, "{out}{err}");
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["host"].as_str().unwrap().to_owned(), line)).collect()
    }
}

impl Cloud {
    /// Directories of ours on this machine, which plays all the hosts. Other tests have theirs beside them: what a command
    /// of Systems Manager makes has the instance in its name, what the script for all transports makes has its process.
    pub(crate) fn private_directories(&self) -> Vec<PathBuf> {
        let bases = ["/dev/shm", "/tmp", "/var/tmp"].iter().filter_map(|base| std::fs::read_dir(base).ok());
        let entries = bases.flatten().filter_map(Result::ok).map(|entry| entry.path());
        let trees = self.trees.directory().to_str().unwrap();
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix(".herdiff.") else { return false };
            if rest.starts_with("ssm.") {
                return self.ids.iter().any(|id| rest.ends_with(id.as_str()));
            }
            let environment =
                std::fs::read(format!("/proc/{}/environ", rest.split('.').next().unwrap_or_default()));
            environment.is_ok_and(|environment| String::from_utf8_lossy(&environment).contains(trees))
        };
        entries.filter(is_ours).collect()
    }

    /// What is still there of these and of what commands make, after the janitor had its time: it looks every two seconds.
    pub(crate) fn left_behind(&self, seen: &[PathBuf]) -> Vec<PathBuf> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let still = seen.iter().filter(|path| path.exists()).cloned();
            let left: Vec<_> = still.chain(self.private_directories()).collect();
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
