//! What is said on the channel to one host, from the script's hello to its receipt. No input or output happens here:
//! bytes come in, bytes to send go out, and at the end there is an outcome and an answer for every query.

use super::{Budget, Privilege, ProbeBinary, Prompt, Share};
use crate::engine::{
    EngineChoice, Halt, Limits, Line, Lines, Missing, NotAnEngine, Output, Plan, Text, fill,
};
use bytes::Bytes;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind};
use herdiff_model::snapshot::Receipt;
use herdiff_model::visit::Answer;
use serde::Deserialize;
use std::sync::Arc;

/// The byte that lines of the script start with.
const SCRIPT: u8 = 0x1e;

/// Longer lines of standard error are cut.
const STDERR_LINE: usize = 4096;

/// What is the same for all hosts of a sweep.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) plan: Arc<Plan>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) choice: EngineChoice,
    pub(crate) probes: Vec<ProbeBinary>,
    /// osqueryi for hosts, in place of their own; at most one for an architecture.
    pub(crate) osquery: Vec<ProbeBinary>,
    /// Whether what was pushed stays there for the next visit.
    pub(crate) leave: bool,
    /// What sudo asks with.
    pub(crate) prompt: Prompt,
    pub(crate) budget: Arc<Budget>,
}

/// What must be sent now.
#[derive(Debug)]
pub(crate) enum Reply {
    /// These bytes, and then the end of input.
    All(Vec<Bytes>),
    /// sudo asks for the password.
    Password,
}

/// The conversation with one host.
#[derive(Debug)]
pub(crate) struct Dialogue {
    orders: Arc<Orders>,
    lines: Lines,
    stderr: Stderr,
    privilege: Privilege,
    /// The first statement that osqueryi is given.
    from: usize,
    share: Share,
    halt: Halt,
    /// Bytes that came, of both streams.
    received: u64,
    /// Bytes out of blocks that were counted.
    unpacked: u64,
    /// What came before the script spoke: a greeting of the login, or the reason why there is no script.
    noise: Vec<u8>,
    hello: Option<Hello>,
    output: Option<Output>,
    /// The SHA-256 of the engine that is pushed; empty where none is.
    sha256: String,
    /// Whether an earlier visit left that engine, so that it is not sent.
    there: bool,
    placed: bool,
    unchecked: bool,
    left: bool,
    refused: Option<HostOutcome>,
    fault: Option<Fault>,
    receipt: Option<ReceiptLine>,
    exit: Option<u32>,
}

/// Why the conversation ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The host closed the channel.
    Closed,
    /// The connection was lost, a deadline passed, or the sweep was stopped.
    Broken(HostOutcome),
}

#[derive(Debug, Default)]
struct Stderr {
    line: Vec<u8>,
    /// The first lines, to explain a failure.
    kept: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct ScriptLine {
    hello: Option<u8>,
    arch: Option<Text>,
    uid: Option<u32>,
    dir: Option<Text>,
    osqueryi: Option<Text>,
    kept: Option<Text>,
    placed: Option<Text>,
    checked: Option<bool>,
    left: Option<bool>,
    leftovers: Option<u32>,
    fault: Option<Text>,
    detail: Option<Text>,
    receipt: Option<u8>,
    status: Option<i32>,
    killed: Option<bool>,
    removed: Option<bool>,
}

#[derive(Debug)]
struct Hello {
    arch: String,
    uid: Option<u32>,
    dir: String,
    osqueryi: String,
    /// Hashes of engines that an earlier visit left.
    kept: String,
}

#[derive(Debug)]
struct Fault {
    code: String,
    detail: String,
}

#[derive(Debug)]
struct ReceiptLine {
    status: Option<i32>,
    killed: bool,
    removed: Option<bool>,
    leftovers: u32,
}

impl Dialogue {
    pub(crate) fn new(orders: Arc<Orders>, privilege: Privilege, from: usize) -> Self {
        let lines = Lines::new(orders.limits.greeting_bytes);
        let share = orders.budget.share();
        Self {
            orders,
            share,
            lines,
            stderr: Stderr::default(),
            privilege,
            from,
            halt: Halt::default(),
            received: 0,
            unpacked: 0,
            noise: Vec::new(),
            hello: None,
            output: None,
            sha256: String::new(),
            there: false,
            placed: false,
            unchecked: false,
            left: false,
            refused: None,
            fault: None,
            receipt: None,
            exit: None,
        }
    }

