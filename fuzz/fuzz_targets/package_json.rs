//! Hostile bytes for the reader `package.json`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("package.json", bytes));
