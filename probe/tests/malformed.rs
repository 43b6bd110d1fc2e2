//! Files that make no sense, or not everywhere: what does is shown, what does not is counted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{answer, put, rows};

const FILES: [(&str, &str); 17] = [
    ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nhalf:x\n+nis\n# note\nlast:x:7:7::/:\n"),
    ("/etc/group", "root:x:0:\nbroken\nadm:x:4:\n"),
    ("/etc/shadow", "root:*:1\nno colon\n"),
    ("/etc/crontab", "PATH=/bin\nMAILTO = a\n* * * * * root x\n* * *\n@daily\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n192.0.2.1\n"),
    ("/etc/services", "ssh 22/tcp\nno port\n"),
    ("/etc/protocols", "tcp 6 TCP\nalone\n"),
    ("/etc/sudoers", "root ALL=(ALL) ALL\neve ALL=(ALL) \\\n"),
    ("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA x\nssh-ed25519\nnothing of the kind\n"),
    ("/root/.ssh/id_rsa", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"),
    ("/var/lib/dpkg/status", "Package: a\nVersion: 1\n\nPackage: b\nVers"),
    ("/etc/apt/sources.list", "deb http://x s main\nwhat is this\n"),
    ("/usr/lib/node_modules/x/package.json", "{\"name\": "),
    ("/proc/modules", "a 1 0 - Live 0x0\nb 1\n"),
    ("/proc/mounts", "/dev/sda1 / ext4 rw 0 0\nhalf\n"),
    ("/proc/7/stat", "no parentheses\n"),
    ("/proc/keys", "1 2\n"),
];

#[test]
fn lines_that_make_no_sense_are_counted_and_hide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (path, content) in FILES {
        put(root, path, content);
    }
    put(root, "/proc/net/tcp", "head\n 0: zz\n");
    let mut wtmp = vec![7_u8; 384];
    wtmp.extend([1; 100]);
    put(root, "/var/log/wtmp", wtmp);
    for (table, path, count) in [
        ("users", "/etc/passwd", 1),
        ("groups", "/etc/group", 1),
        ("shadow", "/etc/shadow", 1),
        ("crontab", "/etc/crontab", 2),
        ("etc_hosts", "/etc/hosts", 1),
        ("etc_services", "/etc/services", 1),
        ("etc_protocols", "/etc/protocols", 1),
        ("sudoers", "/etc/sudoers", 1),
        ("last", "/var/log/wtmp", 1),
        ("authorized_keys WHERE uid = 0", "/root/.ssh/authorized_keys", 2),
        ("user_ssh_keys WHERE uid = 0", "/root/.ssh/id_rsa", 1),
        ("deb_packages", "/var/lib/dpkg/status", 1),
        ("apt_sources", "/etc/apt/sources.list", 1),
        ("npm_packages", "/usr/lib/node_modules/x/package.json", 1),
        ("kernel_modules", "/proc/modules", 1),
        ("mounts", "/proc/mounts", 1),
        ("processes", "/proc/<pid>/stat", 1),
        ("process_open_sockets", "/proc/net/tcp", 1),
        ("kernel_keys", "/proc/keys", 1),
    ] {
        let (_, errors) = answer(root, &format!("SELECT * FROM {table}"));
        let reason = if table.starts_with("user_ssh_keys") { "malformed private key" } else { "malformed" };
        let expected = format!("W not read: {path}: {reason} ({count} times)");
        assert!(errors.lines().any(|line| line == expected), "{table}: {errors}");
    }
    assert_eq!(rows(root, "SELECT * FROM users").len(), 2, "what follows a broken line is there");
    assert_eq!(rows(root, "SELECT * FROM kernel_modules").len(), 1);
}

#[test]
fn processors_are_those_of_the_firmware() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "/proc/cpuinfo", "processor : 0\nmodel name : By kernel\n");
    let by_kernel = rows(root, "SELECT * FROM cpu_info");
    assert_eq!((&by_kernel[0]["model"], &by_kernel[0]["cpu_status"]), (&"By kernel".into(), &"".into()));
    let mut table = vec![0_u8; 0x30];
    table[..8].copy_from_slice(&[4, 0x30, 1, 0, 1, 3, 0, 2]);
    (table[0x10], table[0x18], table[0x23]) = (3, 65, 8);
    table.extend(b"LGA\0Maker\0Model\0\0");
    put(root, "/sys/firmware/dmi/tables/DMI", table);
    let by_firmware = rows(root, "SELECT * FROM cpu_info");
    let columns =
        ["model", "manufacturer", "socket_designation", "cpu_status", "number_of_cores", "address_width"];
    let found = columns.map(|column| by_firmware[0][column].as_str().unwrap());
    assert_eq!(found, ["Model", "Maker", "LGA", "65", "8", "32"]);
}
