//! Rows column by column: each column in the simplest form that makes it short.

mod number;
mod stream;
mod text;

pub(super) use stream::{Input, Output};

use crate::row::push_cell;
use number::NONE;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use text::Texts;

/// How the cells of a column are written.
const VALUES: u64 = 0;
const TEXTS: u64 = 1;
const NUMBERS: u64 = 2;

/// No segment has more rows.
pub(super) const MOST_ROWS: usize = 1 << 24;

/// The cells of one column, and what is known of them.
pub(super) struct Column<'a> {
    cells: Vec<&'a [u8]>,
    /// Where all of them are numbers.
    numbers: Option<Vec<i64>>,
    values: Values<'a>,
}

impl<'a> Column<'a> {
    pub(super) fn new(cells: Vec<&'a [u8]>) -> Self {
        let values = Values::of(&cells);
        let numbers: Option<Vec<i64>> = values.distinct.iter().map(|cell| number::parse(cell)).collect();
        let numbers = numbers.map(|numbers| {
            let number = |&at: &u32| numbers.get(at as usize).copied().unwrap_or(0);
            values.index.iter().map(number).collect()
        });
        Self { cells, numbers, values }
    }

    /// The same rows in another order.
    pub(super) fn permuted(self, places: &[u32]) -> Self {
        fn moved<T: Copy>(items: &[T], places: &[u32]) -> Vec<T> {
            places.iter().filter_map(|&place| items.get(place as usize).copied()).collect()
        }
        Self {
            cells: moved(&self.cells, places),
            numbers: self.numbers.map(|numbers| moved(&numbers, places)),
            values: Values { index: moved(&self.values.index, places), distinct: self.values.distinct },
        }
    }

    pub(super) fn has_numbers(&self) -> bool {
        self.numbers.is_some()
    }

    /// How many different cells it has.
    pub(super) fn distinct(&self) -> usize {
        self.values.distinct.len()
    }

    /// Of each row the place of its cell among all that are different: numbers by their value, other cells by their bytes.
    pub(super) fn ranks(&self) -> &[u32] {
        &self.values.index
    }

    /// Whether its cells look like digests, which are not alike whatever they stand beside.
    pub(super) fn is_hex(&self) -> bool {
        let mut texts = self.values.distinct.iter().filter(|cell| !cell.is_empty());
        let long_hex = |cell: &&[u8]| cell.len() >= 32 && cell.iter().all(u8::is_ascii_hexdigit);
        texts.next().is_some_and(long_hex) && texts.all(long_hex)
    }
}

/// The different cells of a column, sorted, and which of them each row has.
struct Values<'a> {
    distinct: Vec<&'a [u8]>,
    index: Vec<u32>,
}

