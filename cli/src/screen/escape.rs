//! Makes text from hosts harmless on a terminal: no escape sequences, no tricks with direction or invisible letters.

pub(crate) use herdiff_exchange::text::is_harmful;

/// The text with whatever could act on a terminal, or hide in it, spelled out.
pub(crate) fn escape(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let mut safe = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => safe.push_str("\\n"),
                '\t' => safe.push_str("\\t"),
                '\r' => safe.push_str("\\r"),
                c if is_harmful(c) => safe += &format!("\\u{{{:x}}}", c as u32),
                c => safe.push(c),
            }
        }
        for byte in chunk.invalid() {
            safe += &format!("\\x{byte:02x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(escape(b"\x1b[2J\x07ok\x7f"), "\\u{1b}[2J\\u{7}ok\\u{7f}");
        assert_eq!(escape("\u{9b}31m \u{202e}gpj.exe".as_bytes()), "\\u{9b}31m \\u{202e}gpj.exe");
        assert_eq!(escape(b"a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(escape(b"caf\xc3\xa9 \xff"), "caf\u{e9} \\xff");
    }
}
