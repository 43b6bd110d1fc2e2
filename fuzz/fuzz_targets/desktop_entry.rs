//! Hostile bytes for the reader `desktop entry`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("desktop entry", bytes));
