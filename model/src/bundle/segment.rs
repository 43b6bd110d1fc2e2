//! Reads segments of a sealed bundle: the rows of one query that many hosts have, or the other rows of a group of hosts.

use super::column::{self, Decoded, Input, MOST_ROWS};
use super::frame::Frame;
use super::{block, codec};
use crate::name::ColumnName;
use crate::row::Columns;
use crate::rowtable::ShapeId;
use std::ops::Range;

/// No query has more lists of columns.
const MOST_SHAPES: usize = 4096;

/// What a segment is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) query: u32,
    /// The number of its first host in the bundle.
    pub(super) first: u32,
    pub(super) hosts: u32,
}

impl About {
    pub(super) fn range(self) -> Range<u32> {
        self.first..self.first.saturating_add(self.hosts)
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let mut number = || u32::try_from(input.number()?).ok();
        let about = Self { query: number()?, first: number()?, hosts: number()? };
        (about.hosts as usize <= block::MOST_HOSTS && about.first.checked_add(about.hosts).is_some())
            .then_some(about)
    }

    /// What a frame of rows says that it is about.
    pub(super) fn of(frame: &Frame) -> Option<Self> {
        Self::read(&mut Input::new(&frame.payload, frame.unpacked))
    }
}

/// Rows with one list of columns.
pub(super) struct Part {
    pub(super) shape: ShapeId,
    /// How many rows each host has.
    counts: Vec<u32>,
    rows: Decoded,
}

impl Part {
    fn len(&self) -> usize {
        self.counts.iter().map(|&count| count as usize).sum()
    }
}

/// Reads the parts of a segment, and of its rows those of some of its hosts.
fn parts(input: &mut Input<'_>, shapes: &[Columns], hosts: usize, wanted: &Range<u32>) -> Option<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    while let Some(number) = input.number()?.checked_sub(1) {
        let shape = block::shape(number)?;
        // Each at most once.
        parts.last().is_none_or(|last| last.shape < shape).then_some(())?;
        let rows = input.count(MOST_ROWS)?;
        let counts = if hosts == 1 {
            vec![u32::try_from(rows).ok()?]
        } else {
            let counts = column::decode_numbers(input, hosts, &[])?;
            counts.into_iter().map(|count| u32::try_from(count).ok()).collect::<Option<Vec<_>>>()?
        };
        let width = shapes.get(shape.0 as usize)?.len();
        let before =
            |host: u32| -> usize { counts.iter().take(host as usize).map(|&count| count as usize).sum() };
        let all = before(u32::MAX);
        (all == rows && width > 0 && rows > 0).then_some(())?;
        let wanted = before(wanted.start)..before(wanted.end);
        let rows = column::decode(input, width, rows, codec::MAX_PAYLOAD, &wanted)?;
        parts.push(Part { shape, counts, rows });
    }
    Some(parts)
}

/// Rows of one query that many hosts have.
pub(super) struct Common {
    pub(super) about: About,
    pub(super) shapes: Vec<Columns>,
    parts: Vec<Part>,
    patterns: Vec<Pattern>,
    /// Of each row, which pattern.
    index: Vec<u32>,
}

/// Some of the hosts of a block.
struct Pattern {
    /// Whether those are listed who are not in it.
    inverted: bool,
    listed: Vec<u32>,
}

impl Common {
    /// `None` where it is not what a writer writes.
    pub(super) fn read(frame: &Frame) -> Option<Self> {
        let mut input = Input::new(&frame.payload, frame.unpacked);
        let about = About::read(&mut input)?;
        let shapes = shapes(&mut input)?;
        let parts = parts(&mut input, &shapes, 1, &(0..1))?;
        let rows = parts.iter().map(Part::len).sum();
        let patterns = patterns(&mut input, about.hosts, rows)?;
        let index = column::decode_index(&mut input, rows, patterns.len(), &(0..rows))?;
        input.is_at_end().then_some(Self { about, shapes, parts, patterns, index })
    }

    /// Calls `take` with every row and `give` with each host (counted within the block) that has it.
    pub(super) fn all<Id: Copy>(
        &self,
        mut take: impl FnMut(ShapeId, &[u8]) -> Option<Id>,
        mut give: impl FnMut(u32, Id) -> Option<()>,
    ) -> Option<()> {
        self.rows(
            |_| true,
            |pattern, shape, cells| {
                let id = take(shape, cells)?;
                pattern.each(self.about.hosts, |host| give(host, id))
            },
        )
    }

