//! Hostile bytes for what reads the output of a host.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| herdiff_fuzz::outer::host_output(bytes));
