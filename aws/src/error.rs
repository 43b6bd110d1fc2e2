//! What can go wrong between us and AWS, in words that say where and what next.

use std::fmt;

/// A call that did not succeed, after all tries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// There is nobody to sign as.
    #[error("no credentials for {place}: {why}")]
    Credentials {
        /// Account and region.
        place: String,
        /// What the SDK's chain said.
        why: String,
    },
    /// No region is named anywhere.
    #[error("no region: give --aws-region, or set one in the profile or in AWS_REGION")]
    NoRegion,
    /// AWS said no.
    #[error("{place}: {call}: {code}{}", text(.message))]
    Service {
        /// Account and region.
        place: String,
        /// Service and operation.
        call: String,
        /// AWS's name for it.
        code: Code,
        /// AWS's words.
        message: String,
    },
    /// AWS was not reached, or did not answer as AWS does.
    #[error("{place}: {call}: {why}")]
    Transport {
        /// Account and region.
        place: String,
        /// Service and operation.
        call: String,
        /// The system's reason.
        why: String,
    },
    /// Something that was asked for is not there, or cannot be used.
    #[error("{0}")]
    Unusable(String),
}

fn text(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl AwsError {
    /// AWS's code, where AWS answered.
    pub fn code(&self) -> Option<&Code> {
        match self {
            Self::Service { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// The code of an error, as `ThrottlingException`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// Without the namespace and the address that some services put around it.
    pub fn new(text: &str) -> Self {
        let text = text.rsplit('#').next().unwrap_or(text);
        let text = text.split(':').next().unwrap_or(text);
        Self(text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')).take(100).collect())
    }

    /// The code itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Asking again later makes sense: too many calls.
    pub fn is_throttling(&self) -> bool {
        ["Throttl", "RequestLimitExceeded", "TooManyRequests", "RateExceeded", "SlowDown"]
            .iter()
            .any(|start| self.0.starts_with(start))
    }

    /// New credentials may help.
    pub fn is_expired(&self) -> bool {
        ["ExpiredToken", "RequestExpired", "TokenRefreshRequired"]
            .iter()
            .any(|start| self.0.starts_with(start))
    }

    /// No credentials of ours will do.
    pub fn is_denied(&self) -> bool {
        [
            "AccessDenied",
            "UnauthorizedOperation",
            "UnrecognizedClient",
            "InvalidClientTokenId",
            "InvalidSignature",
            "SignatureDoesNotMatch",
            "AuthFailure",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "OptInRequired",
        ]
        .iter()
        .any(|start| self.0.starts_with(start))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_in_all_their_forms() {
        for text in [
            "ThrottlingException",
            "com.amazon.coral.availability#ThrottlingException",
            "Throttling:http://x/",
        ] {
            assert!(Code::new(text).is_throttling(), "{text}");
        }
        assert!(Code::new("ExpiredTokenException").is_expired());
        assert!(
            Code::new("AccessDeniedException").is_denied() && !Code::new("InvalidInstanceId").is_denied()
        );
        assert_eq!(Code::new("a\u{1b}[31mb").as_str(), "a31mb");
    }
}
