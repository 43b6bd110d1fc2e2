//! Hostile bytes for the reader `rpm Berkeley`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("rpm Berkeley", bytes));
