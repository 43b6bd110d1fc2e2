//! `systemd_units`: what systemd runs, could run, or is told not to run.
//!
//! systemd itself is asked over D-Bus, with two questions for everything. Where it does not answer (another root, a
//! container) the unit files speak: they tell what is enabled, but not what is active.

mod bus;
mod files;

use std::collections::HashMap;

use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, bigint, row, text};
use files::UnitFile;

pub(crate) static TABLE: Table = Table {
    name: "systemd_units",
    about: "Units of systemd: services, timers, mounts and their kin.",
    sources: "org.freedesktop.systemd1 on the system bus, or the unit files",
    differences: "Where systemd does not answer, as below another root, rows come from the unit files: `active_state` \
                  and `sub_state` are then empty and every unit file has a row. `user` and `source_path` are read \
                  from the unit file.",
    columns: &[
        text("id").pushed(),
        text("description"),
        text("load_state"),
        text("active_state"),
        text("sub_state"),
        text("unit_file_state"),
        text("following"),
        text("object_path"),
        bigint("job_id"),
        text("job_type"),
        text("job_path"),
        text("fragment_path"),
        text("user"),
        text("source_path"),
    ],
    per_user: false,
    rows,
};

/// A unit as systemd lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Unit {
    id: String,
    description: String,
    load_state: String,
    active_state: String,
    sub_state: String,
    following: String,
    object_path: String,
    job_id: u32,
    job_type: String,
    job_path: String,
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = &scan.host;
    if host.is_live() && host.exists("/run/systemd/system") {
        match bus::units() {
            Ok(answer) => return Ok(all(from_bus(host, scan, answer))),
            Err(error) => host.note("systemd on the system bus", &format!("{error}; unit files only")),
        }
    }
    let files = files::all(host).into_iter().filter(|file| scan.wants_text("id", file.id.as_bytes()));
    Ok(all(files.map(|file| from_file(host, file)).collect()))
}

/// A unit as `startup_items` shows it.
pub(super) struct StartupUnit {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) source: String,
    pub(super) active_state: String,
    pub(super) user: String,
}

/// The units that systemd has loaded. Where there is no systemd there are none; where it does not answer that is
/// counted.
pub(super) fn startup_units(host: &Host) -> Vec<StartupUnit> {
    if !host.is_live() || !host.exists("/run/systemd/system") {
        return Vec::new();
    }
    let (units, files) = match bus::units() {
        Ok(answer) => answer,
        Err(error) => {
            host.note("systemd on the system bus", &error.to_string());
            return Vec::new();
        }
    };
    items(host, units, &files)
}

fn items(host: &Host, units: Vec<Unit>, files: &[bus::FileState]) -> Vec<StartupUnit> {
    let files = by_name(files);
    let item = |unit: Unit| {
        let path = file_of(&files, &unit.id).map(|(path, _)| path.clone()).unwrap_or_default();
        let settings =
            if path.is_empty() { files::Settings::default() } else { files::settings(host, &path) };
        StartupUnit {
            id: unit.id,
            path,
            source: settings.source,
            active_state: unit.active_state,
            user: settings.user,
        }
    };
    units.into_iter().map(item).collect()
}

type FilesByName<'a> = HashMap<&'a str, &'a bus::FileState>;

fn by_name(files: &[bus::FileState]) -> FilesByName<'_> {
    files.iter().filter_map(|file| Some((file.0.rsplit('/').next()?, file))).collect()
}

/// The file of a unit, which may be that of its template.
fn file_of<'a>(files: &FilesByName<'a>, id: &str) -> Option<&'a bus::FileState> {
    files.get(id).or_else(|| files.get(template(id)?.as_str())).copied()
}

fn from_bus(host: &Host, scan: &Scan, (units, unit_files): (Vec<Unit>, Vec<bus::FileState>)) -> Vec<Row> {
    let files = by_name(&unit_files);
    let mut rows = Vec::new();
    for unit in units.into_iter().filter(|unit| scan.wants_text("id", unit.id.as_bytes())) {
        let (path, state) =
            file_of(&files, &unit.id).map(|(path, state)| (path.clone(), state.clone())).unwrap_or_default();
        let settings = if scan.uses_any(&["user", "source_path"]) && !path.is_empty() {
            files::settings(host, &path)
        } else {
            files::Settings::default()
        };
        rows.push(row![
            unit.id,
            unit.description,
            unit.load_state,
            unit.active_state,
            unit.sub_state,
            state,
            unit.following,
            unit.object_path,
            unit.job_id,
            unit.job_type,
            unit.job_path,
            path,
            settings.user,
            settings.source
        ]);
    }
    rows
}

/// `getty@tty1.service` comes from `getty@.service`.
fn template(id: &str) -> Option<String> {
    let (name, rest) = id.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{name}@.{kind}"))
}

fn from_file(host: &Host, file: UnitFile) -> Row {
    let settings = files::settings(host, &file.path);
    let masked = file.state == "masked";
    let object = format!("/org/freedesktop/systemd1/unit/{}", escaped(&file.id));
    row![
        &file.id,
        if settings.description.is_empty() { file.id.clone() } else { settings.description },
        if masked { "masked" } else { "loaded" },
        "",
        "",
        file.state,
        "",
        object,
        0,
        "",
        "/",
        file.path,
        settings.user,
        settings.source
    ]
}

/// A name as D-Bus writes it in a path: all but letters and digits as `_` and two hexadecimal digits.
fn escaped(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for (place, byte) in id.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && place > 0) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("_{byte:02x}"));
        }
    }
    out
}

/// The readers of systemd's bytes, for the tests that feed them broken ones.
#[cfg(any(test, fuzzing))]
pub(crate) fn bus_answer(bytes: &[u8]) {
    bus::read_anything(bytes);
}

/// As [`bus_answer`].
#[cfg(any(test, fuzzing))]
pub(crate) fn unit_settings(bytes: &[u8]) {
    files::read_settings(&String::from_utf8_lossy(bytes), &mut files::Settings::default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_start_with_their_file_and_user() {
        let dir = tempfile::tempdir().unwrap();
        let place = "/etc/systemd/system/worker@.service";
        let file = dir.path().join(&place[1..]);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "[Unit]\nSourcePath=/etc/init.d/worker\n[Service]\nUser=eve\n").unwrap();
        let host = Host::new(crate::host::Root::below(dir.path().as_os_str()).unwrap());
        let unit = |id: &str| Unit { id: id.into(), active_state: "active".into(), ..Unit::default() };
        let found = items(
            &host,
            vec![unit("worker@1.service"), unit("dev-sda.device")],
            &[(place.to_owned(), "enabled".to_owned())],
        );
        let words = |unit: &StartupUnit| {
            [&unit.id, &unit.path, &unit.source, &unit.active_state, &unit.user].map(Clone::clone).join(" ")
        };
        assert_eq!(words(&found[0]), format!("worker@1.service {place} /etc/init.d/worker active eve"));
        assert_eq!(words(&found[1]), "dev-sda.device   active ");
    }

    #[test]
    fn names_and_templates() {
        assert_eq!(escaped("remote-cryptsetup.target"), "remote_2dcryptsetup_2etarget");
        assert_eq!(template("getty@tty1.service").as_deref(), Some("getty@.service"));
        assert_eq!(template("ssh.service"), None);
    }
}
