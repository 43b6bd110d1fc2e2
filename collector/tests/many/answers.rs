//! What the hosts say where they say something.

/// The script's first words.
pub(crate) const HELLO: &[u8] =
    b"\n\x1e{\"hello\":1,\"arch\":\"any\",\"uid\":0,\"dir\":\"/dev/shm/.herdiff.1.x\",\"osqueryi\":\"\"}\n";
pub(crate) const PLACED: &[u8] = b"\n\x1e{\"placed\":\"/x/herdiff-probe\",\"bytes\":1,\"checked\":true}\n";
/// The probe's first line.
pub(crate) const FIRST: &[u8] =
    b"{\"probe\":\"0.0.1\",\"protocol\":1,\"arch\":\"any\",\"uid\":0,\"root\":\"/\",\"pid\":1}\n";
pub(crate) const END: &[u8] =
    b"{\"query\":\"second\",\"columns\":[\"a\"],\"rows\":[[\"2\"]],\"unread\":[],\"cut\":null}\n{\"end\":1}\n\n\x1e{\"receipt\":1,\"status\":0,\"killed\":false,\"removed\":true,\"leftovers\":0}\n";

const GOOD: &str = r#"{"query":"first","columns":["a"],"rows":[["1"]],"unread":[],"cut":null}"#;

/// The answer to the first query, in pieces.
pub(crate) fn of(kind: &str) -> Vec<Vec<u8>> {
    let line =
        |rows: &str| format!("{{\"query\":\"first\",\"columns\":[\"a\"],\"rows\":{rows}}}\n").into_bytes();
    let whole = match kind {
        "bomb" => [&br#"{"query":"first","columns":["a"],"rows":"#[..], &[b'['; 4 << 20], b"\n"].concat(),
        "columns" => {
            let names: Vec<String> = (0..400_000).map(|n| format!("\"c{n}\"")).collect();
            let row = vec!["\"\""; 400_000].join(",");
            format!("{{\"query\":\"first\",\"columns\":[{}],\"rows\":[[{row}]]}}\n", names.join(","))
                .into_bytes()
        }
        "rows" => line(&format!("[{}]", vec!["[\"\"]"; 700_000].join(","))),
        "dirt" => {
            let mut row = line("[[\"\x1b]0;owned\\u0007\\u0000 \\u202e CELL\"]]");
            let at = row.windows(4).position(|part| part == b"CELL").unwrap();
            row.splice(at..at + 4, [0xff, 0xfe, 0x80, 0xc0]);
            row
        }
        _ => format!("{GOOD}\n").into_bytes(),
    };
    whole.chunks(32 << 10).map(<[u8]>::to_vec).collect()
}

/// A block of 64 KiB in some hundred bytes, as often as fits into a packet.
pub(crate) fn packed() -> Vec<u8> {
    let block = data_encoding::BASE64.encode(&lz4_flex::block::compress(&[b'\n'; 64 << 10]));
    format!("{{\"lz4\":\"{block}\",\"bytes\":65536}}\n").repeat(50).into_bytes()
}

/// The beginning of an answer in some hundred bytes, as often as fits into a packet: rows that have to be kept.
pub(crate) fn packed_rows() -> Vec<u8> {
    let rows = format!("{{\"query\":\"first\",\"columns\":[\"a\"],\"rows\":[[\"{}\"]", " ".repeat(60_000));
    let mut rows = rows.into_bytes();
    rows.resize(64 << 10, b' ');
    let block = data_encoding::BASE64.encode(&lz4_flex::block::compress(&rows));
    format!("{{\"lz4\":\"{block}\",\"bytes\":65536}}\n").repeat(20).into_bytes()
}