impl<'a> Values<'a> {
    fn of(cells: &[&'a [u8]]) -> Self {
        let mut seen: HashMap<&[u8], u32> = HashMap::new();
        let mut distinct: Vec<&[u8]> = Vec::new();
        let mut index = Vec::with_capacity(cells.len());
        let mut last = None;
        for &cell in cells {
            // Very often the cell of the row before.
            let at = match last.filter(|&(before, _)| before == cell) {
                Some((_, at)) => at,
                None => {
                    let next = distinct.len() as u32;
                    *seen.entry(cell).or_insert_with(|| {
                        distinct.push(cell);
                        next
                    })
                }
            };
            last = Some((cell, at));
            index.push(at);
        }
        let numbers: Option<Vec<i64>> = distinct.iter().map(|cell| number::parse(cell)).collect();
        let mut order: Vec<u32> = (0..distinct.len() as u32).collect();
        match &numbers {
            Some(numbers) => order.sort_unstable_by_key(|&at| numbers.get(at as usize).copied()),
            None => order.sort_unstable_by_key(|&at| distinct.get(at as usize).copied()),
        }
        let mut place = vec![0u32; distinct.len()];
        for (new, &old) in order.iter().enumerate() {
            if let Some(place) = place.get_mut(old as usize) {
                *place = new as u32;
            }
        }
        for at in &mut index {
            *at = place.get(*at as usize).copied().unwrap_or(0);
        }
        let value = |&at: &u32| distinct.get(at as usize).copied().unwrap_or_default();
        Self { distinct: order.iter().map(value).collect(), index }
    }

    fn alike(&self) -> Vec<u32> {
        alike(&self.index, self.distinct.len())
    }
}

/// For each row the last one before it that has the same value.
fn alike(index: &[u32], values: usize) -> Vec<u32> {
    let mut last = vec![NONE; values];
    let twin = |(row, &at): (usize, &u32)| {
        last.get_mut(at as usize).map_or(NONE, |last| std::mem::replace(last, row as u32))
    };
    index.iter().enumerate().map(twin).collect()
}

/// Writes a list of small numbers, byte by byte: all lowest bytes first.
pub(super) fn encode_index(index: &[u32], values: usize, output: &mut Output) -> io::Result<()> {
    for place in 0..planes(values) {
        let plane: Vec<u8> = index.iter().map(|at| (at >> (8 * place)) as u8).collect();
        output.stream(&plane)?;
    }
    Ok(())
}

/// Reads what [`encode_index`] wrote, of some rows; every number is below `values`. Where there is one value the list is empty: rows
/// that take no bytes take no memory.
pub(super) fn decode_index(
    input: &mut Input<'_>,
    rows: usize,
    values: usize,
    wanted: &Range<usize>,
) -> Option<Vec<u32>> {
    match values {
        0 => return (rows == 0).then(Vec::new),
        1 => return Some(Vec::new()),
        _ => {}
    }
    let mut index = vec![0u32; wanted.len()];
    for place in 0..planes(values) {
        let plane = input.stream()?;
        if plane.len() != rows {
            return None;
        }
        let plane = plane.get(wanted.clone())?;
        index.iter_mut().zip(plane).for_each(|(at, &byte)| *at |= u32::from(byte) << (8 * place));
    }
    index.iter().all(|&at| (at as usize) < values).then_some(index)
}

/// How many bytes tell one of so many values apart.
fn planes(values: usize) -> u32 {
    match values {
        0..=1 => 0,
        _ => ((values - 1).ilog2() / 8) + 1,
    }
}

pub(super) use number::encode as encode_numbers;

/// Reads so many numbers.
pub(super) fn decode_numbers(input: &mut Input<'_>, count: usize, alike: &[u32]) -> Option<Vec<i64>> {
    Some(number::decode(input, count, alike, &(0..count))?.1)
}

/// Writes the columns of some rows.
pub(super) fn encode(columns: &[Column<'_>], output: &mut Output) -> io::Result<()> {
    let guide = guide(columns);
    let first = guide.and_then(|at| columns.get(at));
    let twins = first.map(|column| column.values.alike()).unwrap_or_default();
    output.number(guide.map_or(0, |at| at as u64 + 1));
    if let Some(column) = first {
        encode_values(column, output)?;
    }
    for (at, column) in columns.iter().enumerate() {
        if guide != Some(at) {
            encode_column(column, &twins, output)?;
        }
    }
    Ok(())
}

fn encode_column(column: &Column<'_>, twins: &[u32], output: &mut Output) -> io::Result<()> {
    let values = &column.values;
    let mut best = output.another();
    if values.distinct.len() * 10 <= column.cells.len() * 9 || column.cells.len() < 2 {
        best.number(VALUES);
        encode_values(column, &mut best)?;
    } else {
        best.number(TEXTS);
        text::encode(&column.cells, &mut best)?;
    }
    if let Some(numbers) = column.numbers.as_ref().filter(|_| values.distinct.len() > 1) {
        let mut other = output.another();
        other.number(NUMBERS);
        number::encode(numbers, twins, &mut other)?;
        if other.len() < best.len() {
            best = other;
        }
    }
    output.append(&best);
    Ok(())
}

fn encode_values(column: &Column<'_>, output: &mut Output) -> io::Result<()> {
    let values = &column.values;
    output.number(values.distinct.len() as u64);
    match &column.numbers {
        Some(_) => {
            output.number(NUMBERS);
            let numbers: Vec<i64> = values.distinct.iter().filter_map(|cell| number::parse(cell)).collect();
            number::encode(&numbers, &[], output)?;
        }
        None => {
            output.number(TEXTS);
            text::encode(&values.distinct, output)?;
        }
    }
    encode_index(&values.index, values.distinct.len(), output)
}

/// The column that best says which rows are alike, so that their numbers are near each other.
fn guide(columns: &[Column<'_>]) -> Option<usize> {
    /// More are not tried.
    const MOST_TRIED: usize = 5;
    let numbers: Vec<&Vec<i64>> = columns.iter().filter_map(|column| column.numbers.as_ref()).collect();
    let mut guides: Vec<(usize, &Values<'_>)> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| {
            let count = column.distinct();
            !column.has_numbers() && count > 1 && count * 2 <= column.cells.len()
        })
        .map(|(at, column)| (at, &column.values))
        .collect();
    guides.sort_by_key(|(_, values)| std::cmp::Reverse(values.distinct.len()));
    let cost = |values: &Values<'_>| {
        let twins = values.alike();
        numbers.iter().map(|numbers| number::least_cost(numbers, &twins)).sum::<f64>()
    };
    let costs = guides.into_iter().take(MOST_TRIED).map(|(at, values)| (cost(values), at));
    costs.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, at)| at)
}

