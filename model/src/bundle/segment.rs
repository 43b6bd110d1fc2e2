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

/// Reads the parts of a segment.
fn parts(input: &mut Input<'_>, shapes: &[Columns], hosts: usize) -> Option<Vec<Part>> {
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
        let decoded = column::decode(input, width, rows, codec::MAX_PAYLOAD)?;
        let part = Part { shape, counts, rows: decoded };
        (part.len() == rows && width > 0 && rows > 0).then_some(())?;
        parts.push(part);
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
        let parts = parts(&mut input, &shapes, 1)?;
        let rows = parts.iter().map(Part::len).sum();
        let patterns = patterns(&mut input, about.hosts, rows)?;
        let index = column::decode_index(&mut input, rows, patterns.len())?;
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
    parts: Vec<Part>,
}

impl Own {
    /// `None` where it is not what a writer writes. The lists of columns stand in the common rows of the block.
    pub(super) fn read(frame: &Frame, shapes: &[Columns]) -> Option<Self> {
        let mut input = Input::new(&frame.payload, frame.unpacked);
        let about = About::read(&mut input)?;
        let parts = parts(&mut input, shapes, about.hosts as usize)?;
        input.is_at_end().then_some(Self { about, parts })
    }

    /// Calls `take` with every row of some of its hosts, and the host, counted within the group.
    pub(super) fn rows(
        &self,
        hosts: Range<u32>,
        mut take: impl FnMut(u32, ShapeId, &[u8]) -> Option<()>,
    ) -> Option<()> {
        let (mut cells, mut scratch) = (Vec::new(), Vec::new());
        for part in &self.parts {
            let mut row = 0;
            for (host, &count) in (0u32..).zip(&part.counts) {
                let next = row + count as usize;
                if hosts.contains(&host) {
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
