//! One host of a sweep, from its turn to its visit.

use super::payload::{self, Header, Printed};
use super::{Context, script};
use crate::session::Place;
use herdiff_collector::delivery;
use herdiff_collector::inventory::Target;
use herdiff_collector::sweep::{Event, TargetId};
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind as Kind, Phase};
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::UnixMillis;
use herdiff_model::visit::Visit;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// A host that is being visited.
#[derive(Debug)]
pub(super) struct Host {
    id: TargetId,
    target: Target,
    clock: Instant,
    receipt: Receipt,
    header: Option<Header>,
    packed: Vec<u8>,
    removed: Option<bool>,
}

/// What is to be done about a host next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Everything is here.
    Read,
    /// The piece of that number is missing.
    Piece(usize),
    /// It is too much for pieces.
    Upload,
}

impl Host {
    pub(super) fn new(place: &Place, id: TargetId, target: Target) -> Self {
        let address = format!("ssm:{place}/{}", target.host);
        let receipt = Receipt { address, ..Receipt::default() };
        Self { id, target, clock: Instant::now(), receipt, header: None, packed: Vec::new(), removed: None }
    }

    pub(super) fn instance(&self) -> &str {
        self.target.host.as_str()
    }

    /// What there is on the host.
    pub(super) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Its instance, where an answer may still lie that nobody will fetch.
    pub(super) fn may_keep_more(&self) -> Option<String> {
        (self.removed != Some(true)).then(|| self.instance().to_owned())
    }

    /// Its command is sent now, with so many bytes.
    pub(super) async fn start(&mut self, context: &Context, bytes: usize) {
        self.clock = Instant::now();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        self.receipt.started = UnixMillis(u64::try_from(since).unwrap_or_default());
        self.receipt.bytes_sent = bytes as u64;
        let _ = context.events.send(Event::Started(self.id)).await;
    }

    /// Takes in the output of the first command.
    pub(super) fn first(
        &mut self,
        context: &Context,
        stdout: &str,
        stderr: &str,
    ) -> Result<Next, HostOutcome> {
        let printed = payload::read(stdout, context.script.limits().total_bytes).map_err(malformed)?;
        self.removed = printed.removed;
        if let Some(fault) = printed.fault {
            return Err(faulty(&fault));
        }
        let Some(header) = printed.header else {
            let tail: String =
                stderr.trim().chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
            return Err(malformed(format!("the command printed no answer; it said {tail:?}")));
        };
        self.header = Some(header);
        self.packed = printed.data;
        Ok(self.next(context))
    }

    /// Takes in a further piece.
    pub(super) fn piece(&mut self, context: &Context, stdout: &str) -> Result<Next, HostOutcome> {
        let printed = self.further(stdout)?;
        match self.next(context) {
            Next::Piece(wanted) if printed.piece == Some(wanted) => {
                self.packed.extend_from_slice(&printed.data)
            }
            _ => return Err(malformed(format!("piece {:?} came and was not asked for", printed.piece))),
        }
        Ok(self.next(context))
    }

    /// Takes in what was uploaded.
    pub(super) fn uploaded(&mut self, bytes: Vec<u8>) {
        self.packed = bytes;
    }

    /// Takes in the output of a further command, without what is in it.
    pub(super) fn further(&mut self, stdout: &str) -> Result<Printed, HostOutcome> {
        let printed = payload::read(stdout, u64::MAX).map_err(malformed)?;
        self.removed = printed.removed.or(self.removed);
        match printed.fault {
            Some(fault) => Err(faulty(&fault)),
            None => Ok(printed),
        }
    }

    fn next(&self, context: &Context) -> Next {
        let pieces = self.header.as_ref().map_or(0, |header| header.pieces);
        let here = self.packed.len().div_ceil(script::PIECE);
        match here {
            _ if here >= pieces => Next::Read,
            _ if pieces > context.config.pieces => Next::Upload,
            _ => Next::Piece(here + 1),
        }
    }

    /// Everything is here: the visit ends with what the script said.
    pub(super) async fn read(mut self, context: &Context) {
        let most = context.script.limits().total_bytes;
        let unpacked = match self.header.take() {
            Some(header) => payload::unpack(&header, &self.packed, most).map(|streams| (header, streams)),
            None => Err("there is no answer".to_owned()),
        };
        let (header, (stdout, stderr)) = match unpacked {
            Ok(unpacked) => unpacked,
            Err(why) => return self.lost(context, malformed(why)).await,
        };
        let (id, removed) = (self.id, self.removed);
        let receipt = self.close();
        let printed = delivery::Printed { stdout: &stdout, stderr: &stderr };
        let mut visit = context.script.read(self.target, printed, None, receipt);
        let receipt = &mut visit.receipt;
        // Two directories were made there: that of the script, and that of the answer.
        receipt.placed = [receipt.placed.as_str(), &header.dir].join(" ").trim().to_owned();
        receipt.removed = match (receipt.removed, removed) {
            (Some(one), Some(other)) => Some(one && other),
            (Some(false), None) | (None, Some(false)) => Some(false),
            _ => None,
        };
        finish(context, id, visit).await;
    }

    /// The visit ends without rows.
    pub(super) async fn lost(mut self, context: &Context, outcome: HostOutcome) {
        let removed = self.removed;
        let mut receipt = self.close();
        receipt.placed = self.header.map(|header| header.dir).unwrap_or_default();
        receipt.removed = removed;
        let visit = context.script.without_rows(self.target, outcome, receipt);
        finish(context, self.id, visit).await;
    }

    fn close(&mut self) -> Receipt {
        let mut receipt = std::mem::take(&mut self.receipt);
        receipt.duration_ms = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        receipt.bytes_received = self.packed.len() as u64;
        receipt
    }
}

async fn finish(context: &Context, id: TargetId, visit: Visit) {
    // That nobody listens any more is how a sweep is dropped.
    let _ = context.events.send(Event::Done(id, Box::new(visit))).await;
}

fn malformed(why: String) -> HostOutcome {
    HostOutcome::failed(Kind::MalformedOutput, Phase::Run, why)
}

/// What the script on the host could not do.
fn faulty((code, detail): &(String, String)) -> HostOutcome {
    let (kind, phase) = match code.as_str() {
        "signal" => (Kind::Interrupted, Phase::Run),
        "gone" | "upload" => (Kind::Unreachable, Phase::Run),
        "fetch" | "hash" => (Kind::EngineFailed, Phase::Upload),
        _ => (Kind::EngineFailed, Phase::Session),
    };
    HostOutcome::failed(kind, phase, format!("{code}: {detail}"))
}
