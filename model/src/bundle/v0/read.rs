//! Reads a bundle of format 0.1. Every frame is checked before anything in it is believed.

use super::super::frame::PREAMBLE;
use super::super::read::pack_of;
use super::super::wire::{ColumnNames, EndPayload};
use super::super::{Bundle, BundleError, Ending, codec};
use super::frame::{Frame, FrameKind, FrameReader};
use super::wire::{HostPayload, NewRows, QueryPayload, SweepPayload};
use crate::name::ColumnName;
use crate::outcome::{
    HostOutcome, HostOutcomeKind, Phase, QueryFailure, QueryFailureKind, QueryOutcome, RowSet, Unread,
};
use crate::row::{Columns, cells_len};
use crate::rowtable::{RowId, RowTable, ShapeId};
use crate::snapshot::Snapshot;
use crate::sweep::{SweepFacts, UnixMillis};
use std::io::Read;

/// Reads what follows the preamble.
pub(in super::super) fn read(preamble: &[u8], source: impl Read) -> Result<Bundle, BundleError> {
    match read_some(preamble, source)? {
        (bundle, None) => Ok(bundle),
        (_, Some(damage)) => Err(damage),
    }
}

/// Reads as far as the file is intact, and what stopped it.
pub(in super::super) fn read_prefix(
    source: &mut impl Read,
) -> Result<(Bundle, Option<BundleError>), BundleError> {
    let mut preamble = Vec::new();
    source.by_ref().take(PREAMBLE as u64).read_to_end(&mut preamble)?;
    read_some(&preamble, source)
}

fn read_some(preamble: &[u8], source: impl Read) -> Result<(Bundle, Option<BundleError>), BundleError> {
    let mut frames = FrameReader::after(preamble, source);
    let mut bundle = match frames.next()? {
        Some(frame) if frame.kind == FrameKind::Sweep => start(&frame)?,
        Some(frame) => return Err(frame.damaged("the first frame is not the one that says what was swept")),
        None => {
            let why = "the file ends before it says what was swept".into();
            return Err(BundleError::Damaged { frame: 0, offset: frames.offset(), why });
        }
    };
    let mut next = |bundle: &mut Bundle| {
        let Some(frame) = frames.next()? else { return Ok(false) };
        bundle.ending = match frame.kind {
            FrameKind::Sweep => return Err(frame.damaged("a second sweep starts within it")),
            FrameKind::Host => {
                let snapshot = host(&frame, &mut bundle.tables)?;
                bundle.snapshots.push(snapshot);
                Ending::Open { offset: 0 }
            }
            FrameKind::End => end(&frame, bundle.snapshots.len())?,
        };
        Ok(true)
    };
    let damage = loop {
        match next(&mut bundle) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(damage) => break Some(damage),
        }
    };
    // What follows the last whole frame was cut off.
    if let Ending::Open { offset } = &mut bundle.ending {
        *offset = frames.offset();
    }
    Ok((bundle, damage))
}

fn payload<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, BundleError> {
    codec::unpack(&frame.payload, frame.unpacked).map_err(|why| frame.damaged(why))
}

fn start(frame: &Frame) -> Result<Bundle, BundleError> {
    let payload: SweepPayload = payload(frame)?;
    let pack = pack_of(&payload.pack, &payload.queries);
    let pack = pack.ok_or_else(|| frame.damaged("two of its queries have one name"))?;
    Ok(Bundle {
        tables: vec![RowTable::default(); payload.queries.len()],
        facts: SweepFacts {
            tool: payload.tool,
            started: UnixMillis(payload.started_ms),
            operator: payload.operator,
            transport: payload.transport,
            inventory: payload.inventory,
            targets: payload.targets,
        },
        pack,
        snapshots: Vec::new(),
        ending: Ending::Open { offset: 0 },
        parts: Vec::new(),
    })
}

fn end(frame: &Frame, hosts: usize) -> Result<Ending, BundleError> {
    let end: EndPayload = payload(frame)?;
    let counted = end.hosts;
    if counted != hosts as u64 {
        return Err(frame.damaged(format!("it ends with {counted} hosts, and {hosts} are in it")));
    }
    Ok(Ending::Whole { end: end.into(), seal: frame.digest })
}

fn host(frame: &Frame, tables: &mut [RowTable]) -> Result<Snapshot, BundleError> {
    let payload: HostPayload = payload(frame)?;
    if payload.queries.len() != tables.len() {
        return Err(frame.damaged("it does not have one outcome for each query"));
    }
    let queries = tables.iter_mut().zip(payload.queries);
    let queries = queries.map(|(table, query)| outcome(table, query)).collect::<Option<_>>();
    let unknown = || frame.damaged("it has an outcome that is not known");
    let phase = payload.phase.map(|number| Phase::from_number(number).ok_or_else(unknown)).transpose()?;
    Ok(Snapshot {
        host: payload.host.into(),
        herd: payload.herd.into(),
        outcome: HostOutcome {
            kind: HostOutcomeKind::from_number(payload.outcome).ok_or_else(unknown)?,
            phase,
            detail: payload.detail,
        },
        receipt: payload.receipt.into(),
        queries: queries.ok_or_else(|| frame.damaged("its rows do not fit together"))?,
        part: 0,
    })
}

fn outcome(table: &mut RowTable, query: QueryPayload) -> Option<QueryOutcome> {
    match query {
        QueryPayload::Failed { kind, detail } => {
            Some(QueryOutcome::Failed(QueryFailure { kind: QueryFailureKind::from_number(kind)?, detail }))
        }
        QueryPayload::Rows { new, ids, unread, cut } => {
            append(table, new)?;
            let mut last = 0u32;
            let number = |distance: u32| {
                last = last.checked_add(distance)?;
                ((last as usize) < table.len()).then_some(RowId(last))
            };
            let ids = ids.into_iter().map(number).collect::<Option<_>>()?;
            let unread = unread.into_iter().map(|(what, why, count)| Unread { what, why, count }).collect();
            Some(QueryOutcome::Rows(RowSet { ids, unread, cut }))
        }
    }
}

fn append(table: &mut RowTable, new: NewRows) -> Option<()> {
    for ColumnNames(names) in new.shapes {
        let count = names.len();
        let columns = Columns::new(names.into_iter().map(ColumnName::from));
        (columns.len() == count).then(|| table.append_shape(columns))?;
    }
    let mut cells = new.cells.as_slice();
    for (shape, count) in new.runs {
        let width = table.shapes().get(shape as usize)?.len();
        for _ in 0..count {
            // A row without columns takes no bytes: only one can be told from nothing.
            let (row, rest) =
                cells.split_at_checked(cells_len(cells, width).filter(|&length| length > 0)?)?;
            table.append_encoded(ShapeId(shape), row);
            cells = rest;
        }
    }
    cells.is_empty().then_some(())
}
