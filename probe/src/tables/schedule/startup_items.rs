//! `startup_items`: what starts with the system or a session.

use super::systemd;
use crate::host::Host;
use crate::tables::accounts::passwd;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, row, text};

pub(crate) static TABLE: Table = Table {
    name: "startup_items",
    about: "What starts with the system or with a session.",
    sources: "/etc/xdg/autostart, /etc/init.d, ~/.config/autostart, ~/.config/autostart-scripts; systemd on the system bus",
    differences: "osquery drops an `Exec=` line with a second `=` in it, which hides the program; here it is shown. \
                  Homes outside of /home are looked at as well. Where systemd does not answer there are no rows of its units, and \
                  that is counted as not read.",
    columns: &[
        text("name"),
        text("path"),
        text("args"),
        text("type"),
        text("source"),
        text("status"),
        text("username"),
    ],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = &scan.host;
    let mut rows = Vec::new();
    entries(host, b"/etc/xdg/autostart/", b"", &mut rows);
    scripts(host, b"/etc/init.d/", b"", &mut rows);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for user in passwd::users(host).iter() {
        if seen.contains(&user.directory) || user.directory.is_empty() || user.directory == b"/" {
            continue;
        }
        // osquery names an account only for a home in the usual place.
        let name = if user.directory == b"/root" { Vec::new() } else { user.name.clone() };
        entries(host, &[&user.directory, b"/.config/autostart/".as_slice()].concat(), &name, &mut rows);
        scripts(
            host,
            &[&user.directory, b"/.config/autostart-scripts/".as_slice()].concat(),
            &name,
            &mut rows,
        );
        seen.push(user.directory.clone());
    }
    for unit in systemd::startup_units(host) {
        rows.push(row![unit.id, unit.path, "", "systemd unit", unit.source, unit.active_state, unit.user]);
    }
    Ok(all(rows))
}

fn files<'a>(host: &'a Host, directory: &'a [u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + 'a {
    host.list_sorted(directory).into_iter().filter_map(move |entry| {
        let path = [directory, &entry.name].concat();
        let hidden = entry.name.starts_with(b".");
        let is_directory = entry.kind.is_dir() || (!entry.kind.is_file() && host.is_directory(&path));
        (!hidden && !is_directory).then_some((entry.name, path))
    })
}

/// Desktop entries.
fn entries(host: &Host, directory: &[u8], user: &[u8], rows: &mut Vec<Row>) {
    for (_, path) in files(host, directory) {
        let Some(content) = host.read(&path) else { continue };
        let (name, command) = desktop_entry(&content);
        rows.push(row![name, command, "", "Startup Item", directory, "enabled", user]);
    }
}

fn scripts(host: &Host, directory: &[u8], user: &[u8], rows: &mut Vec<Row>) {
    for (name, path) in files(host, directory) {
        rows.push(row![name, path, "", "Startup Item", directory, "enabled", user]);
    }
}

/// The last name and the last command.
pub(crate) fn desktop_entry(content: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut name, mut command) = (Vec::new(), Vec::new());
    for line in content.split(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        match line.get(..at).unwrap_or_default().trim_ascii() {
            b"Name" => name = value.to_vec(),
            b"Exec" => command = value.to_vec(),
            _ => {}
        }
    }
    (name, command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_equals_sign_hides_no_program() {
        let (name, command) = desktop_entry(b"[Desktop Entry]\nName=A\nExec=/usr/bin/env X=1 evil\n");
        assert_eq!(
            (name.as_slice(), command.as_slice()),
            (b"A".as_slice(), b"/usr/bin/env X=1 evil".as_slice())
        );
    }
}
