//! Hostile bytes for the reader `crontab`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("crontab", bytes));