    /// Calls `take` with every row that one host has, counted within the block.
    pub(super) fn of_host(
        &self,
        host: u32,
        mut take: impl FnMut(ShapeId, &[u8]) -> Option<()>,
    ) -> Option<()> {
        let holds: Vec<bool> = self.patterns.iter().map(|pattern| pattern.has(host)).collect();
        self.rows(|at| holds.get(at).copied().unwrap_or(false), |_, shape, cells| take(shape, cells))
    }

    fn rows(
        &self,
        wanted: impl Fn(usize) -> bool,
        mut take: impl FnMut(&Pattern, ShapeId, &[u8]) -> Option<()>,
    ) -> Option<()> {
        let (mut cells, mut scratch) = (Vec::new(), Vec::new());
        let mut number = 0;
        for part in &self.parts {
            for row in 0..part.len() {
                // Where there is one pattern there is no index.
                let at = self.index.get(number).map_or(0, |&at| at as usize);
                number += 1;
                if wanted(at) {
                    cells.clear();
                    part.rows.push_row(row, &mut scratch, &mut cells)?;
                    take(self.patterns.get(at)?, part.shape, &cells)?;
                }
            }
        }
        Some(())
    }
}

impl Pattern {
    fn has(&self, host: u32) -> bool {
        self.listed.binary_search(&host).is_ok() != self.inverted
    }

    fn each(&self, hosts: u32, mut give: impl FnMut(u32) -> Option<()>) -> Option<()> {
        if !self.inverted {
            return self.listed.iter().try_for_each(|&host| give(host));
        }
        let mut without = self.listed.iter().copied().peekable();
        (0..hosts)
            .try_for_each(|host| if without.next_if_eq(&host).is_some() { Some(()) } else { give(host) })
    }
}

fn shapes(input: &mut Input<'_>) -> Option<Vec<Columns>> {
    let count = input.count(MOST_SHAPES)?;
    let names = input.stream()?;
    let mut names = Input::new(&names, 0);
    let mut shapes = Vec::new();
    for _ in 0..count {
        let mut columns: Vec<ColumnName> = Vec::new();
        for _ in 0..names.count(4096)? {
            let length = names.count(codec::MAX_PAYLOAD)?;
            let name: ColumnName = std::str::from_utf8(names.raw(length)?).ok()?.into();
            columns.last().is_none_or(|last| *last < name).then_some(())?;
            columns.push(name);
        }
        shapes.push(Columns::new(columns));
    }
    names.is_at_end().then_some(shapes)
}

fn patterns(input: &mut Input<'_>, hosts: u32, rows: usize) -> Option<Vec<Pattern>> {
    let count = input.count(rows)?;
    let counts = input.stream()?;
    let all = input.count(MOST_ROWS)?;
    let mut gaps = column::decode_numbers(input, all, &[])?.into_iter();
    let mut counts = Input::new(&counts, 0);
    let mut patterns = Vec::new();
    for _ in 0..count {
        let number = counts.number()?;
        let mut next = 0u32;
        let mut listed = Vec::new();
        for _ in 0..number >> 1 {
            let host = next.checked_add(u32::try_from(gaps.next()?).ok()?).filter(|&host| host < hosts)?;
            listed.push(host);
            next = host + 1;
        }
        patterns.push(Pattern { inverted: number & 1 == 1, listed });
    }
    (gaps.next().is_none() && counts.is_at_end()).then_some(patterns)
}

/// The rows of one query that few hosts have, of a group of hosts.
pub(super) struct Own {
    pub(super) about: About,
    /// Those whose rows were read, counted within the group.
    wanted: Range<u32>,
    parts: Vec<Part>,
}

impl Own {
    /// `None` where it is not what a writer writes. The lists of columns stand in the common rows of the block.
    pub(super) fn read(frame: &Frame, shapes: &[Columns]) -> Option<Self> {
        Self::of_hosts(frame, shapes, |about| Some(0..about.hosts))
    }

    /// The same of one host, by its number in the bundle.
    pub(super) fn of_host(frame: &Frame, shapes: &[Columns], host: u32) -> Option<Self> {
        Self::of_hosts(frame, shapes, |about| {
            let at = host.checked_sub(about.first).filter(|&at| at < about.hosts)?;
            Some(at..at + 1)
        })
    }

    fn of_hosts(
        frame: &Frame,
        shapes: &[Columns],
        wanted: impl FnOnce(About) -> Option<Range<u32>>,
    ) -> Option<Self> {
        let mut input = Input::new(&frame.payload, frame.unpacked);
        let about = About::read(&mut input)?;
        let wanted = wanted(about)?;
        let parts = parts(&mut input, shapes, about.hosts as usize, &wanted)?;
        input.is_at_end().then_some(Self { about, wanted, parts })
    }

