//! Hostile bytes for the reader `tcp`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("tcp", bytes));
