//! Builds the probe and hands it to the command, which carries it: one file is all that an operator needs.
//!
//! The probe is linked statically and made small, which needs other compiler flags than the command has, so cargo is
//! called once more, with a target directory of its own. `HERDIFF_PROBE_TARGET` chooses a target (say
//! `x86_64-unknown-linux-musl`); without it this machine's own is used.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = here.parent().ok_or("the crate is not in a workspace")?;
    for input in ["probe", "sql", "Cargo.lock", "Cargo.toml", ".cargo/config.toml"] {
        println!("cargo:rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo:rerun-if-env-changed=HERDIFF_PROBE_TARGET");
    println!("cargo:rustc-env=HERDIFF_PROBE={}", build_probe(root)?.display());
    Ok(())
}

fn build_probe(root: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var("HERDIFF_PROBE_TARGET").or_else(|_| env::var("TARGET"))?;
    let directory = target_directory()?.join("probe-build");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo
        .args(["build", "--locked", "--package", "herdiff-probe", "--profile", "probe", "--target", &target])
        .arg("--target-dir")
        .arg(&directory)
        .current_dir(root)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    // What cargo tells a build script, and the wrapper of clippy, are not for the probe.
    let ours = |name: &str| name.starts_with("CARGO_FEATURE_") || name.starts_with("CARGO_CFG_");
    let foreign =
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET"];
    for name in
        env::vars().map(|(name, _)| name).filter(|name| ours(name) || foreign.contains(&name.as_str()))
    {
        cargo.env_remove(name);
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!(
            "the probe could not be built for {target} ({status}). It is linked statically: this needs a static C library \
             (Debian: libc6-dev, Fedora: glibc-static), or HERDIFF_PROBE_TARGET={{x86_64,aarch64}}-unknown-linux-musl with \
             that target installed"
        )
        .into());
    }
    Ok(directory.join(target).join("probe").join("herdiff-probe"))
}

/// The directory `target` that this build writes to, so that debug and release builds share one probe.
fn target_directory() -> Result<PathBuf, Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let profile_directory = out.ancestors().nth(3).ok_or("OUT_DIR is not where cargo puts it")?;
    Ok(profile_directory.parent().ok_or("OUT_DIR is not where cargo puts it")?.to_owned())
}
