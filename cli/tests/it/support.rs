//! Runs the command, and writes bundles for it.

use herdiff_model::bundle::BundleWriter;
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind, Unread};
use herdiff_model::pack::Pack;
use herdiff_model::row::RowBatch;
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::{SweepFacts, UnixMillis};
use herdiff_model::visit::{Answer, Visit};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Standard output, standard error and exit status together, so that none of them changes unseen.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "exit: {}\n----- stdout -----\n{}----- stderr -----\n{}",
        output.status.code().map_or("none".to_owned(), |code| code.to_string()),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}

/// Waits until a program is ready to be interrupted: before that it would only be killed.
pub(crate) fn catches_interrupts(id: u32) {
    const INTERRUPT: u64 = 1 << (2 - 1);
    let start = std::time::Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        if u64::from_str_radix(caught.trim(), 16).unwrap() & INTERRUPT != 0 {
            return;
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "it never listens: {status}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A directory in which the command runs.
pub(crate) struct Place(pub(crate) TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_herdiff"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it and tells everything.
    pub(crate) fn herdiff(&self, arguments: &[&str]) -> String {
        told(&self.run(arguments))
    }
}

const PACK: &str = r#"{"queries": {
    "crontab": {"query": "SELECT * FROM crontab"},
    "users": {"query": "SELECT * FROM users"},
    "kernel_modules": {"query": "SELECT * FROM kernel_modules"}}}"#;

/// Twelve web servers. What is odd is said by the caller: a host's number, a query and a row.
pub(crate) struct Fleet {
    pub(crate) visits: Vec<Visit>,
}

fn answer(rows: &[&str]) -> Answer {
    let batches = rows
        .iter()
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(|cell| cell.split_once('=').unwrap()).collect();
            let names: Vec<ColumnName> = cells.iter().map(|&(name, _)| name.into()).collect();
            let mut batch = RowBatch::new(&names);
            batch.push(&cells.iter().map(|&(_, value)| value).collect::<Vec<_>>());
            batch
        })
        .collect();
    Answer::Rows { batches, unread: Vec::new(), cut: None }
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let visit = |n: usize| Visit {
            host: format!("web-{n:02}").into(),
            herd: "web".into(),
            outcome: HostOutcome::ok(),
            receipt: Receipt {
                engine: "probe 0.1.0".into(),
                placed: "/dev/shm/.herdiff.x".into(),
                removed: Some(true),
                uid: Some(0),
                duration_ms: 120,
                ..Receipt::default()
            },
            answers: vec![
                answer(&["path=/etc/crontab|command=root run-parts /etc/cron.hourly"]),
                answer(&[
                    "username=root|uid=0|directory=/root",
                    "username=www-data|uid=33|directory=/var/www",
                ]),
                answer(&["name=ext4|status=Live", "name=nf_tables|status=Live"]),
            ],
        };
        Self { visits: (1..=12).map(visit).collect() }
    }

    /// Gives a host (counted from 1) a row more; query 0 is crontab, 1 users, 2 kernel_modules.
    pub(crate) fn row(mut self, host: usize, query: usize, row: &str) -> Self {
        let Answer::Rows { batches, .. } = &mut self.visits[host - 1].answers[query] else {
            panic!("no rows")
        };
        let Answer::Rows { batches: more, .. } = answer(&[row]) else { panic!("no rows") };
        batches.extend(more);
        self
    }

    /// One host out of reach, one with a failed query, one that could not read everything.
    pub(crate) fn troubled(mut self) -> Self {
        let outcome = HostOutcome::failed(
            HostOutcomeKind::Refused,
            Phase::Connect,
            "Connection refused (os error 111)",
        );
        let visit = &self.visits[3];
        self.visits[3] =
            Visit::without_rows(visit.host.clone(), visit.herd.clone(), outcome, Receipt::default(), 3);
        self.visits[4].answers[0] = Answer::failed(QueryFailureKind::Timeout, "no answer within 30 s");
        self.visits[4] = self.visits[4].clone().settle();
        if let Answer::Rows { unread, .. } = &mut self.visits[5].answers[1] {
            unread.push(Unread { what: "/etc/shadow".into(), why: "Permission denied".into(), count: 2 });
        }
        self
    }

    pub(crate) fn write(&self, path: &Path) {
        let facts = SweepFacts {
            tool: "herdiff 0.1.0".into(),
            started: UnixMillis(1_795_226_326_219),
            operator: "ada@console".into(),
            transport: "ssh".into(),
            inventory: vec!["fleet.ini".into()],
            targets: self.visits.len() as u64,
        };
        let mut writer = BundleWriter::start(Vec::new(), &facts, &Pack::parse(PACK).unwrap()).unwrap();
        self.visits.iter().for_each(|visit| writer.append(visit).unwrap());
        let (bytes, _) = writer.finish(UnixMillis(1_795_226_329_719), false).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The same as a finished sweep leaves it.
    pub(crate) fn write_sealed(&self, path: &Path) {
        self.write(path);
        herdiff_model::bundle::seal(path).unwrap();
    }
}

/// A fleet with two odd hosts.
pub(crate) fn compromised() -> Fleet {
    Fleet::new().row(7, 0, "path=/etc/cron.d/sync|command=root /var/tmp/.x/upd >/dev/null").row(
        9,
        1,
        "username=sysd|uid=0|directory=/var/tmp",
    )
}
