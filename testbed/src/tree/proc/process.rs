//! `/proc/<pid>` of every process.

use super::super::{Tree, TreeError};
use super::{PAGE_KB, TICKS};
use crate::fleet::host::Host;
use crate::fleet::network::SocketKind;
use crate::fleet::process::{Process, Program};
use std::collections::HashMap;

pub(super) fn write(host: &Host, tree: &mut Tree) -> Result<(), TreeError> {
    let mut sockets: HashMap<u32, Vec<u64>> = HashMap::new();
    for socket in host.sockets.iter().filter(|socket| !is_over(&socket.kind)) {
        for &owner in &socket.owners {
            sockets.entry(owner).or_default().push(socket.inode);
        }
    }
    for process in &host.processes {
        let at = format!("/proc/{}", process.pid);
        let nul = |words: &[String]| words.iter().flat_map(|word| [word.as_str(), "\0"]).collect::<String>();
        tree.plain(&format!("{at}/stat"), stat(process, host.clock.booted))?;
        tree.plain(&format!("{at}/status"), status(process))?;
        tree.plain(&format!("{at}/comm"), format!("{}\n", process.name))?;
        tree.plain(&format!("{at}/cmdline"), nul(&process.arguments))?;
        tree.plain(&format!("{at}/environ"), nul(&process.environment))?;
        tree.plain(&format!("{at}/cgroup"), format!("0::{}\n", process.cgroup))?;
        // The kernel has the link for its own threads too, but reading it fails; here there is none.
        if let Some(target) = process.program.link() {
            tree.link(&format!("{at}/exe"), &target)?;
        }
        tree.link(&format!("{at}/cwd"), &process.cwd)?;
        tree.link(&format!("{at}/root"), "/")?;
        tree.directory(&format!("{at}/fd"), 0o700)?;
        if process.program == Program::Kernel {
            continue;
        }
        let standard = ["/dev/null", "/dev/null", "/dev/null"].iter().map(|&target| target.to_owned());
        let own = sockets.get(&process.pid).into_iter().flatten().map(|inode| format!("socket:[{inode}]"));
        for (number, target) in standard.chain(own).chain(process.open.iter().cloned()).enumerate() {
            tree.link(&format!("{at}/fd/{number}"), &target)?;
        }
    }
    Ok(())
}

/// Whether no process can have it open any more.
fn is_over(kind: &SocketKind) -> bool {
    matches!(kind, SocketKind::Tcp(_, _, crate::fleet::network::TcpState::TimeWait))
}

/// The line of `/proc/<pid>/stat`: 52 fields since Linux 3.5.
fn stat(process: &Process, booted: u64) -> String {
    let kernel = process.program == Program::Kernel;
    let state = if kernel { 'I' } else { 'S' };
    let (group, session) = if kernel { (0, 0) } else { (process.pid, process.pid) };
    let flags = if kernel { 69_238_880_u64 } else { 4_194_560 };
    let start = process.started.saturating_sub(booted) * TICKS + u64::from(process.pid % 90);
    let virtual_bytes = if kernel { 0 } else { (process.resident_kb * 4 + 8_192) * 1024 };
    let resident = process.resident_kb / PAGE_KB;
    let (user, system) = (process.busy * 2 / 3, process.busy / 3);
    let code = if kernel { "0 0 0" } else { "94402212909056 94402213689517 140733306427536" };
    let data = if kernel {
        "0 0 0 0 0 0 0"
    } else {
        "94402214118480 94402214187880 94402235031552 140733306429193 140733306429260 140733306429260 140733306429416"
    };
    format!(
        "{} ({}) {state} {} {group} {session} 0 -1 {flags} 1182 0 14 0 {user} {system} 0 0 20 0 {} 0 {start} {virtual_bytes} {resident} \
         18446744073709551615 {code} 0 0 0 0 4096 134759 0 0 0 17 1 0 0 0 0 0 {data} 0\n",
        process.pid, process.name, process.parent, process.threads,
    )
}

