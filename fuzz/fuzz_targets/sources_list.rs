//! Hostile bytes for the reader `sources.list`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("sources.list", bytes));
