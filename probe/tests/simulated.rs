//! A host made of plain files: `/proc` as text and links, as an image of evidence or a test bed brings it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{link, put, rows};
use serde_json::Value;

const STATUS: &str = "Name:\tupd\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t412\nPid:\t412\nPPid:\t1\n\
                      Uid:\t1000\t0\t0\t0\nGid:\t1000\t1000\t1000\t1000\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\n";
const STAT: &str = "412 (upd) S 1 412 412 0 -1 4194304 1 0 0 0 3 4 0 0 20 0 2 0 5000 2097152 256 0 0 0 0 0 0 0 0 0 0 0 0 0 \
                    17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                   0: 00000000:115C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1234 1 0 100 0 0 10 0\n   \
                   1: 0A02000A:C350 0700C6C6:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 1235 1 0 20 4 30 10 -1\n";

fn host() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nmaren:x:1000:1000::/home/maren:/bin/sh\n");
    put(root, "/proc/412/stat", STAT);
    put(root, "/proc/412/status", STATUS);
    put(root, "/proc/412/cmdline", "/var/tmp/.x/upd\0-d\0");
    put(root, "/proc/412/environ", "LD_PRELOAD=/tmp/x.so\0EMPTY=\0");
    put(root, "/proc/412/cgroup", "0::/user.slice\n");
    link(root, "/proc/412/exe", "/var/tmp/.x/upd (deleted)");
    link(root, "/proc/412/cwd", "/");
    link(root, "/proc/412/root", "/");
    link(root, "/proc/412/fd/3", "socket:[1234]");
    link(root, "/proc/412/fd/4", "socket:[1235]");
    link(root, "/proc/412/fd/5", "/var/log/x (deleted)");
    put(root, "/proc/1/stat", "1 (systemd) S 0 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 2 0 0 0\n");
    put(root, "/proc/1/status", "Name:\tsystemd\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n");
    put(root, "/proc/1/cmdline", "/sbin/init\0");
    link(root, "/proc/1/exe", "/usr/lib/systemd/systemd");
    put(root, "/proc/net/tcp", TCP);
    put(
        root,
        "/proc/net/unix",
        "Num RefCount Protocol Flags Type St Inode Path\n0: 2 0 00010000 1 1 77 /run/x.sock\n",
    );
    put(
        root,
        "/proc/modules",
        "nf_tables 356352 1 nft_ct, Live 0xffffffffc0a2b000\nevil 16384 0 - Live 0x0 (OE)\n",
    );
    put(root, "/sys/module/nf_tables/initstate", "live\n");
    put(root, "/sys/module/ghost/initstate", "live\n");
    put(root, "/proc/uptime", "90061.50 1.0\n");
    put(root, "/proc/stat", "cpu 1\nbtime 1700000000\n");
    put(root, "/proc/mounts", "/dev/sda1 / ext4 rw 0 0\n");
    put(root, "/proc/sys/kernel/hostname", "web-07\n");
    put(root, "/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    put(root, "/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n");
    put(
        root,
        "/proc/net/fib_trie",
        "Local:\n     |-- 10.0.2.10\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n",
    );
    put(
        root,
        "/proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
         eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
    );
    put(root, "/proc/net/if_inet6", "fe800000000000000000000000000005 02 40 20 80     eth0\n");
    put(root, "/sys/class/net/eth0/address", "02:00:00:00:00:07\n");
    dir
}

#[test]
fn a_deleted_binary_is_seen_with_its_process() {
    let host = host();
    let found = rows(host.path(), "SELECT * FROM processes WHERE on_disk = 0");
    assert_eq!(found.len(), 1);
    let process = &found[0];
    for (column, value) in [
        ("pid", "412"),
        ("name", "upd"),
        ("path", "/var/tmp/.x/upd"),
        ("cmdline", "/var/tmp/.x/upd -d"),
        ("cwd", "/"),
        ("uid", "1000"),
        ("euid", "0"),
        ("parent", "1"),
        ("state", "S"),
        ("start_time", "1700000050"),
        ("user_time", "30"),
        ("system_time", "40"),
        ("resident_size", "1048576"),
        ("total_size", "2097152"),
        ("threads", "2"),
        ("cgroup_path", "/user.slice"),
    ] {
        assert_eq!(process[column], value, "{column}");
    }
}

