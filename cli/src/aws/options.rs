//! The options about AWS, and what they lead to.

use super::{Calls, Ssm};
use crate::commands::collect::Transport;
use crate::commands::inventory::Named;
use crate::error::Failure;
use herdiff_aws::Access;
use herdiff_aws::session::CALLS_A_SECOND;
use herdiff_aws::store::{Bucket, Location, Staging};
use herdiff_aws::targets::{Wanted, find, is_instance_id};
use std::sync::Arc;
use std::time::Duration;

/// Which instances, and who looks for them.
#[derive(clap::Args)]
pub(crate) struct TargetArgs {
    /// The instances in service of this Auto Scaling group; may be given several times
    #[arg(long, value_name = "NAME")]
    asg: Vec<String>,
    /// Instances of those groups that are in standby as well
    #[arg(long, requires = "asg")]
    include_standby: bool,
    /// The running instances with this tag; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    ec2_tag: Vec<(String, String)>,
    /// This instance; may be given several times
    #[arg(long, value_name = "ID", value_parser = instance)]
    instance: Vec<String>,
    /// Look in this region; may be given several times [default: the profile's]
    #[arg(long, value_name = "REGION")]
    aws_region: Vec<String>,
    /// Look in this account, with --aws-role; may be given several times
    #[arg(long, value_name = "NUMBER", requires = "aws_role")]
    aws_account: Vec<String>,
    /// Assume this role: its name with --aws-account, or one ARN
    #[arg(long, value_name = "ROLE")]
    aws_role: Option<String>,
    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "aws_role")]
    aws_external_id: Option<String>,
    /// Use this profile of ~/.aws/config
    #[arg(long, value_name = "NAME")]
    aws_profile: Option<String>,
    /// Name the incident: it stands in CloudTrail as the role's session, and as the comment of commands
    #[arg(long, value_name = "ID", default_value = "")]
    incident: String,
    /// Calls a second to each account and region, retries included
    #[arg(long, value_name = "N", default_value_t = CALLS_A_SECOND, value_parser = clap::value_parser!(u32).range(1..=1000))]
    aws_rate: u32,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("not KEY=VALUE")?;
    if key.is_empty() { Err("the key is empty".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

fn instance(text: &str) -> Result<String, String> {
    if is_instance_id(text) {
        Ok(text.to_owned())
    } else {
        Err("not the id of an instance, as i-0123456789abcdef0".into())
    }
}

impl TargetArgs {
    fn access(&self) -> Access {
        Access {
            profile: self.aws_profile.clone(),
            regions: self.aws_region.clone(),
            accounts: self.aws_account.clone(),
            role: self.aws_role.clone(),
            external_id: self.aws_external_id.clone(),
            incident: self.incident.clone(),
            calls_a_second: self.aws_rate,
        }
    }

    fn wanted(&self, addresses: bool) -> Wanted {
        Wanted {
            groups: self.asg.clone(),
            tags: self.ec2_tag.clone(),
            instances: self.instance.clone(),
            standby: self.include_standby,
            addresses,
        }
    }

    fn sources(wanted: &Wanted) -> Vec<String> {
        let groups = wanted.groups.iter().map(|name| format!("asg:{name}"));
        let tags = wanted.tags.iter().map(|(key, value)| format!("ec2-tag:{key}={value}"));
        groups.chain(tags).chain(wanted.instances.iter().cloned()).collect()
    }

    /// The instances, with their private addresses; nothing where none are asked for.
    pub(crate) fn named(&self) -> Result<Named, Failure> {
        let wanted = self.wanted(true);
        if wanted.is_empty() {
            return Ok(Named::default());
        }
        let calls = Calls::open(&self.access())?;
        let found = calls.ask(find(&calls.session, &wanted))?;
        Ok((found.inventory, Self::sources(&wanted)))
    }
}

/// What `collect` takes besides.
#[derive(clap::Args)]
pub(crate) struct CollectArgs {
    #[command(flatten)]
    targets: TargetArgs,
    /// Over Systems Manager: where in S3 hosts fetch the probe and leave what is too large for commands
    #[arg(long, value_name = "s3://BUCKET/PREFIX")]
    aws_staging: Option<String>,
    /// Over Systems Manager: seconds in which an agent has to fetch a command
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(30..=86_400))]
    delivery_timeout: u64,
}

impl CollectArgs {
    /// The instances, for SSH.
    pub(crate) fn named(&self) -> Result<Named, Failure> {
        self.targets.named()
    }

    /// What is to be read of the hosts on the command line, the instances, and the way to them over Systems Manager.
    pub(crate) fn look(&self, hosts: &[String]) -> Result<(Vec<String>, Named, Transport), Failure> {
        let (ids, others): (Vec<_>, Vec<_>) = hosts.iter().cloned().partition(|host| is_instance_id(host));
        let mut wanted = self.targets.wanted(false);
        wanted.instances.extend(ids);
        if wanted.is_empty() {
            return Err(
                Failure::usage("no instance to visit").next("name some: --asg, --ec2-tag, or their ids")
            );
        }
        let calls = Calls::open(&self.targets.access())?;
        let staging = self.aws_staging.as_deref().map(|name| staging(&calls, name)).transpose()?;
        let found = calls.ask(find(&calls.session, &wanted))?;
        let delivery = Duration::from_secs(self.delivery_timeout);
        let ssm = Ssm { calls, places: found.places, staging, delivery };
        let named = (found.inventory, TargetArgs::sources(&wanted));
        Ok((others, named, Transport::Ssm(Box::new(ssm))))
    }
}

fn staging(calls: &Calls, name: &str) -> Result<Staging, Failure> {
    let unusable = |why: String| Failure::usage(format!("cannot use {name} for staging")).why(why);
    let location = Location::parse(name).map_err(unusable)?;
    let bucket =
        Bucket::open(&calls.session.home, &location.bucket).map_err(|error| unusable(error.to_string()))?;
    Ok(Staging::new(Arc::new(bucket), &location.key))
}
