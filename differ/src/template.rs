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
        if let Some((mark, length)) = identifier(rest) {
            template.extend(mark);
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        if let Some((network, length)) = public_network(rest) {
            template.extend_from_slice(network);
            template.extend(b".#.#.#");
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        push_word(template, word);
        rest = after;
    }
}

/// Eight groups of four digits with colons have 39 bytes, a UUID has 36; one more tells whether there it ends.
const LONGEST_IDENTIFIER: usize = 40;
/// `255.255.255.255`, and one more.
const LONGEST_ADDRESS: usize = 16;

/// A UUID (RFC 9562) or an address of hexadecimal groups (MAC, IPv6) at the start of a text: what stands for it, and its length. Its
/// groups, one by one, look now like numbers and now like words.
fn identifier(text: &[u8]) -> Option<(&'static [u8], usize)> {
    // Longer runs are none, and looking no further keeps a cell of a million words from being read a million times.
    let text = text.get(..LONGEST_IDENTIFIER).unwrap_or(text);
    let length = |of: &dyn Fn(&u8) -> bool| text.iter().position(|byte| !of(byte)).unwrap_or(text.len());
    let dashed = length(&|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let groups = || text.get(..dashed).unwrap_or_default().split(|&byte| byte == b'-');
    let is_hex = |group: &[u8]| group.iter().all(u8::is_ascii_hexdigit);
    if dashed == 36 && groups().map(<[u8]>::len).eq([8, 4, 4, 4, 12]) && groups().all(is_hex) {
        return Some((b"#uuid", dashed));
    }
    let colons = length(&|byte| byte.is_ascii_alphanumeric() || *byte == b':');
    let groups = || text.get(..colons).unwrap_or_default().split(|&byte| byte == b':');
    let is_address = (3..=8).contains(&groups().count())
        && groups().all(|group| group.len() <= 4 && is_hex(group))
        && groups().any(|group| group.iter().any(u8::is_ascii_digit))
        // `10:30:00` and `1:2:3` are numbers.
        && groups().any(|group| group.iter().any(u8::is_ascii_alphabetic) || group.is_empty());
    is_address.then_some((b"#address", colons))
}

/// The first number of an IPv4 address of the internet at the start of a text, and the address's length. A program that talks to
/// hundreds of addresses of a few networks talks to another network when it is told to by somebody else.
fn public_network(text: &[u8]) -> Option<(&[u8], usize)> {
    let text = text.get(..LONGEST_ADDRESS).unwrap_or(text);
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    let length = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(text.len());
    if text.get(length).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let address = text.get(..length)?;
    let is_public = herdiff_model::knowledge::Test::Public(true).holds(address);
    let network = address.split(|&byte| byte == b'.').next()?;
    (is_public && address.iter().filter(|&&byte| byte == b'.').count() == 3).then_some((network, length))
}

/// A template in which identifiers look like numbers.
pub(crate) fn as_numbers(template: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::with_capacity(template.len());
    let mut rest = template.iter().peekable();
    while let Some(&byte) = rest.next() {
        numbers.push(byte);
        if byte == b'#' {
            rest.next_if(|next| matches!(next, b'x' | b'r'));
        }
    }
    numbers
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
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "#uuid"),
            ("--id 3f2504e0-4f89-11d3-9a0c-0305e82c3301.log", "--id #uuid.log"),
            ("fe80::5054:aff:fe14:b%eth0", "#address%eth#"),
            ("link/ether 52:54:00:0a:1b:fe", "link/ether #address"),
            ("at 10:30:00", "at #:#:#"),
            ("to 54.187.3.9:443", "to 54.#.#.#:#"),
            ("10", "#"),
            ("std::fs::read", "std::fs::read"),
            ("i-0abc123def4567890", "i-#x"),
        ] {
            let told = template(value);
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_hostile_value_is_read_once() {
        for part in ["a-", "a:", "1.", "f-0:1."] {
            let value = part.repeat(2_000_000 / part.len());
            let start = std::time::Instant::now();
            template(&value);
            assert!(start.elapsed().as_secs() < 20, "{part}");
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