    /// Calls `take` with every row that was read, and the host, counted within the group.
    pub(super) fn rows(&self, mut take: impl FnMut(u32, ShapeId, &[u8]) -> Option<()>) -> Option<()> {
        let (mut cells, mut scratch) = (Vec::new(), Vec::new());
        for part in &self.parts {
            let mut row = 0;
            for (host, &count) in (0u32..).zip(&part.counts) {
                let next = row + count as usize;
                if self.wanted.contains(&host) {
                    for row in row..next {
                        cells.clear();
                        part.rows.push_row(row, &mut scratch, &mut cells)?;
                        take(host, part.shape, &cells)?;
                    }
                }
                row = next;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::Squeezer;
    use super::super::column::Output;
    use super::*;

    /// Lists of hosts as a file holds them, with gaps that need not be what a writer writes.
    fn read(hosts: u32, rows: usize, counts: &[u64], gaps: &[i64]) -> Option<Vec<Pattern>> {
        let mut output = Output::new(&Squeezer::new().unwrap());
        output.number(counts.len() as u64);
        let mut numbers = output.another();
        counts.iter().for_each(|&count| numbers.number(count));
        output.stream(&numbers.into_bytes()).unwrap();
        output.number(gaps.len() as u64);
        column::encode_numbers(gaps, &[], &mut output).unwrap();
        let packed = output.packed();
        patterns(&mut Input::new(&packed.bytes, packed.unpacked as u32), hosts, rows)
    }

    #[test]
    fn hosts_of_patterns_are_hosts_of_the_block_and_no_gap_is_left() {
        // Hosts 0 and 2 of three; all but host 1.
        let told = read(3, 2, &[2 << 1, 1 << 1 | 1], &[0, 1, 1]).unwrap();
        let of = |pattern: &Pattern| (0..3).filter(|&host| pattern.has(host)).collect::<Vec<_>>();
        assert_eq!(told.iter().map(of).collect::<Vec<_>>(), [[0, 2], [0, 2]]);
        assert!(read(2, 2, &[2 << 1], &[0, 1]).is_none(), "a host that is not in the block");
        assert!(read(3, 2, &[2 << 1], &[0, 1, 0]).is_none(), "a gap that is of nobody");
        assert!(read(3, 2, &[2 << 1], &[0]).is_none(), "a gap that is missing");
        assert!(read(3, 2, &[1 << 1], &[-1]).is_none(), "backwards");
        assert!(read(3, 1, &[0, 0], &[]).is_none(), "more patterns than rows");
    }

    #[test]
    fn a_segment_is_about_hosts_that_there_can_be() {
        let about = |first: u64, hosts: u64| {
            let mut output = Output::new(&Squeezer::new().unwrap());
            [7, first, hosts].into_iter().for_each(|number| output.number(number));
            let bytes = output.into_bytes();
            About::read(&mut Input::new(&bytes, 0)).map(|about| about.range())
        };
        let most = block::MOST_HOSTS as u64;
        assert_eq!(about(3, most), Some(3..3 + most as u32));
        assert_eq!(about(3, most + 1), None);
        assert_eq!(about(u64::from(u32::MAX), 0), Some(u32::MAX..u32::MAX));
        assert_eq!(about(u64::from(u32::MAX), 1), None);
        assert_eq!(about(u64::from(u32::MAX) + 1, 0), None);
    }

    #[test]
    fn lists_of_columns_come_in_order_and_each_once() {
        let columns = |name: &str| Columns::new([ColumnName::from(name)]);
        let shapes = [columns("a"), columns("b")];
        let read = |order: &[u64]| {
            let mut output = Output::new(&Squeezer::new().unwrap());
            for shape in order {
                output.number(shape + 1);
                output.number(1);
                column::encode(&[column::Column::new(vec![b"x"])], &mut output).unwrap();
            }
            output.number(0);
            let packed = output.packed();
            let mut input = Input::new(&packed.bytes, packed.unpacked as u32);
            parts(&mut input, &shapes, 1, &(0..1)).map(|parts| parts.len())
        };
        assert_eq!((read(&[]), read(&[1]), read(&[0, 1])), (Some(0), Some(1), Some(2)));
        assert_eq!((read(&[1, 0]), read(&[0, 0]), read(&[0, 2])), (None, None, None));
    }
}
