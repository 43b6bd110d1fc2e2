//! What a host is: everything that a table about it could show, as typed data.

use super::file::{File, Files};
use super::network::{Interface, Socket};
use super::process::Process;
pub use super::role::Role;
use crate::dice::Dice;
use std::net::Ipv4Addr;

/// One described host.
#[derive(Clone, Debug)]
pub struct Host {
    /// As the inventory calls it; also its own idea of its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its address in the network of the fleet.
    pub address: Ipv4Addr,
    /// Its times.
    pub clock: Clock,
    /// The running kernel.
    pub kernel: Kernel,
    /// What it runs on.
    pub hardware: Hardware,
    /// `/etc/passwd`, in order.
    pub users: Vec<User>,
    /// `/etc/group`, in order.
    pub groups: Vec<Group>,
    /// What is installed.
    pub packages: Vec<Package>,
    /// What runs.
    pub processes: Vec<Process>,
    /// Listeners, connections, local sockets.
    pub sockets: Vec<Socket>,
    /// Loaded kernel modules.
    pub modules: Vec<Module>,
    /// `/proc/mounts`, in order.
    pub mounts: Vec<Mount>,
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// `/etc/hosts`, in order.
    pub hosts_file: Vec<HostsEntry>,
    /// System and user crontabs.
    pub crontabs: Vec<Crontab>,
    /// All other files that matter.
    pub files: Files,
}

/// Times of a host, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// When it is looked at.
    pub now: u64,
    /// When its kernel started.
    pub booted: u64,
    /// When it was made from its image.
    pub installed: u64,
}

impl Clock {
    /// How long it is up.
    pub fn uptime(&self) -> u64 {
        self.now.saturating_sub(self.booted)
    }
}

/// The running kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// As `uname -r` prints it.
    pub release: String,
    /// As `uname -v` prints it.
    pub build: String,
    /// The command line it was started with.
    pub arguments: String,
}

/// What a host runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// As in `/proc/cpuinfo`.
    pub cpu: String,
    /// Logical processors.
    pub cores: u32,
    /// Memory in kB.
    pub memory_kb: u64,
    /// As the firmware says.
    pub vendor: String,
    /// As the firmware says.
    pub model: String,
}

/// A line of `/etc/passwd`, and the keys that open the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// The comment field.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// `~/.ssh/authorized_keys`; no file where there are none.
    pub keys: Vec<AuthorizedKey>,
}

/// A line of an `authorized_keys` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedKey {
    /// What stands before the key; often nothing.
    pub options: String,
    /// The algorithm's name.
    pub algorithm: String,
    /// The key in base64.
    pub key: String,
    /// Whose it is said to be.
    pub comment: String,
}

impl AuthorizedKey {
    /// The Ed25519 key of a person or robot; the same comment gives the same key within a fleet.
    pub fn of(dice: &Dice, comment: &str) -> Self {
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend_from_slice(&dice.named("ssh-key").named(comment).key());
        Self {
            options: String::new(),
            algorithm: "ssh-ed25519".to_owned(),
            key: base64(&blob),
            comment: comment.to_owned(),
        }
    }

    /// As it stands in the file.
    pub fn line(&self) -> String {
        let space = if self.options.is_empty() { "" } else { " " };
        format!("{}{space}{} {} {}", self.options, self.algorithm, self.key, self.comment)
    }
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Those for whom it is a secondary group.
    pub members: Vec<String>,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// Section of the archive.
    pub section: String,
    /// Priority in the archive.
    pub priority: String,
    /// Installed size in kB.
    pub size: u64,
    /// dpkg's three words on its state.
    pub status: String,
}

/// A loaded kernel module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Name.
    pub name: String,
    /// Bytes in memory.
    pub size: u64,
    /// Modules that need it.
    pub used_by: Vec<String>,
}

/// A line of `/proc/mounts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Device or its stand-in.
    pub device: String,
    /// Where.
    pub path: String,
    /// Kind of file system.
    pub kind: String,
    /// Options.
    pub flags: String,
}

/// A line of `/etc/hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsEntry {
    /// Address, as written.
    pub address: String,
    /// Names, as written.
    pub names: String,
}

impl HostsEntry {
    /// From its two parts.
    pub fn new(address: impl Into<String>, names: impl Into<String>) -> Self {
        Self { address: address.into(), names: names.into() }
    }
}

/// A crontab file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crontab {
    /// Where it is.
    pub path: String,
    /// When it was last changed.
    pub changed: u64,
    /// Its lines, whole: jobs, variables, comments.
    pub lines: Vec<String>,
}

impl Host {
    /// A process id that is still free, some distance above the last one.
    pub fn next_pid(&self, dice: &mut Dice, gap: u32) -> u32 {
        let last = self.processes.iter().map(|process| process.pid).max().unwrap_or(0);
        last + 1 + dice.between_u32(0, gap.max(1))
    }

    /// The first process of that name.
    pub fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// A user by name.
    pub fn user_mut(&mut self, name: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.name == name)
    }

    /// A package by name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// The number of a socket that no other has.
    pub fn next_inode(&self, dice: &mut Dice) -> u64 {
        let last = self.sockets.iter().map(|socket| socket.inode).max().unwrap_or(12_000);
        last + 1 + dice.between(0, 90)
    }

    /// The file of a program, where it has one.
    pub fn program(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| ALPHABET.get((bits & 63) as usize).copied().map_or('=', char::from);
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.push(digit(bits >> 18));
        text.push(digit(bits >> 12));
        text.push(if chunk.len() > 1 { digit(bits >> 6) } else { '=' });
        text.push(if chunk.len() > 2 { digit(bits) } else { '=' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_person_has_one_key_in_a_fleet() {
        let dice = Dice::new(1);
        let key = AuthorizedKey::of(&dice, "ana@ops");
        assert_eq!(key, AuthorizedKey::of(&dice, "ana@ops"));
        assert_ne!(key.key, AuthorizedKey::of(&dice, "ben@ops").key);
        assert!(key.line().starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"), "{}", key.line());
    }
}
