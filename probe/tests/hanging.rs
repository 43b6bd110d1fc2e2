//! Reads that never end, as of a server that is gone or a file system that its owner has stopped: the query that meets
//! one ends when its time is over, and the others are answered.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{not_tested, put};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::Value;

/// A file system whose owner never answers: whoever touches it waits until it is gone.
struct Stopped {
    place: PathBuf,
    _connection: File,
}

impl Stopped {
    fn at(place: &Path) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let connection = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        let options =
            format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other\0", connection.as_raw_fd());
        let options = std::ffi::CString::from_vec_with_nul(options.into_bytes()).unwrap();
        mount("stopped", place, "fuse", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
            .ok()?;
        Some(Stopped { place: place.to_owned(), _connection: connection })
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Closing the connection, which comes next, wakes up who still waits.
        let _ = unmount(&self.place, UnmountFlags::DETACH);
    }
}

fn sweep(root: &Path, queries: &str) -> Vec<Value> {
    let pack = format!("{{\"queries\":{queries},\"herdiff\":{{\"query_timeout_ms\":200}}}}");
    let mut child = Command::new(env!("CARGO_BIN_EXE_herdiff-probe"))
        .args(["--sweep", "--root"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(pack.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_query_that_hangs_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "/etc/passwd", "root:x:0:0::/root:/bin/sh\nevil:x:7:7::/home/evil:/bin/sh\n");
    put(dir.path(), "/etc/hosts", "127.0.0.1 localhost\n");
    let Some(_stopped) = Stopped::at(&dir.path().join("home/evil")) else {
        return not_tested("a file system that hangs needs root and /dev/fuse");
    };
    let began = Instant::now();
    let lines = sweep(
        dir.path(),
        r#"{"keys":{"query":"SELECT * FROM users CROSS JOIN authorized_keys USING (uid)"},
            "hash":{"query":"SELECT * FROM hash WHERE path = '/home/evil/x'"},
            "hosts":{"query":"SELECT hostnames FROM etc_hosts"},
            "users":{"query":"SELECT username FROM users"}}"#,
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    for hanging in &lines[1..3] {
        assert_eq!(hanging["kind"], "timeout", "{hanging}");
    }
    assert_eq!((&lines[3]["query"], &lines[3]["rows"][0][0]), (&"hosts".into(), &"localhost".into()));
    assert_eq!(lines[4]["rows"].as_array().unwrap().len(), 2);
    assert_eq!(lines[5]["end"], 1);
}

#[test]
fn when_everything_hangs_the_sweep_still_ends() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_stopped) = Stopped::at(&dir.path().join("stopped")) else {
        return not_tested("a file system that hangs needs root and /dev/fuse");
    };
    let queries: Vec<String> = (0..8)
        .map(|number| format!(r#""q{number}":{{"query":"SELECT * FROM file WHERE path = '/stopped/x'"}}"#))
        .collect();
    let lines = sweep(dir.path(), &format!("{{{}}}", queries.join(",")));
    assert_eq!(lines.len(), 10);
    assert!(lines[1..9].iter().all(|line| line["kind"] == "timeout"), "{lines:?}");
    assert_eq!(lines[9]["queries"], 8);
}