    /// Ends the reading of what came, and of what still comes.
    pub(crate) fn halt(&self) -> Halt {
        self.halt.clone()
    }

    /// Whether the script has spoken.
    pub(crate) fn greeted(&self) -> bool {
        self.hello.is_some()
    }

    /// The statement that osqueryi runs now.
    pub(crate) fn unwatched(&self) -> Option<usize> {
        if self.uploading() {
            return None;
        }
        self.output.as_ref().and_then(Output::unwatched)
    }

    /// Cleared leftovers of killed visits, and that what was pushed could not be checked: for the reader.
    pub(crate) fn notes(&self) -> Vec<String> {
        let leftovers = self.receipt.as_ref().map_or(0, |receipt| receipt.leftovers);
        let cleared = format!("cleared {leftovers} directories that killed visits had left");
        let unchecked =
            "has no tool for SHA-256: of the engine only the length was checked before it ran".to_owned();
        let notes = [(leftovers > 0).then_some(cleared), self.unchecked.then_some(unchecked)];
        notes.into_iter().flatten().collect()
    }

    fn uploading(&self) -> bool {
        !self.sha256.is_empty() && !self.placed
    }

    /// What happens on the host now.
    pub(crate) fn phase(&self) -> Phase {
        match (&self.hello, &self.output) {
            (None, _) => Phase::Session,
            (_, Some(output)) if output.complete() => Phase::Cleanup,
            (_, Some(_)) if self.uploading() => Phase::Upload,
            (_, Some(_)) => Phase::Run,
            (_, None) => Phase::Cleanup,
        }
    }

    /// Takes in standard output. `Ok(Some(…))` is what must be sent now; an error is that the host should not be listened to
    /// any longer.
    pub(crate) fn stdout(&mut self, bytes: &[u8]) -> Result<Option<Reply>, HostOutcome> {
        self.count(bytes)?;
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(0));
        let mut send = None;
        let halt = self.halt.clone();
        let result = lines.push(bytes, |line| {
            if halt.is_wished() {
                return Ok(());
            }
            if let Some(bytes) = self.line(line)? {
                send = Some(bytes);
            }
            Ok(())
        });
        if send.is_some() {
            // A mark and the name of a query are added to the rows.
            lines.set_limit(self.orders.limits.answer_bytes.saturating_add(64 << 10));
        }
        self.lines = lines;
        result?;
        self.count_unpacked()?;
        Ok(send.map(Reply::All))
    }

    /// Takes in standard error.
    pub(crate) fn stderr(&mut self, bytes: &[u8]) -> Result<Option<Reply>, HostOutcome> {
        self.count(bytes)?;
        let most = self.orders.limits.stderr_bytes;
        let mut reply = None;
        for &byte in bytes {
            if byte != b'\n' {
                if self.stderr.line.len() < STDERR_LINE {
                    self.stderr.line.push(byte);
                }
                // Only before the script speaks, and only where we asked to become somebody else.
                if self.hello.is_none()
                    && self.privilege == Privilege::Sudo
                    && self.orders.prompt.is(&self.stderr.line)
                {
                    self.stderr.line.clear();
                    reply = Some(Reply::Password);
                }
                continue;
            }
            let line = std::mem::take(&mut self.stderr.line);
            self.stderr_line(&line, most);
        }
        Ok(reply)
    }

    fn stderr_line(&mut self, line: &[u8], most: usize) {
        // The script's heartbeat.
        if line.first() == Some(&SCRIPT) || line.is_empty() {
            return;
        }
        if let Some(output) = &mut self.output {
            output.stderr_line(line);
        }
        if self.stderr.kept.len() + line.len() < most {
            self.stderr.kept.extend_from_slice(line);
            self.stderr.kept.push(b'\n');
        }
    }

