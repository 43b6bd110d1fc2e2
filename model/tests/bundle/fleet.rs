//! A small fleet, and everything of a bundle as text.

use herdiff_model::bundle::{Bundle, BundleWriter, Sealed, SealedWriter};
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind, QueryOutcome, Unread};
use herdiff_model::pack::Pack;
use herdiff_model::row::{Row, RowBatch};
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::{SweepEnd, SweepFacts, UnixMillis};
use herdiff_model::visit::{Answer, Visit};

pub(crate) const PACK: &str = r#"{"queries": {"users": {"query": "SELECT * FROM users"}, "crontab": {"query": "SELECT * FROM crontab"}}}"#;

pub(crate) fn rows(columns: &[&str], rows: &[&[&[u8]]]) -> Answer {
    let names: Vec<ColumnName> = columns.iter().map(|&name| name.into()).collect();
    let mut batch = RowBatch::new(&names);
    rows.iter().for_each(|row| batch.push(row));
    Answer::Rows { batches: vec![batch], unread: Vec::new(), cut: None }
}

pub(crate) fn visits() -> Vec<Visit> {
    let visit = |host: &str, answers| Visit {
        host: host.into(),
        herd: "web".into(),
        outcome: HostOutcome::ok(),
        receipt: Receipt {
            uid: Some(0),
            removed: Some(true),
            engine: "probe 0.1.0".into(),
            ..Receipt::default()
        },
        answers,
    };
    let mut second = rows(&["username", "uid"], &[&[b"eve\xff\0", b"0"], &[b"root", b"0"], &[b"root", b"0"]]);
    if let Answer::Rows { unread, cut, .. } = &mut second {
        unread.push(Unread { what: "/etc/shadow".into(), why: "Permission denied".into(), count: 2 });
        *cut = Some("rows".into());
    }
    vec![
        visit("web-01", vec![rows(&["uid", "username"], &[&[b"0", b"root"]]), rows(&["command"], &[])]),
        visit("web-02", vec![second, Answer::failed(QueryFailureKind::Error, "no such table: crontab")])
            .settle(),
        Visit::without_rows(
            "web-03".into(),
            "web".into(),
            HostOutcome::failed(HostOutcomeKind::Refused, Phase::Connect, "Connection refused"),
            Receipt::default(),
            2,
        ),
    ]
}

pub(crate) fn facts() -> SweepFacts {
    SweepFacts { tool: "herdiff test".into(), started: UnixMillis(7), targets: 3, ..SweepFacts::default() }
}

/// Of a run that goes on with the sweep.
pub(crate) fn another() -> SweepFacts {
    let operator = "ada@ops".into();
    SweepFacts { operator, started: UnixMillis(11), targets: 1, ..facts() }
}

/// As a sweep leaves it.
pub(crate) fn written() -> Vec<u8> {
    let mut writer = BundleWriter::start(Vec::new(), &facts(), &Pack::parse(PACK).unwrap()).unwrap();
    visits().iter().for_each(|visit| writer.append(visit).unwrap());
    writer.finish(UnixMillis(9), false).unwrap().0
}

/// Everything of a bundle as text, so that two can be compared.
pub(crate) fn told(bundle: &Bundle) -> String {
    let mut told = format!("{:?}\n{}\n", bundle.facts, bundle.pack.text());
    for snapshot in &bundle.snapshots {
        told += &format!(
            "{:?} {:?} {:?} {:?}\n",
            snapshot.host, snapshot.herd, snapshot.outcome, snapshot.receipt
        );
        for ((_, query, table), outcome) in bundle.queries().zip(&snapshot.queries) {
            told += &format!("  {}: ", query.name);
            match outcome {
                QueryOutcome::Failed(failure) => told += &format!("{failure:?}"),
                QueryOutcome::Rows(set) => {
                    told += &format!("{:?} {:?}", set.unread, set.cut);
                    for &id in &set.ids {
                        let row = table.row(id).unwrap();
                        told += &row
                            .iter()
                            .map(|(column, cell)| format!(" {column}={cell:?}"))
                            .collect::<String>();
                        told += ";";
                    }
                }
            }
            told += "\n";
        }
    }
    told
}

/// The frames of a bundle, with the preamble in front.
pub(crate) fn frames(whole: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mut starts = vec![16];
    while let Some(&start) = starts.last().filter(|&&start| start < whole.len()) {
        let stored = u32::from_le_bytes(whole[start + 13..start + 17].try_into().unwrap());
        starts.push(start + 53 + stored as usize);
    }
    (&whole[..16], starts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect())
}

pub(crate) fn sealed_of(visits: &[Visit]) -> (Vec<u8>, Sealed) {
    let mut writer = SealedWriter::start(Vec::new(), &facts(), &Pack::parse(PACK).unwrap(), &[]).unwrap();
    visits.iter().for_each(|visit| {
        writer.append(visit, 0).unwrap();
    });
    writer.finish(SweepEnd { finished: UnixMillis(9), interrupted: false, hosts: 0 }).unwrap()
}

