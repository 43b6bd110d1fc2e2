//! Reads the files of one host into a visit.

use super::dir::{HostDir, open_plain};
use super::outcomes::{Told, ToldQuery};
use crate::engine::{Halt, Limits, read_objects};
use herdiff_model::name::HerdName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind};
use herdiff_model::pack::{Pack, Query};
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::UnixMillis;
use herdiff_model::visit::{Answer, Visit};
use std::io::Read;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// What is the same for all hosts of a replay.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) pack: Arc<Pack>,
    pub(super) herd: HerdName,
    pub(super) limits: Arc<Limits>,
}

impl Reader {
    /// The buffer is only there to be used again.
    pub(super) fn visit(&self, host: &HostDir, buffer: &mut Vec<u8>) -> Visit {
        if let Some(told) = &host.told {
            return self.told(host, told, buffer);
        }
        let mut receipt = Receipt { engine: "osqueryi".into(), root: "/".into(), ..Receipt::default() };
        if let Some(fault) = &host.fault {
            return self.without_rows(host, HostOutcomeKind::Unreachable, fault, receipt);
        }
        let answers = self.pack.queries().iter().map(|query| self.answer(host, query, buffer, &mut receipt));
        let answers = answers.collect();
        let (name, herd) = (host.host.clone(), self.herd(host));
        Visit { host: name, herd, outcome: HostOutcome::ok(), receipt, answers }.settle()
    }

    /// As an export says it; where a file is not what it says, the file counts.
    fn told(&self, host: &HostDir, told: &Told, buffer: &mut Vec<u8>) -> Visit {
        let mut unused = Receipt::default();
        let answers = self.pack.queries().iter().map(|query| match told.queries.get(&query.name) {
            Some(ToldQuery::Failed(failure)) if !host.files.contains_key(&query.name) => {
                Answer::Failed(failure.clone())
            }
            Some(ToldQuery::Rows { .. }) if !host.files.contains_key(&query.name) => {
                Answer::failed(QueryFailureKind::Malformed, "the file with its rows is missing")
            }
            Some(ToldQuery::Rows { unread: known, cut: known_cut }) => {
                let mut answer = self.answer(host, query, buffer, &mut unused);
                if let Answer::Rows { unread, cut, .. } = &mut answer {
                    unread.clone_from(known);
                    *cut = cut.take().or_else(|| known_cut.clone());
                }
                answer
            }
            _ => self.answer(host, query, buffer, &mut unused),
        });
        let answers = answers.collect();
        let (outcome, receipt) = (told.outcome.clone(), told.receipt.clone());
        Visit { host: host.host.clone(), herd: self.herd(host), outcome, receipt, answers }.settle()
    }

    fn herd(&self, host: &HostDir) -> HerdName {
        host.herd.clone().unwrap_or_else(|| self.herd.clone())
    }

    /// What is said of a host whose files made the reader itself fail.
    pub(super) fn broken(&self, host: &HostDir) -> Visit {
        let why = "reading its files failed inside this program";
        self.without_rows(host, HostOutcomeKind::MalformedOutput, why, Receipt::default())
    }

    fn without_rows(&self, host: &HostDir, kind: HostOutcomeKind, why: &str, receipt: Receipt) -> Visit {
        let outcome = HostOutcome::failed(kind, Phase::Read, why);
        let queries = self.pack.queries().len();
        Visit::without_rows(host.host.clone(), self.herd(host), outcome, receipt, queries)
    }

    fn answer(&self, host: &HostDir, query: &Query, buffer: &mut Vec<u8>, receipt: &mut Receipt) -> Answer {
        let Some(name) = host.files.get(&query.name) else {
            let kind = if query.for_linux { QueryFailureKind::NotRun } else { QueryFailureKind::NotAsked };
            return Answer::failed(kind, format!("there is no file {}.json", query.name));
        };
        let most = self.limits.answer_bytes;
        buffer.clear();
        let read = open_plain(&host.path.join(name)).and_then(|file| {
            let changed = file.metadata()?.modified()?;
            file.take(most as u64 + 1).read_to_end(buffer)?;
            Ok(changed)
        });
        match read {
            Err(error) => return Answer::failed(QueryFailureKind::Malformed, error.to_string()),
            Ok(changed) => {
                // The best that is known of when the host was asked.
                let millis = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
                receipt.started = receipt.started.max(UnixMillis(u64::try_from(millis).unwrap_or_default()));
                receipt.bytes_received += buffer.len() as u64;
            }
        }
        if buffer.len() > most {
            return Answer::failed(
                QueryFailureKind::OutputLimit,
                format!("the file is longer than {most} bytes"),
            );
        }
        if buffer.trim_ascii().is_empty() {
            return Answer::failed(QueryFailureKind::Malformed, "the file is empty");
        }
        read_objects(buffer, &self.limits, Vec::new(), &Halt::default())
    }
}
