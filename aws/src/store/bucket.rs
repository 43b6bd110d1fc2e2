//! A bucket, through object_store: whatever that crate reaches would do as well.

use super::object::Object;
use crate::client::Client;
use crate::error::AwsError;
use crate::http::{Http, causes};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, Method};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential, S3CopyIfNotExists};
use object_store::client::{CredentialProvider, HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{
    ClientOptions, CopyMode, CopyOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    WriteMultipart,
};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// What is larger is written in parts. At most 10,000 parts of 8 MiB.
const ONE_PUT: u64 = 16 << 20;
const PART: usize = 8 << 20;
/// Parts that are sent at a time.
const AHEAD: usize = 4;

/// A bucket, as the operator may use it. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Bucket {
    name: String,
    store: AmazonS3,
}

/// Credentials of a client, for the store.
#[derive(Debug)]
struct Keys(Arc<Client>);

#[async_trait::async_trait]
impl CredentialProvider for Keys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let keys = self.0.credentials().await.map_err(|error| object_store::Error::Unauthenticated {
            path: String::new(),
            source: Box::new(error),
        })?;
        Ok(Arc::new(AwsCredential {
            key_id: keys.access_key_id().to_owned(),
            secret_key: keys.secret_access_key().to_owned(),
            token: keys.session_token().map(str::to_owned),
        }))
    }
}

#[derive(Debug)]
struct OneClient(Http);

impl HttpConnector for OneClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Bucket {
    /// A bucket in the region of a client. Calls nothing.
    pub fn open(client: &Arc<Client>, name: &str) -> Result<Self, AwsError> {
        let mut builder = AmazonS3Builder::new()
            .with_region(&client.place().region)
            .with_bucket_name(name)
            .with_credentials(Arc::new(Keys(Arc::clone(client))))
            .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
            .with_http_connector(OneClient(client.http().clone()));
        if let Some(endpoint) = client.endpoint_override() {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder.build().map_err(|error| failed(name, "", &error))?;
        Ok(Self { name: name.to_owned(), store })
    }

    pub(super) fn failed(&self, key: &str, error: &object_store::Error) -> AwsError {
        failed(&self.name, key, error)
    }

    pub(super) fn place_of(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    pub(super) fn store(&self) -> &AmazonS3 {
        &self.store
    }

    fn path(&self, key: &str) -> Result<Path, AwsError> {
        Path::parse(key).map_err(|error| AwsError::Unusable(format!("s3://{}/{key}: {error}", self.name)))
    }

    /// Whether an object is there.
    pub async fn exists(&self, key: &str) -> Result<bool, AwsError> {
        match self.store.head(&self.path(key)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(key, &error)),
        }
    }

    /// Looks at an object that is to be read; refuses one that is longer than `most`.
    ///
    /// # Errors
    /// When it is not there, may not be read, or is too long.
    pub async fn object(&self, key: &str, most: u64) -> Result<Object, AwsError> {
        let path = self.path(key)?;
        let found = self.store.head(&path).await.map_err(|error| self.failed(key, &error))?;
        if found.size > most {
            let (place, size) = (self.place_of(key), found.size);
            return Err(AwsError::Unusable(format!("{place} has {size} bytes; {most} are read at most")));
        }
        Ok(Object { bucket: self.clone(), path, size: found.size, e_tag: found.e_tag })
    }

    /// An object of the length that is expected, in memory.
    pub(crate) async fn get(&self, key: &str, size: u64) -> Result<Vec<u8>, AwsError> {
        let object = self.object(key, size).await?;
        object.range(0..object.size()).await
    }

    /// Writes an object that nobody has written yet, from a file of known length. Nothing is ever written over: S3 itself
    /// decides who was first.
    pub async fn write_once(&self, key: &str, from: &mut impl Read, size: u64) -> Result<(), AwsError> {
        let path = self.path(key)?;
        let unreadable =
            |error: std::io::Error| AwsError::Unusable(format!("cannot read what was written: {error}"));
        if size <= ONE_PUT {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).map_err(unreadable)?;
            return self.create(&path, bytes.into()).await.map_err(|error| self.failed(key, &error));
        }
        // Parts go to a name beside it, which is then copied within S3 under the condition that nothing is there: so what
        // stands under the name is always whole.
        let aside = self.path(&format!("{key}.part-{}", std::process::id()))?;
        let upload = self.store.put_multipart(&aside).await.map_err(|error| self.failed(key, &error))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        loop {
            let mut part = Vec::new();
            from.by_ref().take(PART as u64).read_to_end(&mut part).map_err(unreadable)?;
            if part.is_empty() {
                break;
            }
            upload.wait_for_capacity(AHEAD).await.map_err(|error| self.failed(key, &error))?;
            upload.put(part.into());
        }
        upload.finish().await.map_err(|error| self.failed(key, &error))?;
        let create = CopyOptions { mode: CopyMode::Create, ..CopyOptions::default() };
        let copied = self.store.copy_opts(&aside, &path, create).await;
        let removed = self.store.delete(&aside).await;
        copied.and(removed).map_err(|error| self.failed(key, &error))
    }

    async fn create(&self, path: &Path, bytes: PutPayload) -> object_store::Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.store.put_opts(path, bytes, options).await.map(|_| ())
    }

    /// Writes an object whose name says what is in it.
    pub(crate) async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<(), AwsError> {
        if self.exists(key).await? {
            return Ok(());
        }
        match self.create(&self.path(key)?, bytes.into()).await {
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(self.failed(key, &error)),
        }
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), AwsError> {
        self.store.delete(&self.path(key)?).await.map_err(|error| self.failed(key, &error))
    }

    pub(crate) async fn presigned_get(&self, key: &str, good: Duration) -> Result<String, AwsError> {
        let url = self.store.signed_url(Method::GET, &self.path(key)?, good).await;
        url.map(String::from).map_err(|error| self.failed(key, &error))
    }

    /// The hash is part of what is signed: S3 takes nothing else there.
    pub(crate) async fn presigned_put(
        &self,
        key: &str,
        sha256: &[u8; 32],
        good: Duration,
    ) -> Result<String, AwsError> {
        let hash = HeaderValue::from_str(&BASE64.encode(sha256))
            .map_err(|error| AwsError::Unusable(error.to_string()))?;
        let options = SignedUrlOptions::new()
            .with_signed_header(HeaderName::from_static("x-amz-checksum-sha256"), hash);
        let url = self.store.signed_url_opts(Method::PUT, &self.path(key)?, good, &options).await;
        url.map(String::from).map_err(|error| self.failed(key, &error))
    }
}

fn failed(bucket: &str, key: &str, error: &object_store::Error) -> AwsError {
    let place = format!("s3://{bucket}/{key}");
    AwsError::Unusable(match error {
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            format!("{place} exists, and nothing is ever written over")
        }
        object_store::Error::NotFound { .. } => format!("{place} does not exist"),
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            format!("{place}: not allowed: {}", causes(error))
        }
        other => format!("{place}: {}", causes(other)),
    })
}
