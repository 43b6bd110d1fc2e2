//! Reads what `herdiff-probe --sweep` prints: one JSON object a line, see docs/PROTOCOL.md.

use super::output::{EngineFacts, NotAnEngine};
use super::rows::{Lists, Rows};
use super::{Halt, Limits, Line, Lines, Plan, Text};
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{QueryFailureKind, Unread};
use herdiff_model::visit::Answer;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::sync::Arc;

/// Different things that could not be read, for one query. What is above is folded into one.
const MOST_UNREAD: usize = 200;

/// Bytes of a block before it was packed: the probe packs no more at once.
const MOST_IN_BLOCK: usize = 64 << 10;

/// The only version there is.
const PROTOCOL: u64 = 1;

/// The output of a probe while it comes in.
#[derive(Debug)]
pub(crate) struct ProbeOutput {
    plan: Arc<Plan>,
    limits: Arc<Limits>,
    halt: Halt,
    answers: Vec<Option<Answer>>,
    /// Known once the first line came.
    facts: Option<EngineFacts>,
    blank_facts: EngineFacts,
    complete: bool,
    garbage: Option<Text>,
    /// Lines out of blocks, and how many bytes all blocks had before they were packed.
    unpacked: Lines,
    unpacked_bytes: u64,
}

/// Part of the lines, packed.
#[derive(Deserialize)]
struct Block<'l> {
    lz4: &'l str,
    bytes: usize,
}

impl ProbeOutput {
    pub(crate) fn new(plan: Arc<Plan>, limits: Arc<Limits>, halt: Halt) -> Self {
        let answers = plan.blank(false);
        let blank_facts = EngineFacts { engine: "probe".into(), ..EngineFacts::default() };
        let unpacked = Lines::new(limits.answer_bytes.saturating_add(64 << 10));
        Self {
            plan,
            limits,
            halt,
            answers,
            facts: None,
            blank_facts,
            complete: false,
            garbage: None,
            unpacked,
            unpacked_bytes: 0,
        }
    }

    pub(crate) fn line(&mut self, line: Line<'_>) -> Result<(), NotAnEngine> {
        match line {
            Line::Whole(block) if self.facts.is_some() && block.starts_with(b"{\"lz4\":") => {
                self.block(block)
            }
            line => self.plain_line(line),
        }
    }

    /// A block is unpacked under the limits that hold for what comes plain: a host pays 64 KiB of memory with a few
    /// hundred bytes, but never more than one block at once, and all of them count.
    fn block(&mut self, line: &[u8]) -> Result<(), NotAnEngine> {
        let Some(bytes) = unpack(line) else {
            self.note_garbage(line);
            return Ok(());
        };
        self.unpacked_bytes += bytes.len() as u64;
        let most = self.limits.total_bytes;
        if self.unpacked_bytes > most {
            // Whoever counts all bytes ends it.
            return Ok(());
        }
        let mut lines = std::mem::replace(&mut self.unpacked, Lines::new(0));
        let done = lines.push(&bytes, |line| self.plain_line(line));
        self.unpacked = lines;
        done
    }

    fn plain_line(&mut self, line: Line<'_>) -> Result<(), NotAnEngine> {
        let Line::Whole(line) = line else {
            self.too_long();
            return Ok(());
        };
        if line.is_empty() {
            return Ok(());
        }
        let (limits, halt) = (Arc::clone(&self.limits), self.halt.clone());
        let mut message = Message::new(&limits, &halt);
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let read = (&mut message).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if halt.is_wished() {
            return Ok(());
        }
        if self.facts.is_none() {
            return self.first_line(line, &message, read);
        }
        match &message.query {
            Some(Text(query)) => match self.plan.place(query) {
                Some(place) => {
                    if let Some(slot) = self.answers.get_mut(place)
                        && slot.as_ref().is_none_or(was_too_long)
                    {
                        *slot = Some(message.answer(read));
                    }
                }
                None => self.note_garbage(line),
            },
            None if message.end && read.is_ok() => {
                self.complete = true;
                if let Some(facts) = &mut self.facts {
                    facts.cpu_us = message.cpu_us;
                }
            }
            None => self.note_garbage(line),
        }
        Ok(())
    }

    fn first_line(
        &mut self,
        line: &[u8],
        message: &Message<'_>,
        read: Result<(), serde_json::Error>,
    ) -> Result<(), NotAnEngine> {
        let (Some(Text(version)), Ok(())) = (&message.probe, read) else {
            let Text(start) = Text::of(line.get(..120).unwrap_or(line));
            return Err(NotAnEngine(format!("expected the probe's first line, got {start:?}")));
        };
        if message.protocol != PROTOCOL {
            return Err(NotAnEngine(format!(
                "probe {version} speaks protocol {}, this program speaks {PROTOCOL}: push the probe of this release",
                message.protocol
            )));
        }
        self.facts = Some(EngineFacts {
            engine: format!("probe {version}"),
            root: message.root.clone().map(|Text(root)| root).unwrap_or_default(),
            uid: message.uid,
            cpu_us: 0,
        });
        Ok(())
    }

