//! Which form a text is in: by the name of its file where that says it, else by its first line that says anything.

use super::document::Document;
use super::{LineError, aliases, ini, table, tree, yaml};
use std::path::Path;

pub(super) fn read(document: &mut Document, file: usize, name: &str, text: &str) -> Result<(), LineError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .unwrap_or_default();
    let ends = |suffixes: &[&str]| {
        let suffix = Path::new(name).extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        suffixes.iter().any(|known| suffix.eq_ignore_ascii_case(known))
    };
    let is_yaml = ends(&["yml", "yaml", "json"])
        || first.starts_with("---")
        || first.starts_with('{')
        // `all:` is no host, as a port would have to follow.
        || (first.ends_with(':') && !first.contains(['[', ' ']));
    if is_yaml {
        let root = yaml::read(file, text)?;
        let printed =
            root.map("an inventory").is_ok_and(|groups| groups.iter().any(|(name, _)| name == "_meta"));
        if printed { tree::read_list(document, &root) } else { tree::read(document, &root) }
    } else if ends(&["csv"]) || table::is_header(first) {
        table::read(document, file, text)
    } else if aliases::is_first(first) {
        aliases::read(document, file, text)
    } else {
        ini::read(document, file, text)
    }
}
