//! The bulk of a survey: digests of programs and libraries, which are alike wherever the package has the same version.

use super::processes::digest;
use super::row::{Rows, row};
use crate::fleet::PYTHON;
use crate::fleet::file::Content;
use crate::fleet::host::{Host, Package};

/// Adds that many rows, over programs, libraries and Python's packages.
pub(super) fn add(host: &Host, rows: usize, tables: &mut Vec<(&'static str, Rows)>) {
    let python = python_packages(host);
    let left = rows.saturating_sub(python.len()).max(2);
    tables.push(("python_packages", python));
    // The programs that run have their place here too, with the content that they really have.
    let mut programs: Rows = host
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("/usr/bin/") || path.starts_with("/usr/sbin/"))
        .filter(|(path, _)| !path.contains("/."))
        .map(|(path, file)| row([("path", path.to_owned()), ("sha256", digest(&file.content.bytes()))]))
        .collect();
    let share = left * 2 / 5;
    for (number, package) in numbered(host, share.saturating_sub(programs.len())) {
        let path = format!(
            "/usr/{}/{}-{}",
            if number % 4 == 0 { "sbin" } else { "bin" },
            package.name,
            suffix(number)
        );
        programs.push(row([("sha256", content(&path, package)), ("path", path)]));
    }
    let libraries = numbered(host, left.saturating_sub(programs.len())).map(|(number, package)| {
        let path = format!(
            "/usr/lib/x86_64-linux-gnu/lib{}-{}.so",
            package.name.trim_start_matches("lib"),
            suffix(number)
        );
        let digits = content(&path, package);
        let size = u64::from_str_radix(digits.get(..5).unwrap_or("0"), 16).unwrap_or(0) + 9_000;
        row([
            ("mode", "0644".to_owned()),
            ("uid", "0".to_owned()),
            ("gid", "0".to_owned()),
            ("size", size.to_string()),
            ("mtime", (1_660_000_000 + size * 61).to_string()),
            ("sha256", digits),
            ("path", path),
        ])
    });
    let libraries = libraries.collect();
    tables.push(("program_hashes", programs));
    tables.push(("library_files", libraries));
}

/// Packages in turn, with the number of the round.
fn numbered(host: &Host, rows: usize) -> impl Iterator<Item = (usize, &Package)> {
    let packages = host.packages.len().max(1);
    host.packages
        .iter()
        .cycle()
        .enumerate()
        .map(move |(place, package)| (place / packages, package))
        .take(rows)
}

fn suffix(number: usize) -> String {
    const WORDS: &[&str] =
        &["core", "tool", "helper", "config", "query", "check", "list", "convert", "daemon", "client"];
    let word = WORDS.get(number % WORDS.len()).copied().unwrap_or("x");
    if number < WORDS.len() { word.to_owned() } else { format!("{word}{}", number / WORDS.len() + 1) }
}

fn content(path: &str, package: &Package) -> String {
    digest(format!("{path} {}", package.version).as_bytes())
}

/// What Python's own metadata says.
fn python_packages(host: &Host) -> Rows {
    let package = |(path, file): (&str, &crate::fleet::file::File)| {
        path.strip_prefix(PYTHON)?.strip_suffix(".dist-info/METADATA")?;
        let Content::Text(text) = &file.content else { return None };
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Some(row([("name", field("Name: ")?), ("version", field("Version: ")?), ("path", PYTHON.to_owned())]))
    };
    host.files.iter().filter_map(package).collect()
}
