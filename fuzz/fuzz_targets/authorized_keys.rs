//! Hostile bytes for the reader `authorized_keys`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("authorized_keys", bytes));
