//! What every Debian host runs: kernel threads, systemd and its family, logins, the agents.

use super::SECURITY_MANAGER;
use crate::dice::Dice;
use crate::fleet::host::{Host, Module, Mount};
use crate::fleet::network::{SocketKind, TcpState, anywhere, anywhere_v6};
use crate::fleet::process::Process;
use std::net::SocketAddr;

const KERNEL_THREADS: &[&str] = &[
    "rcu_gp",
    "rcu_par_gp",
    "slub_flushwq",
    "netns",
    "mm_percpu_wq",
    "rcu_tasks_kthre",
    "rcu_tasks_rude_",
    "rcu_tasks_trace",
    "ksoftirqd/0",
    "rcu_preempt",
    "migration/0",
    "cpuhp/0",
    "cpuhp/1",
    "migration/1",
    "ksoftirqd/1",
    "kdevtmpfs",
    "kauditd",
    "khungtaskd",
    "oom_reaper",
    "kcompactd0",
    "ksmd",
    "khugepaged",
    "kswapd0",
    "scsi_eh_0",
    "jbd2/vda1-8",
    "ext4-rsv-conver",
];

/// A system daemon: path, command line, unit, uid, gid, threads, kB.
type Daemon = (&'static str, &'static [&'static str], &'static str, u32, u32, u32, u64);

const DAEMONS: &[Daemon] = &[
    (
        "/usr/lib/systemd/systemd-journald",
        &["/lib/systemd/systemd-journald"],
        "systemd-journald.service",
        0,
        0,
        1,
        38_000,
    ),
    ("/usr/bin/udevadm", &["/lib/systemd/systemd-udevd"], "systemd-udevd.service", 0, 0, 1, 7_400),
    (
        "/usr/lib/systemd/systemd-timesyncd",
        &["/lib/systemd/systemd-timesyncd"],
        "systemd-timesyncd.service",
        997,
        997,
        2,
        6_700,
    ),
    (
        "/usr/lib/systemd/systemd-networkd",
        &["/lib/systemd/systemd-networkd"],
        "systemd-networkd.service",
        998,
        998,
        1,
        8_100,
    ),
    ("/usr/sbin/cron", &["/usr/sbin/cron", "-f"], "cron.service", 0, 0, 1, 2_700),
    (
        "/usr/bin/dbus-daemon",
        &[
            "/usr/bin/dbus-daemon",
            "--system",
            "--address=systemd:",
            "--nofork",
            "--nopidfile",
            "--systemd-activation",
            "--syslog-only",
        ],
        "dbus.service",
        100,
        107,
        1,
        4_500,
    ),
    (
        "/usr/lib/polkit-1/polkitd",
        &["/usr/lib/polkit-1/polkitd", "--no-debug"],
        "polkit.service",
        996,
        996,
        3,
        9_900,
    ),
    ("/usr/sbin/qemu-ga", &["/usr/sbin/qemu-ga"], "qemu-guest-agent.service", 0, 0, 2, 3_300),
    ("/usr/sbin/rsyslogd", &["/usr/sbin/rsyslogd", "-n", "-iNONE"], "rsyslog.service", 0, 0, 4, 5_900),
    (
        "/usr/lib/systemd/systemd-logind",
        &["/lib/systemd/systemd-logind"],
        "systemd-logind.service",
        0,
        0,
        1,
        7_600,
    ),
    (
        "/usr/bin/python3.11",
        &[
            "/usr/bin/python3",
            "/usr/share/unattended-upgrades/unattended-upgrade-shutdown",
            "--wait-for-signal",
        ],
        "unattended-upgrades.service",
        0,
        0,
        2,
        21_000,
    ),
    (
        "/usr/bin/python3.11",
        &["/usr/bin/python3", "/usr/bin/fail2ban-server", "-xf", "start"],
        "fail2ban.service",
        0,
        0,
        5,
        31_000,
    ),
    ("/var/ossec/bin/wazuh-execd", &["/var/ossec/bin/wazuh-execd"], "wazuh-agent.service", 0, 0, 3, 3_900),
    (
        "/var/ossec/bin/wazuh-agentd",
        &["/var/ossec/bin/wazuh-agentd"],
        "wazuh-agent.service",
        103,
        110,
        5,
        7_100,
    ),
    (
        "/var/ossec/bin/wazuh-syscheckd",
        &["/var/ossec/bin/wazuh-syscheckd"],
        "wazuh-agent.service",
        0,
        0,
        6,
        24_000,
    ),
    (
        "/var/ossec/bin/wazuh-logcollector",
        &["/var/ossec/bin/wazuh-logcollector"],
        "wazuh-agent.service",
        0,
        0,
        8,
        5_200,
    ),
    (
        "/var/ossec/bin/wazuh-modulesd",
        &["/var/ossec/bin/wazuh-modulesd"],
        "wazuh-agent.service",
        0,
        0,
        11,
        14_000,
    ),
    (
        "/usr/sbin/agetty",
        &["/sbin/agetty", "-o", "-p -- \\u", "--noclear", "-", "linux"],
        "system-getty.slice",
        0,
        0,
        1,
        1_900,
    ),
    (
        "/usr/sbin/agetty",
        &["/sbin/agetty", "-o", "-p -- \\u", "--keep-baud", "115200,57600,38400,9600", "-", "vt220"],
        "system-serial.slice",
        0,
        0,
        1,
        1_900,
    ),
];

/// Modules as a virtual machine loads them: name, bytes, who needs it.
const MODULES: &[(&str, u64, &[&str])] = &[
    ("tls", 135_168, &[]),
    ("nft_limit", 16_384, &[]),
    ("nf_conntrack", 188_416, &["nft_ct"]),
    ("nft_ct", 24_576, &[]),
    ("nf_defrag_ipv6", 24_576, &["nf_conntrack"]),
    ("nf_defrag_ipv4", 16_384, &["nf_conntrack"]),
    ("nf_tables", 303_104, &["nft_ct", "nft_limit"]),
    ("nfnetlink", 20_480, &["nf_tables"]),
    ("binfmt_misc", 24_576, &[]),
    ("intel_rapl_msr", 20_480, &[]),
    ("intel_rapl_common", 32_768, &["intel_rapl_msr"]),
    ("ghash_clmulni_intel", 16_384, &[]),
    ("sha512_ssse3", 49_152, &[]),
    ("aesni_intel", 393_216, &[]),
    ("crypto_simd", 16_384, &["aesni_intel"]),
    ("cryptd", 28_672, &["crypto_simd", "ghash_clmulni_intel"]),
    ("virtio_balloon", 28_672, &[]),
    ("virtio_console", 40_960, &[]),
    ("button", 24_576, &[]),
    ("evdev", 28_672, &[]),
    ("serio_raw", 20_480, &[]),
    ("qemu_fw_cfg", 20_480, &[]),
    ("loop", 32_768, &[]),
    ("fuse", 176_128, &[]),
    ("efi_pstore", 16_384, &[]),
    ("configfs", 57_344, &[]),
    ("ip_tables", 36_864, &[]),
    ("x_tables", 61_440, &["ip_tables"]),
    ("autofs4", 53_248, &[]),
    ("ext4", 983_040, &[]),
    ("crc16", 16_384, &["ext4"]),
    ("mbcache", 16_384, &["ext4"]),
    ("jbd2", 167_936, &["ext4"]),
    ("crc32c_generic", 16_384, &[]),
    ("virtio_net", 73_728, &[]),
    ("net_failover", 24_576, &["virtio_net"]),
    ("failover", 16_384, &["net_failover"]),
    ("virtio_blk", 32_768, &[]),
    ("crc32_pclmul", 16_384, &[]),
    ("psmouse", 184_320, &[]),
    ("virtio_pci", 28_672, &[]),
];

const MOUNTS: &[(&str, &str, &str, &str)] = &[
    ("sysfs", "/sys", "sysfs", "rw,nosuid,nodev,noexec,relatime"),
    ("proc", "/proc", "proc", "rw,nosuid,nodev,noexec,relatime"),
    ("udev", "/dev", "devtmpfs", "rw,nosuid,relatime,size=4031864k,nr_inodes=1007966,mode=755,inode64"),
    ("devpts", "/dev/pts", "devpts", "rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=000"),
    ("tmpfs", "/run", "tmpfs", "rw,nosuid,nodev,noexec,relatime,size=813724k,mode=755,inode64"),
    ("/dev/vda1", "/", "ext4", "rw,relatime,discard,errors=remount-ro"),
    ("securityfs", "/sys/kernel/security", "securityfs", "rw,nosuid,nodev,noexec,relatime"),
    ("tmpfs", "/dev/shm", "tmpfs", "rw,nosuid,nodev,inode64"),
    ("tmpfs", "/run/lock", "tmpfs", "rw,nosuid,nodev,noexec,relatime,size=5120k,inode64"),
    (
        "cgroup2",
        "/sys/fs/cgroup",
        "cgroup2",
        "rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot",
    ),
    ("bpf", "/sys/fs/bpf", "bpf", "rw,nosuid,nodev,noexec,relatime,mode=700"),
    ("hugetlbfs", "/dev/hugepages", "hugetlbfs", "rw,relatime,pagesize=2M"),
    ("mqueue", "/dev/mqueue", "mqueue", "rw,nosuid,nodev,noexec,relatime"),
    ("debugfs", "/sys/kernel/debug", "debugfs", "rw,nosuid,nodev,noexec,relatime"),
    ("tracefs", "/sys/kernel/tracing", "tracefs", "rw,nosuid,nodev,noexec,relatime"),
    ("configfs", "/sys/kernel/config", "configfs", "rw,nosuid,nodev,noexec,relatime"),
    (
        "/dev/vda15",
        "/boot/efi",
        "vfat",
        "rw,relatime,fmask=0077,dmask=0077,codepage=437,iocharset=ascii,shortname=mixed,utf8,errors=remount-ro",
    ),
    ("/dev/vdb", "/srv", "ext4", "rw,nosuid,nodev,relatime"),
];

pub(super) fn modules() -> Vec<Module> {
    let module = |&(name, size, used_by): &(&str, u64, &[&str])| Module {
        name: name.to_owned(),
        size,
        used_by: used_by.iter().map(|&user| user.to_owned()).collect(),
    };
    MODULES.iter().map(module).collect()
}

pub(super) fn mounts() -> Vec<Mount> {
    let mount = |&(device, path, kind, flags): &(&str, &str, &str, &str)| Mount {
        device: device.to_owned(),
        path: path.to_owned(),
        kind: kind.to_owned(),
        flags: flags.to_owned(),
    };
    MOUNTS.iter().map(mount).collect()
}

/// Starts what every host runs.
pub(super) fn start(host: &mut Host, own: &Dice) {
    let mut dice = own.named("base");
    let booted = host.clock.booted;
    host.processes.push(Process {
        threads: 1,
        resident_kb: 12_400,
        ..Process::new(1, 0, "/usr/lib/systemd/systemd", &["/sbin/init"])
    });
    if let Some(init) = host.processes.first_mut() {
        init.started = booted;
        "/init.scope".clone_into(&mut init.cgroup);
    }
    host.processes.push(Process::kernel(2, 0, "kthreadd").started(booted));
    for name in KERNEL_THREADS {
        // Numbers of kernel threads depend on the hardware alone, which is the same everywhere.
        let pid = host.next_pid(&mut Dice::new(0), 1);
        host.processes.push(Process::kernel(pid, 2, name).started(booted));
    }
    for &(path, arguments, unit, uid, gid, threads, kilobytes) in DAEMONS {
        let pid = host.next_pid(&mut dice, 60);
        let started = booted + 2 + dice.between(0, 9);
        let mut process = Process::new(pid, 1, path, arguments).user(uid, gid).unit(unit).started(started);
        if let Some(name) = arguments.first().and_then(|first| first.rsplit('/').next()) {
            process.name = name.chars().take(15).collect();
        }
        if path.starts_with("/usr/bin/python3") {
            process.name = arguments
                .get(1)
                .and_then(|a| a.rsplit('/').next())
                .unwrap_or("python3")
                .chars()
                .take(15)
                .collect();
        }
        process.threads = threads;
        process.resident_kb = kilobytes + dice.between(0, 900);
        process.busy = dice.between(20, host.clock.uptime() / 40 + 50);
        process.open = vec!["anon_inode:[eventpoll]".to_owned()];
        host.processes.push(process);
    }
    worker_threads(host, &mut dice);
    login_server(host, &mut dice);
    monitoring(host, &mut dice);
}

/// Workers of the kernel come and go, and their names say what they did last.
fn worker_threads(host: &mut Host, dice: &mut Dice) {
    const TASKS: &[&str] =
        &["events", "mm_percpu_wq", "cgroup_destroy", "events_power_ef", "ata_sff", "rcu_gp"];
    for _ in 0..dice.between(5, 9) {
        let pid = host.next_pid(dice, 400);
        let task = dice.pick(TASKS).copied().unwrap_or("events");
        let name = if dice.chance(70) {
            format!("kworker/{}:{}-{task}", dice.between(0, 4), dice.between(0, 3))
        } else {
            format!("kworker/u8:{}-ev", dice.between(0, 4))
        };
        let started = host.clock.now - dice.between(20, 4000);
        host.processes.push(Process::kernel(pid, 2, &name).started(started));
    }
}

fn login_server(host: &mut Host, dice: &mut Dice) {
    let pid = host.next_pid(dice, 60);
    let started = host.clock.booted + 8;
    let arguments = ["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"];
    host.processes
        .push(Process::new(pid, 1, "/usr/sbin/sshd", &arguments).unit("ssh.service").started(started));
    host.listen(dice, 0, &[pid], SocketKind::TcpListener(anywhere(22)));
    host.listen(dice, 0, &[pid], SocketKind::TcpListener(anywhere_v6(22)));
}

fn monitoring(host: &mut Host, dice: &mut Dice) {
    let pid = host.next_pid(dice, 60);
    let own = format!("--web.listen-address={}:9100", host.address);
    let arguments = ["/usr/bin/prometheus-node-exporter", own.as_str(), "--collector.systemd"];
    let path = "/usr/bin/prometheus-node-exporter";
    let mut process =
        Process::new(pid, 1, path, &arguments).user(102, 109).unit("prometheus-node-exporter.service");
    process.started = host.clock.booted + 9;
    process.threads = 7;
    process.resident_kb = 19_000 + dice.between(0, 4000);
    host.processes.push(process);
    let address = SocketAddr::new(host.address.into(), 9100);
    host.listen(dice, 102, &[pid], SocketKind::TcpListener(address));

    if let Some(agent) = host.process("wazuh-agentd").map(|process| process.pid) {
        let here = SocketAddr::new(host.address.into(), dice.port(32_768, 60_999));
        let there = SocketAddr::new(SECURITY_MANAGER.into(), 1514);
        host.listen(dice, 103, &[agent], SocketKind::Tcp(here, there, TcpState::Established));
    }
    if let Some(clock) = host.process("systemd-timesyn").map(|process| process.pid) {
        let here = SocketAddr::new(host.address.into(), dice.port(32_768, 60_999));
        host.listen(dice, 997, &[clock], SocketKind::Udp(here));
    }
}
