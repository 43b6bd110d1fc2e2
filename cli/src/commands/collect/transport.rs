//! How the hosts of a sweep are reached.

use crate::error::Failure;
use herdiff_collector::inventory::Target;
use herdiff_collector::sweep::{Sweep, SweepConfig};
use herdiff_model::pack::Pack;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The way to the hosts.
pub(crate) enum Transport {
    /// SSH, as OpenSSH would.
    Ssh,
    /// None: the host is this machine.
    Local,
    /// Commands of AWS Systems Manager.
    #[cfg(feature = "aws")]
    Ssm(Box<crate::aws::Ssm>),
}

impl Transport {
    /// As bundles name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Local => "local",
            #[cfg(feature = "aws")]
            Self::Ssm(_) => "ssm",
        }
    }

    pub(super) async fn start(
        self,
        targets: Vec<Target>,
        pack: Arc<Pack>,
        config: SweepConfig,
        cancel: &CancellationToken,
    ) -> Result<Sweep, Failure> {
        match self {
            Self::Ssh => Sweep::start(targets, pack, config, cancel.clone())
                .await
                .map_err(|error| Failure::usage("cannot start the sweep").why(error)),
            Self::Local => {
                let mut targets = targets.into_iter();
                match (targets.next(), targets.next()) {
                    (Some(target), None) => Ok(Sweep::local(target, &pack, config, cancel)),
                    // All that were resumed are done already.
                    (None, _) => Sweep::start(Vec::new(), pack, config, cancel.clone())
                        .await
                        .map_err(|error| Failure::usage("cannot start the sweep").why(error)),
                    (Some(_), Some(_)) => {
                        Err(Failure::usage("this machine is one host, and several are named")
                            .next("name the one that it is, with -l where an inventory names more"))
                    }
                }
            }
            #[cfg(feature = "aws")]
            Self::Ssm(ssm) => ssm.start(targets, &pack, config, cancel).await,
        }
    }
}
