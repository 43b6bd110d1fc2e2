//! The documentation of the tables, made from their declarations.

use super::{ALL, Table};

const HEAD: &str = "\
<!-- Made by `cargo run -p herdiff-probe -- --tables > docs/TABLES.md`; a test fails when it is stale. -->
# Tables of the probe

Names, columns, types and meaning are osquery's, where nothing else is said. A column marked `required` must be in the
WHERE, one of several; `pushed` columns make a query cheaper when they are compared with `=` (paths also with LIKE);
`hidden` ones are not part of `*`; `absent` ones are always NULL here.

Every table counts what it could not read (no permission, malformed) beside its rows. Below another root
(`--root`) the tables of the kernel are unknown, not empty, unless the tree brings a `/proc` of its own.

";

const FUNCTIONS: &str = "
## Functions
SQLite's own with JSON, and osquery's: `split`, `regex_match`, `regex_split`, `concat`, `concat_ws`, `md5`, `sha1`,
`sha256`, `to_base64`, `from_base64`, `conditional_to_base64`, `inet_aton`, `in_cidr_block`, `version_compare`,
`parent_directory`, `is_path_deterministic`, `find_file_path_in_cmd`, `sqrt`, `power`, `log`, `log10`, `exp`, `ceil`,
`floor`, `pi`, `square`, `reverse`, `radians`, `degrees` and the trigonometric ones.

`version_compare(…, 'DPKG')` sorts `1.0` before `1.0~rc1`, as osquery does, where dpkg has it the other way; columns of versions
are compared as dpkg compares them.

## Golden queries
The tests hold the answers to 135 queries against those of osqueryi 5.23.1. Not equal are `dns_resolvers`, `logged_in_users`,
`startup_items`, `sudoers`, `authorized_keys_joined` and `authorized_keys_types`, each because osquery's way hides something from
whoever looks; the reasons stand with the tables above.

## Regular expressions
`regex_match` and `regex_split` know no look-around and no references to groups.
";

/// All tables as Markdown.
pub(crate) fn document() -> String {
    let mut out = String::from(HEAD);
    let mut tables: Vec<&Table> = ALL.to_vec();
    tables.sort_by_key(|table| table.name);
    out.push_str("| table | what it holds |\n| --- | --- |\n");
    for table in &tables {
        out.push_str(&format!("| [{0}](#{0}) | {1} |\n", table.name, table.about));
    }
    for table in &tables {
        push_table(&mut out, table);
    }
    out.push_str(FUNCTIONS);
    out
}

fn push_table(out: &mut String, table: &Table) {
    out.push_str(&format!("\n## {}\n{}\n\n*Read from*: {}\n", table.name, table.about, table.sources));
    if table.per_user {
        out.push_str("\nAnswers for the calling user; for others write `users CROSS JOIN … USING (uid)`.\n");
    }
    if !table.differences.is_empty() {
        out.push_str(&format!("\n*Not as osquery*: {}\n", table.differences));
    }
    out.push_str("\n| column | type | |\n| --- | --- | --- |\n");
    for column in table.columns {
        let mut marks = Vec::new();
        for (set, mark) in [
            (column.required, "required"),
            (column.pushed && !column.required, "pushed"),
            (column.hidden, "hidden"),
            (column.absent, "absent"),
        ] {
            if set {
                marks.push(mark);
            }
        }
        out.push_str(&format!("| {} | {} | {} |\n", column.name, column.kind.sql(), marks.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_not_stale() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TABLES.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "docs/TABLES.md is stale; its first line says how to make it");
    }

    #[test]
    fn every_table_stands_for_itself() {
        for (place, table) in ALL.iter().enumerate() {
            assert!(!table.about.is_empty() && !table.sources.is_empty(), "{}", table.name);
            assert!(
                !ALL.iter().skip(place + 1).any(|other| other.name == table.name),
                "{} twice",
                table.name
            );
            for (place, column) in table.columns.iter().enumerate() {
                let again = table.columns.iter().skip(place + 1).any(|other| other.name == column.name);
                assert!(!again, "{}.{} twice", table.name, column.name);
            }
        }
    }
}
