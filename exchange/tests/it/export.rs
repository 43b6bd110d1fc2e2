//! Exports as other programs read them.

use crate::fleet::{raw, rows, stored, visits};
use herdiff_exchange::export::{Format, Job, export};
use herdiff_exchange::query::Watch;
use herdiff_model::visit::Visit;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use std::fs::File;
use std::path::Path;

fn written(visits: &[Visit], place: &Path) {
    let watch = Watch { deadline: None, interrupted: Default::default() };
    let job = Job { watch, progress: &|_, _| {}, findings: None };
    export(&stored(visits), Format::Parquet, &place.join("out"), &job).unwrap();
}

#[test]
fn what_a_column_of_parquet_cannot_hold_is_beside_it_byte_for_byte() {
    let place = tempfile::tempdir().unwrap();
    written(&visits(), place.path());
    let file =
        SerializedFileReader::new(File::open(place.path().join("out/files.parquet")).unwrap()).unwrap();
    let mut told = Vec::new();
    for row in file.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let cell = |name: &str| {
            row.get_column_iter().find(|(known, _)| *known == name).map(|(_, cell)| cell.clone())
        };
        told.push((cell("path").unwrap(), cell("size").unwrap(), cell("raw").unwrap()));
    }
    let text = |text: &str| Field::Str(text.into());
    assert_eq!(told.len(), 3);
    assert!(told.contains(&(text("/tmp/a"), Field::Long(5), Field::Null)), "{told:?}");
    // Bytes that are no text, and a number that is written otherwise.
    let exact = r#"{"path":"L3RtcC//AAoieA==","size":"MDA3"}"#;
    assert!(told.contains(&(text("/tmp/\u{fffd}\0\n\"x"), Field::Null, text(exact))), "{told:?}");
}

#[test]
fn long_texts_do_not_wait_in_memory_until_there_are_many() {
    let place = tempfile::tempdir().unwrap();
    let mut visits = visits();
    let long = |n: u8| vec![("path".to_owned(), vec![b'a' + n; 9 << 20])];
    visits[0].answers[1] = raw((0..5).map(long).collect());
    visits[0].answers[0] = rows(&["uid=0|username=root"]);
    written(&visits, place.path());
    let groups = |name: &str| {
        let file = File::open(place.path().join("out").join(name)).unwrap();
        SerializedFileReader::new(file).unwrap().num_row_groups()
    };
    assert_eq!((groups("files.parquet"), groups("users.parquet")), (2, 1));
}
