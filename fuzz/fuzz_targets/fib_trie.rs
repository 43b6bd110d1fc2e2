//! Hostile bytes for the reader `fib_trie`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::fuzz_one("fib_trie", bytes));
