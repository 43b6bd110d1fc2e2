//! The two requests to an ssh-agent that signing needs: which keys, and a signature
//! (<https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent>).

use super::VerifyingKey;
use ssh_key::encoding::{Decode, Encode, Reader};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, Signature};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const RSA_SHA2_512: u32 = 4;

/// No honest answer is longer.
const MOST_ANSWER: u32 = 1 << 20;
/// A person may have to touch something, or to confirm.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why an agent is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Nobody there.
    #[error("the ssh-agent does not answer: {0}")]
    Io(#[from] io::Error),
    /// Not what an agent says.
    #[error("the ssh-agent said something that is not its protocol")]
    Protocol,
    /// It does not sign with that key.
    #[error("the ssh-agent does not sign with that key")]
    Refused,
}

impl From<ssh_key::encoding::Error> for AgentError {
    fn from(_: ssh_key::encoding::Error) -> Self {
        Self::Protocol
    }
}

/// A connection to an agent.
#[derive(Debug)]
pub struct Agent(UnixStream);

impl Agent {
    /// Connects to the agent's socket.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(socket: &Path) -> Result<Self, AgentError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// The keys that it has, without certificates.
    ///
    /// # Errors
    /// When it does not answer as an agent does.
    pub fn keys(&mut self) -> Result<Vec<VerifyingKey>, AgentError> {
        let answer = self.ask(&[REQUEST_IDENTITIES])?;
        let mut reader = answer.as_slice();
        if u8::decode(&mut reader)? != IDENTITIES_ANSWER {
            return Err(AgentError::Protocol);
        }
        let count = u32::decode(&mut reader)?;
        let mut keys = Vec::new();
        for _ in 0..count {
            let (key, _comment) = (Vec::<u8>::decode(&mut reader)?, Vec::<u8>::decode(&mut reader)?);
            // Certificates, and kinds of keys that are not known, cannot sign here.
            if let Ok(key) = KeyData::decode(&mut key.as_slice()) {
                keys.push(VerifyingKey(key));
            }
        }
        Ok(keys)
    }

    pub(super) fn sign(&mut self, key: &KeyData, data: &[u8]) -> Result<Signature, AgentError> {
        let flags = if matches!(key.algorithm(), Algorithm::Rsa { .. }) { RSA_SHA2_512 } else { 0 };
        let mut blob = Vec::new();
        key.encode(&mut blob)?;
        let mut request = vec![SIGN_REQUEST];
        blob.encode(&mut request)?;
        data.encode(&mut request)?;
        flags.encode(&mut request)?;
        let answer = self.ask(&request)?;
        let mut reader = answer.as_slice();
        if u8::decode(&mut reader)? != SIGN_RESPONSE {
            return Err(AgentError::Refused);
        }
        let signature = Vec::<u8>::decode(&mut reader)?;
        if !reader.is_finished() {
            return Err(AgentError::Protocol);
        }
        Signature::try_from(signature.as_slice()).map_err(|_| AgentError::Protocol)
    }

    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, AgentError> {
        let length = u32::try_from(request.len()).map_err(|_| AgentError::Protocol)?;
        self.0.write_all(&length.to_be_bytes())?;
        self.0.write_all(request)?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length == 0 || length > MOST_ANSWER {
            return Err(AgentError::Protocol);
        }
        let mut answer = Vec::new();
        (&mut self.0).take(u64::from(length)).read_to_end(&mut answer)?;
        if answer.len() as u64 == u64::from(length) { Ok(answer) } else { Err(AgentError::Protocol) }
    }
}
