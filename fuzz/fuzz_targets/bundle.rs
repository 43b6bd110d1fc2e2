//! Hostile bytes for the readers of bundles.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::outer::bundle(bytes));