    /// The exit status of the script came.
    pub(crate) fn exited(&mut self, status: u32) {
        self.exit = Some(status);
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), HostOutcome> {
        self.received += bytes.len() as u64;
        let most = self.orders.limits.total_bytes;
        if self.received > most {
            let detail = format!("the host sent more than {most} bytes");
            return Err(HostOutcome::failed(HostOutcomeKind::OutputLimit, self.phase(), detail));
        }
        self.take(bytes.len() as u64)
    }

    fn take(&mut self, bytes: u64) -> Result<(), HostOutcome> {
        self.share.take(bytes).map_err(|most| {
            let detail = format!("all hosts together sent more than {most} bytes, this one most of them");
            HostOutcome::failed(HostOutcomeKind::OutputLimit, self.phase(), detail)
        })
    }

    /// What came packed takes the memory of what it was: a few hundred bytes are 64 KiB.
    fn count_unpacked(&mut self) -> Result<(), HostOutcome> {
        let unpacked = self.output.as_ref().map_or(0, Output::unpacked);
        let more = unpacked.saturating_sub(self.unpacked);
        self.unpacked = unpacked;
        let most = self.orders.limits.total_bytes;
        if unpacked > most {
            let detail = format!("the host sent more than {most} bytes, packed");
            return Err(HostOutcome::failed(HostOutcomeKind::OutputLimit, self.phase(), detail));
        }
        self.take(more)
    }

    fn line(&mut self, line: Line<'_>) -> Result<Option<Vec<Bytes>>, HostOutcome> {
        if let Line::Whole([SCRIPT, json @ ..]) = line
            && let Ok(said) = serde_json::from_slice::<ScriptLine>(json)
        {
            return Ok(self.script_line(said));
        }
        match (&mut self.output, line) {
            _ if self.receipt.is_some() => Ok(None),
            (Some(output), line) => output.line(line).map(|()| None).map_err(|NotAnEngine(why)| {
                HostOutcome::failed(HostOutcomeKind::MalformedOutput, Phase::Run, why)
            }),
            (None, line) => self.greeting(line).map(|()| None),
        }
    }

    /// Many logins greet. That is passed over, up to a limit.
    fn greeting(&mut self, line: Line<'_>) -> Result<(), HostOutcome> {
        let most = self.orders.limits.greeting_bytes;
        let length = match line {
            Line::Whole(line) => {
                self.noise.extend_from_slice(line);
                self.noise.push(b'\n');
                self.noise.len()
            }
            Line::TooLong => most + 1,
        };
        if length > most {
            let detail = format!(
                "the login printed more than {most} bytes and no word of our script; it starts with {}",
                self.noise_start()
            );
            return Err(HostOutcome::failed(HostOutcomeKind::MalformedOutput, Phase::Session, detail));
        }
        Ok(())
    }

    fn noise_start(&self) -> String {
        let noise = if self.noise.is_empty() { self.lines.rest() } else { &self.noise };
        let Text(start) = Text::of(noise.get(..120).unwrap_or(noise).trim_ascii());
        format!("{start:?}")
    }

    fn script_line(&mut self, said: ScriptLine) -> Option<Vec<Bytes>> {
        let text = |text: Option<Text>| text.map(|Text(text)| text).unwrap_or_default();
        if said.receipt.is_some() && self.receipt.is_none() {
            self.receipt = Some(ReceiptLine {
                status: said.status,
                killed: said.killed.unwrap_or_default(),
                removed: said.removed,
                leftovers: said.leftovers.unwrap_or_default(),
            });
        } else if said.fault.is_some() && self.fault.is_none() {
            self.fault = Some(Fault { code: text(said.fault), detail: text(said.detail) });
        } else if said.placed.is_some() {
            self.placed = true;
            self.unchecked = said.checked == Some(false);
            self.left = said.left == Some(true);
        } else if said.hello.is_some() && self.hello.is_none() {
            let hello = Hello {
                arch: text(said.arch),
                uid: said.uid,
                dir: text(said.dir),
                osqueryi: text(said.osqueryi),
                kept: text(said.kept),
            };
            let send = self.choose(&hello);
            self.hello = Some(hello);
            return Some(send);
        }
        None
    }

