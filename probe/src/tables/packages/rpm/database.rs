//! rpm's database: since 4.16 an SQLite file with one header a row.
//!
//! The file belongs to the host, so it is opened by a connection of its own that trusts nothing in its schema.

use std::os::fd::AsRawFd;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FileType, OFlags};

use super::old;
use crate::host::Host;

const PLACES: [&str; 2] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"];
const MAX_PACKAGES: usize = 200_000;

/// Gives each package's header to `take`, which says whether it was one. With names, only packages called so.
pub(super) fn each(host: &Host, names: &[Vec<u8>], take: &mut dyn FnMut(&[u8]) -> bool) {
    for place in PLACES {
        let path = format!("{place}/rpmdb.sqlite");
        if host.look(path.as_bytes(), true).is_some() {
            if let Err(error) = read(host, &path, names, take) {
                host.note(&path, &error.to_string());
            }
            // What a writer has not folded into the file yet is not seen.
            if host.stat(format!("{path}-wal").as_bytes(), true).is_ok_and(|wal| wal.st_size > 0) {
                host.note(format!("{path}-wal"), "not read");
            }
            return;
        }
        for (name, reader) in [("Packages", old::berkeley as old::Reader), ("Packages.db", old::ndb)] {
            let path = format!("{place}/{name}");
            if host.look(path.as_bytes(), true).is_some() {
                read_old(host, &path, reader, names, take);
                return;
            }
        }
    }
}

fn read_old(
    host: &Host,
    path: &str,
    reader: old::Reader,
    names: &[Vec<u8>],
    take: &mut dyn FnMut(&[u8]) -> bool,
) {
    let read = host.open(path.as_bytes()).map_err(old::Broken::Read).and_then(|file| {
        reader(&file, &mut |bytes| {
            offer(host, path, names, bytes, take);
            !host.expired()
        })
    });
    match read {
        Ok(()) => {}
        Err(old::Broken::Read(errno)) => host.note(path, &crate::host::os_words(errno)),
        Err(old::Broken::Garbage) => host.note(path, "malformed"),
    }
}

/// Hands a header on when its package is asked for.
fn offer(host: &Host, path: &str, names: &[Vec<u8>], bytes: &[u8], take: &mut dyn FnMut(&[u8]) -> bool) {
    let wanted = names.is_empty()
        || super::Header::parse(bytes).is_some_and(|header| names.contains(&header.text(super::Tag::NAME)));
    if wanted && !take(bytes) {
        host.note(path, "malformed header");
    }
}

fn read(
    host: &Host,
    path: &str,
    names: &[Vec<u8>],
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> rusqlite::Result<()> {
    // The handle was opened inside the root; SQLite gets it by its number.
    let handle = host
        .open_with(path.as_bytes(), OFlags::PATH)
        .map_err(|_| rusqlite::Error::InvalidPath(path.into()))?;
    // SQLite would wait for the other end of a pipe.
    let regular =
        rustix::fs::fstat(&handle).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
    if !regular {
        host.note(path, "not a regular file");
        return Ok(());
    }
    let uri = format!("file:/proc/self/fd/{}?immutable=1", handle.as_raw_fd());
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    let mut statement = connection.prepare("SELECT blob FROM Packages")?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let Ok(bytes) = row.get_ref(0)?.as_blob() else { continue };
        offer(host, path, names, bytes, take);
        count += 1;
        if count > MAX_PACKAGES || host.expired() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::*;
    use crate::host::Root;

    #[test]
    fn packages_come_from_the_file_and_malformed_ones_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("var/lib/rpm");
        std::fs::create_dir_all(&place).unwrap();
        let database = Connection::open(place.join("rpmdb.sqlite")).unwrap();
        database
            .execute_batch("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
            .unwrap();
        for bytes in [header(&[(1000, 6, 1, b"bash\0")]), b"broken".to_vec()] {
            database.execute("INSERT INTO Packages (blob) VALUES (?1)", [bytes]).unwrap();
        }
        drop(database);
        let host = Host::new(Root::below(dir.path().as_os_str()).unwrap());
        let mut names = Vec::new();
        each(&host, &[], &mut |bytes| match super::super::Header::parse(bytes) {
            Some(found) => {
                names.push(found.text(super::super::Tag::NAME));
                true
            }
            None => false,
        });
        assert_eq!(names, [b"bash"]);
        assert_eq!(host.unread().len(), 1);
    }

    #[test]
    fn garbage_is_no_database() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("var/lib/rpm")).unwrap();
        std::fs::write(dir.path().join("var/lib/rpm/rpmdb.sqlite"), [7; 5000]).unwrap();
        let host = Host::new(Root::below(dir.path().as_os_str()).unwrap());
        each(&host, &[], &mut |_| true);
        assert_eq!(host.unread()[0].why, "file is not a database");
    }
}
