//! The probe's readers by name; [`outer`] has what comes from elsewhere. The probe is a program and has no public parts, and fuzzing is no reason for it to get
//! some: its modules are compiled into this crate as they are, with `cfg(fuzzing)`.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

pub mod outer;

#[path = "../../probe/src/host/mod.rs"]
mod host;
#[path = "../../probe/src/restraint.rs"]
mod restraint;
#[path = "../../probe/src/tables/mod.rs"]
mod tables;

/// Gives bytes to the reader of that name.
///
/// # Panics
/// When there is none: a target without a reader would find nothing.
pub fn fuzz_one(name: &str, bytes: &[u8]) {
    let reader = tables::fuzz_readers().into_iter().find(|reader| reader.name == name);
    (reader.unwrap_or_else(|| panic!("no reader is called {name}")).read)(bytes);
}

/// Writes the input of every reader to a directory of its target's name below `$SEEDS`.
///
/// # Panics
/// When that is not possible, or a reader has no target.
pub fn write_seeds() {
    let place = std::path::PathBuf::from(std::env::var_os("SEEDS").expect("SEEDS names the directory"));
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    for reader in tables::fuzz_readers() {
        let target: String = reader.name.chars().map(plain).collect();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz_targets/").to_owned() + &target + ".rs";
        assert!(std::path::Path::new(&source).exists(), "the reader {} has no target {target}", reader.name);
        std::fs::create_dir_all(place.join(&target)).expect("the directory can be made");
        std::fs::write(place.join(target).join("seed"), reader.seed).expect("the seed can be written");
    }
    let write = |target: &str, name: String, seed: &[u8]| {
        std::fs::create_dir_all(place.join(target)).expect("the directory can be made");
        std::fs::write(place.join(target).join(name), seed).expect("the seed can be written");
    };
    for (number, seed) in outer::BUNDLES.iter().enumerate() {
        write("bundle", format!("seed-{number}"), seed);
    }
    for (number, seed) in outer::honest_hosts().iter().enumerate() {
        write("host_output", format!("seed-{number}"), seed.as_bytes());
    }
}
