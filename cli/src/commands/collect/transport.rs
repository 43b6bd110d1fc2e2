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
    /// Commands of AWS Systems Manager.
    #[cfg(feature = "aws")]
    Ssm(Box<crate::aws::Ssm>),
}

impl Transport {
    /// As bundles name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
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
            #[cfg(feature = "aws")]
            Self::Ssm(ssm) => ssm.start(targets, &pack, config, cancel).await,
        }
    }
}