/// Sealed.
pub(crate) fn sealed() -> Vec<u8> {
    sealed_of(&visits()).0
}

/// Hosts with rows that all have, some have, and only one has; every third could not tell of one query.
pub(crate) fn fleet(hosts: usize) -> Vec<Visit> {
    let visit = |n: usize| {
        let own = |row: usize| format!("{}", n * 1000 + row * row).into_bytes();
        let mut users: Vec<Vec<Vec<u8>>> =
            (0..20).map(|row| vec![format!("user{row}").into_bytes(), b"7".to_vec()]).collect();
        users.extend((0..5).map(|row| vec![format!("own{row}").into_bytes(), own(row)]));
        if n.is_multiple_of(4) {
            users.push(vec![b"some".to_vec(), b"4".to_vec()]);
            users.push(vec![b"user3".to_vec(), b"7".to_vec()]);
        }
        let mut batch = RowBatch::new(&["username".into(), "uid".into()]);
        users.iter().for_each(|row| batch.push(row));
        let mut odd = RowBatch::new(&["odd".into()]);
        odd.push(&[if n.is_multiple_of(5) { "often" } else { "" }]);
        let users = Answer::Rows { batches: vec![batch, odd], unread: Vec::new(), cut: None };
        let crontab = match n % 3 {
            0 => Answer::failed(QueryFailureKind::Timeout, "no answer"),
            _ => rows(&["command"], &[&[format!("run-parts {}", n % 2).as_bytes()]]),
        };
        Visit {
            host: format!("h{n:04}").into(),
            herd: if n.is_multiple_of(2) { "web".into() } else { "db".into() },
            outcome: HostOutcome::ok(),
            receipt: Receipt { started: UnixMillis(n as u64 + 5), ..Receipt::default() },
            answers: vec![users, crontab],
        }
        .settle()
    };
    (0..hosts).map(visit).collect()
}

/// Everything of a visit as text, rows in order of their bytes.
pub(crate) fn told_visit(visit: &Visit) -> String {
    let mut told = format!("{:?} {:?} {:?} {:?}", visit.host, visit.herd, visit.outcome, visit.receipt);
    for answer in &visit.answers {
        match answer {
            Answer::Failed(failure) => told += &format!("\n  {failure:?}"),
            Answer::Rows { batches, unread, cut } => {
                told += &format!("\n  {unread:?} {cut:?}");
                let row = |row: Row<'_>| row.iter().map(|(c, v)| format!(" {c}={v:?}")).collect::<String>();
                let mut rows: Vec<String> = batches.iter().flat_map(|batch| batch.rows().map(row)).collect();
                rows.sort();
                told += &rows.join(";");
            }
        }
    }
    told
}

/// The same of every host of a bundle.
pub(crate) fn told_visits(bundle: &Bundle) -> Vec<String> {
    (0..bundle.snapshots.len()).map(|n| told_visit(&bundle.visit(n).unwrap())).collect()
}

/// Rows whose columns take every form that a sealed bundle has: digests, paths, few and many values, numbers that are near the one
/// before, that of the host before, or what the two make together.
pub(crate) fn forms() -> Vec<Visit> {
    let visit = |host: u64| {
        let columns = ["counter", "digest", "inode", "kind", "mtime", "name", "path", "size"];
        let mut batch = RowBatch::new(&columns.map(ColumnName::from));
        for row in 0..5u64 {
            let digest = blake3::hash(&[host as u8, row as u8]).to_string();
            let cells = [
                (host * 5 + row).to_string(),
                digest.clone(),
                (host * host * 7919 % 1_000_003 + row * row * 321).to_string(),
                format!("kind-{row}"),
                (1_700_000_000 + row * 86_417 + host % 3).to_string(),
                format!("name-{}", (host * 5 + row) % 300),
                format!("/srv/app/{row}/cache-{}", &digest[..8]),
                (i64::from_str_radix(&digest[..15], 16).unwrap() - (1 << 59)).to_string(),
            ];
            batch.push(&cells);
        }
        let mut common = RowBatch::new(&["kind".into(), "path".into()]);
        common.push(&["everywhere", "/bin/sh"]);
        if !host.is_multiple_of(9) {
            common.push(&["on most", "/bin/su"]);
        }
        if host % 9 == 4 {
            common.push(&["on some", ""]);
            common.push(&["on some", ""]);
        }
        let users = Answer::Rows { batches: vec![batch, common], unread: Vec::new(), cut: None };
        Visit {
            host: format!("h{host:03}").into(),
            herd: "web".into(),
            outcome: HostOutcome::ok(),
            receipt: Receipt::default(),
            answers: vec![users, rows(&["command"], &[])],
        }
    };
    (0..130).map(visit).collect()
}
