//! What is written grows beside its name, and never takes the place of something else.

use herdiff_exchange::place::Place;
use std::fs;
use std::io::{ErrorKind, Write};

fn names(directory: &std::path::Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_came_to_stand_there_meanwhile_stays() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("x.herd");
    let place = Place::file(&to).unwrap();
    place.open().unwrap().write_all(b"ours").unwrap();
    fs::write(&to, "theirs").unwrap();
    assert_eq!(place.finish().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&to).unwrap(), b"theirs");
    assert_eq!(names(directory.path()), ["x.herd"], "and what was ours is removed");
    // An empty directory, which a rename would take the place of without a word.
    let to = directory.path().join("out");
    let place = Place::directory(&to).unwrap();
    fs::create_dir(&to).unwrap();
    assert_eq!(place.finish().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(names(&to), [] as [&str; 0]);
}
