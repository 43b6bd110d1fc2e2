//! `shell_history`: what was typed.

use super::users_asked_for;
use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "shell_history",
    about: "What accounts typed into their shells; `time` is 0 where the shell wrote none.",
    sources: "~/.bash_history, .zsh_history, .zhistory, .history, .sh_history, .bash_sessions/*.history",
    differences: "A file that ends in a line of one letter does not repeat its contents.",
    columns: &[
        bigint("uid").pushed(),
        integer("time"),
        text("command"),
        text("history_file"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: true,
    rows,
};

const FILES: [&str; 5] = [".bash_history", ".zsh_history", ".zhistory", ".history", ".sh_history"];
/// A longer number is no time.
const MAX_DIGITS: usize = 11;

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    for user in users_asked_for(scan) {
        for name in FILES {
            read(
                &scan.host,
                user.uid,
                [&user.directory, b"/".as_slice(), name.as_bytes()].concat(),
                &mut rows,
            );
        }
        let sessions = [&user.directory, b"/.bash_sessions".as_slice()].concat();
        for entry in scan.host.list_sorted(&sessions) {
            if entry.name.ends_with(b".history") {
                read(&scan.host, user.uid, [&sessions, b"/".as_slice(), &entry.name].concat(), &mut rows);
            }
        }
    }
    Ok(all(rows))
}

fn read(host: &Host, uid: u32, path: Vec<u8>, rows: &mut Vec<Row>) {
    let Some(content) = host.read(&path) else { return };
    for (time, command) in commands(&content) {
        rows.push(row![uid, time, command, &path, 0]);
    }
}

/// Commands with their time. A stamp of bash stands on a line of its own before the command, one of zsh before it
/// on the same line. Of two stamps in a row the second is a command.
pub(crate) fn commands(content: &[u8]) -> Vec<(i64, &[u8])> {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let mut commands = Vec::new();
    if content.is_empty() {
        return commands;
    }
    let mut stamp = None;
    for line in content.split(|byte| *byte == b'\n') {
        if let Some(time) = stamp.take() {
            commands.push((time, line));
        } else if let Some(time) = line.strip_prefix(b"#").and_then(digits) {
            stamp = Some(time);
        } else if let Some((time, command)) = zsh(line) {
            commands.push((time, command));
        } else {
            commands.push((0, line));
        }
    }
    commands
}

fn digits(text: &[u8]) -> Option<i64> {
    let all = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| all)?.parse().ok()
}

/// `: 1735800000:0;command`
fn zsh(line: &[u8]) -> Option<(i64, &[u8])> {
    let rest = line.strip_prefix(b":")?;
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    let rest = rest.get(blanks..).filter(|_| blanks <= 10)?;
    let colon = rest.iter().position(|byte| *byte == b':').filter(|at| *at <= MAX_DIGITS)?;
    let time = digits(rest.get(..colon)?)?;
    let rest = rest.get(colon + 1..)?;
    let semicolon = rest.iter().position(|byte| *byte == b';')?;
    digits(rest.get(..semicolon)?)?;
    Some((time, rest.get(semicolon + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_belong_to_the_next_line() {
        let found = commands(b"#10\nls\nx\n#11\n#12\n: 13:0;a;b\n:14:1;\n: 1:x;y\n");
        let expected: [(i64, &[u8]); 6] =
            [(10, b"ls"), (0, b"x"), (11, b"#12"), (13, b"a;b"), (14, b""), (0, b": 1:x;y")];
        assert_eq!(found, expected);
        assert_eq!(commands(b""), []);
        assert_eq!(commands(b"x"), [(0, b"x".as_slice())]);
    }
}
