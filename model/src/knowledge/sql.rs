//! Finds the tables that a statement reads, well enough to look up what is known of them.

/// The tables that a statement reads, in the order in which it names them.
///
/// The words that follow FROM, JOIN and the commas between them, in order. Not a parser: a word too many is harmless,
/// as it is then looked up in a list of tables.
pub fn tables(sql: &str) -> Vec<String> {
    let spaced = sql.replace(['(', ')', ';'], " ").replace(',', " , ");
    let mut expected = false;
    let mut in_from = false;
    let mut found = Vec::new();
    for word in spaced.split_whitespace() {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "from" | "join" => (expected, in_from) = (true, true),
            "," if in_from => expected = true,
            "where" | "select" | "on" | "using" | "group" | "order" | "limit" => {
                (expected, in_from) = (false, false)
            }
            _ if expected => {
                found.push(word.trim_matches(['"', '`', '\'', '[', ']']).to_owned());
                expected = false;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::tables;

    #[test]
    fn finds_tables_in_the_forms_that_packs_use() {
        assert_eq!(tables("select * from users;"), ["users"]);
        assert_eq!(
            tables("SELECT a, b FROM users u CROSS JOIN authorized_keys k USING (uid)"),
            ["users", "authorized_keys"]
        );
        assert_eq!(
            tables("select a,b from listening_ports lp, processes as p where a = b"),
            ["listening_ports", "processes"]
        );
        assert_eq!(
            tables("select * from (select path from processes) join hash using(path)"),
            ["processes", "hash"]
        );
    }
}