    /// The probe answers in order, so the line that is gone was for the first query without an answer.
    fn too_long(&mut self) {
        let why = format!("the answer is longer than {} bytes", self.limits.answer_bytes);
        if let Some(slot) = self.answers.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(Answer::failed(QueryFailureKind::OutputLimit, why));
        }
    }

    fn note_garbage(&mut self, line: &[u8]) {
        self.garbage.get_or_insert_with(|| Text::of(line.get(..120).unwrap_or(line)));
    }

    /// Bytes that came out of blocks: they take memory as those do that came plain.
    pub(crate) fn unpacked(&self) -> u64 {
        self.unpacked_bytes
    }

    pub(crate) fn complete(&self) -> bool {
        self.complete
    }

    pub(crate) fn garbage(&self) -> Option<&Text> {
        self.garbage.as_ref()
    }

    pub(crate) fn facts(&self) -> &EngineFacts {
        self.facts.as_ref().unwrap_or(&self.blank_facts)
    }

    pub(crate) fn into_answers(self) -> Vec<Option<Answer>> {
        self.answers
    }
}

/// The bytes of a block; `None` when it is none, or not as long as it says.
fn unpack(line: &[u8]) -> Option<Vec<u8>> {
    let block: Block<'_> =
        serde_json::from_slice(line).ok().filter(|block: &Block<'_>| block.bytes <= MOST_IN_BLOCK)?;
    let packed = data_encoding::BASE64.decode(block.lz4.as_bytes()).ok()?;
    let mut bytes = vec![0; block.bytes];
    let length = lz4_flex::block::decompress_into(&packed, &mut bytes).ok()?;
    (length == block.bytes).then_some(bytes)
}

fn was_too_long(answer: &Answer) -> bool {
    matches!(answer, Answer::Failed(failure) if failure.kind == QueryFailureKind::OutputLimit)
}

/// One line, whichever it is.
struct Message<'l> {
    rows: Rows<'l>,
    has_rows: bool,
    query: Option<Text>,
    unread: Vec<Unread>,
    cut: Option<Cut>,
    error: Option<Text>,
    kind: Option<Text>,
    probe: Option<Text>,
    protocol: u64,
    uid: Option<u32>,
    root: Option<Text>,
    end: bool,
    cpu_us: u64,
}

#[derive(Deserialize)]
struct Cut {
    limit: Text,
}

#[derive(Deserialize)]
struct UnreadWire {
    what: Text,
    why: Text,
    count: u64,
}

impl<'l> Message<'l> {
    fn new(limits: &'l Limits, halt: &'l Halt) -> Self {
        Self {
            rows: Rows::new(limits, halt),
            has_rows: false,
            query: None,
            unread: Vec::new(),
            cut: None,
            error: None,
            kind: None,
            probe: None,
            protocol: 0,
            uid: None,
            root: None,
            end: false,
            cpu_us: 0,
        }
    }

    fn answer(self, read: Result<(), serde_json::Error>) -> Answer {
        if let (Some(Text(error)), Ok(())) = (&self.error, &read) {
            let kind = match self.kind.as_ref().map(|Text(kind)| kind.as_str()) {
                Some("unsupported") => QueryFailureKind::Unsupported,
                Some("timeout") => QueryFailureKind::Timeout,
                _ => QueryFailureKind::Error,
            };
            return Answer::failed(kind, error.as_str());
        }
        if !self.has_rows && read.is_ok() {
            return Answer::failed(QueryFailureKind::Malformed, "the answer has neither rows nor an error");
        }
        let mut answer = self.rows.answer(read, self.unread);
        if let (Answer::Rows { cut, .. }, Some(Cut { limit: Text(limit) })) = (&mut answer, self.cut) {
            *cut = Some(limit);
        }
        answer
    }
}

impl<'de> DeserializeSeed<'de> for &mut Message<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match key.as_str() {
                "query" => self.query = Some(map.next_value()?),
                "columns" => {
                    let columns = map.next_value_seed(Columns(self.rows.most_columns()))?;
                    self.rows.set_columns(columns)?;
                }
                "rows" if self.rows.has_columns() => {
                    self.has_rows = true;
                    map.next_value_seed(Lists(&mut self.rows))?;
                }
                "rows" => return Err(Error::custom("rows before their columns")),
                "unread" => map.next_value_seed(UnreadList(&mut self.unread))?,
                "cut" => self.cut = map.next_value()?,
                "error" => self.error = Some(map.next_value()?),
                "kind" => self.kind = Some(map.next_value()?),
                "probe" => self.probe = Some(map.next_value()?),
                "protocol" => self.protocol = map.next_value()?,
                "uid" => self.uid = map.next_value()?,
                "root" => self.root = Some(map.next_value()?),
                "end" => {
                    map.next_value::<IgnoredAny>()?;
                    self.end = true;
                }
                "cpu_us" => self.cpu_us = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Names of columns, not more than this many.
struct Columns(usize);

impl<'de> DeserializeSeed<'de> for Columns {
    type Value = Vec<ColumnName>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Columns {
    type Value = Vec<ColumnName>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of column names")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
        let mut columns = Vec::new();
        while let Some(Text(name)) = names.next_element()? {
            if columns.len() >= self.0 {
                return Err(Error::custom("too many columns"));
            }
            columns.push(name.into());
        }
        Ok(columns)
    }
}

struct UnreadList<'u>(&'u mut Vec<Unread>);

