//! From the frames of a sealed bundle to rows: of everything, of one host, of one query.

use super::frame::{Frame, FrameKind};
use super::segment::{Common, Own};
use super::wire::HostPayload;
use super::{BundleError, read};
use crate::row::{Columns, RowBatch};
use crate::rowtable::{RowId, RowTable};
use crate::visit::{Answer, Visit};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many bytes of rows may still be made of a file: a few bytes can stand for very many.
pub(super) struct Budget(AtomicU64);

impl Budget {
    /// A sweep is rarely a hundredth of what it says.
    pub(super) fn of_file(length: u64) -> Self {
        Self::of((1 << 28) + length.saturating_mul(2048))
    }

    pub(super) fn of(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// For one of those who draw on it.
    fn share(&self) -> Share<'_> {
        Share { budget: self, left: 0 }
    }
}

/// What one has drawn of a budget and not used yet.
struct Share<'a> {
    budget: &'a Budget,
    left: u64,
}

impl Share<'_> {
    fn take(&mut self, bytes: usize) -> Option<()> {
        let bytes = bytes as u64;
        if self.left < bytes {
            let draw = bytes.max(1 << 20);
            let all = &self.budget.0;
            all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(draw)).ok()?;
            self.left += draw;
        }
        self.left -= bytes;
        Some(())
    }
}

/// The rows of one query: each once, and for each host which it has.
pub(super) struct QueryRows {
    pub(super) table: RowTable,
    pub(super) ids: Vec<Vec<RowId>>,
}

fn unfit(frame: &Frame) -> BundleError {
    frame.damaged("its rows do not fit together")
}

/// Reads the segments of one query, in the order of the file.
pub(super) fn query<'a>(
    frames: impl IntoIterator<Item = &'a Frame>,
    hosts: usize,
    budget: &Budget,
) -> Result<QueryRows, BundleError> {
    let (mut budget, mut budget_of_ids) = (budget.share(), budget.share());
    let mut table = RowTable::default();
    let mut ids: Vec<Vec<RowId>> = vec![Vec::new(); hosts];
    let mut block = Vec::new();
    let mut own_shapes = Vec::new();
    let mut of_block = 0..0;
    for frame in frames {
        let read = match frame.kind {
            FrameKind::Common => Common::read(frame).and_then(|common| {
                let shapes: Vec<_> =
                    common.shapes.iter().map(|columns| table.intern_shape(columns)).collect();
                let first = common.about.first;
                common.all(
                    |shape, cells| {
                        budget.take(cells.len())?;
                        Some(table.intern_row(*shapes.get(shape.0 as usize)?, cells))
                    },
                    |host, id| {
                        budget_of_ids.take(size_of::<RowId>())?;
                        ids.get_mut((first + host) as usize)?.push(id);
                        Some(())
                    },
                )?;
                of_block = common.about.range();
                (block, own_shapes) = (common.shapes, shapes);
                Some(())
            }),
            FrameKind::Own => Own::read(frame, &block).and_then(|own| {
                let about = own.about.range();
                (of_block.contains(&about.start) && about.end <= of_block.end).then_some(())?;
                own.rows(|host, shape, cells| {
                    budget.take(cells.len() + size_of::<RowId>())?;
                    let id = table.intern_row(*own_shapes.get(shape.0 as usize)?, cells);
                    ids.get_mut((own.about.first + host) as usize)?.push(id);
                    Some(())
                })
            }),
            _ => None,
        };
        read.ok_or_else(|| unfit(frame))?;
    }
    for ids in ids.iter_mut().filter(|ids| !ids.is_sorted()) {
        ids.sort_unstable();
    }
    Ok(QueryRows { table, ids })
}

/// All queries, several at a time. `frames` are the segments of each, in the order of the file.
pub(super) fn queries(
    frames: &[Vec<Frame>],
    hosts: usize,
    budget: &Budget,
) -> Result<Vec<QueryRows>, BundleError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((number, frames)) = next_of(frames, &next) {
            done.push((number, query(frames, hosts, budget)?));
        }
        Ok::<_, BundleError>(done)
    };
    let done: Result<Vec<_>, BundleError> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work()?;
        for other in others {
            // A thread that is gone has panicked, and so would this one.
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(done)
    });
    let mut done = done?;
    done.sort_by_key(|&(number, _)| number);
    Ok(done.into_iter().map(|(_, rows)| rows).collect())
}

/// More do not help: one query is a large part of all.
const MOST_THREADS: usize = 4;

fn next_of<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    items.get(number).map(|item| (number, item))
}

/// Some hosts without their rows, with the number of the first.
pub(super) fn hosts(frame: &Frame, queries: usize) -> Result<(u32, Vec<HostPayload>), BundleError> {
    let (first, hosts): (u32, Vec<HostPayload>) = read::payload(frame)?;
    if hosts.iter().any(|host| host.queries.len() != queries) {
        return Err(frame.damaged("a host in it does not have one outcome for each query"));
    }
    Ok((first, hosts))
}

/// Gives a visit the rows of one host: `frames` are all segments that are about it.
pub(super) fn fill<'a>(
    visit: &mut Visit,
    host: u32,
    frames: impl IntoIterator<Item = &'a Frame>,
    budget: &Budget,
) -> Result<(), BundleError> {
    let mut budget = budget.share();
    let mut shapes: BTreeMap<u32, Vec<Columns>> = BTreeMap::new();
    for frame in frames {
        fill_one(visit, host, frame, &mut shapes, &mut budget).ok_or_else(|| unfit(frame))?;
    }
    Ok(())
}

fn fill_one(
    visit: &mut Visit,
    host: u32,
    frame: &Frame,
    shapes: &mut BTreeMap<u32, Vec<Columns>>,
    budget: &mut Share<'_>,
) -> Option<()> {
    let mut rows: BTreeMap<u32, RowBatch> = BTreeMap::new();
    let mut take = |columns: Option<&Columns>, shape: u32, cells: &[u8]| {
        budget.take(cells.len())?;
        let columns = columns?;
        rows.entry(shape).or_insert_with(|| RowBatch::of_columns(columns.clone())).push_encoded(cells);
        Some(())
    };
    let query = match frame.kind {
        FrameKind::Common => {
            let common = Common::read(frame)?;
            let about = common.about;
            common.of_host(host.checked_sub(about.first)?, |shape, cells| {
                take(common.shapes.get(shape.0 as usize), shape.0, cells)
            })?;
            shapes.insert(about.query, common.shapes);
            about.query
        }
        FrameKind::Own => {
            let about = super::segment::About::of(frame)?;
            let shapes = shapes.get(&about.query)?;
            Own::of_host(frame, shapes, host)?
                .rows(|_, shape, cells| take(shapes.get(shape.0 as usize), shape.0, cells))?;
            about.query
        }
        _ => return None,
    };
    match visit.answers.get_mut(query as usize)? {
        Answer::Rows { batches, .. } => batches.extend(rows.into_values()),
        // A query without rows has none.
        Answer::Failed(_) => rows.is_empty().then_some(())?,
    }
    Some(())
}
