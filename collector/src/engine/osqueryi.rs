//! Reads what `osqueryi --json` prints when it is given one statement a line: arrays, each ended by our mark.

use super::output::EngineFacts;
use super::{Halt, Limits, Line, Plan, Text, read_objects};
use herdiff_model::outcome::{QueryFailureKind, Unread};
use herdiff_model::visit::Answer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Error lines that are kept of one host.
const MOST_ERRORS: usize = 1000;

/// Tables of which osqueryi shows less, and says nothing, when it is not root.
const LESS_WITHOUT_ROOT: &[(&str, &str)] = &[
    ("processes", "of other users' processes it sees neither path nor working directory"),
    ("process_open_sockets", "it cannot tell which process a socket belongs to"),
    ("listening_ports", "it cannot tell which process a socket belongs to"),
    ("process_open_files", "it sees only its own processes"),
    ("process_open_pipes", "it sees only its own processes"),
    ("process_envs", "it sees only its own processes"),
    ("process_memory_map", "it sees only its own processes"),
    ("process_namespaces", "it sees only its own processes"),
    ("crontab", "users' tables are closed to it"),
    ("shadow", "the file is closed to it"),
    ("sudoers", "the files are closed to it"),
    ("iptables", "only root can list the rules"),
    ("authorized_keys", "home directories may be closed to it"),
    ("user_ssh_keys", "home directories may be closed to it"),
    ("known_hosts", "home directories may be closed to it"),
    ("ssh_configs", "home directories may be closed to it"),
    ("shell_history", "home directories are closed to it"),
    ("hash", "files may be closed to it"),
    ("file", "directories may be closed to it"),
    ("suid_bin", "directories may be closed to it"),
    ("yara", "files may be closed to it"),
    ("extended_attributes", "files may be closed to it"),
    ("docker_containers", "the daemon's socket may be closed to it"),
];

/// The output of osqueryi while it comes in.
#[derive(Debug)]
pub(crate) struct OsqueryiOutput {
    plan: Arc<Plan>,
    limits: Arc<Limits>,
    halt: Halt,
    answers: Vec<Option<Answer>>,
    uid: Option<u32>,
    /// The first statement that this osqueryi is given: those before ended another one.
    from: usize,
    /// The statement whose array comes now.
    current: usize,
    array: Vec<u8>,
    too_long: bool,
    /// Errors by the line of the input that they are about; 0 where that is not said.
    errors: BTreeMap<usize, String>,
}

impl OsqueryiOutput {
    pub(crate) fn new(
        plan: Arc<Plan>,
        limits: Arc<Limits>,
        halt: Halt,
        uid: Option<u32>,
        from: usize,
    ) -> Self {
        let mut answers = plan.blank(true);
        for (place, _) in (0..from).filter_map(|statement| plan.statement(statement)) {
            if let Some(slot) = answers.get_mut(place) {
                *slot = Some(Answer::failed(QueryFailureKind::NotRun, "another osqueryi was asked"));
            }
        }
        let (array, errors) = Default::default();
        Self { plan, limits, halt, answers, uid, from, current: from, array, too_long: false, errors }
    }

    pub(crate) fn line(&mut self, line: Line<'_>) {
        let Line::Whole(line) = line else {
            self.too_long = true;
            return;
        };
        if let Some(statement) = self.plan.read_mark(line) {
            return self.end_answer(statement);
        }
        if self.too_long || self.array.len() + line.len() >= self.limits.answer_bytes {
            self.too_long = true;
            self.array = Vec::new();
        } else {
            self.array.extend_from_slice(line);
            self.array.push(b'\n');
        }
    }

    /// The mark after a statement came. Where marks are missing, so are the answers before them.
    fn end_answer(&mut self, statement: usize) {
        let Some((place, tables)) = self.plan.statement(statement) else { return };
        let answer = if self.too_long {
            let why = format!("the answer is longer than {} bytes", self.limits.answer_bytes);
            Answer::failed(QueryFailureKind::OutputLimit, why)
        } else if self.array.trim_ascii().is_empty() {
            Answer::failed(QueryFailureKind::Malformed, "osqueryi printed nothing for it")
        } else {
            let unread = unread_without_root(tables, self.uid);
            read_objects(&self.array, &self.limits, unread, &self.halt)
        };
        if self.halt.is_wished() {
            return;
        }
        if let Some(slot @ None) = self.answers.get_mut(place) {
            *slot = Some(answer);
        }
        self.current = self.current.max(statement + 1);
        self.too_long = false;
        self.array.clear();
    }

    pub(crate) fn stderr_line(&mut self, line: &[u8]) {
        let Some(error) = line.strip_prefix(b"Error: ") else { return };
        let Text(error) = Text::of(error);
        let near = error.strip_prefix("near line ").and_then(|rest| rest.split_once(": "));
        let (number, why) = match near.and_then(|(number, why)| Some((number.parse().ok()?, why))) {
            Some((number, why)) => (number, why.to_owned()),
            None => (0, error),
        };
        if self.errors.len() < MOST_ERRORS {
            self.errors.entry(number).or_insert(why);
        }
    }

    /// The statement that runs now.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    pub(crate) fn complete(&self) -> bool {
        self.current >= self.plan.statements()
    }

    pub(crate) fn facts(&self) -> EngineFacts {
        EngineFacts { engine: "osqueryi".into(), root: "/".into(), uid: self.uid, cpu_us: 0 }
    }

    pub(crate) fn into_answers(mut self) -> Vec<Option<Answer>> {
        let somewhere = self.errors.remove(&0);
        for n in self.from..self.plan.statements().min(self.current) {
            let Some((place, _)) = self.plan.statement(n) else { continue };
            let Some(slot) = self.answers.get_mut(place) else { continue };
            // The input has two lines for each statement, the mark's being the second.
            let line = 2 * (n - self.from);
            let own = [line + 1, line + 2].iter().find_map(|line| self.errors.get(line));
            let error = own.or(somewhere.as_ref().filter(|_| slot.as_ref().is_none_or(is_bare)));
            if let Some(error) = error {
                *slot = Some(Answer::failed(QueryFailureKind::Error, error.as_str()));
            }
        }
        self.answers
    }
}

/// An answer without rows says nothing when there was an error that could be its own.
fn is_bare(answer: &Answer) -> bool {
    match answer {
        Answer::Rows { batches, .. } => batches.is_empty(),
        Answer::Failed(_) => true,
    }
}

fn unread_without_root(tables: &[String], uid: Option<u32>) -> Vec<Unread> {
    if uid == Some(0) {
        return Vec::new();
    }
    let concerned = LESS_WITHOUT_ROOT.iter().filter(|(table, _)| tables.iter().any(|named| named == table));
    let unread = concerned.map(|(table, less)| Unread {
        what: (*table).to_owned(),
        why: format!("osqueryi did not run as root: {less}"),
        count: 1,
    });
    unread.collect()
}
