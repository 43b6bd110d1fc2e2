//! Hostile bytes for the reader `private key`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("private key", bytes));
