//! Fits text into a width, in terminal columns.

use super::Screen;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The start of a text that fits, with an ellipsis where something was cut.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

/// A text in lines that fit, broken at spaces where there are some.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(10);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if width(&line) + c.width().unwrap_or(0) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

/// A text that fits the screen, its lines after the first indented.
pub(crate) fn fold(text: &str, indent: usize, screen: Screen) -> String {
    match screen.width {
        None => text.to_owned(),
        Some(columns) => {
            let lines = wrap(text, columns.saturating_sub(indent));
            lines.join(&format!("\n{}", " ".repeat(indent)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_at_spaces_and_within_long_words() {
        assert_eq!(wrap("only on web-07, of 24", 12), ["only on", "web-07, of", "24"]);
        assert_eq!(wrap("aaaaaaaaaaaaaaa b", 10), ["aaaaaaaaaa", "aaaaa b"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(shorten("日本語です", 6), "日本…");
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
    }
}
