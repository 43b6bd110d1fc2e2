//! Streams JSON rows into batches: no map for a row, no string for a cell, everything under limits. The hot path.

use super::text::Text;
use super::{Halt, Limits};
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{QueryFailureKind, Unread};
use herdiff_model::row::RowBatch;
use herdiff_model::visit::Answer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Takes in the rows of one query.
#[derive(Debug)]
pub(crate) struct Rows<'l> {
    limits: &'l Limits,
    halt: &'l Halt,
    shapes: Vec<Shape>,
    /// The shape of the last row: the next one most likely has it too.
    current: usize,
    count: usize,
    pub(crate) cut: Option<&'static str>,
    /// A limit that leaves nothing to keep.
    too_much: Option<&'static str>,
    row: Scratch,
}

#[derive(Debug)]
struct Shape {
    sent: Vec<ColumnName>,
    batch: RowBatch,
}

/// One row while it is read; reused for the next.
#[derive(Debug, Default)]
struct Scratch {
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// The columns, where they are not those of the row before.
    columns: Vec<ColumnName>,
}

impl Scratch {
    fn cell(&self, n: usize) -> Option<&[u8]> {
        let start = n.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.cells.get(start..*self.ends.get(n)?)
    }
}

impl<'l> Rows<'l> {
    pub(crate) fn new(limits: &'l Limits, halt: &'l Halt) -> Self {
        Self {
            limits,
            halt,
            shapes: Vec::new(),
            current: 0,
            count: 0,
            cut: None,
            too_much: None,
            row: Scratch::default(),
        }
    }

    /// What the rows, or the error that ended them, make as an answer.
    pub(crate) fn answer(self, read: Result<(), serde_json::Error>, unread: Vec<Unread>) -> Answer {
        match (read, self.too_much) {
            (_, Some(limit)) => Answer::failed(QueryFailureKind::OutputLimit, limit),
            (Err(error), None) if self.cut != Some("rows") => {
                Answer::failed(QueryFailureKind::Malformed, Text::of(error.to_string().as_bytes()).0)
            }
            _ => {
                let batches = self.shapes.into_iter().map(|shape| shape.batch);
                let batches = batches.filter(|batch| !batch.is_empty()).collect();
                Answer::Rows { batches, unread, cut: self.cut.map(str::to_owned) }
            }
        }
    }

    /// All rows that follow have these columns, in this order.
    pub(crate) fn set_columns<E: Error>(&mut self, sent: Vec<ColumnName>) -> Result<(), E> {
        self.row.columns = sent;
        self.select_shape()
    }

    pub(crate) fn most_columns(&self) -> usize {
        self.limits.columns
    }

    pub(crate) fn has_columns(&self) -> bool {
        !self.shapes.is_empty()
    }

    fn select_shape<E: Error>(&mut self) -> Result<(), E> {
        let known = self.shapes.iter().position(|shape| shape.sent == self.row.columns);
        self.current = match known {
            Some(known) => known,
            None if self.shapes.len() >= self.limits.shapes => {
                return Err(self.refuse("its rows have too many different lists of columns"));
            }
            None => {
                let sent = std::mem::take(&mut self.row.columns);
                self.shapes.push(Shape { batch: RowBatch::new(&sent), sent });
                self.shapes.len() - 1
            }
        };
        Ok(())
    }

    fn refuse<E: Error>(&mut self, limit: &'static str) -> E {
        self.too_much = Some(limit);
        E::custom(limit)
    }

    /// Called before each row, so that the one row too many is not even read.
    fn begin_row<E: Error>(&mut self) -> Result<(), E> {
        if self.halt.is_wished() {
            return Err(E::custom("nobody waits for it"));
        }
        if self.count >= self.limits.rows {
            self.cut = Some("rows");
            return Err(E::custom("too many rows"));
        }
        self.row.cells.clear();
        self.row.ends.clear();
        Ok(())
    }

    fn end_row(&mut self) {
        let row = &self.row;
        if let Some(shape) = self.shapes.get_mut(self.current) {
            shape.batch.push_by(|n| row.cell(n));
            self.count += 1;
        }
    }

    fn push_cell<E: Error>(&mut self, cell: &[u8]) -> Result<(), E> {
        if self.row.ends.len() >= self.limits.columns {
            return Err(self.refuse("a row has too many columns"));
        }
        // The beginning of a cell that is too long stays as evidence; that it was cut makes absence unknown.
        let kept = cell.get(..self.limits.cell_bytes).unwrap_or(cell);
        if kept.len() < cell.len() {
            self.cut = Some("cell");
        }
        self.row.cells.extend_from_slice(kept);
        self.row.ends.push(self.row.cells.len());
        Ok(())
    }
}

