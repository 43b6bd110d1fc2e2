//! The probe on the machine that runs the test: what the test plants it must find.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};

use common::{not_tested, there};
use serde_json::Value;

fn rows(sql: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_herdiff-probe")).args(["--json", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{sql}: {error}: {text}"))
}

fn set(sql: &str, column: &str) -> BTreeSet<String> {
    rows(sql).iter().map(|row| row[column].as_str().unwrap().to_owned()).collect()
}

/// A process that ends with the test.
struct Planted(Child);

impl Planted {
    fn new(command: &mut Command) -> Self {
        Planted(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_listener_and_its_connection_are_found_with_their_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let datagrams = UdpSocket::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_server, peer) = listener.accept().unwrap();
    let own = std::process::id();

    // Other tests fork: for a moment their children hold the listener as well.
    let found =
        rows(&format!("SELECT * FROM listening_ports WHERE port = {port} AND protocol = 6 AND pid = {own}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["pid"], own.to_string());
    assert_eq!((&found[0]["address"], &found[0]["family"]), (&Value::from("127.0.0.1"), &Value::from("2")));

    let udp = datagrams.local_addr().unwrap().port();
    let found = rows(&format!("SELECT address FROM listening_ports WHERE port = {udp} AND protocol = 17"));
    assert_eq!(found[0]["address"], "::1");

    let sql = format!("SELECT * FROM connections WHERE pid = {own} AND remote_port = {}", peer.port());
    let found = rows(&sql);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["state"], "ESTABLISHED");
    assert_eq!(found[0]["path"], std::env::current_exe().unwrap().to_str().unwrap());
    assert_eq!(found[0]["parent"], std::os::unix::process::parent_id().to_string());
}

#[test]
fn a_process_whose_binary_was_deleted_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join("planted-sleep");
    let sleep = ["/usr/bin/sleep", "/bin/sleep"].iter().find(|path| std::fs::metadata(path).is_ok()).unwrap();
    std::fs::copy(sleep, &binary).unwrap();
    let planted =
        Planted::new(Command::new(&binary).arg("300").env("PLANTED", "yes").current_dir(dir.path()));
    std::fs::remove_file(&binary).unwrap();
    let pid = planted.0.id();

    let found = rows(&format!("SELECT * FROM processes WHERE pid = {pid}"));
    let process = &found[0];
    assert_eq!(process["path"], binary.to_str().unwrap());
    assert_eq!(process["on_disk"], "0");
    assert_eq!(process["cmdline"], format!("{} 300", binary.display()));
    assert_eq!(process["cwd"], dir.path().canonicalize().unwrap().to_str().unwrap());
    assert_eq!(process["parent"], std::process::id().to_string());
    let started: i64 = process["start_time"].as_str().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((now - started).abs() < 120, "{started} {now}");

    let found = rows(&format!("SELECT value FROM process_envs WHERE pid = {pid} AND key = 'PLANTED'"));
    assert_eq!(found[0]["value"], "yes");
    let found =
        rows(&format!("SELECT count(*) AS n FROM process_memory_map WHERE pid = {pid} AND path = '[stack]'"));
    assert_eq!(found[0]["n"], "1");
}

/// Processes as `ps` lists them.
fn by_ps() -> BTreeSet<String> {
    let output = Command::new("ps").args(["-e", "-o", "pid="]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn processes_are_those_of_ps() {
    let planted = Planted::new(Command::new("sleep").arg("301"));
    let before = by_ps();
    let ours = set("SELECT pid, name FROM processes", "pid");
    let after = by_ps();
    assert!(ours.contains(&planted.0.id().to_string()));
    // Others come and go; who was there before and after was there in between.
    let missed: Vec<_> = before.intersection(&after).filter(|pid| !ours.contains(*pid)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn a_join_asks_only_for_what_it_needs() {
    let own = std::process::id();
    let sql = format!(
        "SELECT h.sha256, p.path FROM processes p JOIN hash h USING (path) WHERE p.pid = {own} AND h.sha256 != ''"
    );
    let found = rows(&sql);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["sha256"].as_str().unwrap().len(), 64);
    let found = rows("SELECT count(*) AS n FROM users u JOIN file f ON f.path = u.directory WHERE u.uid = 0");
    assert_ne!(found[0]["n"], "0");
}

#[test]
fn the_kernel_hides_nothing_here() {
    // Has a port, but neither listens nor is connected: no file lists it, and that is no rootkit.
    let idle =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&idle, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let found = rows("SELECT * FROM herdiff_hidden WHERE kind IN ('process', 'socket')");
    assert!(found.is_empty(), "{found:?}");
}

const RULES: &str = "set -e
ip link set lo up
iptables-legacy -A INPUT -s 203.0.113.0/24 -p tcp --dport 22 -j ACCEPT
iptables-legacy -A INPUT -p udp ! --dport 1000:2000 ! -i eth+ -j DROP
iptables-legacy -N EVIL
iptables-legacy -A INPUT ! -s 192.0.2.1 ! -p icmp -j EVIL
iptables-legacy -A EVIL -j RETURN
iptables-legacy -P FORWARD DROP
nft add table inet evil
exec \"$PROBE\" --json \"SELECT chain, policy, target, protocol, src_ip, src_mask, dst_port, iniface, iniface_mask FROM iptables \
  WHERE filter_name = 'filter' AND chain != 'OUTPUT'\"";

/// In a network of its own, so that the machine keeps its rules.
#[test]
fn rules_of_the_packet_filter_are_told_and_those_of_nftables_are_not_forgotten() {
    let tools = ["iptables-legacy", "nft", "unshare", "ip"];
    if !rustix::process::geteuid().is_root() || !tools.into_iter().all(there) {
        return not_tested("rules of the packet filter need root, iptables-legacy, nft, unshare and ip");
    }
    let output = Command::new("unshare")
        .args(["-n", "sh", "-c", RULES])
        .env("PROBE", env!("CARGO_BIN_EXE_herdiff-probe"))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let words: Vec<String> = found
        .iter()
        .map(|row| {
            let columns = [
                "chain",
                "policy",
                "target",
                "protocol",
                "src_ip",
                "src_mask",
                "dst_port",
                "iniface",
                "iniface_mask",
            ];
            columns.map(|column| row[column].as_str().unwrap()).join(" ").trim_end().to_owned()
        })
        .collect();
    let expected = [
        "INPUT ACCEPT ACCEPT 6 203.0.113.0 255.255.255.0 22:22 all",
        "INPUT ACCEPT DROP 17 0.0.0.0 0.0.0.0 !1000:2000 !eth+ FFFFFF",
        "INPUT ACCEPT EVIL -1 !192.0.2.1 255.255.255.255  all",
        "INPUT ACCEPT",
        "FORWARD DROP",
        "EVIL  RETURN 0 0.0.0.0 0.0.0.0  all",
        "EVIL",
    ];
    assert_eq!(words, expected);
    assert!(errors.contains("nftables table inet evil"), "{errors}");
}

#[test]
fn every_table_answers() {
    let output = Command::new(env!("CARGO_BIN_EXE_herdiff-probe")).arg("--tables").output().unwrap();
    let document = String::from_utf8(output.stdout).unwrap();
    let titles = document.lines().filter_map(|line| line.strip_prefix("## "));
    let titles = titles.filter(|title| title.starts_with(|letter: char| letter.is_ascii_lowercase()));
    let mut count = 0;
    for name in titles {
        count += 1;
        let filter = match name {
            "file" | "hash" | "extended_attributes" => " WHERE path = '/etc/passwd'",
            _ => "",
        };
        rows(&format!("SELECT * FROM {name}{filter} LIMIT 5"));
    }
    assert!(count > 60, "{count}");
}
