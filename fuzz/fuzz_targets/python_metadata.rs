//! Hostile bytes for the reader `python metadata`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("python metadata", bytes));
