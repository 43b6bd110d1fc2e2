//! `deb_package_files`: which package brought which file.

use std::sync::Arc;

use crate::tables::{Failure, Rows, Scan, Table, row, text};

pub(crate) static TABLE: Table = Table {
    name: "deb_package_files",
    about: "Files that dpkg installed, with their package.",
    sources: "/var/lib/dpkg/info/*.list",
    differences: "",
    columns: &[text("package").pushed(), text("path"), text("admindir").pushed()],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let asked = scan.equal_texts("admindir");
    let directories = if asked.is_empty() { vec![b"/var/lib/dpkg".to_vec()] } else { asked };
    let packages = scan.equal_texts("package");
    let host = Arc::clone(&scan.host);
    Ok(Box::new(directories.into_iter().flat_map(move |directory| {
        let info = [&directory, b"/info".as_slice()].concat();
        let packages = packages.clone();
        let host = Arc::clone(&host);
        host.list_sorted(&info).into_iter().flat_map(move |entry| {
            // `libc6:amd64.list` belongs to libc6.
            let name = entry
                .name
                .strip_suffix(b".list")
                .map(|stem| stem.split(|byte| *byte == b':').next().unwrap_or_default().to_vec());
            let wanted = name.filter(|name| packages.is_empty() || packages.contains(name));
            let mut rows = Vec::new();
            if let Some(name) = wanted.filter(|_| !host.expired()) {
                let content = host.read([&info, b"/".as_slice(), &entry.name].concat()).unwrap_or_default();
                let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                rows.extend(lines.map(|line| row![&name, line, &directory]));
            }
            rows
        })
    })))
}
