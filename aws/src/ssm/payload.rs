//! What our commands print, put together again: pieces, checked by length and hash, unpacked under a limit.

use super::script::PIECE;
use data_encoding::{BASE64, HEXLOWER};
use flate2::read::GzDecoder;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use std::io::Read;

/// What lines of ours start with. Plain text: nobody has promised that control characters come through.
const MARK: &str = "#herdiff ";

/// Standard error is cut to this on the host.
const MOST_STDERR: u64 = 64 << 10;

#[derive(Debug, Default, Deserialize)]
struct Line {
    herdiff: Option<u8>,
    out: Option<u64>,
    err: Option<u64>,
    sha256: Option<String>,
    chunks: Option<u64>,
    dir: Option<String>,
    piece: Option<u64>,
    fault: Option<String>,
    detail: Option<String>,
    removed: Option<bool>,
    uploaded: Option<u8>,
}

/// What one command has printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) header: Option<Header>,
    /// Which piece this is.
    pub(super) piece: Option<usize>,
    /// The piece.
    pub(super) data: Vec<u8>,
    /// Code and words of what went wrong there.
    pub(super) fault: Option<(String, String)>,
    /// Whether the directory was removed.
    pub(super) removed: Option<bool>,
    pub(super) uploaded: bool,
}

/// What there is on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) out: u64,
    pub(super) err: u64,
    pub(super) sha256: [u8; 32],
    pub(super) pieces: usize,
    pub(super) dir: String,
}

impl Header {
    /// Both streams, packed.
    pub(super) fn size(&self) -> u64 {
        self.out + self.err
    }
}

/// Reads what a command printed. Everything in it is the host's word.
pub(super) fn read(text: &str, most: u64) -> Result<Printed, String> {
    let mut printed = Printed::default();
    let mut data = None;
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let Some(json) = line.strip_prefix(MARK) else {
            // Only after a line of ours; a login script may have printed before.
            if data.is_none() && (printed.header.is_some() || printed.piece.is_some()) {
                data = Some(line);
            }
            continue;
        };
        let line: Line = serde_json::from_str(json).map_err(|error| format!("unreadable line: {error}"))?;
        if line.herdiff.is_some() && printed.header.is_none() {
            printed.header = Some(header(&line, most)?);
        }
        printed.piece = printed.piece.or(line.piece.and_then(|piece| usize::try_from(piece).ok()));
        printed.removed = line.removed.or(printed.removed);
        printed.uploaded |= line.uploaded.is_some();
        if let Some(code) = line.fault {
            let short = |text: String| text.chars().take(300).collect();
            printed.fault = Some((short(code), short(line.detail.unwrap_or_default())));
        }
    }
    if let Some(data) = data {
        printed.data = BASE64.decode(data.as_bytes()).map_err(|_| {
            if text.contains("truncated") {
                "the agent cut the output".to_owned()
            } else {
                "a piece of the answer is not base64".to_owned()
            }
        })?;
    }
    Ok(printed)
}

fn header(line: &Line, most: u64) -> Result<Header, String> {
    let numbers = (line.out, line.err, line.chunks);
    let (Some(out), Some(err), Some(chunks)) = numbers else {
        return Err("a header lacks a number".to_owned());
    };
    let size = out.checked_add(err).filter(|size| *size > 0 && *size <= most);
    let size = size.ok_or_else(|| format!("the host wants to send {out} and {err} bytes, packed"))?;
    if chunks != size.div_ceil(PIECE as u64) {
        return Err(format!("the host says {chunks} pieces for {size} bytes"));
    }
    let hash = line.sha256.as_deref().and_then(|hash| HEXLOWER.decode(hash.as_bytes()).ok());
    let sha256 = hash.and_then(|hash| hash.try_into().ok()).ok_or("a header lacks the hash")?;
    let pieces = usize::try_from(chunks).map_err(|error| error.to_string())?;
    let dir = line.dir.clone().unwrap_or_default().chars().take(200).collect();
    Ok(Header { out, err, sha256, pieces, dir })
}

