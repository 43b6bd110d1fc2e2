//! File names for hosts and queries, which may be called anything: a path, a dotfile, nothing at all.
//!
//! Letters, digits and `-_.@+` stay; every other byte becomes `%XX`, and so does a dot in front. So the name can be
//! read back. What would be too long, or differs from another name in the case of letters only, gets a number.

use std::collections::BTreeSet;

/// Shorter than any file system's limit, with room for an ending.
const MOST: usize = 180;

/// Names that are different from each other, whatever the case.
#[derive(Debug, Default)]
pub(super) struct FileNames(BTreeSet<String>);

impl FileNames {
    pub(super) fn unique(&mut self, name: &str) -> String {
        let mut plain = encode(name);
        if plain.len() > MOST {
            // Never in the middle of an escape.
            let cut = (MOST - 2..=MOST)
                .find(|&at| plain.get(at.saturating_sub(2)..at).is_some_and(|tail| !tail.contains('%')));
            plain.truncate(cut.unwrap_or(MOST));
            plain.push_str("~1");
        }
        let numbered = (2..).map(|n| format!("{plain}~{n}"));
        let free =
            std::iter::once(plain.clone()).chain(numbered).find(|name| self.0.insert(name.to_lowercase()));
        free.unwrap_or(plain)
    }
}

fn encode(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for (place, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if place == 0 => safe.push_str("%2E"),
            b'-' if place == 0 => safe.push_str("%2D"),
            b'-' | b'_' | b'.' | b'@' | b'+' => safe.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => safe.push(char::from(byte)),
            byte => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    if safe.is_empty() { "%".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_name_leads_elsewhere() {
        let mut names = FileNames::default();
        for (name, file) in [
            ("web-01.example.org", "web-01.example.org"),
            ("..", "%2E."),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            (".hidden", "%2Ehidden"),
            ("-rf", "%2Drf"),
            ("", "%"),
            ("pack/osquery/users", "pack%2Fosquery%2Fusers"),
            ("a\nb\0", "a%0Ab%00"),
            ("WEB-01.example.org", "WEB-01.example.org~2"),
            ("ü%", "%C3%BC%25"),
        ] {
            assert_eq!(names.unique(name), file, "{name:?}");
        }
        let long = names.unique(&"ü".repeat(300));
        assert!(long.len() <= MOST + 2 && long.ends_with("~1"), "{long}");
        assert!(names.unique(&format!("{}x", "ü".repeat(300))).ends_with("~1~2"));
    }

    proptest! {
        #[test]
        fn any_name_is_a_plain_file_name_and_can_be_read_back(name in ".{1,20}") {
            let file = encode(&name);
            prop_assert!(file.bytes().all(|b| b.is_ascii_alphanumeric() || b"%-_.@+".contains(&b)));
            prop_assert!(!file.starts_with(['.', '-']));
            let mut bytes = Vec::new();
            let mut rest = file.as_str();
            while let Some(c) = rest.chars().next() {
                if c == '%' {
                    bytes.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
                    rest = &rest[3..];
                } else {
                    bytes.push(c as u8);
                    rest = &rest[1..];
                }
            }
            prop_assert_eq!(bytes, name.as_bytes());
        }
    }
}