/// `[{"column":"cell",…},…]`, as osqueryi prints it.
pub(crate) struct Objects<'r, 'l>(pub(crate) &'r mut Rows<'l>);
/// `[["cell",…],…]`, as the probe prints it; the columns are known.
pub(crate) struct Lists<'r, 'l>(pub(crate) &'r mut Rows<'l>);
struct Object<'r, 'l>(&'r mut Rows<'l>);
struct List<'r, 'l>(&'r mut Rows<'l>);
struct Cell<'r, 'l>(&'r mut Rows<'l>);
/// The name of the `n`th column. Says whether it is the same as in the row before.
struct Key<'r, 'l> {
    rows: &'r mut Rows<'l>,
    n: usize,
    as_before: bool,
}

/// Implements a seed that is its own visitor for one kind of value.
macro_rules! seed {
    ($name:ident, $value:ty, $method:ident, $expecting:literal, $visit:item) => {
        impl<'de> DeserializeSeed<'de> for $name<'_, '_> {
            type Value = $value;
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.$method(self)
            }
        }
        impl<'de> Visitor<'de> for $name<'_, '_> {
            type Value = $value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expecting)
            }
            $visit
        }
    };
}

seed!(
    Objects,
    (),
    deserialize_seq,
    "a list of rows",
    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(Object(self.0))?.is_some() {}
        Ok(())
    }
);

seed!(
    Lists,
    (),
    deserialize_seq,
    "a list of rows",
    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(List(self.0))?.is_some() {}
        Ok(())
    }
);

seed!(
    Object,
    (),
    deserialize_map,
    "a row: an object of strings",
    fn visit_map<A: MapAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        let rows = self.0;
        rows.begin_row()?;
        let mut n = 0;
        let mut as_before = !rows.shapes.is_empty();
        while let Some(same) = cells.next_key_seed(Key { rows: &mut *rows, n, as_before })? {
            as_before = same;
            cells.next_value_seed(Cell(&mut *rows))?;
            n += 1;
        }
        let before = rows.shapes.get(rows.current).map_or(0, |shape| shape.sent.len());
        if as_before && n < before {
            rows.take_columns_before(n);
            as_before = false;
        }
        if !as_before {
            rows.select_shape()?;
        }
        rows.end_row();
        Ok(())
    }
);

seed!(
    List,
    (),
    deserialize_seq,
    "a row: a list of strings",
    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        let rows = self.0;
        rows.begin_row()?;
        while cells.next_element_seed(Cell(&mut *rows))?.is_some() {}
        let wanted = rows.shapes.get(rows.current).map_or(0, |shape| shape.sent.len());
        if rows.row.ends.len() != wanted {
            return Err(Error::invalid_length(rows.row.ends.len(), &"as many cells as columns"));
        }
        rows.end_row();
        Ok(())
    }
);

seed!(
    Cell,
    (),
    deserialize_bytes,
    "a cell: a string",
    fn visit_bytes<E: Error>(self, cell: &[u8]) -> Result<(), E> {
        self.0.push_cell(cell)
    }
);

seed!(
    Key,
    bool,
    deserialize_bytes,
    "the name of a column",
    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<bool, E> {
        let rows = self.rows;
        if self.as_before {
            let shape = rows.shapes.get(rows.current);
            let before = shape.and_then(|shape| shape.sent.get(self.n));
            if before.is_some_and(|before| before.as_str().as_bytes() == name) {
                return Ok(true);
            }
            rows.take_columns_before(self.n);
        }
        if self.n == 0 {
            rows.row.columns.clear();
        }
        if self.n >= rows.limits.columns {
            return Err(rows.refuse("a row has too many columns"));
        }
        rows.row.columns.push(Text::of(name).0.into());
        Ok(false)
    }
);

impl Rows<'_> {
    /// The row turned out to have other columns than the one before, but for its first `n`.
    fn take_columns_before(&mut self, n: usize) {
        self.row.columns.clear();
        if let Some(shape) = self.shapes.get(self.current) {
            self.row.columns.extend(shape.sent.iter().take(n).cloned());
        }
    }
}

