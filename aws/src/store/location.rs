//! `s3://bucket/prefix/file.herd`.

use std::fmt;

/// An object in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The bucket.
    pub bucket: String,
    /// The key; may be empty where a prefix is meant.
    pub key: String,
}

impl Location {
    /// Whether a file name means S3 at all.
    pub fn is_one(name: &str) -> bool {
        name.starts_with("s3://")
    }

    /// Reads `s3://bucket/key`.
    pub fn parse(name: &str) -> Result<Self, String> {
        let rest = name.strip_prefix("s3://").ok_or_else(|| format!("{name:?} does not start with s3://"))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(fits) || bucket.starts_with(['-', '.']) {
            return Err(format!("{bucket:?} cannot be the name of a bucket"));
        }
        let odd = key.split('/').any(|part| matches!(part, "." | ".."))
            || key.contains("//")
            || key.starts_with('/');
        if odd || key.chars().any(char::is_control) || key.len() > 1024 {
            return Err(format!("{key:?} cannot be the name of an object here"));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let location = Location::parse("s3://ir-evidence/2026/web.herd").unwrap();
        assert_eq!((location.bucket.as_str(), location.key.as_str()), ("ir-evidence", "2026/web.herd"));
        assert_eq!(location.to_string(), "s3://ir-evidence/2026/web.herd");
        assert_eq!(Location::parse("s3://ir-evidence").unwrap().key, "");
        for name in [
            "s3://",
            "s3://A/b",
            "s3://a@evil.example/x",
            "s3://bucket//x",
            "s3://bucket/../x",
            "http://bucket/x",
        ] {
            assert!(Location::parse(name).is_err(), "{name}");
        }
    }
}
