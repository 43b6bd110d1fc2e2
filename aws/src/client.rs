//! Calls to AWS's services in one account and region: signed, paced, tried again where that makes sense, and counted.

use crate::error::{AwsError, Code};
use crate::http::{Answer, Http};
use crate::pace::Pace;
use crate::session::{Keys, Place, partition};
use crate::xml;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Tries of one call.
const TRIES: u32 = 8;
/// No wait between two tries is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Calls one account in one region.
#[derive(Debug)]
pub struct Client {
    place: Place,
    http: Http,
    keys: Keys,
    endpoint: Option<String>,
    pace: Pace,
    calls: AtomicU64,
    throttled: AtomicU64,
}

/// A call that was made, for messages.
struct Call<'a> {
    service: &'static str,
    name: &'a str,
    headers: [(&'static str, String); 2],
    body: Bytes,
    /// Whether it may reach AWS twice.
    again: bool,
}

/// How one try ended.
enum Tried {
    Done(Bytes),
    Again { error: AwsError, certainly_not_done: bool },
    Expired(AwsError),
    Failed(AwsError),
}

impl Client {
    pub(crate) fn new(place: Place, http: Http, keys: Keys, endpoint: Option<String>, pace: Pace) -> Self {
        let (calls, throttled) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { place, http, keys, endpoint, pace, calls, throttled }
    }

    /// Account and region.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How many calls were made, tries that were turned away included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many of them were turned away as too many.
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn endpoint_override(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    pub(crate) async fn credentials(&self) -> Result<aws_credential_types::Credentials, AwsError> {
        let place = self.place.to_string();
        self.keys.get().await.map_err(|why| AwsError::Credentials { place, why })
    }

    /// A call of Systems Manager (AWS JSON 1.1). `again` is whether it may reach AWS twice.
    pub(crate) async fn ssm<T: DeserializeOwned>(
        &self,
        operation: &str,
        body: &Value,
        again: bool,
    ) -> Result<T, AwsError> {
        let call = Call {
            service: "ssm",
            name: operation,
            headers: [
                ("content-type", "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target", format!("AmazonSSM.{operation}")),
            ],
            body: body.to_string().into(),
            again,
        };
        let answer = self.call(&call).await?;
        serde_json::from_slice(&answer).map_err(|error| self.unreadable(&call, &error.to_string()))
    }

    /// A call of a service with the query protocol, such as Auto Scaling and EC2.
    pub(crate) async fn query(
        &self,
        service: &'static str,
        version: &str,
        operation: &str,
        parameters: &[(String, String)],
    ) -> Result<xml::Element, AwsError> {
        let mut body = format!("Action={operation}&Version={version}");
        for (name, value) in parameters {
            body += &format!("&{}={}", form(name), form(value));
        }
        let call = Call {
            service,
            name: operation,
            headers: [
                ("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
                ("accept", "text/xml".to_owned()),
            ],
            body: body.into(),
            again: true,
        };
        let answer = self.call(&call).await?;
        xml::parse(&answer).map_err(|why| self.unreadable(&call, &why))
    }

    fn unreadable(&self, call: &Call<'_>, why: &str) -> AwsError {
        let name = format!("{} {}", call.service, call.name);
        AwsError::Transport {
            place: self.place.to_string(),
            call: name,
            why: format!("unreadable answer: {why}"),
        }
    }

    async fn call(&self, call: &Call<'_>) -> Result<Bytes, AwsError> {
        let mut renewed = false;
        let mut tries = 0;
        loop {
            self.pace.turn().await;
            tries += 1;
            let error = match self.attempt(call).await {
                Tried::Done(body) => return Ok(body),
                Tried::Failed(error) => return Err(error),
                Tried::Expired(error) if renewed => return Err(error),
                Tried::Expired(_) => {
                    renewed = true;
                    self.keys.forget().await;
                    continue;
                }
                Tried::Again { error, certainly_not_done } if certainly_not_done || call.again => error,
                Tried::Again { error, .. } => return Err(error),
            };
            if tries >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(wait(tries)).await;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Tried {
        let name = || format!("{} {}", call.service, call.name);
        let transport =
            |why: String| AwsError::Transport { place: self.place.to_string(), call: name(), why };
        let request = match self.signed(call).await {
            Ok(request) => request,
            Err(error) => return Tried::Failed(error),
        };
        self.calls.fetch_add(1, Ordering::Relaxed);
        let Answer { status, body } = match self.http.send(request).await {
            Ok(answer) => answer,
            Err(why) => return Tried::Again { error: transport(why), certainly_not_done: false },
        };
        if (200..300).contains(&status) {
            return Tried::Done(body);
        }
        let Some((code, message)) = refusal(&body) else {
            let error = transport(format!("the answer has status {status} and is none of AWS"));
            return match status {
                429 => Tried::Again { error, certainly_not_done: true },
                500.. => Tried::Again { error, certainly_not_done: false },
                _ => Tried::Failed(error),
            };
        };
        let (throttling, expired) = (code.is_throttling() || status == 429, code.is_expired());
        let error = AwsError::Service { place: self.place.to_string(), call: name(), code, message };
        match status {
            _ if throttling => {
                self.throttled.fetch_add(1, Ordering::Relaxed);
                Tried::Again { error, certainly_not_done: true }
            }
            _ if expired => Tried::Expired(error),
            500.. => Tried::Again { error, certainly_not_done: false },
            _ => Tried::Failed(error),
        }
    }

    fn address(&self, service: &str) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
            None => format!("https://{service}.{}.{}/", self.place.region, partition(&self.place.region).1),
        }
    }

    async fn signed(&self, call: &Call<'_>) -> Result<http::Request<Bytes>, AwsError> {
        let name = || format!("{} {}", call.service, call.name);
        let cannot = |why: String| AwsError::Transport { place: self.place.to_string(), call: name(), why };
        let identity = self.credentials().await?.into();
        let address = self.address(call.service);
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.place.region)
            .name(call.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| cannot(error.to_string()))?
            .into();
        let headers = call.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new("POST", &address, headers, SignableBody::Bytes(&call.body))
            .map_err(|error| cannot(error.to_string()))?;
        let (instructions, _) =
            sign(signable, &params).map_err(|error| cannot(error.to_string()))?.into_parts();
        let mut request = http::Request::builder().method(http::Method::POST).uri(&address);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let mut request = request
            .header(http::header::CONTENT_LENGTH, call.body.len())
            .body(call.body.clone())
            .map_err(|error| cannot(error.to_string()))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// Grows with the tries, never the same for two callers: those who were turned away together must not come back together.
fn wait(tries: u32) -> Duration {
    let longest = Duration::from_millis(250 << tries.min(10)).min(LONGEST_WAIT);
    let dice = RandomState::new().hash_one(tries) % 1000;
    longest.mul_f64(dice as f64 / 1000.0)
}

/// Code and message of an error: JSON has `__type`, XML has `<Code>`.
fn refusal(body: &[u8]) -> Option<(Code, String)> {
    if let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) {
        let text = |names: [&str; 2]| names.iter().find_map(|name| object.get(*name)?.as_str());
        let code = Code::new(text(["__type", "code"])?);
        return Some((code, text(["message", "Message"]).unwrap_or_default().chars().take(1000).collect()));
    }
    let document = xml::parse(body).ok()?;
    let code = document.find("Code")?.text.clone();
    let message = document.find("Message").map(|message| message.text.chars().take(1000).collect());
    Some((Code::new(&code), message.unwrap_or_default()))
}

/// Percent-encoded for a form.
fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_both_forms() {
        let (code, message) =
            refusal(br#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#).unwrap();
        assert!(code.is_throttling());
        assert_eq!(message, "Rate exceeded");
        let xml = b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no &amp; no</Message></Error></ErrorResponse>";
        let (code, message) = refusal(xml).unwrap();
        assert!(code.is_denied());
        assert_eq!(message, "no & no");
        assert!(refusal(b"<html>").is_none() && refusal(b"[]").is_none());
    }

    #[test]
    fn waits_stay_below_their_bound() {
        for tries in 1..40 {
            assert!(wait(tries) <= LONGEST_WAIT);
        }
        assert!(wait(1) <= Duration::from_millis(500));
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form("tag:Name a&b=ü"), "tag%3AName%20a%26b%3D%C3%BC");
    }
}
