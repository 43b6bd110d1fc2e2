//! The collector's protocol: a pack in, one line of JSON a query out. `docs/PROTOCOL.md` describes it.
//!
//! A line is written while its rows come, and its end says what was not seen, so that a query of a million rows
//! needs no more memory here than one of ten.

mod answer;
mod packed;
mod request;
mod worker;

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::host::Host;
use crate::json::push_string;
use crate::sql::{Limit, SqlErrorKind};
use answer::{push_costs, push_cut, push_number, push_refusal};
use request::Request;
use worker::Part;
pub(crate) use worker::Worker;

/// The version of the lines.
const PROTOCOL: u32 = 1;
/// A pack is not longer than this.
const REQUEST_BYTES: u64 = 16 << 20;
/// A query that hangs is left behind; so many may.
pub(crate) const WORKERS: usize = 4;
/// Queries end by themselves when their time is over. What has not ended this long after it hangs.
const GRACE: Duration = Duration::from_secs(2);

/// Answers a pack with the help of workers. `host` makes the host for each of them.
///
/// # Errors
/// When the pack cannot be read, or nobody reads the answer.
pub(crate) fn run(
    workers: Vec<Worker>,
    host: &dyn Fn() -> io::Result<Host>,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> io::Result<()> {
    let mut pack = Vec::new();
    input.take(REQUEST_BYTES + 1).read_to_end(&mut pack)?;
    if pack.len() as u64 > REQUEST_BYTES {
        return Err(io::Error::other("the pack is too long"));
    }
    let request = Arc::new(Request::parse(&pack).map_err(io::Error::other)?);
    let first = host()?;
    hello(&first, output)?;
    let mut packed;
    let output: &mut dyn Write = if request.packed {
        packed = packed::Packed::new(output);
        &mut packed
    } else {
        output
    };
    let mut workers = workers.into_iter();
    let mut worker = workers.next();
    if let Some(worker) = &worker {
        worker.look_at(first);
    }
    for (place, query) in request.queries.iter().enumerate() {
        let hangs = match &worker {
            Some(worker) => !answer(worker, &request, place, output)?,
            None => {
                let words = "not run: too many queries before it hang";
                refuse(&query.name, words, Instant::now(), output)?;
                false
            }
        };
        if hangs {
            worker = workers.next();
            if let Some(worker) = &worker {
                worker.look_at(host()?);
            }
        }
    }
    let mut line = Vec::new();
    push_number(&mut line, "{\"end\":1,\"queries\":", request.queries.len() as u128);
    push_number(&mut line, ",\"cpu_us\":", cpu_time().as_micros());
    push_number(&mut line, ",\"max_rss_kb\":", u128::from(max_rss_kb()));
    line.extend_from_slice(b"}\n");
    output.write_all(&line)?;
    output.flush()
}

/// Writes the line of one query as it comes. False: the worker hangs, and the line was ended for it.
fn answer(worker: &Worker, request: &Arc<Request>, place: usize, output: &mut dyn Write) -> io::Result<bool> {
    let began = Instant::now();
    let cpu_before = cpu_time();
    let deadline = request.time.and_then(|time| began.checked_add(time)?.checked_add(GRACE));
    worker.ask(request, place);
    let mut begun = false;
    loop {
        match worker.next(deadline) {
            Some(Part::Rows(bytes)) => {
                output.write_all(&bytes)?;
                begun = true;
            }
            Some(Part::End(bytes)) => {
                output.write_all(&bytes)?;
                output.flush()?;
                return Ok(true);
            }
            None if begun => {
                let mut line = b"],\"unread\":[".to_vec();
                push_cut(&mut line, Some(Limit::Time));
                push_costs(&mut line, began, cpu_before);
                output.write_all(&line)?;
                output.flush()?;
                return Ok(false);
            }
            None => {
                let name = request.queries.get(place).map_or("", |query| query.name.as_str());
                refuse(name, "the host did not answer: a read hangs", began, output)?;
                return Ok(false);
            }
        }
    }
}

fn refuse(name: &str, words: &str, began: Instant, output: &mut dyn Write) -> io::Result<()> {
    let mut line = Vec::new();
    push_refusal(&mut line, name, words, SqlErrorKind::Timeout);
    push_costs(&mut line, began, cpu_time());
    output.write_all(&line)?;
    output.flush()
}

fn hello(host: &Host, output: &mut dyn Write) -> io::Result<()> {
    let mut line = Vec::new();
    line.extend_from_slice(b"{\"probe\":");
    push_string(&mut line, env!("CARGO_PKG_VERSION").as_bytes());
    push_number(&mut line, ",\"protocol\":", u128::from(PROTOCOL));
    line.extend_from_slice(b",\"arch\":");
    push_string(&mut line, std::env::consts::ARCH.as_bytes());
    push_number(&mut line, ",\"uid\":", u128::from(rustix::process::geteuid().as_raw()));
    line.extend_from_slice(b",\"root\":");
    push_string(&mut line, host.root_name());
    push_number(&mut line, ",\"pid\":", u128::from(std::process::id()));
    line.extend_from_slice(b"}\n");
    output.write_all(&line)?;
    output.flush()
}

/// Processor time of this process so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The most memory that this process ever had, from its own status; 0 where that cannot be read.
fn max_rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
