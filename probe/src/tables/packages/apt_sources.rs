//! `apt_sources`: where Debian packages come from.

use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, integer, note_malformed, row, text};

pub(crate) static TABLE: Table = Table {
    name: "apt_sources",
    about: "Repositories of apt that it has fetched: each needs its Release file.",
    sources: "/etc/apt/sources.list, /etc/apt/sources.list.d/*.{list,sources}, /var/lib/apt/lists/*Release",
    differences: "",
    columns: &[
        text("name"),
        text("source"),
        text("base_uri"),
        text("release"),
        text("version"),
        text("maintainer"),
        text("components"),
        text("architectures"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: false,
    rows,
};

const LISTS: &str = "/var/lib/apt/lists/";

/// A repository: where, and which suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) uri: String,
    pub(crate) suite: String,
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = &scan.host;
    let mut files = vec![b"/etc/apt/sources.list".to_vec()];
    for entry in host.list_sorted("/etc/apt/sources.list.d") {
        files.push([b"/etc/apt/sources.list.d/", entry.name.as_slice()].concat());
    }
    let mut rows = Vec::new();
    for file in files {
        let parse = match file.rsplit(|byte| *byte == b'.').next() {
            Some(b"list") => parse_list,
            Some(b"sources") => parse_deb822,
            _ => continue,
        };
        let Some(content) = host.read(&file) else { continue };
        let (repositories, malformed) = parse(&String::from_utf8_lossy(&content));
        note_malformed(host, &file, malformed);
        for repository in repositories {
            rows.extend(repository_row(host, &repository, &file));
        }
    }
    Ok(all(rows))
}

/// `deb [options] uri suite component…`, one a line.
pub(crate) fn parse_list(content: &str) -> (Vec<Repository>, u64) {
    let (mut found, mut malformed) = (Vec::new(), 0);
    for line in content.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (kind, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        match (kind, list_entry(rest.trim_start())) {
            ("deb", Some((uri, suite))) => found.extend(repository(uri, suite)),
            ("", _) | ("deb-src", Some(_)) => {}
            _ => malformed += 1,
        }
    }
    (found, malformed)
}

/// `[options] uri suite`
fn list_entry(rest: &str) -> Option<(&str, &str)> {
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_ascii_whitespace();
    Some((words.next()?, words.next()?))
}

/// Paragraphs of `Key: value`; every suite at every place.
pub(crate) fn parse_deb822(content: &str) -> (Vec<Repository>, u64) {
    let mut found = Vec::new();
    let (paragraphs, malformed) = paragraphs(content);
    for paragraph in paragraphs {
        let value = |key: &str| {
            let known = paragraph.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
            known.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let off = ["no", "false", "0", "off"].iter().any(|word| value("Enabled").eq_ignore_ascii_case(word));
        if off || !value("Types").split_ascii_whitespace().any(|kind| kind == "deb") {
            continue;
        }
        for uri in value("URIs").split_ascii_whitespace() {
            found.extend(value("Suites").split_ascii_whitespace().filter_map(|suite| repository(uri, suite)));
        }
    }
    (found, malformed)
}

/// Keys and values; a line that begins with a blank continues the value before it.
fn paragraphs(content: &str) -> (Vec<Vec<(String, String)>>, u64) {
    let mut malformed = 0;
    let mut all = vec![Vec::new()];
    for line in content.lines() {
        if line.trim().is_empty() {
            all.push(Vec::new());
        } else if line.starts_with('#') {
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) =
                all.last_mut().and_then(|last: &mut Vec<(String, String)>| last.last_mut())
            {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let (Some((key, value)), Some(last)) = (line.split_once(':'), all.last_mut()) {
            last.push((key.trim().to_owned(), value.trim().to_owned()));
        } else {
            malformed += 1;
        }
    }
    (all, malformed)
}

fn repository(uri: &str, suite: &str) -> Option<Repository> {
    // Only what is fetched from somewhere has a Release file under `dists`.
    uri.contains("://")
        .then(|| Repository { uri: uri.trim_end_matches('/').to_owned(), suite: suite.to_owned() })
}

fn repository_row(host: &Host, repository: &Repository, source: &[u8]) -> Option<Row> {
    let place = repository.uri.split_once("://").map_or("", |(_, place)| place);
    let (base, suite) = (place.replace('/', "_"), repository.suite.replace('/', "_"));
    // A suite with a slash may be a path of its own beside `dists`.
    let stems = [Some("_dists_"), repository.suite.contains('/').then_some("_")];
    let names = stems.into_iter().flatten().flat_map(|between| {
        ["InRelease", "Release"].map(|kind| format!("{LISTS}{base}{between}{suite}_{kind}"))
    });
    let release = names.into_iter().find_map(|name| host.read(name))?;
    let release = String::from_utf8_lossy(&release).into_owned();
    let mut values = [const { String::new() }; 5];
    let keys = ["Codename", "Version", "Origin", "Components", "Architectures"];
    for line in release.lines().take_while(|line| !line.starts_with("-----BEGIN PGP SIGNATURE")) {
        let Some((key, value)) = line.split_once(':') else { continue };
        if let Some(slot) = keys.iter().position(|known| *known == key).and_then(|at| values.get_mut(at)) {
            *slot = value.trim().to_owned();
        }
    }
    let [codename, version, origin, components, architectures] = values;
    let name = format!("{place} {}", repository.suite);
    Some(row![name, source, &repository.uri, codename, version, origin, components, architectures, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_paragraphs() {
        let list =
            "deb [arch=a b] http://x/y/ s main\n#deb http://x s\ndeb-src http://x s\ndeb cdrom:[D]/ s\ndeb [";
        let expected = Repository { uri: "http://x/y".into(), suite: "s".into() };
        assert_eq!(parse_list(list), (vec![expected], 1));
        let paragraphs = "Types: deb\nURIs: http://x\nSuites: a\n b\n\nEnabled: No\nTypes: deb\nURIs: http://y\nSuites: c\n";
        let suites: Vec<_> = parse_deb822(paragraphs).0.into_iter().map(|found| found.suite).collect();
        assert_eq!(suites, ["a", "b"]);
    }
}
