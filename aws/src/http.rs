//! The one HTTP client: for the SDK's credentials, for our calls, for the object store. Proxies as the environment says.

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use object_store::client::{HttpError, HttpErrorKind, HttpResponseBody};
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(10);
/// Until the answer begins.
const READ: Duration = Duration::from_secs(60);

/// Answers of services that are longer are not read.
pub(crate) const LONGEST_ANSWER: usize = 16 << 20;

/// Sends requests.
#[derive(Clone, Debug)]
pub(crate) struct Http(SharedHttpConnector);

/// A status and a body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new() -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(READ).build();
        let connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .connector_settings(settings)
            .proxy_config(ProxyConfig::from_env())
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .build();
        Self(SharedHttpConnector::new(connector))
    }

    /// The same client for the SDK.
    pub(crate) fn for_sdk(&self) -> SharedHttpClient {
        let connector = self.0.clone();
        http_client_fn(move |_, _| connector.clone())
    }

    async fn call(&self, request: http::Request<SdkBody>) -> Result<HttpResponse, String> {
        let request = HttpRequest::try_from(request).map_err(|error| error.to_string())?;
        self.0.call(request).await.map_err(|error| causes(&error))
    }

    /// Sends, and reads the answer up to its limit.
    pub(crate) async fn send(&self, request: http::Request<Bytes>) -> Result<Answer, String> {
        let response = self.call(request.map(SdkBody::from)).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut read = BytesMut::new();
        let reading = async {
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
                let Ok(data) = frame.into_data() else { continue };
                if read.len() + data.len() > LONGEST_ANSWER {
                    return Err(format!("the answer is longer than {LONGEST_ANSWER} bytes"));
                }
                read.extend_from_slice(&data);
            }
            Ok(())
        };
        tokio::time::timeout(READ, reading)
            .await
            .map_err(|_| "the answer did not end in time".to_owned())??;
        Ok(Answer { status, body: read.freeze() })
    }
}

/// An error with all that is behind it: the outermost layers say little.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text += &format!(": {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A request of the object store that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

#[async_trait::async_trait]
impl object_store::client::HttpService for Http {
    async fn call(
        &self,
        request: object_store::client::HttpRequest,
    ) -> Result<object_store::client::HttpResponse, HttpError> {
        let fail = |kind, why: String| HttpError::new(kind, Failed(why));
        let (mut parts, body) = request.into_parts();
        // Uploads are parts of some megabytes; one piece of memory can be sent again when the connection was stale.
        let length = body.content_length();
        let body =
            body.collect().await.map_err(|error| fail(HttpErrorKind::Unknown, error.to_string()))?.to_bytes();
        parts.headers.insert(http::header::CONTENT_LENGTH, length.into());
        let request = http::Request::from_parts(parts, SdkBody::from(body));
        let response = Self::call(self, request).await.map_err(|why| fail(HttpErrorKind::Request, why))?;
        let response =
            response.try_into_http1x().map_err(|error| fail(HttpErrorKind::Decode, error.to_string()))?;
        let broken = |error: aws_smithy_types::body::Error| {
            HttpError::new(HttpErrorKind::Interrupted, Failed(error.to_string()))
        };
        Ok(response.map(|body| HttpResponseBody::new(body.map_err(broken))))
    }
}