    /// Answers the hello: which engine. One that the operator brings comes before the host's own: it is the same everywhere, and
    /// nobody on the host can have changed it.
    fn choose(&mut self, hello: &Hello) -> Vec<Bytes> {
        let orders = Arc::clone(&self.orders);
        let (plan, limits, halt) = (Arc::clone(&orders.plan), Arc::clone(&orders.limits), self.halt.clone());
        let of_arch = |engines: &[ProbeBinary]| engines.iter().find(|one| one.runs_on(&hello.arch)).cloned();
        if orders.choice != EngineChoice::Probe {
            if let Some(engine) = of_arch(&orders.osquery) {
                self.output = Some(Output::osqueryi(plan, limits, halt, hello.uid, self.from));
                let statements = orders.plan.osqueryi_input(self.from);
                return self.push("pushed", &engine, hello, vec![statements, ".\n".into()]);
            }
            if !hello.osqueryi.is_empty() {
                self.output = Some(Output::osqueryi(plan, limits, halt, hello.uid, self.from));
                // The script runs the one that it found; the path is for whoever reads along.
                let path = hello.osqueryi.replace(['\n', ' '], "_");
                let line = format!("osqueryi {path} 0 {}\n", self.stay());
                return vec![line.into(), orders.plan.osqueryi_input(self.from)];
            }
        }
        if orders.choice != EngineChoice::Osqueryi
            && let Some(probe) = of_arch(&orders.probes)
        {
            self.output = Some(Output::probe(plan, limits, halt));
            return self.push("probe", &probe, hello, vec![orders.plan.probe_input().clone()]);
        }
        let detail = if orders.choice == EngineChoice::Osqueryi {
            "there is no osqueryi on the host; --osquery pushes one, --engine auto the probe".to_owned()
        } else {
            let known: Vec<_> = orders.probes.iter().map(ProbeBinary::arch).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!(
                "no probe for the architecture {}, and no osqueryi on the host; there are probes for: {known}",
                hello.arch
            )
        };
        self.refused = Some(HostOutcome::failed(HostOutcomeKind::EngineMissing, Phase::Upload, detail));
        vec!["quit\n".into()]
    }

    /// The line that names an engine, the request, and the engine's file unless the host has it already.
    fn push(&mut self, word: &str, engine: &ProbeBinary, hello: &Hello, request: Vec<Bytes>) -> Vec<Bytes> {
        engine.sha256().clone_into(&mut self.sha256);
        self.there = hello.kept.split(' ').any(|hash| hash == engine.sha256());
        let bytes = if self.there { "kept".to_owned() } else { engine.bytes().len().to_string() };
        let mut parts = vec![format!("{word} {} {bytes} {}\n", engine.sha256(), self.stay()).into()];
        parts.extend(request);
        if !self.there {
            parts.push(engine.bytes().clone());
        }
        parts
    }

