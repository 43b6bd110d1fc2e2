//! Writes an input that each reader understands to `$SEEDS/TARGET/seed`, for the fuzzer to start from. It is a target as
//! well, because nothing that is compiled to be watched links without the fuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(init: herdiff_fuzz::write_seeds(), |_bytes: &[u8]| {});
