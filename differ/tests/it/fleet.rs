//! Builds fleets for tests.

use herdiff_model::bundle::{Bundle, BundleWriter};
use herdiff_model::knowledge::Tables;
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind, Unread};
use herdiff_model::pack::Pack;
use herdiff_model::row::RowBatch;
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::{SweepFacts, UnixMillis};
use herdiff_model::visit::{Answer, Visit};

/// A fleet whose hosts all answer the queries of a pack.
pub(crate) struct Fleet {
    pack: Pack,
    pub(crate) visits: Vec<Visit>,
}

impl Fleet {
    /// Hosts `web-00`, `web-01`, … of the herd `web`, with no rows yet.
    pub(crate) fn new(queries: &[&str], hosts: usize) -> Self {
        Self::with(Pack::of_names(queries.iter().map(|&name| name.into())), hosts)
    }

    /// The same, for a pack with statements and annotations.
    pub(crate) fn of_pack(pack: &str, hosts: usize) -> Self {
        Self::with(Pack::parse(pack).unwrap(), hosts)
    }

    fn with(pack: Pack, hosts: usize) -> Self {
        let visit = |n| Visit {
            host: format!("web-{n:02}").into(),
            herd: "web".into(),
            outcome: HostOutcome::ok(),
            receipt: Receipt::default(),
            answers: pack
                .queries()
                .iter()
                .map(|_| Answer::Rows { batches: Vec::new(), unread: Vec::new(), cut: None })
                .collect(),
        };
        Self { visits: (0..hosts).map(visit).collect(), pack }
    }

    fn answer(&mut self, host: usize, query: &str) -> &mut Answer {
        let at = self.pack.queries().iter().position(|known| known.name.as_str() == query).unwrap();
        &mut self.visits[host].answers[at]
    }

    /// Gives a host a row, as in `command=x path=/etc/crontab`; values end at `|`.
    pub(crate) fn row(&mut self, host: usize, query: &str, row: &str) -> &mut Self {
        let cells: Vec<_> = row.split('|').map(|cell| cell.split_once('=').unwrap()).collect();
        let names: Vec<ColumnName> = cells.iter().map(|&(name, _)| name.into()).collect();
        let mut batch = RowBatch::new(&names);
        batch.push(&cells.iter().map(|&(_, value)| value).collect::<Vec<_>>());
        match self.answer(host, query) {
            Answer::Rows { batches, .. } => batches.push(batch),
            Answer::Failed(_) => panic!("the query failed there"),
        }
        self
    }

    /// Gives every host a row; `{}` in it becomes the number of the host.
    pub(crate) fn all(&mut self, query: &str, row: &str) -> &mut Self {
        for host in 0..self.visits.len() {
            self.row(host, query, &row.replace("{}", &host.to_string()));
        }
        self
    }

    /// Takes a host's rows of a query away.
    pub(crate) fn clear(&mut self, host: usize, query: &str) -> &mut Self {
        *self.answer(host, query) = Answer::Rows { batches: Vec::new(), unread: Vec::new(), cut: None };
        self
    }

    /// Lets a query fail on a host.
    pub(crate) fn fail(&mut self, host: usize, query: &str) -> &mut Self {
        *self.answer(host, query) = Answer::failed(QueryFailureKind::Timeout, "too slow");
        self
    }

    /// Lets a host not be able to read everything that a query wants.
    pub(crate) fn unread(&mut self, host: usize, query: &str) -> &mut Self {
        match self.answer(host, query) {
            Answer::Rows { unread, .. } => {
                unread.push(Unread { what: "/x".into(), why: "Permission denied".into(), count: 1 });
            }
            Answer::Failed(_) => panic!("the query failed there"),
        }
        self
    }

    /// Lets a host be out of reach.
    pub(crate) fn unreachable(&mut self, host: usize) -> &mut Self {
        let outcome = HostOutcome::failed(HostOutcomeKind::Refused, Phase::Connect, "Connection refused");
        let visit = &self.visits[host];
        let queries = self.pack.queries().len();
        self.visits[host] =
            Visit::without_rows(visit.host.clone(), visit.herd.clone(), outcome, Receipt::default(), queries);
        self
    }

    pub(crate) fn bundle(&self) -> Bundle {
        let mut writer = BundleWriter::start(Vec::new(), &SweepFacts::default(), &self.pack).unwrap();
        self.visits.iter().for_each(|visit| writer.append(visit).unwrap());
        let (bytes, _) = writer.finish(UnixMillis(0), false).unwrap();
        Bundle::read(&*bytes).unwrap()
    }
}

pub(crate) fn tables() -> Tables {
    Tables::builtin().unwrap()
}
