//! Checks a bundle: every frame, that they belong together, and on request that every host's rows are those that the seal
//! stands for.

use super::frame::{FrameKind, FrameReader, OVERHEAD, PREAMBLE};
use super::index::Index;
use super::runs::Runs;
use super::seal::TRAILER_LENGTH;
use super::wire::{FramePayload, VisitPayload};
use super::{Archive, Bundle, BundleError, Digest, Ending, Version, content, read, v0};
use std::io::{Read, Seek};

/// What was found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The format of the file.
    pub version: Version,
    /// Whether it is sealed, with an index.
    pub sealed: bool,
    /// How many frames were checked.
    pub frames: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many snapshots it has.
    pub hosts: u64,
    /// Whether it is complete.
    pub ending: Ending,
    /// For all bytes of the file, where it is sealed.
    pub file: Option<Digest>,
}

/// Checks every frame and the whole. The first damage is the error.
pub fn verify(mut source: impl Read + Seek) -> Result<Verified, BundleError> {
    source.rewind()?;
    let Some(preamble) = read::sealable_preamble(&mut source)? else { return verify_old(source) };
    let mut frames = FrameReader::after(preamble, source);
    let (first, payload, pack) = read::sweep(&mut frames)?;
    let of_sweep = content::of_sweep(&payload)?;
    let mut runs = Runs::of(payload);
    let mut found = vec![FramePayload::of(&first)];
    let mut leaves = Vec::new();
    let mut verified = Verified {
        version: super::VERSION,
        sealed: first.kind == FrameKind::Sealed,
        frames: 1,
        bytes: PREAMBLE as u64,
        hosts: 0,
        ending: Ending::Open { offset: 0 },
        file: None,
    };
    loop {
        let Some(frame) = frames.next()? else {
            if verified.sealed {
                let (frame, offset) = (u64::from(frames.number()), frames.offset());
                return Err(BundleError::Damaged {
                    frame,
                    offset,
                    why: "the file ends before its index".into(),
                });
            }
            break;
        };
        verified.frames += 1;
        match frame.kind {
            kind if kind == first.kind && frame.payload == first.payload => {}
            FrameKind::Hosts | FrameKind::Common | FrameKind::Own if verified.sealed => {}
            FrameKind::Visit if matches!(verified.ending, Ending::Open { .. }) && !verified.sealed => {
                leaves.push(read::visit(&frame, pack.queries().len(), runs.current())?.1);
            }
            FrameKind::Run if matches!(verified.ending, Ending::Open { .. }) && !verified.sealed => {
                runs.read(&frame)?;
            }
            FrameKind::End if matches!(verified.ending, Ending::Open { .. }) && !verified.sealed => {
                verified.ending = read::end(&frame, &mut runs, &leaves)?;
            }
            FrameKind::Index if verified.sealed => {
                let index = Index::read(&frame, of_sweep)?;
                index.check_frames(&frame, &found)?;
                read::trailer(frames, &frame)?;
                verified.hosts = index.end.hosts;
                verified.ending = Ending::Whole { end: index.end.into(), seal: index.seal };
                verified.file = Some(frame.digest);
                verified.bytes = frame.offset + (OVERHEAD + TRAILER_LENGTH + frame.payload.len()) as u64;
                return Ok(verified);
            }
            _ => return Err(frame.damaged("it has no place here")),
        }
        found.push(FramePayload::of(&frame));
    }
    verified.hosts = leaves.len() as u64;
    verified.bytes = frames.offset();
    if let Ending::Open { offset } = &mut verified.ending {
        *offset = verified.bytes;
    }
    Ok(verified)
}

/// Format 0.1 is a chain: whoever reads it has checked it.
fn verify_old(mut source: impl Read + Seek) -> Result<Verified, BundleError> {
    source.rewind()?;
    let bundle = Bundle::read(&mut source)?;
    let bytes = match bundle.ending {
        Ending::Open { offset } => offset,
        Ending::Whole { .. } => source.stream_position()?,
    };
    let hosts = bundle.snapshots.len() as u64;
    let frames = hosts + 1 + u64::from(matches!(bundle.ending, Ending::Whole { .. }));
    Ok(Verified {
        version: v0::VERSION,
        sealed: false,
        frames,
        bytes,
        hosts,
        ending: bundle.ending,
        file: None,
    })
}

/// Computes from the rows of every host what its content is committed to, and compares. Takes as long as reading all of it.
/// Returns the names of the hosts whose rows are others; there are none unless whoever wrote the file lied.
pub fn verify_content(mut source: impl Read + Seek) -> Result<Vec<String>, BundleError> {
    source.rewind()?;
    let told = told_leaves(&mut source)?;
    source.rewind()?;
    let bundle = Bundle::read(&mut source)?;
    let mut others = Vec::new();
    for (number, told) in told.into_iter().enumerate() {
        let leaf = bundle.visit(number).map(|visit| content::of_visit(&visit)).transpose()?;
        if leaf != Some(told) {
            others.extend(bundle.snapshots.get(number).map(|host| host.host.to_string()));
        }
    }
    Ok(others)
}

/// The leaves that a file tells; none where its version has none.
fn told_leaves(source: &mut (impl Read + Seek)) -> Result<Vec<Digest>, BundleError> {
    if let Some(archive) = Archive::open(&mut *source)? {
        return Ok(archive.leaves().to_vec());
    }
    source.rewind()?;
    let Some(preamble) = read::sealable_preamble(source)? else { return Ok(Vec::new()) };
    let mut frames = FrameReader::after(preamble, source);
    let mut leaves = Vec::new();
    read::sweep(&mut frames)?;
    while let Some(frame) = frames.next()? {
        if frame.kind == FrameKind::Visit {
            let visit: VisitPayload = read::payload(&frame)?;
            leaves.push(Digest(visit.leaf));
        }
    }
    Ok(leaves)
}
