//! The readers of the host's bytes by name, each with a seed, for `crate::fuzz`.

use super::accounts::{authorized_keys, logins, passwd, private_key, shadow, shell_history, sudoers};
use super::files::pattern_matches;
use super::network::{interfaces, iptables, netlink, proc_net};
use super::packages::{apt_sources, deb, docker_answer, npm_packages, python_packages, rpm, yum_sources};
use super::process::{details, proc, processes};
use super::schedule::{bus_answer, crontab, startup_items, unit_settings};
use super::system::{etc_hosts, mounts, smbios, system_info};

/// One reader.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    pub(crate) seed: &'static [u8],
    pub(crate) read: fn(&[u8]),
}

/// Keeps the compiler from leaving a reader out because nobody looks at what it found.
fn seen<T>(found: T) {
    std::hint::black_box(found);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(bytes: &[u8], read: impl Fn(&[u8])) {
    bytes.split(|byte| *byte == b'\n').for_each(read);
}

/// All of them.
pub(crate) fn fuzz_readers() -> Vec<Reader> {
    let reader = |name, seed, read| Reader { name, seed, read };
    vec![
        reader("crontab", b"*/5 * * * * root /bin/x y\n@reboot z\n", |b| lines(b, |l| seen(crontab::parse_line(l)))),
        reader("sudoers", b"root ALL=(ALL) ALL\na \\\n b\n#include /x\n", |b| seen(sudoers::rules(b))),
        reader("utmp", &[7; 800], |b| seen(logins::records(b).count())),
        reader("dpkg status", b"Package: a\nVersion: 1:2-3\nStatus: install ok installed\n\n", |b| {
            seen(deb::parse_status(b));
        }),
        reader(
            "rpm header",
            b"\0\0\0\x02\0\0\0\x09\0\0\x03\xe8\0\0\0\x06\0\0\0\0\0\0\0\x01\0\0\x03\xf1\0\0\0\x04\0\0\0\x05\0\0\0\x01bash\0\0\0\0\x01",
            |b| {
                if let Some(header) = rpm::header::Header::parse(b) {
                    seen((header.texts(rpm::header::Tag::NAME), header.numbers(rpm::header::Tag::SIZE)));
                }
            },
        ),
        reader("rpm Berkeley", include_bytes!("fuzzing/berkeley.bin"), rpm::old::read_anything),
        reader("rpm ndb", include_bytes!("fuzzing/ndb.bin"), rpm::old::read_anything),
        reader("history", b"#1735700000\nls\n: 1735800000:0;x\n", |b| seen(shell_history::commands(b))),
        reader("authorized_keys", b"no-pty ssh-ed25519 AAAA me # x\n", |b| {
            lines(b, |l| seen(authorized_keys::parse_line(l)));
        }),
        reader("sshd_config", b"AuthorizedKeysFile %h/.k \"/etc/%u\" # x\n", |b| seen(authorized_keys::key_files(&text(b)))),
        reader(
            "private key",
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ==\n-----END\n",
            |b| seen(private_key::private_key(b)),
        ),
        reader("passwd", b"root:x:0:0:root:/root:/bin/sh\n", |b| lines(b, |l| seen(passwd::parse_user(l)))),
        reader("group", b"adm:x:4:a,b\n", |b| lines(b, |l| seen(passwd::parse_group(l)))),
        reader("shadow", b"$6$salt$hash", |b| seen(shadow::status(b))),
        reader("sources.list", b"deb [arch=a] http://x/y s main\n", |b| seen(apt_sources::parse_list(&text(b)))),
        reader("deb822", b"Types: deb\nURIs: http://x\nSuites: a\n b\n", |b| seen(apt_sources::parse_deb822(&text(b)))),
        reader("yum.repo", b"[a]\nname=x\nbaseurl=http://y\n", |b| seen(yum_sources::parse(&text(b)))),
        reader("python metadata", b"Name: a\nVersion: 1\nLicense: x\n", |b| seen(python_packages::metadata(b))),
        reader("package.json", b"{\"name\":\"a\",\"author\":{\"name\":\"b\"}}", |b| seen(npm_packages::manifest(b))),
        reader("docker", b"HTTP/1.0 200 OK\r\n\r\n[{\"Id\":\"x\"}]", docker_answer),
        reader("D-Bus", b"\x14\0\0\0\0\0\0\0\x02\0\0\0/a\0\0\x01\0\0\0x\0", bus_answer),
        reader("unit file", b"[Unit]\nDescription=x\n[Install]\n", unit_settings),
        reader("desktop entry", b"[Desktop Entry]\nName=a\nExec=b\n", |b| seen(startup_items::desktop_entry(b))),
        reader("hosts", b"127.0.0.1 localhost # x\n", |b| lines(b, |l| seen(etc_hosts::parse_line(l)))),
        reader("mounts", b"/dev/sda1 /a\\040b ext4 rw 0 0\n", |b| lines(b, |l| seen(mounts::parse_line(l)))),
        reader("cpuinfo", b"processor : 0\nphysical id : 0\ncore id : 0\n", |b| {
            seen(system_info::processors(&text(b)));
        }),
        reader("SMBIOS", b"\x04\x1a\0\0\x01\x03\0\x02\0\0\0\0\0\0\0\0\x03\0\0\0\xa0\x0f\xb8\x0b\x41\0LGA\0Maker\0Model\0\0", |b| {
            seen(smbios::processors(b));
        }),
        reader("stat", b"42 (a b) S 1 42 42 0 -1 4194304", |b| {
            if let Some(stat) = proc::Stat::parse(b) {
                seen((stat.number(4), stat.word(3)));
            }
        }),
        reader("status", b"Name:\tx\nUid:\t1\t2\t3\t4\nVmRSS:\t 1 kB\n", processes::parse_status),
        reader("maps", b"7f00-7f10 r-xp 00006000 00:2d 42    /usr/lib/a b.so\n", |b| {
            lines(b, |l| seen(details::map_row(1, l)));
        }),
        reader("cgroup", b"12:pids:/a\n0::/b\n", |b| seen(processes::cgroup(b))),
        reader("tcp", b"h\n 0: 0100007F:1538 00000000:0000 0A 0:0 0:0 0 1000 0 4711 1\n", |b| seen(proc_net::parse(b, 2, 6))),
        reader("tcp6", b"h\n 0: 00000000000000000000000001000000:1538 00000000000000000000000001000000:0000 0A 0:0 0:0 0 0 0 4711 1\n", |b| {
            seen(proc_net::parse(b, 10, 6));
        }),
        reader("unix", b"h\n0: 2 0 10000 1 1 77 /run/a b\n", |b| seen(proc_net::parse(b, 1, 0))),
        reader("netlink", &[8, 0, 1, 0, 10, 0, 0, 1, 8, 0, 2, 0, 1, 2, 3, 4], |b| seen(netlink::attributes(b).count())),
        reader("iptables", &[0; 400], |b| {
            let (info, table) = b.split_at(b.len().min(84));
            seen(iptables::chains(info, table));
        }),
        reader("fib_trie", b"     |-- 10.0.0.5\n        /32 host LOCAL\n", |b| {
            seen(interfaces::local_addresses(&text(b)));
        }),
        reader("pattern", b"/etc/%/a%b%%", |b| seen(pattern_matches(b, b"aXb"))),
    ]
}
