//! Hostile bytes for the reader `D-Bus`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("D-Bus", bytes));
