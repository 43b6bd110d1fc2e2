//! JSON that is also harmless on a terminal: characters that could act there are written as `\u` escapes, which every
//! JSON reader turns back.

use crate::screen::escape::is_harmful;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// One value on one line.
pub(crate) fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    push_line(value, &mut bytes)?;
    Ok(bytes)
}

/// The same behind others.
pub(crate) fn push_line(value: &impl Serialize, lines: &mut Vec<u8>) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *lines, Harmless(CompactFormatter)))?;
    lines.push(b'\n');
    Ok(())
}

/// One value over several lines.
pub(crate) fn document(value: &(impl Serialize + ?Sized)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Harmless(PrettyFormatter::new())))?;
    bytes.push(b'\n');
    Ok(bytes)
}

struct Harmless<F>(F);

/// Passes on what has to do with layout, and looks at strings itself.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*)),+ $(,)?) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })+
    };
}

impl<F: Formatter> Formatter for Harmless<F> {
    pass_on!(
        begin_array(),
        end_array(),
        begin_array_value(first: bool),
        end_array_value(),
        begin_object(),
        end_object(),
        begin_object_key(first: bool),
        end_object_key(),
        begin_object_value(),
        end_object_value(),
    );

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly always: letters, digits and signs of ASCII.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, harmful)) = rest.char_indices().find(|&(_, c)| is_harmful(c)) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut units = [0; 2];
            for unit in harmful.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.get(harmful.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmful_characters_are_escaped_and_come_back() {
        let text = "a\u{1b}[2J\u{9b}31m\u{202e}x\u{e0001}\u{7f} caf\u{e9}\n";
        let json = String::from_utf8(line(&text).unwrap()).unwrap();
        assert_eq!(json, "\"a\\u001b[2J\\u009b31m\\u202ex\\udb40\\udc01\\u007f caf\u{e9}\\n\"\n");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