impl<'de> DeserializeSeed<'de> for UnreadList<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for UnreadList<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of what could not be read")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(UnreadWire { what, why, count }) = list.next_element()? {
            if self.0.len() < MOST_UNREAD {
                self.0.push(Unread { what: what.0, why: why.0, count });
            } else if let Some(rest) = self.0.get_mut(MOST_UNREAD) {
                rest.count = rest.count.saturating_add(count);
            } else {
                self.0.push(Unread { what: "…".into(), why: "and more".into(), count });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use herdiff_model::pack::Pack;
    use proptest::prelude::*;
    use std::time::Duration;

    const PLAIN: &[u8] = b"{\"query\":\"a\",\"columns\":[\"x\"],\"rows\":[[\"1\"],[\"2\"]],\"unread\":[],\"cut\":null}\n\
        {\"query\":\"b\",\"columns\":[\"y\"],\"rows\":[],\"unread\":[],\"cut\":null}\n{\"end\":1,\"queries\":2,\"cpu_us\":5}\n";
    const HELLO: &[u8] = br#"{"probe":"0.1.0","protocol":1,"arch":"x86_64","uid":0,"root":"/","pid":7}"#;

    fn output(limits: Limits) -> ProbeOutput {
        let pack = r#"{"queries":{"a":{"query":"SELECT 1"},"b":{"query":"SELECT 2"}}}"#;
        let plan = Plan::new(&Pack::parse(pack).unwrap(), &limits, Duration::from_secs(1));
        ProbeOutput::new(Arc::new(plan), Arc::new(limits), Halt::default())
    }

    fn block(bytes: &[u8], said: usize) -> String {
        let packed = data_encoding::BASE64.encode(&lz4_flex::block::compress(bytes));
        format!(r#"{{"lz4":"{packed}","bytes":{said}}}"#)
    }

    fn rows(output: ProbeOutput) -> Vec<Option<usize>> {
        let count = |answer: Option<Answer>| match answer? {
            Answer::Rows { batches, .. } => Some(batches.iter().map(|batch| batch.len()).sum()),
            Answer::Failed(_) => None,
        };
        output.into_answers().into_iter().map(count).collect()
    }

    proptest! {
        #[test]
        fn blocks_say_what_they_were_made_of(cut in 1..PLAIN.len()) {
            let mut output = output(Limits::default());
            output.line(Line::Whole(HELLO)).unwrap();
            for piece in PLAIN.chunks(cut) {
                output.line(Line::Whole(block(piece, piece.len()).as_bytes())).unwrap();
            }
            prop_assert!(output.complete());
            prop_assert_eq!(rows(output), [Some(2), Some(0)]);
        }

        #[test]
        fn blocks_of_anything_stop_nothing(packed in "[A-Za-z0-9+/=]{0,200}", bytes in 0..200_000_usize) {
            let mut output = output(Limits::default());
            output.line(Line::Whole(HELLO)).unwrap();
            let line = format!(r#"{{"lz4":"{packed}","bytes":{bytes}}}"#);
            prop_assert!(output.line(Line::Whole(line.as_bytes())).is_ok());
        }
    }

    #[test]
    fn a_block_that_is_not_as_long_as_it_says_is_garbage() {
        for line in
            [block(PLAIN, PLAIN.len() - 1), block(PLAIN, PLAIN.len() + 1), block(&[0; 70_000], 70_000)]
        {
            let mut output = output(Limits::default());
            output.line(Line::Whole(HELLO)).unwrap();
            output.line(Line::Whole(line.as_bytes())).unwrap();
            assert!(output.garbage().is_some());
            assert_eq!(rows(output), [None, None]);
        }
    }

    #[test]
    fn what_is_packed_counts_as_long_as_it_is() {
        let bomb = block(&[b' '; MOST_IN_BLOCK], MOST_IN_BLOCK);
        assert!(bomb.len() < 600, "{}", bomb.len());
        let mut output = output(Limits { total_bytes: 1 << 20, ..Limits::default() });
        output.line(Line::Whole(HELLO)).unwrap();
        for n in 1..40 {
            output.line(Line::Whole(bomb.as_bytes())).unwrap();
            assert_eq!(output.unpacked(), n * MOST_IN_BLOCK as u64);
        }
        assert_eq!(output.unpacked.rest().len(), 1 << 20, "and no more of it is kept than may come");
    }

    #[test]
    fn nothing_is_packed_before_the_first_line() {
        let mut output = output(Limits::default());
        assert!(output.line(Line::Whole(block(PLAIN, PLAIN.len()).as_bytes())).is_err());
    }
}