    /// Whether an engine may stay there, or goes with all that is there of earlier visits.
    fn stay(&self) -> &'static str {
        if self.orders.leave { "stay" } else { "go" }
    }

    /// The outcome of the host, and one answer for each query. Completes the receipt.
    pub(crate) fn finish(mut self, end: End, receipt: &mut Receipt) -> (HostOutcome, Vec<Answer>, Share) {
        if !self.stderr.line.is_empty() {
            let line = std::mem::take(&mut self.stderr.line);
            self.stderr_line(&line, self.orders.limits.stderr_bytes);
        }
        let outcome = self.outcome(end);
        self.fill(receipt);
        let first = match outcome.kind {
            HostOutcomeKind::Timeout if outcome.phase == Some(Phase::Run) => QueryFailureKind::Timeout,
            HostOutcomeKind::OutputLimit => QueryFailureKind::OutputLimit,
            HostOutcomeKind::MalformedOutput => QueryFailureKind::Malformed,
            _ => QueryFailureKind::NotRun,
        };
        let missing = Missing { first, why: format!("{}: {}", outcome.kind, outcome.detail) };
        let answers = match self.output {
            Some(output) => output.finish(&missing),
            None => {
                fill(self.orders.plan.blank(false), &Missing { first: QueryFailureKind::NotRun, ..missing })
            }
        };
        (outcome, answers, self.share)
    }

    fn outcome(&self, end: End) -> HostOutcome {
        let fail = |kind, phase, detail: String| HostOutcome::failed(kind, phase, detail);
        if let Some(refused) = &self.refused {
            return match end {
                End::Broken(outcome) if self.receipt.is_none() => outcome,
                _ => refused.clone(),
            };
        }
        if let Some(Fault { code, detail }) = &self.fault {
            let detail = format!("{code}: {detail}{}", self.stderr_tail());
            return fail(HostOutcomeKind::EngineFailed, Phase::Upload, detail);
        }
        let Some(receipt) = &self.receipt else {
            return match end {
                End::Broken(outcome) => outcome,
                End::Closed => self.closed_early(),
            };
        };
        let complete = self.output.as_ref().is_some_and(Output::complete);
        let status = receipt.status.unwrap_or(-1);
        let tail = self.stderr_tail();
        match self.output.as_ref().and_then(Output::garbage) {
            _ if complete => HostOutcome::ok(),
            _ if receipt.killed => fail(
                HostOutcomeKind::Timeout,
                Phase::Run,
                "the engine was killed on the host: its time was over".into(),
            ),
            _ if matches!(status, 126 | 127) => {
                let detail = format!("the engine cannot be run there (status {status}){tail}");
                fail(HostOutcomeKind::EngineFailed, Phase::Run, detail)
            }
            Some(Text(garbage)) if status == 0 => {
                fail(HostOutcomeKind::MalformedOutput, Phase::Run, format!("the engine printed {garbage:?}"))
            }
            _ => {
                let how = match status {
                    129.. => format!("was ended by signal {}", status - 128),
                    status => format!("ended early with status {status}"),
                };
                fail(HostOutcomeKind::EngineFailed, Phase::Run, format!("the engine {how}{tail}"))
            }
        }
    }

    /// The channel was closed, and the script said no last word.
    fn closed_early(&self) -> HostOutcome {
        let tail = self.stderr_tail();
        let status = self.exit.map(|status| format!(" with status {status}")).unwrap_or_default();
        if self.hello.is_none() && self.privilege != Privilege::AsIs {
            let program = self.privilege.program();
            let detail = format!("{program} ended{status} before our script ran{tail}");
            return HostOutcome::failed(HostOutcomeKind::BecomeFailed, Phase::Session, detail);
        }
        if self.hello.is_none() {
            let printed = if self.noise.is_empty() && self.lines.rest().is_empty() {
                String::new()
            } else {
                format!("; it printed {}", self.noise_start())
            };
            let detail = format!("the login ended{status} before our script ran{printed}{tail}");
            return HostOutcome::failed(HostOutcomeKind::EngineFailed, Phase::Session, detail);
        }
        let detail = format!("the script ended{status} without a receipt{tail}");
        HostOutcome::failed(HostOutcomeKind::EngineFailed, self.phase(), detail)
    }

    fn stderr_tail(&self) -> String {
        let kept = self.stderr.kept.trim_ascii();
        let start = kept.len().saturating_sub(300);
        let Text(text) = Text::of(kept.get(start..).unwrap_or_default());
        if text.is_empty() { String::new() } else { format!("; it said {text:?}") }
    }

    fn fill(&self, receipt: &mut Receipt) {
        receipt.bytes_received = self.received;
        receipt.engine_sha256 = self.sha256.clone();
        if let Some(hello) = &self.hello {
            receipt.arch = hello.arch.clone();
            receipt.uid = hello.uid;
            receipt.placed = hello.dir.clone();
        }
        if let Some(output) = &self.output {
            let facts = output.facts();
            receipt.engine = facts.engine;
            if self.unchecked {
                receipt.engine += " (length checked only)";
            }
            if self.placed && self.there {
                receipt.engine += " (left there by an earlier visit)";
            }
            if self.left {
                receipt.engine += " (left there)";
            }
            receipt.root = facts.root;
            receipt.uid = facts.uid.or(receipt.uid);
            receipt.host_cpu_us = facts.cpu_us;
        }
        if let Some(line) = &self.receipt {
            receipt.status = line.status.filter(|_| self.output.is_some());
            receipt.removed = line.removed;
        }
    }
}
