//! Hostile bytes for the reader `netlink`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("netlink", bytes));