/// The lines of `/proc/<pid>/status`, in the kernel's order. Kernel threads have none on memory.
fn status(process: &Process) -> String {
    let kernel = process.program == Program::Kernel;
    let Process { pid, parent, uid, gid, threads, .. } = process;
    let state = if kernel { "I (idle)" } else { "S (sleeping)" };
    let memory = if kernel {
        String::new()
    } else {
        let (size, resident) = (process.resident_kb * 4 + 8_192, process.resident_kb);
        format!(
            "VmPeak:\t{size:8} kB\nVmSize:\t{size:8} kB\nVmLck:\t{:8} kB\nVmPin:\t{:8} kB\nVmHWM:\t{resident:8} kB\n\
             VmRSS:\t{resident:8} kB\nRssAnon:\t{:8} kB\nRssFile:\t{:8} kB\nRssShmem:\t{:8} kB\nVmData:\t{:8} kB\n\
             VmStk:\t{:8} kB\nVmExe:\t{:8} kB\nVmLib:\t{:8} kB\nVmPTE:\t{:8} kB\nVmSwap:\t{:8} kB\n",
            0,
            0,
            resident / 3,
            resident - resident / 3,
            0,
            size / 2,
            132,
            780,
            2_900,
            64,
            0,
        )
    };
    let capabilities = if *uid == 0 { "000001ffffffffff" } else { "0000000000000000" };
    let groups = if kernel { String::new() } else { format!("{gid}") };
    format!(
        "Name:\t{}\nUmask:\t0022\nState:\t{state}\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\nPPid:\t{parent}\nTracerPid:\t0\n\
         Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\nFDSize:\t64\nGroups:\t{groups} \n\
         NStgid:\t{pid}\nNSpid:\t{pid}\nNSpgid:\t{pid}\nNSsid:\t{pid}\n{memory}Threads:\t{threads}\nSigQ:\t0/31434\n\
         SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\n\
         SigCgt:\t0000000180004a03\nCapInh:\t0000000000000000\nCapPrm:\t{capabilities}\nCapEff:\t{capabilities}\n\
         CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n\
         Cpus_allowed:\tf\nCpus_allowed_list:\t0-3\nMems_allowed:\t00000000,00000001\nMems_allowed_list:\t0\n\
         voluntary_ctxt_switches:\t3122\nnonvoluntary_ctxt_switches:\t41\n",
        process.name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands behind the name in parentheses, which may hold anything.
    fn fields(stat: &str) -> Vec<String> {
        let at = stat.rfind(')').unwrap();
        stat[at + 2..].trim_end().split(' ').map(str::to_owned).collect()
    }

    fn keys(status: &str) -> Vec<String> {
        status.lines().map(|line| line.split_once(":\t").unwrap().0.to_owned()).collect()
    }

    fn example() -> Process {
        let mut process = Process::new(712, 1, "/usr/sbin/nginx", &["nginx"]).user(33, 33).started(5_100);
        process.threads = 3;
        process
    }

    #[test]
    fn stat_has_the_fields_of_the_running_kernel() {
        let real = fields(&std::fs::read_to_string("/proc/self/stat").unwrap());
        let ours = fields(&stat(&example(), 5_000));
        assert_eq!(ours.len(), real.len());
        for (place, (ours, real)) in ours.iter().zip(&real).enumerate().skip(1) {
            assert_eq!(
                ours.parse::<i128>().is_ok(),
                real.parse::<i128>().is_ok(),
                "field {}: {ours}",
                place + 3
            );
        }
        assert_eq!((ours[1].as_str(), ours[17].as_str()), ("1", "3"), "parent and threads");
        assert_eq!(ours[19], (10_000 + 712 % 90).to_string(), "started 100 s after the kernel");
        let kernel = fields(&stat(&Process::kernel(9, 2, "kworker/0:1-ev (x) y"), 0));
        assert_eq!((kernel.len(), kernel[20].as_str()), (real.len(), "0"));
    }

    #[test]
    fn status_has_keys_of_the_running_kernel_in_its_order() {
        let real = keys(&std::fs::read_to_string("/proc/self/status").unwrap());
        let mut place = 0;
        for key in keys(&status(&example())) {
            // Not every kernel is built with these.
            if ["Seccomp", "Seccomp_filters"].contains(&key.as_str()) && !real.contains(&key) {
                continue;
            }
            let found = real[place..].iter().position(|other| *other == key);
            place += found.unwrap_or_else(|| panic!("{key} is not there or not in order"));
        }
        assert!(status(&example()).contains("\nUid:\t33\t33\t33\t33\n"));
        assert!(!status(&Process::kernel(2, 0, "kthreadd")).contains("VmSize"));
    }
}
