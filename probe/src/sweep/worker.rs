//! Runs queries on a thread of its own, so that one that hangs does not take the others with it.
//!
//! A read can wait for ever: for a server that is gone, for a file system that its owner has stopped. No signal ends
//! that but one that ends the process. So the thread is left behind, and another one goes on.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Instant;

use super::answer::Answer;
use super::request::Request;
use crate::host::Host;
use crate::sql::{Engine, Limit, Limits, SqlErrorKind};

/// As much as the main thread has: statements nest, and so do JSON documents.
const STACK_BYTES: usize = 8 << 20;

/// A part of a line, which ends where a row ends.
pub(super) enum Part {
    /// The beginning of the line or more of its rows.
    Rows(Vec<u8>),
    /// What closes the line, after everything that was not handed on yet.
    End(Vec<u8>),
}

/// Where parts go.
pub(super) struct Parts(SyncSender<Part>);

impl Parts {
    /// # Errors
    /// When nobody waits for them any more.
    pub(super) fn send(&self, part: Part) -> io::Result<()> {
        self.0.send(part).map_err(|_| io::Error::other("nobody reads"))
    }
}

enum Job {
    /// The host to look at; comes first.
    Host(Box<Host>),
    /// A query by its place in the request.
    Query(Arc<Request>, usize),
}

/// A thread that waits for queries.
pub(crate) struct Worker {
    jobs: Sender<Job>,
    parts: Receiver<Part>,
}

impl Worker {
    /// Starts the thread, which does nothing yet. After the restraint no thread can be started.
    ///
    /// # Errors
    /// As the operating system's.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, waiting) = channel();
        // One part on its way: a slow reader of the output slows the query down and fills no memory.
        let (sender, parts) = sync_channel(1);
        thread::Builder::new().stack_size(STACK_BYTES).spawn(move || work(&waiting, &Parts(sender)))?;
        Ok(Worker { jobs, parts })
    }

    /// Gives it the host to look at.
    pub(super) fn look_at(&self, host: Host) {
        // A thread that is gone is noticed when its parts do not come.
        let _ = self.jobs.send(Job::Host(Box::new(host)));
    }

    /// Gives it a query.
    pub(super) fn ask(&self, request: &Arc<Request>, place: usize) {
        let _ = self.jobs.send(Job::Query(Arc::clone(request), place));
    }

    /// The next part; `None` when it does not come in time, or the thread is gone.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Option<Part> {
        let Some(deadline) = deadline else { return self.parts.recv().ok() };
        self.parts.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

fn work(jobs: &Receiver<Job>, parts: &Parts) {
    let mut engine = None;
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Host(host) => engine = Engine::new(Arc::from(host)).ok(),
            Job::Query(request, place) => {
                let Some(query) = request.queries.get(place) else { return };
                let answer = Answer::new(&query.name, &request, parts);
                let done = match &engine {
                    Some(engine) => run(engine, &query.sql, &request, answer, &query.name),
                    None => answer.refuse("SQLite did not start", SqlErrorKind::Internal),
                };
                if done.is_err() {
                    return;
                }
            }
        }
    }
}

fn run(engine: &Engine, sql: &str, request: &Request, mut answer: Answer<'_>, name: &str) -> io::Result<()> {
    match engine.run(sql, Limits { time: request.time }, &mut answer)? {
        Ok(outcome) => answer.end(engine, outcome.cut),
        Err(error) if error.kind == SqlErrorKind::Timeout && answer.begun() => {
            answer.end(engine, Some(Limit::Time))
        }
        Err(error) if answer.begun() => {
            // The rows until here are true, but they are not all.
            engine.host().note(name, &error.words);
            answer.end(engine, None)
        }
        Err(error) => answer.refuse(&error.words, error.kind),
    }
}
