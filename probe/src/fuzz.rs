//! Every reader of the host's bytes, fed with broken ones.
//!
//! A plain runner instead of cargo-fuzz, since that needs a nightly compiler: seeds that look like the real thing are
//! mutated for a bounded time, and every reader must come back without a panic. `HERDIFF_FUZZ_SECONDS` makes it run
//! longer, `HERDIFF_FUZZ_SEED` repeats a run; a failure names its seed and its input.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::host::{Host, Root};
use crate::sql::{Engine, Limits, Next, RowView, Sink};
use crate::tables::{ALL, fuzz_readers};

/// A small generator of numbers (xorshift64*), so that a run can be repeated.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Bytes that readers stumble over.
const ODD: [&[u8]; 18] = [
    b"\0",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b":",
    b"#",
    b"=",
    b"\\",
    b"\"",
    b"[",
    b")",
    b"(",
    b"\xff\xfe",
    b"\xff\xff\xff\xff",
    b"99999999999999999999",
    b"-1",
    b"%",
];

fn mutate(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(bytes.len() + 1);
        match numbers.below(6) {
            0 if at < bytes.len() => bytes[at] = numbers.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            2 => bytes.truncate(at),
            3 => {
                let odd = ODD[numbers.below(ODD.len())];
                bytes.splice(at..at, odd.iter().copied());
            }
            4 => {
                let end = at + numbers.below(bytes.len() - at + 1);
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let end = at + numbers.below(bytes.len() - at + 1);
                bytes.drain(at..end);
            }
        }
        bytes.truncate(1 << 16);
    }
    bytes
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn no_bytes_of_a_host_stop_a_reader() {
    let seed = setting("HERDIFF_FUZZ_SEED", 0x9e37_79b9_7f4a_7c15);
    let end = Instant::now() + Duration::from_secs(setting("HERDIFF_FUZZ_SECONDS", 3));
    let mut numbers = Numbers(seed | 1);
    let readers = fuzz_readers();
    for reader in &readers {
        (reader.read)(reader.seed);
    }
    let mut rounds = 0_u64;
    while Instant::now() < end {
        for reader in &readers {
            let input = mutate(reader.seed, &mut numbers);
            let survived = catch_unwind(AssertUnwindSafe(|| (reader.read)(&input)));
            assert!(
                survived.is_ok(),
                "{} fell over {:?} (seed {seed})",
                reader.name,
                input.escape_ascii().to_string()
            );
            rounds += 1;
        }
    }
    assert!(rounds > readers.len() as u64 * 10, "too slow to mean anything: {rounds} rounds");
}

/// Files of a host, for the tables that read several together.
const TREE: [(&str, &[u8]); 24] = [
    ("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nmaren:x:1000:1000::/home/maren:/bin/sh\n"),
    ("etc/group", b"root:x:0:\nadm:x:4:maren\n"),
    ("etc/shadow", b"root:$6$x$y:19700:0:99999:7:::\n"),
    ("etc/sudoers", b"root ALL=(ALL) ALL\n#include /etc/sudoers\n@includedir /etc/cron.d\n"),
    ("etc/crontab", b"* * * * * root /bin/true\n"),
    ("etc/cron.d/x", b"@reboot root /bin/x\n"),
    ("etc/hosts", b"127.0.0.1 localhost\n"),
    ("etc/services", b"ssh 22/tcp # x\n"),
    ("etc/resolv.conf", b"nameserver 192.0.2.1\nsearch a b\noptions rotate\n"),
    ("etc/os-release", b"ID=debian\nVERSION_ID=\"12.1\"\n"),
    ("etc/systemd/system/x.service", b"[Unit]\nDescription=x\n[Service]\nUser=y\n[Install]\n"),
    ("root/.ssh/authorized_keys", b"ssh-ed25519 AAAA x\n"),
    ("root/.bash_history", b"#1735700000\nls\n"),
    ("var/log/wtmp", &[7; 900]),
    ("var/lib/dpkg/status", b"Package: a\nVersion: 1-2\nStatus: install ok installed\n\n"),
    ("var/lib/rpm/Packages", &[0; 2048]),
    ("proc/1/stat", b"1 (init) S 0 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 2 0 0 0\n"),
    ("proc/1/status", b"Name:\tinit\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmRSS:\t 1 kB\n"),
    ("proc/1/environ", b"A=b\0C\0"),
    ("proc/1/maps", b"7f00-7f10 r-xp 00006000 00:2d 42    /usr/lib/a.so\n"),
    ("proc/net/tcp", b"h\n 0: 0100007F:1538 00000000:0000 0A 0:0 0:0 0 1000 0 4711 1\n"),
    ("proc/modules", b"a 1 0 - Live 0x0\n"),
    ("proc/mounts", b"/dev/sda1 / ext4 rw 0 0\n"),
    ("proc/cpuinfo", b"processor : 0\nmodel name : x\n"),
];

/// Takes rows and forgets them.
struct Count(usize);

impl Sink for Count {
    fn columns(&mut self, _names: &[&str]) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, row: &RowView<'_, '_>) -> io::Result<Next> {
        std::hint::black_box(row.value(0));
        self.0 += 1;
        Ok(Next::Go)
    }
}

fn write(root: &Path, numbers: Option<&mut Numbers>) {
    let mut numbers = numbers;
    for (path, content) in TREE {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let broken =
            numbers.as_mut().and_then(|numbers| (numbers.below(4) == 0).then(|| mutate(content, numbers)));
        let content = broken.unwrap_or_else(|| content.to_vec());
        std::fs::write(path, content).unwrap();
    }
}

#[test]
fn no_tree_stops_a_table() {
    let seed = setting("HERDIFF_FUZZ_SEED", 0x2545_f491_4f6c_dd1d);
    let end = Instant::now() + Duration::from_secs(setting("HERDIFF_FUZZ_SECONDS", 3));
    let mut numbers = Numbers(seed | 1);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), None);
    let host = Arc::new(Host::new(Root::below(dir.path().as_os_str()).unwrap()));
    let engine = Engine::new(host).unwrap();
    let limits = Limits { time: Some(Duration::from_secs(5)) };
    let mut whole = Count(0);
    let mut rounds = 0;
    while Instant::now() < end || rounds < 2 {
        for table in ALL {
            let path = if table.columns.iter().any(|column| column.required) {
                " WHERE path LIKE '/etc/%%'"
            } else {
                ""
            };
            let sql = format!("SELECT * FROM {}{path}", table.name);
            let mut count = Count(0);
            let ran =
                catch_unwind(AssertUnwindSafe(|| engine.run(&sql, limits, &mut count).unwrap().is_ok()));
            assert!(ran.is_ok(), "{} fell over in round {rounds} (seed {seed})", table.name);
            if rounds == 0 {
                whole.0 += count.0;
            }
        }
        write(dir.path(), Some(&mut numbers));
        rounds += 1;
    }
    assert!(whole.0 > 40, "the tree must mean something before it is broken: {} rows", whole.0);
}
