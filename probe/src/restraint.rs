//! What the probe takes away from itself before it reads the first byte of a host.
//!
//! A fault in a parser must not become the attacker's tool: with seccomp the kernel refuses to write, to start
//! programs, to reach the network and to touch other processes. Landlock would be simpler, but it also forbids
//! to look into the `/proc` of other processes. Where a kernel has no seccomp, the probe works without.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, geteuid, getrlimit, nice, setrlimit};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::host::PacketFilter;

/// Others come first.
const NICE: i32 = 10;

static CORE: OnceLock<Rlimit> = OnceLock::new();

/// Steps back behind other processes, before any thread is started: each has a priority of its own.
pub(crate) fn step_back() {
    // All of this makes the probe safer; nothing of it is needed for a true answer.
    let _ = nice(NICE);
    let core = CORE.get_or_init(|| getrlimit(Resource::Core));
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: core.maximum });
}

/// Gives up what is not needed, in all threads. `live` tells whether the running system is read; for another root the
/// kernel must resolve paths by a call whose flags no filter can see. Returns the one internet socket that remains,
/// with which nothing can be reached.
pub(crate) fn apply(live: bool) -> Option<PacketFilter> {
    let packet_filter = (live && geteuid().is_root()).then(PacketFilter::open).flatten();
    let number = packet_filter.as_ref().map(PacketFilter::number);
    let applied =
        program(live, number).is_ok_and(|program| seccompiler::apply_filter_all_threads(&program).is_ok());
    // Where nothing keeps it from being used, it is given up.
    packet_filter.filter(|_| applied)
}

/// The limit for core dumps that this process was started with: `step_back` changes it, a crash must write nothing.
pub(crate) fn core_limit() -> Rlimit {
    CORE.get().cloned().unwrap_or_else(|| getrlimit(Resource::Core))
}

/// Calls that are refused whatever their arguments.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    // A way around all of the others.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Whoever duplicates a socket gives it another number.
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_sendmmsg,
];

/// The older forms of some of them, which newer architectures never had.
#[cfg(target_arch = "x86_64")]
const OLD: &[libc::c_long] = &[
    libc::SYS_renameat,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_dup2,
    libc::SYS_kexec_file_load,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[libc::c_long] = &[];

/// What could reach somebody through the socket of that number.
const USES_OF_A_SOCKET: [libc::c_long; 3] = [libc::SYS_connect, libc::SYS_sendto, libc::SYS_sendmsg];

fn program(live: bool, packet_filter: Option<i32>) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().chain(OLD).map(|call| (*call, Vec::new())).collect();
    // A socket to anything but this machine and its kernel.
    for family in [libc::AF_INET, libc::AF_INET6, libc::AF_PACKET] {
        rules.entry(libc::SYS_socket).or_default().push(equal(0, family)?);
    }
    // To ask whether a process is there is a signal that is none.
    let signal = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_kill, vec![SeccompRule::new(vec![signal])?]);
    for flag in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC] {
        rules.entry(libc::SYS_openat).or_default().push(has(2, flag)?);
        #[cfg(target_arch = "x86_64")]
        rules.entry(libc::SYS_open).or_default().push(has(1, flag)?);
    }
    for command in [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC] {
        rules.entry(libc::SYS_fcntl).or_default().push(equal(1, command)?);
    }
    if let Some(number) = packet_filter {
        for call in USES_OF_A_SOCKET {
            rules.entry(call).or_default().push(equal(0, number)?);
        }
    }
    if live {
        rules.insert(libc::SYS_openat2, Vec::new());
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    filter.try_into()
}

fn equal(argument: u8, value: i32) -> Result<SeccompRule, BackendError> {
    let value = u64::from(value.unsigned_abs());
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?])
}

/// Whether all bits of a flag are set.
fn has(argument: u8, flag: i32) -> Result<SeccompRule, BackendError> {
    let flag = u64::from(flag.unsigned_abs());
    let masked = SeccompCmpOp::MaskedEq(flag);
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, masked, flag)?])
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_restrained_thread_can_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (file, socket) = (dir.path().join("file"), dir.path().join("socket"));
        std::fs::write(&file, "content").unwrap();
        // The filter holds for the thread that asks for it, and this one ends.
        let tried = std::thread::spawn(move || {
            let kept = PacketFilter::open().unwrap();
            seccompiler::apply_filter(&program(true, Some(kept.number())).unwrap()).unwrap();
            let there = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
            let refused: [(&str, Option<ErrorKind>); 10] = [
                ("connect", rustix::net::connect(kept.socket(), &there).err().map(|errno| errno.kind())),
                (
                    "send",
                    rustix::net::sendto(kept.socket(), b"x", rustix::net::SendFlags::empty(), &there)
                        .err()
                        .map(|errno| errno.kind()),
                ),
                ("duplicate", rustix::io::dup(kept.socket()).err().map(|errno| errno.kind())),
                ("write", std::fs::write(&file, "x").err().map(|error| error.kind())),
                ("create", std::fs::write(file.with_extension("new"), "x").err().map(|error| error.kind())),
                ("remove", std::fs::remove_file(&file).err().map(|error| error.kind())),
                (
                    "rename",
                    std::fs::rename(&file, file.with_extension("new")).err().map(|error| error.kind()),
                ),
                ("network", TcpListener::bind("127.0.0.1:0").err().map(|error| error.kind())),
                ("listen", UnixListener::bind(socket).err().map(|error| error.kind())),
                ("start", Command::new("/bin/true").spawn().err().map(|error| error.kind())),
            ];
            let own = rustix::process::test_kill_process(rustix::process::getpid()).is_ok();
            (refused, own, std::fs::read_to_string(&file).ok())
        });
        let (refused, own, content) = tried.join().unwrap();
        for (what, error) in refused {
            assert_eq!(error, Some(ErrorKind::PermissionDenied), "{what}");
        }
        assert!(own);
        assert_eq!(content.as_deref(), Some("content"));
    }
}
