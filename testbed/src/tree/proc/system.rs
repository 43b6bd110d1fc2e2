//! The rest of `/proc` and `/sys`: times, memory, processors, modules, mounts, control groups, names.

use super::super::{Tree, TreeError};
use super::TICKS;
use crate::fleet::host::{Host, Module};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) fn write(host: &Host, tree: &mut Tree) -> Result<(), TreeError> {
    let kernel = &host.kernel;
    let version = format!(
        "Linux version {} (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for \
         Debian) 2.40) {}\n",
        kernel.release, kernel.build
    );
    tree.plain("/proc/version", version)?;
    tree.plain("/proc/cmdline", format!("{}\n", kernel.arguments))?;
    tree.plain("/proc/sys/kernel/hostname", format!("{}\n", host.name))?;
    tree.plain("/proc/sys/kernel/osrelease", format!("{}\n", kernel.release))?;
    tree.plain("/proc/sys/kernel/ostype", "Linux\n")?;
    tree.plain("/proc/sys/kernel/version", format!("{}\n", kernel.build))?;
    tree.plain("/proc/uptime", uptime(host))?;
    tree.plain("/proc/loadavg", "0.42 0.37 0.31 1/214 88123\n")?;
    tree.plain("/proc/stat", stat(host))?;
    tree.plain("/proc/meminfo", meminfo(host.hardware.memory_kb))?;
    tree.plain("/proc/cpuinfo", cpuinfo(host))?;
    tree.plain("/proc/mounts", mounts(host))?;
    tree.plain("/proc/modules", host.modules.iter().map(module).collect::<String>())?;
    for module in &host.modules {
        let at = format!("/sys/module/{}", module.name);
        tree.plain(&format!("{at}/coresize"), format!("{}\n", module.size))?;
        tree.plain(&format!("{at}/refcnt"), format!("{}\n", module.used_by.len()))?;
        tree.plain(&format!("{at}/initstate"), "live\n")?;
        tree.directory(&format!("{at}/holders"), 0o755)?;
    }
    let mut groups: BTreeMap<&str, String> = BTreeMap::new();
    for process in host.processes.iter().filter(|process| process.cgroup != "/") {
        let _ = writeln!(groups.entry(&process.cgroup).or_default(), "{}", process.pid);
    }
    for (group, pids) in groups {
        tree.plain(&format!("/sys/fs/cgroup{group}/cgroup.procs"), pids)?;
    }
    for (name, text) in [("sys_vendor", &host.hardware.vendor), ("product_name", &host.hardware.model)] {
        tree.plain(&format!("/sys/class/dmi/id/{name}"), format!("{text}\n"))?;
    }
    Ok(())
}

fn uptime(host: &Host) -> String {
    let up = host.clock.uptime();
    format!("{up}.37 {}.11\n", up * u64::from(host.hardware.cores) * 9 / 10)
}

fn stat(host: &Host) -> String {
    let cores = u64::from(host.hardware.cores);
    let each = host.clock.uptime() * TICKS;
    let line = |name: &str, times: u64| {
        let part = |share: u64| each * times * share / 1000;
        format!("{name} {} 0 {} {} {} 0 {} 0 0 0\n", part(60), part(25), part(910), part(3), part(2))
    };
    let mut text = line("cpu ", cores);
    for core in 0..cores {
        text.push_str(&line(&format!("cpu{core}"), 1));
    }
    let last = host.processes.iter().map(|process| process.pid).max().unwrap_or(1);
    let _ = write!(
        text,
        "intr 2719846 0 9 0 0\nctxt 5419233\nbtime {}\nprocesses {last}\nprocs_running 1\nprocs_blocked 0\n\
         softirq 1906033 0 510331 4 4742 91166 0 104 48357 0 1251329\n",
        host.clock.booted
    );
    text
}

fn meminfo(total: u64) -> String {
    let rows = [
        ("MemTotal", total),
        ("MemFree", total / 7),
        ("MemAvailable", total * 3 / 5),
        ("Buffers", total / 40),
        ("Cached", total / 3),
        ("SwapCached", 0),
        ("Active", total / 3),
        ("Inactive", total / 4),
        ("SwapTotal", 0),
        ("SwapFree", 0),
    ];
    rows.iter().map(|(name, kilobytes)| format!("{:<16}{kilobytes:>8} kB\n", format!("{name}:"))).collect()
}

fn cpuinfo(host: &Host) -> String {
    let mut text = String::new();
    for core in 0..host.hardware.cores {
        let _ = write!(
            text,
            "processor\t: {core}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: {}\nstepping\t: 7\n\
             microcode\t: 0x5003901\ncpu MHz\t\t: 2500.000\ncache size\t: 36608 KB\nphysical id\t: 0\nsiblings\t: {cores}\n\
             core id\t\t: {core}\ncpu cores\t: {cores}\nflags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep aes avx2\n\
             bogomips\t: 5000.00\naddress sizes\t: 46 bits physical, 48 bits virtual\n\n",
            host.hardware.cpu,
            cores = host.hardware.cores,
        );
    }
    text
}

fn mounts(host: &Host) -> String {
    let line = |mount: &crate::fleet::host::Mount| {
        format!("{} {} {} {} 0 0\n", mount.device, mount.path.replace(' ', "\\040"), mount.kind, mount.flags)
    };
    host.mounts.iter().map(line).collect()
}

fn module(module: &Module) -> String {
    let users = if module.used_by.is_empty() { "-".to_owned() } else { module.used_by.join(",") + "," };
    format!("{} {} {} {users} Live 0x0000000000000000\n", module.name, module.size, module.used_by.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Fleet, FleetPlan};
    use std::fs::read_to_string;

    fn host() -> Host {
        Fleet::grow(&FleetPlan { hosts: 1, ..FleetPlan::default() }).hosts.remove(0)
    }

    fn first_words(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.split_whitespace().next()).collect()
    }

    #[test]
    fn what_we_say_the_running_kernel_says_too() {
        let host = host();
        for (name, ours) in [("stat", stat(&host)), ("meminfo", meminfo(8_000_000))] {
            let real = read_to_string(format!("/proc/{name}")).unwrap();
            let real = first_words(&real);
            // Another machine has another number of processors.
            for word in first_words(&ours).into_iter().filter(|word| !word.starts_with("cpu")) {
                assert!(real.contains(&word), "{name}: {word}");
            }
        }
        assert_eq!(
            uptime(&host).split('.').count(),
            read_to_string("/proc/uptime").unwrap().split('.').count()
        );
        let fields = |text: String| text.lines().next().map(|line| line.split(' ').count());
        assert_eq!(fields(mounts(&host)), fields(read_to_string("/proc/mounts").unwrap()));
    }

    #[test]
    fn times_of_start_and_uptime_agree() {
        let host = host();
        let btime =
            stat(&host).lines().find_map(|line| line.strip_prefix("btime ")?.parse::<u64>().ok()).unwrap();
        let up: u64 = uptime(&host).split('.').next().unwrap().parse().unwrap();
        assert_eq!(btime + up, host.clock.now);
    }

    #[test]
    fn a_module_is_as_proc_modules_has_it() {
        let ours = module(&Module { name: "jbd2".into(), size: 167_936, used_by: vec!["ext4".into()] });
        assert_eq!(ours, "jbd2 167936 1 ext4, Live 0x0000000000000000\n");
        let none = module(&Module { name: "tls".into(), size: 1, used_by: vec![] });
        assert_eq!(none, "tls 1 0 - Live 0x0000000000000000\n");
    }
}
