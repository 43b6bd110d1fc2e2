//! Every reader of the host's bytes, fed with broken ones.
//!
//! A plain runner instead of cargo-fuzz, since that needs a nightly compiler: seeds that look like the real thing are
//! mutated for a bounded time, and every reader must come back without a panic. `HERDIFF_FUZZ_SECONDS` makes it run
//! longer, `HERDIFF_FUZZ_SEED` repeats a run; a failure names its seed and its input.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::tables::fuzz_readers;

/// A small generator of numbers (xorshift64*), so that a run can be repeated.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Bytes that readers stumble over.
const ODD: [&[u8]; 18] = [
    b"\0",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b":",
    b"#",
    b"=",
    b"\\",
    b"\"",
    b"[",
    b")",
    b"(",
    b"\xff\xfe",
    b"\xff\xff\xff\xff",
    b"99999999999999999999",
    b"-1",
    b"%",
];

fn mutate(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(bytes.len() + 1);
        match numbers.below(6) {
            0 if at < bytes.len() => bytes[at] = numbers.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            2 => bytes.truncate(at),
            3 => {
                let odd = ODD[numbers.below(ODD.len())];
                bytes.splice(at..at, odd.iter().copied());
            }
            4 => {
                let end = at + numbers.below(bytes.len() - at + 1);
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let end = at + numbers.below(bytes.len() - at + 1);
                bytes.drain(at..end);
            }
        }
        bytes.truncate(1 << 16);
    }
    bytes
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn no_bytes_of_a_host_stop_a_reader() {
    let seed = setting("HERDIFF_FUZZ_SEED", 0x9e37_79b9_7f4a_7c15);
    let end = Instant::now() + Duration::from_secs(setting("HERDIFF_FUZZ_SECONDS", 3));
    let mut numbers = Numbers(seed | 1);
    let readers = fuzz_readers();
    for reader in &readers {
        (reader.read)(reader.seed);
    }
    let mut rounds = 0_u64;
    while Instant::now() < end {
        for reader in &readers {
            let input = mutate(reader.seed, &mut numbers);
            let survived = catch_unwind(AssertUnwindSafe(|| (reader.read)(&input)));
            assert!(
                survived.is_ok(),
                "{} fell over {:?} (seed {seed})",
                reader.name,
                input.escape_ascii().to_string()
            );
            rounds += 1;
        }
    }
    assert!(rounds > readers.len() as u64 * 10, "too slow to mean anything: {rounds} rounds");
}
