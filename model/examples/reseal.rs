//! Seals a bundle again, for measuring.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
use herdiff_model::bundle::{Bundle, SealedWriter};
use herdiff_model::sweep::SweepEnd;
use std::time::Instant;

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let bundle = Bundle::read(std::io::BufReader::new(std::fs::File::open(&path).unwrap())).unwrap();
    let visits: Vec<_> = (0..bundle.snapshots.len()).filter_map(|n| bundle.visit(n)).collect();
    let start = Instant::now();
    let mut writer = SealedWriter::start(Vec::new(), &bundle.facts, &bundle.pack, &[]).unwrap();
    visits.iter().for_each(|visit| {
        writer.append(visit, 0).unwrap();
    });
    println!("append {:?}", start.elapsed());
    let (bytes, sealed) = writer.finish(SweepEnd::default()).unwrap();
    println!(
        "{} {} bytes a host, {:?} {}",
        bytes.len(),
        bytes.len() / visits.len(),
        start.elapsed(),
        sealed.seal
    );
    let start = Instant::now();
    let back = Bundle::read(&*bytes).unwrap();
    println!("read {:?}", start.elapsed());
    for (n, visit) in visits.iter().enumerate() {
        let told = |visit: &herdiff_model::visit::Visit| {
            let rows = |answer: &herdiff_model::visit::Answer| match answer {
                herdiff_model::visit::Answer::Rows { batches, .. } => {
                    let mut rows: Vec<String> = batches
                        .iter()
                        .flat_map(|b| b.rows().map(|r| r.iter().map(|(c, v)| format!("{c}={v} ")).collect()))
                        .collect();
                    rows.sort();
                    rows
                }
                _ => Vec::new(),
            };
            visit.answers.iter().map(rows).collect::<Vec<_>>()
        };
        assert_eq!(told(visit), told(&back.visit(n).unwrap()));
    }
    std::fs::write(std::env::args().nth(2).unwrap(), &bytes).unwrap();
    for _ in 0..3 {
        let start = Instant::now();
        let mut archive =
            herdiff_model::bundle::Archive::open(std::io::Cursor::new(&bytes)).unwrap().unwrap();
        let hosts = archive.hosts().unwrap();
        println!("open and list {} {:?}", hosts.len(), start.elapsed());
        let start = Instant::now();
        archive.host(hosts.len() / 2).unwrap();
        println!("one host {:?}", start.elapsed());
        let start = Instant::now();
        archive.query(herdiff_model::snapshot::QueryId(3)).unwrap();
        println!("one query {:?}", start.elapsed());
        let start = Instant::now();
        assert!(archive.prove(hosts.len() / 3).unwrap().unwrap().holds());
        println!("prove {:?}", start.elapsed());
    }
}
