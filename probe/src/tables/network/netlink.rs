//! Questions to the kernel over netlink, each a dump: one message out, many back.
//!
//! The sockets are `AF_NETLINK`: they reach the kernel and nothing else.

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
    sockopt,
};

use crate::host::Host;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const HEADER: usize = 16;
/// The kernel answers at once; this is for one that does not.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers are not kept beyond this many bytes.
const MAX_BYTES: usize = 64 << 20;

/// Whether the kernel has a part of itself at hand. Asking one that has it as a module on disk would make it load the
/// module, which would change the host.
pub(crate) fn kernel_has(host: &Host, module: &str) -> bool {
    if host.exists(format!("/sys/module/{module}")) {
        return true;
    }
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let directory = format!("/lib/modules/{release}");
    match host.read(format!("{directory}/modules.builtin")) {
        Some(content) => {
            let name = format!("/{module}.ko");
            content.windows(name.len()).any(|part| part == name.as_bytes())
        }
        // Without modules there is nothing to load.
        None => !host.exists(&directory),
    }
}

/// Asks for all of something (protocol `None` is routing, number 0): the payloads of the answers.
///
/// # Errors
/// As `socket` and `recv`, or what the kernel answers.
pub(crate) fn dump(protocol: Option<Protocol>, kind: u16, payload: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    let mut message = Vec::with_capacity(HEADER + payload.len());
    let length = u32::try_from(HEADER + payload.len()).map_err(|_| Errno::MSGSIZE)?;
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend_from_slice(&1_u32.to_ne_bytes());
    message.extend_from_slice(&0_u32.to_ne_bytes());
    message.extend_from_slice(payload);
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answers = Vec::new();
    let mut buffer = vec![0_u8; 64 << 10];
    let mut total = 0;
    loop {
        let (got, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        total += got;
        // Half an answer would look like a whole one.
        if got == 0 || total > MAX_BYTES {
            return Err(Errno::MSGSIZE);
        }
        let mut rest = buffer.get(..got).unwrap_or_default();
        while let Some((kind, body, after)) = message_at(rest) {
            match kind {
                NLMSG_DONE => return Ok(answers),
                NLMSG_ERROR => return Err(error_of(body)),
                _ => answers.push(body.to_vec()),
            }
            rest = after;
        }
    }
}

/// The first message: its kind, its payload, what follows.
fn message_at(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(number(bytes, 0)?).ok()?;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER..length)?;
    let next = length.next_multiple_of(4).min(bytes.len());
    Some((kind, body, bytes.get(next..)?))
}

fn error_of(body: &[u8]) -> Errno {
    let code = body.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes);
    Errno::from_raw_os_error(code.saturating_neg().clamp(1, 4095))
}

/// A 32-bit number in the host's byte order.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The attributes behind a message's fixed part: kind and value.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4).min(bytes.len())..).unwrap_or_default();
        // The two highest bits are flags.
        Some((kind & 0x3fff, value))
    })
}

/// The text of an attribute, which ends in a NUL.
pub(crate) fn text(value: &[u8]) -> Vec<u8> {
    value.iter().copied().take_while(|byte| *byte != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_answers_end_quietly() {
        assert!(message_at(&[9, 0, 0, 0]).is_none());
        assert!(message_at(&[255; 16]).is_none());
        assert_eq!(attributes(&[4, 0, 1, 0, 8, 0, 2, 0, 1, 2, 3, 4, 200, 0]).count(), 2);
        assert_eq!(attributes(&[0, 0, 0, 0]).count(), 0);
        assert_eq!(error_of(&[]).raw_os_error(), 1);
    }
}