#[test]
fn sockets_know_their_processes() {
    let host = host();
    let listening =
        rows(host.path(), "SELECT pid, port, address, path FROM listening_ports ORDER BY port DESC");
    assert_eq!(listening[0]["port"], "4444");
    assert_eq!(listening[0]["pid"], "412");
    assert_eq!(listening[1]["path"], "/run/x.sock");
    let connected = rows(host.path(), "SELECT * FROM connections WHERE state = 'ESTABLISHED'");
    for (column, value) in [
        ("local_address", "10.0.2.10"),
        ("remote_address", "198.198.0.7"),
        ("remote_port", "443"),
        ("path", "/var/tmp/.x/upd"),
        ("user", "maren"),
        ("parent_name", "systemd"),
        ("on_disk", "0"),
        ("protocol", "tcp"),
    ] {
        assert_eq!(connected[0][column], value, "{column}");
    }
}

#[test]
fn a_table_of_users_waits_for_the_users() {
    let host = host();
    for (home, key) in [("root", "AAAAroot"), ("home/maren", "AAAAmaren")] {
        put(host.path(), &format!("{home}/.ssh/authorized_keys"), format!("ssh-ed25519 {key} x\n"));
    }
    for join in [
        "users u CROSS JOIN authorized_keys a USING (uid)",
        "authorized_keys a JOIN users u USING (uid)",
        "users u, authorized_keys a WHERE a.uid = u.uid",
    ] {
        let found = rows(host.path(), &format!("SELECT u.username, a.key FROM {join}"));
        let keys: Vec<_> = found.iter().map(|row| row["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["AAAAroot", "AAAAmaren"], "{join}");
    }
}

#[test]
fn the_kernel_is_read_from_the_tree() {
    let host = host();
    for (sql, value) in [
        ("SELECT group_concat(name) AS v FROM kernel_modules", "nf_tables,evil"),
        ("SELECT total_seconds AS v FROM uptime", "90061"),
        ("SELECT hostname AS v FROM system_info", "web-07"),
        (
            "SELECT version || arguments || path || device AS v FROM kernel_info",
            "6.1.0-18-amd64ro quiet/vmlinuz/dev/sda1",
        ),
        ("SELECT path || type AS v FROM mounts", "/ext4"),
        ("SELECT value AS v FROM process_envs WHERE key = 'LD_PRELOAD'", "/tmp/x.so"),
        ("SELECT path AS v FROM process_open_files", "/var/log/x (deleted)"),
        ("SELECT mac AS v FROM interface_details", "02:00:00:00:00:07"),
        (
            "SELECT interface || mask AS v FROM interface_addresses WHERE address = '10.0.2.10'",
            "eth0255.255.255.0",
        ),
        ("SELECT mask AS v FROM interface_addresses WHERE address = 'fe80::5%eth0'", "ffff:ffff:ffff:ffff::"),
        (
            "SELECT group_concat(id || seen_by, ' ') AS v FROM herdiff_hidden",
            "ghost/sys/module evil/proc/modules",
        ),
    ] {
        let found = rows(host.path(), sql);
        assert_eq!(found[0]["v"], value, "{sql}");
    }
}

#[test]
fn without_a_proc_the_kernel_is_unknown_and_not_empty() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "/etc/hostname", "cold\n");
    let pack = r#"{"queries":{"p":{"query":"SELECT * FROM processes"},"h":{"query":"SELECT hostname FROM system_info"}}}"#;
    let mut child = Command::new(env!("CARGO_BIN_EXE_herdiff-probe"))
        .arg("--sweep")
        .arg("--root")
        .arg(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), pack.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["root"], dir.path().to_str().unwrap());
    assert_eq!((&lines[1]["query"], &lines[1]["kind"]), (&Value::from("p"), &Value::from("unsupported")));
    assert_eq!(lines[2]["rows"][0][0], "cold");
    assert_eq!((lines[3]["end"].as_u64(), lines[3]["queries"].as_u64()), (Some(1), Some(2)));
}

