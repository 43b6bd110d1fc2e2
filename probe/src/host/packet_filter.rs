//! The one socket through which the kernel tells the rules of its old packet filter.
//!
//! It has to be an internet socket, which nothing else here may have. So it is made before the restraint, which then
//! forbids to connect, bind, send or duplicate it: all that is left is to ask it for options.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Two questions of `linux/netfilter_ipv4/ip_tables.h`.
const IPT_SO_GET_INFO: libc::c_int = 64;
const IPT_SO_GET_ENTRIES: libc::c_int = 65;
/// Bytes of a table's name in both.
const NAME: usize = 32;
const INFO: usize = 84;
/// Before the entries: the name, their length, and room to align them.
const ENTRIES_HEADER: usize = 40;
/// More than the largest sets of rules that people load.
const MAX_BYTES: u32 = 64 << 20;

/// The socket.
pub(crate) struct PacketFilter(OwnedFd);

impl PacketFilter {
    /// Makes the socket. `None` where the kernel has no internet, or who asks has no right to.
    pub(crate) fn open() -> Option<Self> {
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok().map(Self)
    }

    /// Its number, for the restraint.
    pub(crate) fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }

    #[cfg(test)]
    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.0
    }

    /// A table of the filter: where its chains begin and end, then its rules, both as the kernel has them.
    ///
    /// # Errors
    /// As `getsockopt`; without the right to administrate the network that is `EPERM`.
    pub(crate) fn table(&self, name: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Errno> {
        let mut info = vec![0_u8; INFO];
        let named = info.get_mut(..NAME - 1).and_then(|room| room.get_mut(..name.len()));
        named.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
        let mut last = Errno::AGAIN;
        // Rules that come in between make the second answer longer than was asked for.
        for _ in 0..3 {
            let mut header = info.clone();
            self.ask(IPT_SO_GET_INFO, &mut header)?;
            let size =
                header.get(80..84).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
            if size > MAX_BYTES {
                return Err(Errno::FBIG);
            }
            let mut entries = vec![0_u8; ENTRIES_HEADER + size as usize];
            for (to, from) in entries.iter_mut().zip(header.iter().take(NAME)) {
                *to = *from;
            }
            for (to, from) in entries.iter_mut().skip(NAME).zip(size.to_ne_bytes()) {
                *to = from;
            }
            match self.ask(IPT_SO_GET_ENTRIES, &mut entries) {
                Ok(()) => return Ok((header, entries.split_off(ENTRIES_HEADER))),
                Err(errno) => last = errno,
            }
        }
        Err(last)
    }

    fn ask(&self, option: libc::c_int, answer: &mut [u8]) -> Result<(), Errno> {
        let mut length = libc::socklen_t::try_from(answer.len()).map_err(|_| Errno::INVAL)?;
        // SAFETY: the kernel writes at most `length` bytes, which is how long `answer` is.
        let got = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::IPPROTO_IP,
                option,
                answer.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if got == 0 {
            return Ok(());
        }
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        Err(Errno::from_raw_os_error(errno))
    }
}
