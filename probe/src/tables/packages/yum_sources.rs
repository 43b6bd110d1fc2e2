//! `yum_sources`: where RPM packages come from.

use crate::tables::{Failure, Rows, Scan, Table, all, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "yum_sources",
    about: "Repositories of yum and dnf.",
    sources: "/etc/yum.conf, /etc/yum.repos.d/*.repo",
    differences: "",
    columns: &[
        text("name"),
        text("source"),
        text("baseurl"),
        text("mirrorlist"),
        text("metalink"),
        text("enabled"),
        text("gpgcheck"),
        text("gpgkey"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: false,
    rows,
};

/// The keys that the table shows, in its order.
const KEYS: [&str; 7] = ["name", "baseurl", "mirrorlist", "metalink", "enabled", "gpgcheck", "gpgkey"];

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let mut files = vec![b"/etc/yum.conf".to_vec()];
    for entry in scan.host.list_sorted("/etc/yum.repos.d") {
        if entry.name.ends_with(b".repo") {
            files.push([b"/etc/yum.repos.d/", entry.name.as_slice()].concat());
        }
    }
    let mut rows = Vec::new();
    for file in files {
        let Some(content) = scan.host.read(&file) else { continue };
        let Some(sections) = parse(&String::from_utf8_lossy(&content)) else {
            // yum refuses such a file as well.
            scan.host.note(&file, "malformed");
            continue;
        };
        for [name, base, mirrors, metalink, enabled, check, key] in sections {
            rows.push(row![name, &file, base, mirrors, metalink, enabled, check, key, 0]);
        }
    }
    Ok(all(rows))
}

/// Sections but `main` with the values of [`KEYS`]. `None` when a line is neither a section nor a setting.
pub(crate) fn parse(content: &str) -> Option<Vec<[String; 7]>> {
    let mut sections: Vec<(String, [String; 7])> = Vec::new();
    for line in content.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push((name.to_owned(), Default::default()));
            continue;
        }
        let (key, value) = line.split_once('=')?;
        let known = KEYS.iter().position(|known| *known == key.trim());
        if let (Some(at), Some((_, values))) = (known, sections.last_mut())
            && let Some(slot) = values.get_mut(at)
        {
            *slot = value.trim().to_owned();
        }
    }
    Some(sections.into_iter().filter(|(name, _)| name != "main").map(|(_, values)| values).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_but_main() {
        let sections = parse("[main]\ngpgcheck=1\n[a]\nname = A\nbaseurl=http://x/?a=b\n").unwrap();
        assert_eq!(sections.len(), 1);
        assert_eq!(sections[0][..2], ["A", "http://x/?a=b"]);
        assert_eq!(parse("[a]\nwhat is this\n"), None);
    }
}
