//! Hostile bytes for the reader `shadow`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("shadow", bytes));
