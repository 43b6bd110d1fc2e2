//! The simulated hosts as OpenSSH's own client sees them.
//!
//! These tests need `ssh`. Where it is missing that is said, and with `CI` in the environment it is a failure: a server
//! that only its own library can talk to is not proven.

#![allow(clippy::unwrap_used, reason = "a test stops where its ground is missing")]

mod common;

use common::{Served, becomes_true, not_tested, running, text};
use herdiff_testbed::fault::Fault;
use herdiff_testbed::site::Site;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Whether there is a client to test with.
fn ssh_is_there() -> bool {
    let there = Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_ok();
    if !there {
        not_tested("OpenSSH's `ssh` is not installed (apt-get install openssh-client)");
    }
    there
}

fn served(hosts: u32, faults: &[(&str, Fault)]) -> Served {
    Served::new(hosts, &faults.iter().map(|&(host, fault)| (host.to_owned(), fault)).collect())
}

trait Visited {
    fn ssh(&self, host: &str, command: &str) -> Command;
    fn ssh_within(&self, seconds: &str, host: &str, command: &str) -> Command;
    fn run(&self, host: &str, command: &str) -> Output;
}

impl Visited for Served {
    fn ssh(&self, host: &str, command: &str) -> Command {
        self.ssh_within("120", host, command)
    }

    fn ssh_within(&self, seconds: &str, host: &str, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.site.ssh_config()).args(["-o", "BatchMode=yes"]);
        ssh.args(["-o", &format!("ConnectTimeout={seconds}"), host, command]);
        ssh
    }

    fn run(&self, host: &str, command: &str) -> Output {
        self.ssh(host, command).stdin(Stdio::null()).output().unwrap()
    }
}

/// Processes with a word in their command line, but for the client that has it there, too.
fn commands(word: &str) -> Vec<String> {
    running(word).into_iter().filter(|line| !line.starts_with("ssh\0")).collect()
}

#[test]
fn a_command_runs_with_streams_status_and_the_host_s_root() {
    if !ssh_is_there() {
        return;
    }
    let served = served(2, &[]);
    let output =
        served.run("web-02", "echo out; echo err >&2; cat \"$HERDIFF_PROBE_ROOT/etc/hostname\"; exit 7");
    assert_eq!(text(&output.stdout), "out\nweb-02\n", "{output:?}");
    assert_eq!(text(&output.stderr), "err\n");
    assert_eq!(output.status.code(), Some(7));
    let environment = text(&served.run("web-01", "env").stdout);
    let root = served.trees.of("web-01");
    assert!(environment.contains(&format!("HERDIFF_PROBE_ROOT={}\n", root.display())), "{environment}");
    assert!(!environment.contains("CARGO"), "the environment of the server leaks: {environment}");
}

