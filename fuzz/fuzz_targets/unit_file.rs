//! Hostile bytes for the reader `unit file`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("unit file", bytes));
