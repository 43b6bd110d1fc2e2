//! JSON as osqueryi prints it: every value a string, bytes left as they are.

use herdiff_sql::real_text;
use rusqlite::types::ValueRef;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends a value as a JSON string. NULL is empty, and a NUL ends a text as it ends one in C.
pub(crate) fn push_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"\"\""),
        ValueRef::Integer(number) => {
            out.push(b'"');
            out.extend_from_slice(number.to_string().as_bytes());
            out.push(b'"');
        }
        ValueRef::Real(real) => push_string(out, real_text(real).as_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            push_string(out, bytes.get(..end).unwrap_or_default());
        }
    }
}

/// Appends a value as plain text.
pub(crate) fn push_text(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => {}
        ValueRef::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        ValueRef::Real(real) => out.extend_from_slice(real_text(real).as_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            out.extend(bytes.iter().copied().take_while(|byte| *byte != 0));
        }
    }
}

/// Appends bytes as a JSON string. What is not UTF-8 stays as it is, so the line may be no valid UTF-8.
pub(crate) fn push_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let mut plain = 0;
    for (place, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(bytes.get(plain..place).unwrap_or_default());
        plain = place + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            other => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(b"\\u00");
                out.push(digit(other >> 4));
                out.push(digit(other & 15));
            }
        }
    }
    out.extend_from_slice(bytes.get(plain..).unwrap_or_default());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push_string(&mut out, bytes);
        out
    }

    #[test]
    fn control_characters_are_escaped_and_other_bytes_stay() {
        assert_eq!(
            string(b"a\x1b\x01\"\\/\n\r\t\x08\x0c\x7f"),
            b"\"a\\u001B\\u0001\\\"\\\\/\\n\\r\\t\\b\\f\x7f\""
        );
        assert_eq!(string(b"caf\xe9"), b"\"caf\xe9\"");
    }

    #[test]
    fn a_nul_ends_the_text() {
        let mut out = Vec::new();
        push_value(&mut out, ValueRef::Blob(b"A\0B"));
        assert_eq!(out, b"\"A\"");
    }
}
