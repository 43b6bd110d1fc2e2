//! AWS on the command line: which instances, through which accounts, over which transport; and files in S3.

mod files;
mod options;
mod remote_file;

pub(crate) use files::{Remote, open};
pub(crate) use options::{CollectArgs, TargetArgs};
pub(crate) use remote_file::RemoteFile;

use crate::error::Failure;
use herdiff_aws::store::Staging;
use herdiff_aws::{Access, AwsError, Place, Session};
use herdiff_collector::delivery::Script;
use herdiff_collector::engine::EngineChoice;
use herdiff_collector::inventory::Target;
use herdiff_collector::sweep::{Sweep, SweepConfig};
use herdiff_model::name::HostName;
use herdiff_model::pack::Pack;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// A session, and what its connections live on: they outlast the question that opened them.
struct Calls {
    runtime: Runtime,
    session: Session,
}

impl Calls {
    fn open(access: &Access) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failure::usage("cannot start the runtime").why(error))?;
        let session = runtime.block_on(Session::open(access)).map_err(|error| refused(&error))?;
        Ok(Self { runtime, session })
    }

    fn ask<T>(&self, question: impl Future<Output = Result<T, AwsError>>) -> Result<T, Failure> {
        self.runtime.block_on(question).map_err(|error| refused(&error))
    }
}

fn refused(error: &AwsError) -> Failure {
    let failure = Failure::usage("cannot use AWS").why(error);
    match error {
        AwsError::Credentials { .. } => {
            failure.next("log in as the AWS command line does: a profile, `aws sso login`, or variables")
        }
        AwsError::Service { code, .. } if code.is_denied() => {
            failure.next("docs/AWS.md has the policy that is needed")
        }
        _ => failure,
    }
}

/// All that a sweep over Systems Manager needs besides what every sweep needs.
pub(crate) struct Ssm {
    calls: Calls,
    places: HashMap<HostName, Place>,
    staging: Option<Staging>,
    delivery: Duration,
}

impl Ssm {
    /// Starts it. The engine has to come from somewhere: without a place in S3 only hosts with osqueryi can answer.
    pub(crate) async fn start(
        self: Box<Self>,
        targets: Vec<Target>,
        pack: &Pack,
        config: SweepConfig,
        cancel: &CancellationToken,
    ) -> Result<Sweep, Failure> {
        let Self { calls: Calls { runtime, session }, places, staging, delivery } = *self;
        // Its connections are still of use, and a runtime cannot be dropped within another.
        std::mem::forget(runtime);
        let probes = match (&staging, config.engine) {
            (Some(_), EngineChoice::Auto | EngineChoice::Probe) => config.probes,
            (None, EngineChoice::Probe) => {
                return Err(Failure::usage("hosts cannot be given the probe")
                    .why("Systems Manager carries no files")
                    .next("name a place in S3 with --aws-staging s3://BUCKET/PREFIX"));
            }
            _ => Vec::new(),
        };
        let script = Script::new(pack, config.deadlines.query, config.engine, probes, config.limits);
        let ssm = herdiff_aws::ssm::SsmConfig {
            forks: config.forks,
            delivery,
            host: config.deadlines.host,
            staging,
            ..Default::default()
        };
        herdiff_aws::ssm::sweep(&session, targets, &places, script, ssm, cancel)
            .await
            .map_err(|error| Failure::usage("cannot start the sweep").why(error))
    }
}
