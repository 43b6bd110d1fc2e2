//! An object that is read by ranges, all of one version: of a large bundle only what a question needs is fetched.

use super::bucket::Bucket;
use crate::error::AwsError;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use std::ops::Range;

/// Requests at a time, and how much each asks for at most.
const AHEAD: usize = 4;
const RANGE: u64 = 8 << 20;

/// An object as it was when it was looked at. Where it is another one later, reading fails.
#[derive(Debug)]
pub struct Object {
    pub(super) bucket: Bucket,
    pub(super) path: Path,
    pub(super) size: u64,
    pub(super) e_tag: Option<String>,
}

impl Object {
    /// Bytes in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a range, fetched in parts at the same time. What is behind the end is left out.
    ///
    /// # Errors
    /// When S3 refuses, or the object is another one by now.
    pub async fn range(&self, wanted: Range<u64>) -> Result<Vec<u8>, AwsError> {
        let end = wanted.end.min(self.size);
        let length = end.saturating_sub(wanted.start);
        let starts = (0..length.div_ceil(RANGE)).map(|n| wanted.start + n * RANGE);
        let parts = futures::stream::iter(starts).map(|start| self.part(start..(start + RANGE).min(end)));
        let mut parts = parts.buffered(AHEAD);
        let mut bytes = Vec::new();
        while let Some(part) = parts.try_next().await? {
            bytes.extend_from_slice(&part);
        }
        if bytes.len() as u64 == length {
            return Ok(bytes);
        }
        let (place, read) = (self.bucket.place_of(self.path.as_ref()), bytes.len());
        Err(AwsError::Unusable(format!("{place}: {read} bytes came where {length} were asked for")))
    }

    async fn part(&self, range: Range<u64>) -> Result<Bytes, AwsError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.e_tag.clone(),
            ..GetOptions::default()
        };
        let answer = async { self.bucket.store().get_opts(&self.path, options).await?.bytes().await };
        answer.await.map_err(|error| match error {
            object_store::Error::Precondition { .. } => {
                let place = self.bucket.place_of(self.path.as_ref());
                AwsError::Unusable(format!("{place} was written anew while it was read"))
            }
            error => self.bucket.failed(self.path.as_ref(), &error),
        })
    }
}
