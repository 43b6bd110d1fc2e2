//! What the probe costs beside the tools that read the same facts, for docs/PERFORMANCE.md:
//! `HERDIFF_PROBE=FILE cargo test -p herdiff-probe --test bench -- --ignored --nocapture`, where FILE is the static one that
//! `cargo build --release` left in `target/probe-build`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unsafe_code)]
// They are waited for by a call that tells what they cost.
#![allow(clippy::zombie_processes)]

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 25;

/// What one run cost.
#[derive(Clone, Copy)]
struct Cost {
    cpu: Duration,
    wall: Duration,
    peak_kb: i64,
}

fn run(program: &str, arguments: &[&str], input: &str) -> Cost {
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut stdin).unwrap();
    let began = Instant::now();
    let child = Command::new(program)
        .args(arguments)
        .stdin(stdin)
        .stdout(File::create("/dev/null").unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut status = 0;
    // SAFETY: all zeros is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are there for the kernel to write to, and the child is ours and not waited for yet.
    let waited = unsafe { libc::wait4(child.id() as i32, &raw mut status, 0, &raw mut usage) };
    assert_eq!(waited, child.id() as i32);
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Cost { cpu: time(usage.ru_utime) + time(usage.ru_stime), wall: began.elapsed(), peak_kb: usage.ru_maxrss }
}

fn median(mut costs: Vec<Cost>) -> String {
    let middle = costs.len() / 2;
    let mut by = |key: fn(&Cost) -> f64| {
        costs.sort_by(|a, b| key(a).total_cmp(&key(b)));
        key(&costs[middle])
    };
    format!(
        "{:.1} | {:.1} | {:.1}",
        by(|cost| cost.cpu.as_secs_f64() * 1e3),
        by(|cost| cost.wall.as_secs_f64() * 1e3),
        by(|cost| cost.peak_kb as f64 / 1024.0)
    )
}

#[test]
#[ignore = "measures, and needs ps, ss, lsmod, dpkg-query and find"]
fn measure() {
    let probe =
        std::env::var("HERDIFF_PROBE").unwrap_or_else(|_| env!("CARGO_BIN_EXE_herdiff-probe").to_owned());
    let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/packs/triage.conf");
    let pack = std::fs::read_to_string(pack).unwrap();
    let suid =
        "find /bin/ /sbin/ /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin /tmp -perm /6000 -type f -ls";
    let suid: Vec<&str> = suid.split(' ').collect();
    let json = |sql| vec!["--json", sql];
    let pairs: [(Vec<&str>, Vec<&str>); 6] = [
        (json("SELECT 1"), vec!["true"]),
        (json("SELECT * FROM processes"), vec!["ps", "aux"]),
        (json("SELECT * FROM process_open_sockets WHERE family IN (2, 10)"), vec!["ss", "-tuanp"]),
        (json("SELECT * FROM kernel_modules"), vec!["lsmod"]),
        (json("SELECT * FROM deb_packages"), vec!["dpkg-query", "-W"]),
        (json("SELECT * FROM suid_bin"), suid),
    ];
    println!(
        "| | CPU ms | wall ms | peak MB | the other | CPU ms | wall ms | peak MB |\n| --- |{}",
        " --- |".repeat(7)
    );
    for (ours, other) in pairs {
        // Taken in turns, so that what else the machine does hits both.
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            a.push(run(&probe, &ours, ""));
            b.push(run(other[0], &other[1..], ""));
        }
        let name = other.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        println!("| `{}` | {} | `{name}` | {} |", ours[1], median(a), median(b));
    }
    let costs = (0..RUNS).map(|_| run(&probe, &["--sweep"], &pack)).collect();
    println!("| the triage pack, one process | {} | | | | |", median(costs));
}
