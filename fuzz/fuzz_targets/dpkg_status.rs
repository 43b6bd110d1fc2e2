//! Hostile bytes for the reader `dpkg status`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("dpkg status", bytes));
