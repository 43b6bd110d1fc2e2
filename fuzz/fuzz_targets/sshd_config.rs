//! Hostile bytes for the reader `sshd_config`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("sshd_config", bytes));
