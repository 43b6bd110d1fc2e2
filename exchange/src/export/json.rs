//! The directory layout that `herdiff import` reads, value for value: `<host>/<query>.json` as `osqueryi --json` prints
//! it, `pack.conf`, and `outcomes.ndjson` with what rows alone do not say.

use super::file_name::FileNames;
use super::{ExportError, Job};
use crate::facts;
use crate::stored::Stored;
use crate::text::Odd;
use herdiff_model::snapshot::QueryId;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

pub(super) fn write(stored: &Stored, directory: &Path, job: &Job<'_>) -> Result<(), ExportError> {
    let at = |path: PathBuf| move |source| ExportError::Write { path: path.clone(), source };
    let pack = directory.join("pack.conf");
    fs::write(&pack, stored.pack().text()).map_err(at(pack))?;
    let outcomes = directory.join("outcomes.ndjson");
    let mut told = BufWriter::new(File::create_new(&outcomes).map_err(at(outcomes))?);
    line(&mut told, &facts::sweep(stored))?;

    let mut names = FileNames::default();
    let files: Vec<_> =
        stored.pack().queries().iter().map(|query| names.unique(query.name.as_str()) + ".json").collect();
    let mut hosts = FileNames::default();
    let directories: Vec<_> = stored.visits().iter().map(|visit| hosts.unique(visit.host.as_str())).collect();
    for name in &directories {
        let path = directory.join(name);
        fs::create_dir(&path).map_err(at(path))?;
    }
    // What is said of each visit grows while the queries are read, one after the other.
    let visits = stored.visits().len();
    let all = visits * files.len();
    let mut said: Vec<Vec<Value>> = vec![Vec::new(); visits];
    let mut rows = Vec::new();
    for (id, (query, file)) in (0..).map(QueryId).zip(stored.pack().queries().iter().zip(&files)) {
        let answers = stored.answers(id)?;
        for (place, (outcome, (name, said))) in
            answers.outcomes.iter().zip(directories.iter().zip(&mut said)).enumerate()
        {
            job.at(id.0 as usize * visits + place, all)?;
            let mut told = json!({"query": query.name.as_str()});
            if let Some(set) = outcome.rows() {
                rows.clear();
                rows.extend_from_slice(b"[\n");
                for (n, row) in set.ids.iter().filter_map(|&id| answers.table.row(id)).enumerate() {
                    rows.extend_from_slice(if n == 0 { b"  " } else { b",\n  " });
                    facts::push_row(&mut rows, row, Odd::Kept);
                }
                rows.extend_from_slice(b"\n]\n");
                let path = directory.join(name).join(file);
                fs::write(&path, &rows).map_err(at(path))?;
                insert(&mut told, json!({"file": file}));
            }
            insert(&mut told, facts::outcome(outcome));
            said.push(told);
        }
        stored.forget(id);
    }
    for ((visit, name), queries) in stored.visits().iter().zip(&directories).zip(said) {
        let mut told_of_visit = facts::visit(stored, visit);
        insert(&mut told_of_visit, json!({"directory": name, "queries": queries}));
        line(&mut told, &told_of_visit)?;
    }
    told.flush()?;
    job.at(all, all)
}

fn insert(said: &mut Value, more: Value) {
    if let (Value::Object(said), Value::Object(more)) = (said, more) {
        said.extend(more);
    }
}

fn line(to: &mut impl Write, said: &Value) -> Result<(), ExportError> {
    let mut out = Vec::new();
    facts::push_value(&mut out, said);
    out.push(b'\n');
    Ok(to.write_all(&out)?)
}
