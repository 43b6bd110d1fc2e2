//! Puts a statement on one line, as osqueryi's shell wants it: it numbers its errors by lines and ends answers by them.

/// A statement that osqueryi's shell cannot be given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) &'static str);

/// The statement without line breaks, comments and the semicolon at its end.
pub(crate) fn one_line(sql: &str) -> Result<String, Unfit> {
    let mut line = String::with_capacity(sql.len());
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\'' | '"' | '`' | '[', _) => {
                let end = if c == '[' { ']' } else { c };
                line.push(c);
                for inner in chars.by_ref() {
                    if matches!(inner, '\n' | '\r') {
                        return Err(Unfit(
                            "a line break within quotes cannot be given to osqueryi; write char(10)",
                        ));
                    }
                    line.push(inner);
                    if inner == end {
                        break;
                    }
                }
            }
            ('-', Some('-')) => {
                chars.by_ref().find(|&c| c == '\n');
                line.push(' ');
            }
            ('/', Some('*')) => {
                let mut star = false;
                chars.next();
                chars.by_ref().find(|&c| std::mem::replace(&mut star, c == '*') && c == '/');
                line.push(' ');
            }
            (c, _) if c.is_whitespace() => line.push(' '),
            (c, _) => line.push(c),
        }
    }
    let line = line.trim_matches([' ', ';']).to_owned();
    match line.chars().next() {
        None => Err(Unfit("there is no statement")),
        // Its shell takes these as its own commands, which can write files.
        Some('.' | '#' | '/') => Err(Unfit("it does not start as an SQL statement")),
        Some(_) => Ok(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_breaks_go_and_quotes_stay() {
        assert_eq!(one_line("SELECT a,\n\tb -- the b\nFROM t ; \n").unwrap(), "SELECT a,  b  FROM t");
        assert_eq!(
            one_line("SELECT /* x\n -- */ '--;''/*' , [a-- b]").unwrap(),
            "SELECT   '--;''/*' , [a-- b]"
        );
        assert_eq!(one_line("SELECT 1; SELECT 2;").unwrap(), "SELECT 1; SELECT 2");
        assert_eq!(one_line("select 'never closed").unwrap(), "select 'never closed");
    }

    #[test]
    fn what_the_shell_would_take_for_its_own_is_refused() {
        assert!(one_line(".output /etc/passwd").is_err());
        assert!(one_line("-- nothing\n .shell id").is_err());
        assert!(one_line(" ;; \n").is_err());
        assert!(one_line("SELECT 'a\n.shell id\n'").is_err());
    }
}
