//! What was encrypted comes back for those who may read it, from any place; what was changed never does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use herdiff_envelope::{
    EnvelopeError, Identities, IdentityError, Opened, Recipients, Sealing, is_damage, is_encrypted, open,
    salvage,
};
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

/// So many bytes are encrypted together.
const PIECE: usize = 64 << 10;
const TAG: usize = 16;

const OURS: &str = "AGE-SECRET-KEY-14UP9U9G3T6W6XNAHZ2WJNNUJ60PTAH6JVHRRXJ8U0TPQN22RMDUQKFLYFF";
const OURS_PUBLIC: &str = "age1glnfhx63h8lts389v29x7r9q50w4j72ef4u0cm02pf5z0qe8yszqz4jj6k";
const SSH: &str = include_str!("keys/ssh");
const SSH_PUBLIC: &str = include_str!("keys/ssh.pub");
const SSH_LOCKED: &str = include_str!("keys/ssh-locked");
const SSH_LOCKED_PUBLIC: &str = include_str!("keys/ssh-locked.pub");
const RSA: &str = include_str!("keys/rsa");
const RSA_PUBLIC: &str = include_str!("keys/rsa.pub");
const ECDSA: &str = include_str!("keys/ecdsa");

fn recipients(keys: &[&str]) -> Recipients {
    let mut recipients = Recipients::default();
    keys.iter().for_each(|key| recipients.add(key).unwrap());
    recipients
}

fn identities(text: &str) -> Identities {
    let mut identities = Identities::default();
    identities.add(text, || Some("correct horse".to_owned().into())).unwrap();
    identities
}

fn encrypted(plain: &[u8], keys: &[&str]) -> Vec<u8> {
    let mut sink = Sealing::start(Vec::new(), &recipients(keys)).unwrap();
    // In pieces of no particular length.
    plain.chunks(10_007).for_each(|bytes| sink.write_all(bytes).unwrap());
    sink.finish().unwrap()
}

fn plain(length: usize) -> Vec<u8> {
    (0..length as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

fn opened(bytes: &[u8]) -> Result<Opened<Cursor<&[u8]>>, EnvelopeError> {
    open(Cursor::new(bytes), &identities(OURS))
}

#[test]
fn every_recipient_reads_it_alone() {
    let plain = plain(100_000);
    let file = encrypted(&plain, &[OURS_PUBLIC, SSH_PUBLIC, SSH_LOCKED_PUBLIC, RSA_PUBLIC]);
    assert!(is_encrypted(&file) && !is_encrypted(b"HERDIFF\x1a"));
    assert!(!file.windows(64).any(|bytes| bytes == &plain[..64]));
    for key in [OURS, SSH, SSH_LOCKED, RSA] {
        let mut back = Vec::new();
        open(Cursor::new(&file), &identities(key)).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == plain);
    }
}

#[test]
fn nobody_else_does() {
    let file = encrypted(b"rows", &[OURS_PUBLIC]);
    let refused = open(Cursor::new(&file), &identities(SSH)).map(drop).unwrap_err();
    assert!(matches!(refused, EnvelopeError::NotForUs), "{refused:?}");
    assert!(matches!(
        open(Cursor::new(&file), &Identities::default()).map(drop),
        Err(EnvelopeError::NotForUs)
    ));
    assert!(Sealing::start(Vec::new(), &Recipients::default()).is_err());
}

#[test]
fn keys_that_open_nothing_are_said_to_be_such() {
    let add = |text: &str, passphrase: Option<&str>| {
        Identities::default().add(text, || passphrase.map(|text| text.to_owned().into()))
    };
    assert_eq!(add(SSH_LOCKED, None), Err(IdentityError::Locked));
    assert_eq!(add(SSH_LOCKED, Some("battery")), Err(IdentityError::WrongPassphrase));
    assert_eq!(add(ECDSA, None), Err(IdentityError::Unsupported));
    assert_eq!(add(SSH_PUBLIC, None), Err(IdentityError::Public));
    // It is not asked for what is not locked.
    assert_eq!(Identities::default().add(SSH, || panic!("asked")), Ok(()));
}

#[test]
fn any_place_can_be_read() {
    // Also where the last piece is exactly full, or holds one byte.
    for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 17] {
        let (plain, mut back) = (plain(length), Vec::new());
        let file = encrypted(&plain, &[OURS_PUBLIC]);
        let mut reader = opened(&file).unwrap();
        reader.read_to_end(&mut back).unwrap();
        assert!(back == plain, "{length}");
        let places = [
            0,
            1,
            PIECE - 1,
            PIECE,
            PIECE + 1,
            2 * PIECE,
            length / 2,
            length.saturating_sub(1),
            length,
            length + 9,
        ];
        // Forwards and backwards, so that every place is come to from before and behind it.
        for &place in places.iter().chain(places.iter().rev()) {
            assert_eq!(reader.seek(SeekFrom::Start(place as u64)).unwrap(), place as u64);
            let mut some = Vec::new();
            reader.by_ref().take(PIECE as u64 + 5).read_to_end(&mut some).unwrap();
            let from = place.min(length);
            assert!(some == plain[from..(from + PIECE + 5).min(length)], "{length} at {place}");
        }
        assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), length as u64);
        assert!(reader.seek(SeekFrom::End(-(length as i64) - 1)).is_err());
    }
}

