//! Inventories on disk: files, programs, directories of both.

use super::document::{Document, Place};
use super::{LineError, dynamic, form, tree, vars, yaml};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// More than any inventory that a person or a cloud wrote.
const LARGEST: u64 = 256 << 20;

/// Files in a directory of inventories that are none, as Ansible has it.
const IGNORED: &[&str] = &["orig", "cfg", "retry", "pyc", "pyo", "md", "rst", "swp", "bak", "txt~"];

pub(super) fn read(document: &mut Document, path: &Path) -> Result<(), LineError> {
    let directory = if path.is_dir() {
        let mut files = Vec::new();
        collect(document, path, &mut files)?;
        for file in &files {
            read_file(document, file)?;
        }
        path
    } else {
        read_file(document, path)?;
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    };
    vars::read(document, directory)
}

fn collect(document: &mut Document, directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), LineError> {
    let entries = std::fs::read_dir(directory).map_err(|error| unreadable(document, directory, &error))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let suffix = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') || name.ends_with('~') || IGNORED.contains(&suffix.as_str());
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    Ok(())
}

fn read_file(document: &mut Document, path: &Path) -> Result<(), LineError> {
    let name = path.display().to_string();
    let meta = std::fs::metadata(path).map_err(|error| unreadable(document, path, &error))?;
    if meta.len() > LARGEST {
        let file = document.file(&name);
        return Err(LineError::new(Place::new(file, 0), format!("longer than {LARGEST} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(document, path, &error))?;
    let runs =
        meta.permissions().mode() & 0o111 != 0 && (bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF"));
    let file = document.file(&name);
    let fail = |why: String| LineError::new(Place::new(file, 0), why);
    if runs {
        let printed = dynamic::list(path).map_err(fail)?;
        let root = yaml::read(file, &printed)?;
        return tree::read_list(document, &root);
    }
    let text = String::from_utf8(bytes).map_err(|_| fail("not text (UTF-8)".into()))?;
    form::read(document, file, &name, &text)
}

fn unreadable(document: &mut Document, path: &Path, error: &std::io::Error) -> LineError {
    let file = document.file(&path.display().to_string());
    LineError::new(Place::new(file, 0), format!("cannot be read: {error}"))
}