/// The rows of a file or of one statement, as `osqueryi --json` prints them. Means nothing once the halt is wished.
pub(crate) fn read_objects(json: &[u8], limits: &Limits, unread: Vec<Unread>, halt: &Halt) -> Answer {
    let mut rows = Rows::new(limits, halt);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = Objects(&mut rows).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    rows.answer(read, unread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &[u8]) -> Answer {
        read_objects(
            json,
            &Limits { rows: 4, columns: 3, cell_bytes: 8, shapes: 2, ..Limits::default() },
            vec![],
            &Halt::default(),
        )
    }

    fn cells(answer: &Answer) -> Vec<String> {
        let Answer::Rows { batches, .. } = answer else { panic!("{answer:?}") };
        let rows = batches.iter().flat_map(RowBatch::rows);
        rows.map(|row| row.iter().map(|(c, v)| format!("{c}={v:?} ")).collect()).collect()
    }

    fn failure(answer: &Answer) -> QueryFailureKind {
        let Answer::Failed(failure) = answer else { panic!("{answer:?}") };
        failure.kind
    }

    #[test]
    fn what_osqueryi_prints() {
        let answer = read(b"[\n  {\"a\":\"1\",\"b\":\"x\"},\n  {\"a\":\"2\",\"b\":\"\"}\n]\n");
        assert_eq!(cells(&answer), ["a=\"1\" b=\"x\" ", "a=\"2\" b=\"\" "]);
        let Answer::Rows { batches, cut, .. } = read(b"[\n\n]\n") else { panic!() };
        assert!(batches.is_empty() && cut.is_none());
    }

    #[test]
    fn bytes_that_are_no_text_survive() {
        let answer = read(b"[{\"a\":\"\xff\\u0000\\u001b\\ud800\"}]");
        let Answer::Rows { batches, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(batches[0].rows().next().unwrap().get("a").unwrap(), &b"\xff\0\x1b\xed\xa0\x80"[..]);
    }

    #[test]
    fn rows_of_other_columns_go_into_another_batch() {
        let answer = read(br#"[{"a":"1","b":"2"},{"a":"3"},{"a":"4","b":"5"},{"a":"6","c":"7"}]"#);
        assert_eq!(failure(&answer), QueryFailureKind::OutputLimit, "three shapes are too many");
        let answer = read(br#"[{"a":"1","b":"2"},{"a":"3"},{"b":"5","a":"4"}]"#);
        assert_eq!(failure(&answer), QueryFailureKind::OutputLimit, "another order is another shape");
        let answer = read(br#"[{"a":"1"},{"a":"3","b":"4"},{"a":"5"}]"#);
        assert_eq!(cells(&answer), ["a=\"1\" ", "a=\"5\" ", "a=\"3\" b=\"4\" "]);
    }

    #[test]
    fn of_equal_columns_the_last_counts() {
        assert_eq!(cells(&read(br#"[{"a":"1","b":"2","a":"3"}]"#)), ["a=\"3\" b=\"2\" "]);
    }

    #[test]
    fn limits_cut_or_refuse_and_say_so() {
        let Answer::Rows { batches, cut, .. } =
            read(br#"[{"a":"0"},{"a":"1"},{"a":"2"},{"a":"3"},{"a":"4"}]"#)
        else {
            panic!()
        };
        assert_eq!((batches[0].len(), cut.as_deref()), (4, Some("rows")));
        let Answer::Rows { batches, cut, .. } = read(br#"[{"a":"123456789"},{"a":"1"}]"#) else { panic!() };
        assert_eq!((batches[0].len(), cut.as_deref()), (2, Some("cell")));
        assert_eq!(batches[0].rows().next().unwrap().get("a").unwrap(), "12345678");
        assert_eq!(failure(&read(br#"[{"a":"","b":"","c":"","d":""}]"#)), QueryFailureKind::OutputLimit);
    }

    #[test]
    fn what_is_malformed_is_a_failure_and_not_half_the_rows() {
        for json in [
            &b""[..],
            b"{}",
            b"[{\"a\":\"1\"}",
            b"[{\"a\":1}]",
            b"[{\"a\":{\"b\":[]}}]",
            b"[]x",
            b"[[\"a\"]]",
            b"[{\"a\":[1,2]}]",
        ] {
            assert_eq!(failure(&read(json)), QueryFailureKind::Malformed, "{json:?}");
        }
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert_eq!(failure(&read(&deep)), QueryFailureKind::Malformed);
    }

    /// Counted in rows, so that it holds on any machine: after the wish not one more is read.
    #[test]
    fn nothing_is_read_after_the_wish_that_it_ends() {
        let (limits, halt) = (Limits::default(), Halt::default());
        let mut rows = Rows::new(&limits, &halt);
        let mut read = |json: &[u8]| {
            let mut deserializer = serde_json::Deserializer::from_slice(json);
            (Objects(&mut rows).deserialize(&mut deserializer).is_ok(), rows.count)
        };
        assert_eq!(read(br#"[{"a":"1"},{"a":"2"}]"#), (true, 2));
        halt.wish();
        assert_eq!(read(br#"[{"a":"3"},{"a":"4"}]"#), (false, 2));
    }

    proptest! {
        #[test]
        fn any_cells_come_back(rows in proptest::collection::vec(proptest::collection::vec(".*", 3..=3), 0..9)) {
            let json = rows.iter().map(|row| serde_json::json!({"x": row[0], "m": row[1], "a": row[2]}));
            let json = serde_json::Value::Array(json.collect()).to_string();
            let Answer::Rows { batches, .. } = read_objects(json.as_bytes(), &Limits::default(), vec![], &Halt::default()) else {
                panic!()
            };
            let back: Vec<_> = batches.iter().flat_map(RowBatch::rows).map(|row| {
                ["x", "m", "a"].map(|column| row.get(column).unwrap().to_string()).to_vec()
            }).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(prop_oneof![
            proptest::sample::select(b"[]{}\",:\\u01 \n".to_vec()), any::<u8>()], 0..60)) {
            let _ = read(&bytes);
        }
    }
}