#[test]
fn a_file_that_was_cut_is_refused_wherever_that_was() {
    let file = encrypted(&plain(2 * PIECE + 1000), &[OURS_PUBLIC]);
    let payload = file.len() - (2 * PIECE + 1000 + 3 * TAG);
    let pieces = [payload, payload + PIECE + TAG, payload + 2 * (PIECE + TAG)];
    for cut in (0..payload + 40).chain(pieces).chain([payload + 70_000, file.len() - 1]) {
        match opened(&file[..cut]) {
            Err(EnvelopeError::Damaged(_)) => {}
            other => panic!("cut at {cut}: {:?}", other.map(drop)),
        }
    }
}

#[test]
fn a_byte_that_was_changed_is_noticed_and_nothing_wrong_is_read() {
    let plain = plain(2 * PIECE + 1000);
    let file = encrypted(&plain, &[OURS_PUBLIC]);
    let payload = file.len() - (2 * PIECE + 1000 + 3 * TAG);
    for at in (0..payload + 8).chain([payload + PIECE, payload + PIECE + TAG + 3, file.len() - 1]) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        let mut back = Vec::new();
        match opened(&changed) {
            // A key that is not found any more is one of somebody else, and the magic bytes are those of some other file.
            Err(EnvelopeError::Damaged(_) | EnvelopeError::NotForUs | EnvelopeError::Unknown) => {}
            Err(other) => panic!("changed at {at}: {other:?}"),
            Ok(mut reader) => {
                let error = reader.read_to_end(&mut back).unwrap_err();
                assert!(is_damage(&error), "changed at {at}: {error:?}");
                assert!(back.len() < plain.len() && plain.starts_with(&back), "changed at {at}");
                // And it stays so, also where other pieces are whole.
                assert!(is_damage(&reader.read(&mut [0; 8]).unwrap_err()));
                for place in [0, PIECE as u64 * 2] {
                    let read = reader.seek(SeekFrom::Start(place)).and_then(|_| reader.read(&mut [0; 8]));
                    assert!(is_damage(&read.unwrap_err()), "changed at {at}, read at {place}");
                }
            }
        }
    }
}

#[test]
fn what_is_intact_can_be_saved() {
    let plain = plain(4 * PIECE + 1000);
    let file = encrypted(&plain, &[OURS_PUBLIC]);
    let payload = file.len() - (4 * PIECE + 1000 + 5 * TAG);
    let saved = |bytes: &[u8]| salvage(Cursor::new(bytes), &identities(OURS)).unwrap();
    assert!(saved(&file) == plain);
    // Two pieces in the middle.
    let mut changed = file.clone();
    changed[payload + PIECE + TAG + 5] ^= 1;
    changed[payload + 2 * (PIECE + TAG) + 5] ^= 1;
    let back = saved(&changed);
    assert_eq!(back.len(), plain.len());
    assert!(back[..PIECE] == plain[..PIECE] && back[3 * PIECE..] == plain[3 * PIECE..]);
    assert!(back[PIECE..3 * PIECE].iter().all(|&byte| byte == 0));
    // What a killed writer leaves: whole pieces, and a part of one.
    assert!(saved(&file[..payload + 2 * (PIECE + TAG) + 100]) == plain[..2 * PIECE]);
    assert!(saved(&file[..payload + 2 * (PIECE + TAG)]) == plain[..2 * PIECE]);
    // Where the end is damaged as well, what is behind the first damage is not looked for.
    assert!(saved(&changed[..changed.len() - 1]) == plain[..PIECE]);
}

#[test]
fn what_is_not_for_keys_is_told_apart() {
    let armored = b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCg==\n";
    assert!(is_encrypted(armored));
    assert!(matches!(opened(armored).map(drop), Err(EnvelopeError::Armored)));
    let passphrase = b"age-encryption.org/v1\n-> scrypt bBjlhJVYZeE4aqUdmtRHfw 15\nZV/AhotwSGqaPCU43cepl4WYUouAa17a3xpu4G2yi5k\n\
        --- fgMiVLJHMlg9fW7CVG/hPS5EAU4Zeg19LyCP7SoH5nA\n0123456789abcdef0123456789abcdef0123456789abcdef";
    assert!(matches!(opened(passphrase).map(drop), Err(EnvelopeError::Passphrase)));
    let later = b"age-encryption.org/v9\n-> X25519 abc\n--- abc\n";
    let refused = opened(later).map(drop).unwrap_err();
    assert!(matches!(refused, EnvelopeError::Unknown | EnvelopeError::Damaged(_)), "{refused:?}");
    // A list of recipients that does not end is not read for ever.
    let endless = [b"age-encryption.org/v1\n".as_slice(), &b"-> X25519 abc\n".repeat(200_000)].concat();
    assert!(matches!(opened(&endless).map(drop), Err(EnvelopeError::Damaged(_))));
}
