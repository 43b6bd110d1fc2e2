//! What comes from outside besides the probe's files: bundles of anybody, and what hosts send.

use herdiff_collector::delivery::{Printed, ProbeBinary, Script};
use herdiff_collector::engine::{EngineChoice, Limits};
use herdiff_collector::inventory::Target;
use herdiff_model::bundle::{Archive, Bundle, recover, verify, verify_content};
use herdiff_model::pack::Pack;
use herdiff_model::snapshot::Receipt;
use std::io::Cursor;
use std::time::Duration;

/// Reads a bundle in every way that there is.
pub fn bundle(bytes: &[u8]) {
    let _ = Bundle::read(bytes);
    if let Ok(Some(mut archive)) = Archive::open(Cursor::new(bytes)) {
        let hosts = archive.hosts().unwrap_or_default();
        if let Some(host) = hosts.first() {
            let _ = archive.only(host.host.as_str());
        }
        let _ = archive.prove(0);
        let _ = archive.without_rows();
    }
    let _ = verify(Cursor::new(bytes));
    let _ = verify_content(Cursor::new(bytes));
    let _ = recover(Cursor::new(bytes), std::io::sink(), Clone::clone);
}

/// Bundles of every form.
pub const BUNDLES: [&[u8]; 3] = [
    include_bytes!("../../model/tests/fixtures/format-1.0.herd"),
    include_bytes!("../../model/tests/fixtures/format-1.0-journal.herd"),
    include_bytes!("../../model/tests/fixtures/format-0.1.herd"),
];

/// Reads what a host has sent: of the probe, and of osqueryi. What is behind a zero byte came on standard error.
///
/// # Panics
/// When an answer is lost.
pub fn host_output(bytes: &[u8]) {
    let mut streams = bytes.splitn(2, |byte| *byte == 0);
    let printed =
        Printed { stdout: streams.next().unwrap_or_default(), stderr: streams.next().unwrap_or_default() };
    let pack = r#"{"queries":{"users":{"query":"SELECT 1"},"ports":{"query":"SELECT 2"}}}"#;
    let pack = Pack::parse(pack).expect("it is a pack");
    for choice in [EngineChoice::Auto, EngineChoice::Osqueryi] {
        let probes = vec![ProbeBinary::for_arch("x86_64", b"probe".to_vec())];
        let script = Script::new(&pack, Duration::from_secs(1), choice, probes, Limits::default());
        let target = Target {
            host: "web-01".into(),
            herd: "web".into(),
            groups: Vec::new(),
            address: String::new(),
            port: None,
            user: None,
            identity: None,
            jump: None,
            proxy_command: None,
            privilege: None,
            become_user: None,
        };
        let visit = script.read(target, printed, None, Receipt::default());
        assert_eq!(visit.answers.len(), 2, "every query has an answer, if only that there is none");
    }
}

const HELLO: &str =
    "\u{1e}{\"hello\":1,\"arch\":\"x86_64\",\"uid\":0,\"dir\":\"/tmp/.herdiff.1.x\",\"osqueryi\":";
const PLACED: &str =
    "\n\u{1e}{\"placed\":\"/tmp/.herdiff.1.x/herdiff-probe\",\"bytes\":5,\"checked\":true}\n";
const RECEIPT: &str =
    "\n\u{1e}{\"receipt\":1,\"status\":0,\"killed\":false,\"removed\":true,\"leftovers\":0}\n";

/// An honest host with each of the engines.
pub fn honest_hosts() -> [String; 2] {
    let header = "{\"probe\":\"9\",\"protocol\":1,\"arch\":\"x86_64\",\"uid\":0,\"root\":\"/\",\"pid\":3}\n";
    let users = "{\"query\":\"users\",\"columns\":[\"uid\",\"name\"],\"rows\":[[\"0\",\"root\"],[\"7\",\"\\u00e9ve\"]],\
                 \"unread\":[],\"cut\":null}\n";
    let ports =
        "{\"query\":\"ports\",\"columns\":[\"port\"],\"rows\":[[\"22\"]],\"unread\":[],\"cut\":null}\n";
    let end = "{\"end\":1,\"cpu_us\":5}\n";
    [
        format!("Welcome!\n{HELLO}\"\"}}{PLACED}{header}{users}{ports}{end}{RECEIPT}"),
        format!(
            "{HELLO}\"/usr/bin/osqueryi\"}}\n[\n  {{\"uid\":\"0\",\"name\":\"root\"}}\n]\n[]\n{RECEIPT}\0oops\n"
        ),
    ]
}