/// Both streams, from all pieces. The error says whether it is too much, else it is broken.
pub(super) fn unpack(header: &Header, packed: &[u8], most: u64) -> Result<(Vec<u8>, Vec<u8>), String> {
    if packed.len() as u64 != header.size() {
        return Err(format!("{} of {} bytes of the answer arrived", packed.len(), header.size()));
    }
    if digest(&SHA256, packed).as_ref() != header.sha256 {
        return Err("the answer arrived changed: its SHA-256 is another".to_owned());
    }
    let middle = usize::try_from(header.out).map_err(|error| error.to_string())?;
    let (out, err) = packed.split_at_checked(middle).ok_or("the header and the answer disagree")?;
    Ok((gunzip(out, most)?, gunzip(err, MOST_STDERR)?))
}

/// What is longer than the limit is cut right behind it, so that whoever reads it sees that there is more.
fn gunzip(packed: &[u8], most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut decoder = GzDecoder::new(packed).take(most.saturating_add(1));
    decoder.read_to_end(&mut bytes).map_err(|error| format!("the answer cannot be unpacked: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn answer(out: &[u8], err: &[u8]) -> (String, Vec<u8>) {
        let (out, err) = (gzip(out), gzip(err));
        let all = [out.as_slice(), &err].concat();
        let hash = HEXLOWER.encode(digest(&SHA256, &all).as_ref());
        let chunks = all.len().div_ceil(PIECE);
        let header = format!(
            "{MARK}{{\"herdiff\":1,\"out\":{},\"err\":{},\"sha256\":\"{hash}\",\"chunks\":{chunks},\"dir\":\"/tmp/x\"}}",
            out.len(),
            err.len()
        );
        let first = BASE64.encode(&all[..all.len().min(PIECE)]);
        (format!("Welcome!\n{header}\n{first}\n{MARK}{{\"removed\":true}}\n"), all)
    }

    #[test]
    fn an_answer_comes_back_whole() {
        let (text, all) = answer(b"rows", b"complaints");
        let printed = read(&text, 1 << 20).unwrap();
        let header = printed.header.unwrap();
        assert_eq!((printed.removed, header.pieces, header.dir.as_str()), (Some(true), 1, "/tmp/x"));
        assert_eq!(printed.data, all);
        assert_eq!(unpack(&header, &all, 1000).unwrap(), (b"rows".to_vec(), b"complaints".to_vec()));
    }

    #[test]
    fn what_is_not_whole_or_not_the_same_is_refused() {
        let (text, mut all) = answer(b"rows", b"");
        let header = read(&text, 1 << 20).unwrap().header.unwrap();
        assert!(unpack(&header, &all[1..], 1000).unwrap_err().contains("bytes of the answer arrived"));
        all[12] ^= 1;
        assert!(unpack(&header, &all, 1000).unwrap_err().contains("SHA-256"));
        assert!(read(&text, 10).unwrap_err().contains("wants to send"));
        assert!(
            read(&text.replace("\"chunks\":1", "\"chunks\":2"), 1 << 20).unwrap_err().contains("2 pieces")
        );
        let cut = format!("{}\n--output truncated--", &text[..text.len() - 40]);
        assert_eq!(read(&cut, 1 << 20).unwrap_err(), "the agent cut the output");
    }

    #[test]
    fn a_bomb_is_cut_right_behind_the_limit() {
        let (text, all) = answer(&vec![b'A'; 10 << 20], b"");
        let header = read(&text, 1 << 20).unwrap().header.unwrap();
        assert_eq!(unpack(&header, &all, 5000).unwrap().0.len(), 5001);
    }

    #[test]
    fn a_fault_is_heard() {
        let text = format!("{MARK}{{\"fault\":\"hash\",\"detail\":\"SHA-256 of the engine is 12\"}}\n");
        let printed = read(&text, 100).unwrap();
        assert_eq!(printed.fault.unwrap(), ("hash".to_owned(), "SHA-256 of the engine is 12".to_owned()));
    }

    proptest! {
        #[test]
        fn no_output_makes_a_panic(text in "(#herdiff )?[ -~\n]{0,200}") {
            let _ = read(&text, 1000);
        }

        #[test]
        fn every_answer_survives(out in prop::collection::vec(any::<u8>(), 0..60_000)) {
            let (text, all) = answer(&out, b"");
            let header = read(&text, 1 << 20).unwrap().header.unwrap();
            prop_assert_eq!(unpack(&header, &all, 1 << 20).unwrap().0, out);
        }
    }
}