#[test]
fn much_input_comes_back_whole() {
    if !ssh_is_there() {
        return;
    }
    let served = served(1, &[]);
    let mut child = served.ssh("web-01", "cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent: Vec<u8> = (0..24_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || input.write_all(&copy).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == sent, "{} of {} bytes came back", output.stdout.len(), sent.len());
}

#[test]
fn nobody_else_gets_in() {
    if !ssh_is_there() {
        return;
    }
    let served = served(1, &[]);
    served.site.forget_identity();
    let other = Site::open(&served.site.directory().join("other")).unwrap();
    other.make_identity().unwrap();
    // Options stand before the host: behind it they would be part of the command.
    let mut ssh = Command::new("ssh");
    ssh.arg("-i").arg(other.identity()).arg("-F").arg(served.site.ssh_config()).args(["-o", "BatchMode=yes"]);
    let output = ssh.args(["web-01", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("Permission denied"), "{output:?}");
}

#[test]
fn a_killed_client_leaves_no_process_behind() {
    if !ssh_is_there() {
        return;
    }
    let mut served = served(1, &[]);
    let word = format!("86{:06}", std::process::id() % 1_000_000);
    let mut client = served.ssh("web-01", &format!("sleep {word} & sleep {word}")).spawn().unwrap();
    becomes_true("the command starts", || commands(&word).len() >= 2);
    client.kill().unwrap();
    client.wait().unwrap();
    becomes_true("the command ends", || commands(&word).is_empty());

    // And so it is when the fleet goes first.
    let word = format!("87{:06}", std::process::id() % 1_000_000);
    let mut client = served.ssh("web-01", &format!("trap '' HUP; sleep {word}; true")).spawn().unwrap();
    becomes_true("the command starts", || !commands(&word).is_empty());
    served.stop();
    becomes_true("the command is gone", || commands(&word).is_empty());
    client.wait().unwrap();
}

#[test]
fn a_script_may_clean_up_when_its_client_is_gone() {
    if !ssh_is_there() {
        return;
    }
    let served = served(1, &[]);
    let place = served.trees.directory().join("private");
    let script = format!("mkdir {0}; echo ready; cat >/dev/null; sleep 0.2; rmdir {0}", place.display());
    let mut client = served.ssh("web-01", &script).stdin(Stdio::piped()).spawn().unwrap();
    becomes_true("the script starts", || place.is_dir());
    client.kill().unwrap();
    client.wait().unwrap();
    becomes_true("the script cleans up", || !place.exists());
}

#[test]
fn hosts_misbehave_as_they_were_told() {
    if !ssh_is_there() {
        return;
    }
    let faults: Vec<(String, Fault)> = Fault::ALL
        .iter()
        .enumerate()
        .map(|(place, &fault)| (format!("web-{:02}", place + 1), fault))
        .collect();
    let named: Vec<_> = faults.iter().map(|(host, fault)| (host.as_str(), *fault)).collect();
    let served = served(21, &named);
    let long = "i=0; while [ $i -lt 9000 ]; do echo 0123456789; i=$((i+1)); done";
    for (host, fault) in named {
        let output = match fault {
            // These do not end by themselves.
            Fault::Hang | Fault::Endless => {
                let mut client =
                    served.ssh(host, long).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
                std::thread::sleep(Duration::from_millis(700));
                assert_eq!(client.try_wait().unwrap(), None, "{fault}");
                let mut pipe = client.stdout.take().unwrap();
                if fault == Fault::Endless {
                    let mut seen = vec![0; 3 << 20];
                    std::io::Read::read_exact(&mut pipe, &mut seen).unwrap();
                    assert!(seen.starts_with(b"0123456789\n") && seen.ends_with(b"AAAA"));
                }
                client.kill().unwrap();
                client.wait().unwrap();
                continue;
            }
            // These would be waited for as long as one likes.
            Fault::Silent | Fault::CutOff | Fault::Freeze => {
                served.ssh_within("3", host, long).stdin(Stdio::null()).output().unwrap()
            }
            _ => served.run(host, long),
        };
        let (code, said) = (output.status.code(), text(&output.stderr));
        let bytes = output.stdout.len();
        match fault {
            Fault::Refuse | Fault::Kill => {
                assert!(code == Some(255) && said.contains("Connection refused"), "{output:?}")
            }
            Fault::Silent | Fault::CutOff | Fault::Freeze => {
                assert!(code == Some(255) && said.contains("timed out"), "{output:?}")
            }
            Fault::NotSsh => assert!(code == Some(255) && bytes == 0, "{output:?}"),
            Fault::WrongHostKey => {
                assert!(said.contains("REMOTE HOST IDENTIFICATION HAS CHANGED"), "{output:?}")
            }
            Fault::RejectKey => assert!(said.contains("Permission denied"), "{output:?}"),
            Fault::Garbage => assert!(code == Some(0) && bytes == 128 << 10, "{code:?} {bytes}"),
            // How much of it was on its way when the line was cut is the network's business.
            Fault::HalfAnswer => assert!(code == Some(255) && bytes <= 20_000, "{code:?} {bytes} {said}"),
            Fault::NoAddress => assert!(code == Some(255) && said.contains("not resolve"), "{output:?}"),
            Fault::UnknownHostKey => {
                assert!(code == Some(255) && said.contains("No ED25519 host key is known"), "{output:?}")
            }
            Fault::RevokedHostKey => assert!(code == Some(255) && said.contains("revoked"), "{output:?}"),
            // These are seen by a sweep only.
            Fault::NoRoot | Fault::NoEngine | Fault::DeadEngine | Fault::HalfBlind => {
                assert!(code == Some(0) && bytes == 99_000, "{code:?} {bytes} {said}")
            }
            Fault::Hang | Fault::Endless => {}
        }
    }
    // The others are as they should be.
    assert_eq!(text(&served.run("web-21", "echo here").stdout), "here\n");
}

#[test]
fn faults_come_and_go_while_a_host_is_served() {
    if !ssh_is_there() {
        return;
    }
    let served = served(1, &[("web-01", Fault::Refuse)]);
    let set = |fault| assert!(served.farm().set_fault("web-01", fault));
    let fails_with = |words: &str| text(&served.run("web-01", "true").stderr).contains(words);
    assert!(!served.farm().set_fault("web-02", None));
    assert!(fails_with("Connection refused"));
    for _ in 0..3 {
        set(None);
        becomes_true("the host answers again", || served.run("web-01", "true").status.success());
        set(Some(Fault::Kill));
        becomes_true("the host refuses", || fails_with("Connection refused"));
    }
    set(Some(Fault::WrongHostKey));
    becomes_true("the host has another key", || fails_with("REMOTE HOST IDENTIFICATION HAS CHANGED"));
    set(None);
    becomes_true("the host has its key again", || served.run("web-01", "true").status.success());
}
