//! Mutated bundles: whatever is done to the bytes, a reader says no or tells the truth, and never panics.
//!
//! Digests stop nearly all of it at the door, so the digests of mutated frames are made right again in most runs: then the
//! decoders behind them are what is tried, as a hostile writer would. `HERDIFF_FUZZ_SECONDS` says for how long.

use crate::fleet::{fleet, sealed, sealed_of, written};
use herdiff_model::bundle::{Archive, Bundle, recover, verify};
use herdiff_model::snapshot::QueryId;
use std::io::Cursor;
use std::time::{Duration, Instant};

/// A generator of numbers that gives the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len());
        match dice.roll(6) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.roll(5)],
            2 => bytes.truncate(at.max(1)),
            3 => {
                let end = (at + dice.roll(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => {
                let end = (at + dice.roll(16)).min(bytes.len());
                bytes.drain(at..end);
                bytes.extend([0]);
            }
            _ => bytes[at] = dice.roll(256) as u8,
        }
    }
}

/// Makes the digests and lengths of all frames right again, as far as their places can be told.
fn repair(whole: &[u8], dice: &mut Dice) -> Vec<u8> {
    let (preamble, mut rest) = (&whole[..16], &whole[16..]);
    let mut out = preamble.to_vec();
    let mut index = 0;
    while rest.len() >= 53 {
        let stored = u32::from_le_bytes(rest[13..17].try_into().unwrap()) as usize;
        if stored > rest.len() - 53 {
            break;
        }
        let mut head = rest[..21].to_vec();
        let mut payload = rest[53..53 + stored].to_vec();
        rest = &rest[53 + stored..];
        if dice.roll(4) == 0 && !payload.is_empty() {
            mutate(&mut payload, dice);
            head[13..17].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        }
        let digest = blake3::hash(&[preamble, &head, &payload].concat());
        index = out.len() as u64;
        out.extend(head);
        out.extend(digest.as_bytes());
        out.extend(payload);
    }
    out.extend(index.to_le_bytes());
    out.extend(b"HERDSEAL");
    out
}

fn try_everything(file: &[u8]) {
    drop(Bundle::read(file));
    drop(verify(Cursor::new(file)));
    if let Ok(Some(mut archive)) = Archive::open(Cursor::new(file)) {
        drop(archive.hosts());
        let hosts = archive.names().len().min(3);
        for number in 0..hosts {
            drop(archive.prove(number));
        }
        drop(archive.query(QueryId(0)));
        drop(archive.each_visit(|_, _| Ok(())));
    }
    if let Ok((bytes, _)) = recover(Cursor::new(file), Vec::new(), Clone::clone) {
        Bundle::read(&*bytes).unwrap();
    }
}

#[test]
fn nothing_makes_a_reader_panic() {
    let seconds = std::env::var("HERDIFF_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let end = Instant::now() + Duration::from_secs(seconds);
    let old = include_bytes!("../fixtures/format-0.1.herd").to_vec();
    let seeds = [written(), sealed(), sealed_of(&fleet(5)).0, crate::runs::journal(), old];
    let mut runs = 0u64;
    while Instant::now() < end {
        let mut dice = Dice(runs.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut file = seeds[dice.roll(seeds.len())].clone();
        if dice.roll(3) > 0 && file.len() > 16 {
            file = repair(&file, &mut dice);
        } else {
            mutate(&mut file, &mut dice);
        }
        let run = std::panic::catch_unwind(|| try_everything(&file));
        assert!(run.is_ok(), "run {runs}");
        runs += 1;
    }
    assert!(runs > 20, "{runs} runs are none");
}
