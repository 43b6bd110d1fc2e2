//! The answers of one host while they come in, whichever engine speaks.

use super::osqueryi::OsqueryiOutput;
use super::probe::ProbeOutput;
use super::{Halt, Limits, Line, Plan, Text};
use herdiff_model::outcome::QueryFailureKind;
use herdiff_model::visit::Answer;
use std::sync::Arc;

/// What an engine said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EngineFacts {
    /// `probe 0.1.0` or `osqueryi`.
    pub(crate) engine: String,
    pub(crate) root: String,
    pub(crate) uid: Option<u32>,
    pub(crate) cpu_us: u64,
}

/// Output that is not what this engine prints; reading on makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnEngine(pub(crate) String);

/// Why queries have no answer.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// For the first query without an answer: it ran when the end came.
    pub(crate) first: QueryFailureKind,
    /// In words, for all of them.
    pub(crate) why: String,
}

/// The output of an engine.
#[derive(Debug)]
pub(crate) enum Output {
    Probe(ProbeOutput),
    Osqueryi(OsqueryiOutput),
}

impl Output {
    pub(crate) fn probe(plan: Arc<Plan>, limits: Arc<Limits>, halt: Halt) -> Self {
        Self::Probe(ProbeOutput::new(plan, limits, halt))
    }

    /// `uid` is the user that osqueryi runs as: without root's rights it sees less and does not say so.
    /// It is given the statements from one on.
    pub(crate) fn osqueryi(
        plan: Arc<Plan>,
        limits: Arc<Limits>,
        halt: Halt,
        uid: Option<u32>,
        from: usize,
    ) -> Self {
        Self::Osqueryi(OsqueryiOutput::new(plan, limits, halt, uid, from))
    }

    /// The statement that osqueryi runs now. Its time is ours to watch; the probe watches its queries itself.
    pub(crate) fn unwatched(&self) -> Option<usize> {
        match self {
            Self::Osqueryi(output) if !output.complete() => Some(output.current()),
            _ => None,
        }
    }

    /// A line of standard output.
    pub(crate) fn line(&mut self, line: Line<'_>) -> Result<(), NotAnEngine> {
        match self {
            Self::Probe(output) => output.line(line),
            Self::Osqueryi(output) => {
                output.line(line);
                Ok(())
            }
        }
    }

    /// A line of standard error.
    pub(crate) fn stderr_line(&mut self, line: &[u8]) {
        if let Self::Osqueryi(output) = self {
            output.stderr_line(line);
        }
    }

    /// Bytes beyond those that came, because they came packed.
    pub(crate) fn unpacked(&self) -> u64 {
        match self {
            Self::Probe(output) => output.unpacked(),
            Self::Osqueryi(_) => 0,
        }
    }

    /// Whether the engine said that it is through.
    pub(crate) fn complete(&self) -> bool {
        match self {
            Self::Probe(output) => output.complete(),
            Self::Osqueryi(output) => output.complete(),
        }
    }

    /// Something came that could not be understood.
    pub(crate) fn garbage(&self) -> Option<&Text> {
        match self {
            Self::Probe(output) => output.garbage(),
            Self::Osqueryi(_) => None,
        }
    }

    pub(crate) fn facts(&self) -> EngineFacts {
        match self {
            Self::Probe(output) => output.facts().clone(),
            Self::Osqueryi(output) => output.facts(),
        }
    }

    /// One answer for each query of the pack.
    pub(crate) fn finish(self, missing: &Missing) -> Vec<Answer> {
        let complete = self.complete();
        let garbage = self.garbage().cloned();
        let answers = match self {
            Self::Probe(output) => output.into_answers(),
            Self::Osqueryi(output) => output.into_answers(),
        };
        if !complete {
            return fill(answers, missing);
        }
        let why = match garbage {
            Some(Text(garbage)) => format!("the engine did not answer it, but printed {garbage:?}"),
            None => "the engine did not answer it".to_owned(),
        };
        let malformed = || Answer::failed(QueryFailureKind::Malformed, why.as_str());
        answers.into_iter().map(|answer| answer.unwrap_or_else(malformed)).collect()
    }
}

/// Answers for all, also for those that got none.
pub(crate) fn fill(answers: Vec<Option<Answer>>, missing: &Missing) -> Vec<Answer> {
    let mut kind = missing.first;
    let mut why =
        || Answer::failed(std::mem::replace(&mut kind, QueryFailureKind::NotRun), missing.why.as_str());
    answers.into_iter().map(|answer| answer.unwrap_or_else(&mut why)).collect()
}