#[test]
fn traps_in_a_tree_neither_stop_nor_lead_out() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "/etc/passwd", "evil:x:0:0::/home/evil:/bin/sh\n");
    link(root, "/etc/hosts", "../../../../../../../../../etc/hosts");
    link(root, "/etc/crontab", "/etc/crontab");
    fs::create_dir_all(root.join("home/evil/.ssh")).unwrap();
    let pipe = root.join("home/evil/.ssh/authorized_keys");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    link(root, "/tmp/loop", ".");
    assert_eq!(rows(root, "SELECT * FROM etc_hosts"), Vec::<Value>::new());
    assert_eq!(rows(root, "SELECT * FROM crontab"), Vec::<Value>::new());
    let keys = "SELECT * FROM users CROSS JOIN authorized_keys USING (uid)";
    assert_eq!(rows(root, keys), Vec::<Value>::new());
    let walked = rows(root, "SELECT path FROM file WHERE path LIKE '/%%'");
    assert!(walked.len() < 50, "{}", walked.len());
}

/// What a WHERE names is all that is read: anything else in the tree would be counted as malformed.
#[test]
fn comparisons_are_handed_down() {
    let host = host();
    put(host.path(), "/proc/7/stat", "no parentheses\n");
    std::os::unix::fs::symlink("loop", host.path().join("etc/loop")).unwrap();
    put(host.path(), "/home/maren/.ssh/authorized_keys", "broken\n");
    put(host.path(), &format!("/srv{}/too-deep", "/d".repeat(150)), "");
    for (all, some) in [
        ("processes", "processes WHERE pid = 412"),
        ("processes", "processes WHERE pid IN (1, 412)"),
        ("processes", "(SELECT 412 AS n UNION SELECT 1) JOIN processes ON pid = n"),
        ("file WHERE path LIKE '/%%'", "file WHERE path LIKE '/etc/pass%'"),
        ("file WHERE path LIKE '/%%'", "file WHERE path IN ('/etc/passwd', '/proc/modules')"),
        ("hash WHERE directory = '/etc'", "hash WHERE directory = '/proc/net'"),
        ("hash WHERE directory = '/etc'", "hash WHERE path = '/etc/passwd'"),
        ("users CROSS JOIN authorized_keys USING (uid)", "authorized_keys WHERE uid = 0"),
        ("users CROSS JOIN authorized_keys USING (uid)", "authorized_keys WHERE uid IN (0)"),
    ] {
        let said = |table| common::answer(host.path(), &format!("SELECT * FROM {table}")).1;
        assert_ne!(said(all), "", "{all} meets what makes no sense");
        assert_eq!(said(some), "", "{some} does not");
    }
}

/// Of a tree without a `/proc` nothing is known of a kernel: that is an answer of its own, and no empty one.
#[test]
fn every_table_of_the_kernel_is_unknown_without_one() {
    let dir = tempfile::tempdir().unwrap();
    for table in [
        "apparmor_profiles",
        "arp_cache",
        "block_devices",
        "connections",
        "cpu_info",
        "docker_containers",
        "herdiff_hidden",
        "interface_addresses",
        "interface_details",
        "interface_ipv6",
        "iptables",
        "kernel_info",
        "kernel_keys",
        "kernel_modules",
        "listening_ports",
        "load_average",
        "memory_info",
        "memory_map",
        "mounts",
        "process_envs",
        "process_memory_map",
        "process_namespaces",
        "process_open_files",
        "process_open_pipes",
        "process_open_sockets",
        "processes",
        "routes",
        "selinux_settings",
        "shared_memory",
        "system_controls",
        "time",
        "ulimit_info",
        "uptime",
    ] {
        let output = common::probe(dir.path(), &format!("SELECT * FROM {table}"));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && errors.contains("known"), "{table}: {errors}");
    }
}