/// Columns as they were read.
pub(super) struct Decoded {
    columns: Vec<DecodedColumn>,
}

/// Of some rows; the first that is there has the number in front.
enum DecodedColumn {
    /// Different cells, each with its length in front, and which of them each row has.
    Values(usize, Texts, Vec<u32>),
    Texts(usize, Texts),
    Numbers(usize, Vec<i64>),
}

/// Reads so many columns of so many rows, no text column longer than `most` bytes. Only the rows that are wanted can be had of it
/// afterwards: of the others no more is read than those need.
pub(super) fn decode(
    input: &mut Input<'_>,
    columns: usize,
    rows: usize,
    most: usize,
    wanted: &Range<usize>,
) -> Option<Decoded> {
    let guide = input.count(columns)?.checked_sub(1);
    let mut guided = None;
    let mut twins = Vec::new();
    if guide.is_some() {
        // Which rows are alike is told from the first on.
        let (cells, index) = decode_values(input, rows, most, &(0..wanted.end))?;
        // A column of one value guides nobody.
        (cells.len() > 1).then_some(())?;
        twins = alike(&index, cells.len());
        guided = Some(DecodedColumn::Values(0, cells, index));
    }
    let mut decoded = Vec::with_capacity(columns);
    for at in 0..columns {
        decoded.push(if guide == Some(at) {
            guided.take()?
        } else {
            match input.number()? {
                VALUES => {
                    let (cells, index) = decode_values(input, rows, most, wanted)?;
                    DecodedColumn::Values(wanted.start, cells, index)
                }
                TEXTS => {
                    let (first, texts) = text::decode(input, rows, most, wanted)?;
                    DecodedColumn::Texts(first, texts)
                }
                NUMBERS => {
                    let (first, numbers) = number::decode(input, rows, &twins, wanted)?;
                    DecodedColumn::Numbers(first, numbers)
                }
                _ => return None,
            }
        });
    }
    Some(Decoded { columns: decoded })
}

fn decode_values(
    input: &mut Input<'_>,
    rows: usize,
    most: usize,
    wanted: &Range<usize>,
) -> Option<(Texts, Vec<u32>)> {
    let count = input.count(rows)?;
    let texts = match input.number()? {
        NUMBERS => {
            let mut texts = Texts::default();
            for number in decode_numbers(input, count, &[])? {
                texts.push_with(|text| number::write(number, text))?;
            }
            texts
        }
        TEXTS => text::decode(input, count, most, &(0..count))?.1,
        _ => return None,
    };
    let index = decode_index(input, rows, count, wanted)?;
    let mut cells = Texts::default();
    for at in 0..texts.len() {
        cells.push_with(|cell| push_cell(cell, texts.get(at).unwrap_or_default()))?;
    }
    Some((cells, index))
}

