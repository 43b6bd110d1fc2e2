//! Hostile bytes for the reader `deb822`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("deb822", bytes));
