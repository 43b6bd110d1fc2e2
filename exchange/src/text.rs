//! Text from hosts, made harmless for the files that it is written to.

use std::borrow::Cow;

/// Control characters (C0, DEL, C1), and format characters that reorder or hide text (Unicode category Cf and the
/// separators that break lines).
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A cell of CSV. Spreadsheets run what looks like a formula, so such cells get a quote in front; plain numbers stay.
/// Characters that could act on a terminal are spelled out, but for line breaks and tabs, which CSV has room for.
pub fn spreadsheet_cell(cell: &[u8]) -> String {
    let acts = |c: char| is_harmful(c) && !matches!(c, '\n' | '\t');
    let mut text = String::from_utf8_lossy(cell);
    if text.contains(acts) {
        let spelled = |c: char| match c {
            '\r' => "\\r".to_owned(),
            c if acts(c) => format!("\\u{{{:x}}}", c as u32),
            c => c.to_string(),
        };
        text = Cow::Owned(text.chars().map(spelled).collect());
    }
    match text.trim_start().chars().next() {
        Some('=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
            if !is_number(&text) =>
        {
            format!("'{text}")
        }
        _ => text.into_owned(),
    }
}

/// Digits with a sign and a point, and nothing that a spreadsheet could take for more.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.parse::<f64>().is_ok()
}

/// What becomes of bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Odd {
    /// They stay as they are, as osqueryi prints them; the result need not be UTF-8.
    Kept,
    /// A replacement character stands for them.
    Replaced,
}

/// Appends a JSON string. Characters that could act on a terminal are written as `\u` escapes, which every reader of
/// JSON turns back.
pub(crate) fn push_json(out: &mut Vec<u8>, bytes: &[u8], odd: Odd) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        // What needs nothing is nearly everything, and is taken in one piece.
        while let Some(at) =
            rest.bytes().position(|byte| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\'))
        {
            let (plain, behind) = rest.split_at(at);
            out.extend_from_slice(plain.as_bytes());
            let Some(c) = behind.chars().next() else { break };
            rest = behind.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\r' => out.extend_from_slice(b"\\r"),
                c if is_harmful(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                    }
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(rest.as_bytes());
        match odd {
            Odd::Kept => out.extend_from_slice(chunk.invalid()),
            Odd::Replaced if !chunk.invalid().is_empty() => out.extend_from_slice("\u{fffd}".as_bytes()),
            Odd::Replaced => {}
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_formula_becomes_text_and_a_number_stays_one() {
        for (cell, safe) in [
            (&b"=cmd|' /C calc'!A0"[..], "'=cmd|' /C calc'!A0"),
            (b" @x", "' @x"),
            (b"\t+1+1", "'\t+1+1"),
            (b"-1", "-1"),
            (b"-1.5", "-1.5"),
            (b"-1+cmd|x", "'-1+cmd|x"),
            (b"+49", "'+49"),
            (b"-inf", "'-inf"),
            ("\u{ff1d}1".as_bytes(), "'\u{ff1d}1"),
            (b"\x1b[2J\xe2\x80\xae\r\xff", "\\u{1b}[2J\\u{202e}\\r\u{fffd}"),
        ] {
            assert_eq!(spreadsheet_cell(cell), safe);
        }
    }

    proptest! {
        #[test]
        fn json_is_harmless_and_comes_back(text in ".*") {
            let mut json = Vec::new();
            push_json(&mut json, text.as_bytes(), Odd::Replaced);
            let json = String::from_utf8(json).unwrap();
            prop_assert!(!json.contains(is_harmful));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
