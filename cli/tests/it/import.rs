//! `herdiff import` that is killed.

use crate::support::Place;
use std::path::PathBuf;
use std::process::{Child, Stdio};

const HOSTS: usize = 400;

/// Saved output that takes a while to import: rows of which no two are the same.
fn saved(place: &Place) {
    for host in 0..HOSTS {
        let rows: Vec<String> = (0..100)
            .map(|row| {
                format!(r#"{{"path":"/srv/{host}/{row}","sha256":"{:064x}"}}"#, (host * 7919 + row) * 104_729)
            })
            .collect();
        let directory = place.path(&format!("saved/h{host:03}"));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("files.json"), format!("[{}]", rows.join(","))).unwrap();
    }
}

/// What a run has left beside its target.
fn partial(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".x.herd.partial-"))
        .collect()
}

/// Waits until what is being written has so many bytes, or it has ended.
fn wait_for(place: &Place, import: &mut Child, bytes: u64) {
    while import.try_wait().unwrap().is_none() {
        let length = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        if partial(place).iter().any(|path| length(path) >= bytes) {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn killed_at_any_moment_it_leaves_nothing_under_the_name_and_takes_nothing() {
    let place = Place::new();
    saved(&place);
    let mut killed = 0;
    // When it has begun, when it has written its first block or a part of it, and whenever it comes to much.
    for bytes in [0, 1, 1 << 16, 1 << 20] {
        let import = place
            .command(&["import", "saved", "-o", "x.herd"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut import = import.unwrap();
        wait_for(&place, &mut import, bytes);
        // SIGKILL.
        import.kill().unwrap();
        import.wait().unwrap();
        if place.path("x.herd").exists() {
            // It was faster: then what is there is whole.
            assert_eq!(place.run(&["verify", "x.herd", "--content"]).status.code(), Some(0), "{bytes}");
            std::fs::remove_file(place.path("x.herd")).unwrap();
        } else {
            killed += 1;
        }
    }
    assert!(killed > 0, "no run was killed before its end");
    let left = partial(&place);
    assert!(left.len() <= 4, "{left:?}");
    assert_eq!(place.run(&["import", "saved", "-o", "x.herd"]).status.code(), Some(0));
    assert_eq!(place.run(&["verify", "x.herd", "--content"]).status.code(), Some(0));
    let shown = place.run(&["show", "x.herd", "--query", "files", "--format", "ndjson"]).stdout;
    assert_eq!(shown.iter().filter(|&&byte| byte == b'\n').count(), HOSTS * 100);
    assert_eq!(
        std::fs::read_dir(place.path("saved")).unwrap().count(),
        HOSTS,
        "what was imported is as it was"
    );
    assert_eq!(partial(&place), left, "whose they are is not known, so nobody removes them");
}