impl Decoded {
    /// Appends the cells of a row, each with its length in front; `None` where the columns are too short for it.
    pub(super) fn push_row(&self, row: usize, scratch: &mut Vec<u8>, cells: &mut Vec<u8>) -> Option<()> {
        for column in &self.columns {
            match column {
                DecodedColumn::Values(first, values, index) => {
                    let at =
                        if values.len() == 1 { 0 } else { *index.get(row.checked_sub(*first)?)? as usize };
                    cells.extend_from_slice(values.get(at)?);
                }
                DecodedColumn::Texts(first, texts) => push_cell(cells, texts.get(row.checked_sub(*first)?)?),
                DecodedColumn::Numbers(first, numbers) => {
                    scratch.clear();
                    number::write(*numbers.get(row.checked_sub(*first)?)?, scratch);
                    push_cell(cells, scratch);
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::codec::Squeezer;
    use crate::row::Cells;
    use proptest::prelude::*;

    fn there_and_back(rows: &[Vec<Vec<u8>>]) {
        let width = rows.first().map_or(0, Vec::len);
        let columns: Vec<Column<'_>> =
            (0..width).map(|at| Column::new(rows.iter().map(|row| &row[at][..]).collect())).collect();
        let mut output = Output::new(&Squeezer::new().unwrap());
        encode(&columns, &mut output).unwrap();
        let packed = output.packed();
        let all = 0..rows.len();
        // Of some rows as of all of them.
        for wanted in [all.clone(), 0..1, all.end / 3..all.end / 2, all.end - 1..all.end, 0..0] {
            let mut input = Input::new(&packed.bytes, packed.unpacked as u32);
            let decoded = decode(&mut input, width, rows.len(), 1 << 20, &wanted).unwrap();
            assert!(input.is_at_end());
            for (at, row) in rows.iter().enumerate().filter(|(at, _)| wanted.contains(at)) {
                let mut cells = Vec::new();
                decoded.push_row(at, &mut Vec::new(), &mut cells).unwrap();
                let cells: Vec<Vec<u8>> = Cells::over(&cells).map(|cell| cell.to_vec()).collect();
                assert_eq!(cells, *row);
            }
        }
    }

    fn cell() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "[a-c]{0,3}".prop_map(String::into_bytes),
            (0..400i64).prop_map(|number| number.to_string().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..12),
            any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        ]
    }

    proptest! {
        #[test]
        fn rows_come_back(
            width in 1usize..5,
            cells in proptest::collection::vec(cell(), 5..400),
            alike in any::<bool>(),
        ) {
            // Also columns of one kind, in which values come again and again.
            let mut rows: Vec<Vec<Vec<u8>>> =
                cells.chunks_exact(width).map(<[Vec<u8>]>::to_vec).collect();
            if alike {
                for (at, row) in rows.iter_mut().enumerate() {
                    row[0] = format!("kind {}", at % 3).into_bytes();
                    if let Some(cell) = row.get_mut(1) {
                        *cell = (at * 17 % 50 + 1000).to_string().into_bytes();
                    }
                }
            }
            there_and_back(&rows);
        }
    }

    /// Whether something that was put together by hand is read.
    fn is_read<T>(write: impl FnOnce(&mut Output), read: impl FnOnce(&mut Input<'_>) -> Option<T>) -> bool {
        let mut output = Output::new(&Squeezer::new().unwrap());
        write(&mut output);
        let packed = output.packed();
        read(&mut Input::new(&packed.bytes, packed.unpacked as u32)).is_some()
    }

    #[test]
    fn what_no_writer_writes_is_refused() {
        let hex = |count: usize| {
            let write = |output: &mut Output| {
                [1, 4].into_iter().for_each(|number| output.number(number));
                output.stream(&[0xab; 12]).unwrap();
            };
            is_read(write, |input| text::decode(input, count, 1 << 20, &(0..count)))
        };
        assert!(hex(3) && !hex(2) && !hex(4), "digests that are left, or missing");
        let front = |count: usize| {
            let write = |output: &mut Output| text::encode(&[b"one", b"only", b"other"], output).unwrap();
            is_read(write, |input| text::decode(input, count, 1 << 20, &(0..count)))
        };
        assert!(front(3) && !front(2) && !front(4), "texts that are left, or missing");
        let numbers = |lengths: &[u8], bits: &[u8]| {
            let write = |output: &mut Output| {
                [0, 0].into_iter().for_each(|number| output.number(number));
                [lengths, bits].into_iter().for_each(|bytes| output.stream(bytes).unwrap());
            };
            is_read(write, |input| decode_numbers(input, 2, &[]))
        };
        assert!(numbers(&[1, 3], &[0b11]) && numbers(&[0, 1], &[]));
        assert!(!numbers(&[1, 3], &[0b111]) && !numbers(&[1, 3], &[0b11, 0]), "bits that are left");
        assert!(
            !numbers(&[1, 10], &[0b11]) && !numbers(&[1, 65], &[0; 9]),
            "bits that are missing, or too many"
        );
        assert!(!numbers(&[1, 1, 1], &[]) && !numbers(&[1], &[]), "numbers that are left, or missing");
        let index = |plane: &[u8]| {
            is_read(|output| output.stream(plane).unwrap(), |input| decode_index(input, 3, 2, &(0..3)))
        };
        assert!(index(&[0, 1, 0]) && !index(&[0, 2, 0]), "a value that there is not");
        assert!(!index(&[0, 1]) && !index(&[0, 1, 0, 0]), "rows that are left, or missing");
        let guided = |cells: &[&'static [u8]]| {
            let column = || Column::new(cells.to_vec());
            let write = |output: &mut Output| {
                output.number(1);
                encode_values(&column(), output).unwrap();
            };
            is_read(write, |input| decode(input, 1, cells.len(), 1 << 20, &(0..cells.len())))
        };
        assert!(guided(&[b"a", b"b"]) && !guided(&[b"a", b"a"]), "a guide that tells nothing apart");
    }

    #[test]
    fn many_different_values_have_indexes_of_several_bytes() {
        let rows: Vec<Vec<Vec<u8>>> = (0..1500u32)
            .map(|n| vec![format!("value {}", n * 7 % 700).into_bytes(), b"same".to_vec()])
            .collect();
        there_and_back(&rows);
        assert_eq!([planes(1), planes(2), planes(256), planes(257), planes(65_537)], [0, 1, 1, 2, 3]);
    }
}
