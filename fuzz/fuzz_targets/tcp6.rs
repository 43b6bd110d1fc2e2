//! Hostile bytes for the reader `tcp6`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("tcp6", bytes));
