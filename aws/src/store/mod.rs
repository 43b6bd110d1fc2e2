//! S3 as a place for files: bundles that are written once and read by ranges, engines that hosts fetch, answers that hosts
//! leave there.

mod bucket;
mod location;
mod object;

pub use bucket::Bucket;
pub use location::Location;
pub use object::Object;

use crate::error::AwsError;
use herdiff_collector::delivery::ProbeBinary;
use std::sync::Arc;
use std::time::Duration;

/// A place through which hosts and we exchange what is too large for a command. Hosts need no rights there: they get URLs
/// that are good for one object and a while.
#[derive(Clone, Debug)]
pub struct Staging {
    bucket: Arc<Bucket>,
    prefix: String,
}

/// An engine as a host can fetch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) arch: String,
    pub(crate) sha256: String,
    pub(crate) bytes: usize,
    pub(crate) url: String,
}

impl Staging {
    /// A prefix in a bucket.
    pub fn new(bucket: Arc<Bucket>, prefix: &str) -> Self {
        Self { bucket, prefix: prefix.trim_matches('/').to_owned() }
    }

    fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// Puts the probes there, each under its hash, where they are not there yet. Hosts check the hash themselves, so that
    /// it does not matter who else may write there.
    pub(crate) async fn place(&self, probes: &[ProbeBinary]) -> Result<(), AwsError> {
        for probe in probes {
            let key = self.key(&format!("engine/{}", probe.sha256()));
            self.bucket.put_if_absent(&key, probe.bytes().clone()).await?;
        }
        Ok(())
    }

    /// Where hosts fetch the probes, for a while.
    pub(crate) async fn engines(
        &self,
        probes: &[ProbeBinary],
        good: Duration,
    ) -> Result<Vec<Engine>, AwsError> {
        let mut engines = Vec::new();
        for probe in probes {
            engines.push(Engine {
                arch: probe.arch().to_owned(),
                sha256: probe.sha256().to_owned(),
                bytes: probe.bytes().len(),
                url: self
                    .bucket
                    .presigned_get(&self.key(&format!("engine/{}", probe.sha256())), good)
                    .await?,
            });
        }
        Ok(engines)
    }

    /// Where one host may leave one answer, and no other bytes than these.
    pub(crate) async fn inbox(
        &self,
        name: &str,
        sha256: &[u8; 32],
        good: Duration,
    ) -> Result<(String, String), AwsError> {
        let key = self.key(&format!("answer/{name}"));
        let url = self.bucket.presigned_put(&key, sha256, good).await?;
        Ok((key, url))
    }

    /// Takes an answer out.
    pub(crate) async fn collect(&self, key: &str, size: u64) -> Result<Vec<u8>, AwsError> {
        let bytes = self.bucket.get(key, size).await?;
        self.bucket.delete(key).await?;
        Ok(bytes)
    }
}
