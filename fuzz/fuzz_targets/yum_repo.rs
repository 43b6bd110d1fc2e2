//! Hostile bytes for the reader `yum.repo`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("yum.repo", bytes));
