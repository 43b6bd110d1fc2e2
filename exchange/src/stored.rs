//! A bundle as the rest of this crate sees it: visits, and the answers to one query at a time.
//!
//! Of a sealed bundle only the index is read at first, and each query when it is asked for. A bundle of another form can
//! only be read whole.

use herdiff_model::bundle::{Archive, Bundle, BundleError, Ending, HostEntry, Part, QueryAnswers, is_sealed};
use herdiff_model::outcome::{QueryOutcome, RowSet};
use herdiff_model::pack::Pack;
use herdiff_model::snapshot::QueryId;
use herdiff_model::sweep::SweepFacts;
use std::io::{BufReader, Read, Seek};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a bundle is read from: a file, or one that is decrypted where it is read.
pub trait Source: Read + Seek + Send + 'static {}

impl<T: Read + Seek + Send + 'static> Source for T {}

/// A bundle that was opened. Cloning it is cheap.
#[derive(Clone)]
pub struct Stored(Arc<Inner>);

type Readable = Archive<BufReader<Box<dyn Source>>>;

struct Inner {
    facts: SweepFacts,
    pack: Pack,
    parts: Vec<Part>,
    ending: Ending,
    visits: Vec<HostEntry>,
    /// What was read of each query, and not let go.
    answers: Vec<Mutex<Option<Arc<QueryAnswers>>>>,
    outcomes: Mutex<Option<Arc<Outcomes>>>,
    /// Where the rest is read from; `None` where all was read.
    archive: Option<Mutex<Readable>>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored").field("facts", &self.0.facts).finish_non_exhaustive()
    }
}

/// How each query ended on each visit, without the rows: by query, then by visit.
pub(crate) type Outcomes = Vec<Vec<Told>>;

/// How one query ended on one visit.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) outcome: &'static str,
    pub(crate) rows: Option<u64>,
    pub(crate) detail: String,
}

impl Stored {
    /// Opens a bundle.
    ///
    /// # Errors
    /// When it is no bundle, or damaged where it was looked at.
    pub fn open(source: Box<dyn Source>) -> Result<Self, BundleError> {
        let mut source = BufReader::with_capacity(1 << 18, source);
        if !is_sealed(&mut source)? {
            source.rewind()?;
            return Ok(Self::new(Bundle::read(source)?));
        }
        if let Some(mut archive) = Archive::open(source)? {
            let visits = archive.hosts()?;
            let pack = archive.pack().clone();
            return Ok(Self(Arc::new(Inner {
                facts: archive.facts().clone(),
                parts: archive.parts().to_vec(),
                ending: Ending::Whole { end: archive.end(), seal: archive.seal() },
                visits,
                answers: pack.queries().iter().map(|_| Mutex::default()).collect(),
                outcomes: Mutex::default(),
                pack,
                archive: Some(Mutex::new(archive)),
            })));
        }
        Err(BundleError::Io(std::io::Error::other("the file changed while it was read")))
    }

    /// A bundle that was read whole.
    pub fn new(bundle: Bundle) -> Self {
        let mut outcomes: Vec<Vec<QueryOutcome>> = bundle.tables.iter().map(|_| Vec::new()).collect();
        let mut visits = Vec::with_capacity(bundle.snapshots.len());
        for snapshot in bundle.snapshots {
            let answered = snapshot.queries.iter().filter(|outcome| outcome.rows().is_some()).count();
            for (of_query, outcome) in outcomes.iter_mut().zip(snapshot.queries) {
                of_query.push(outcome);
            }
            visits.push(HostEntry {
                host: snapshot.host,
                herd: snapshot.herd,
                outcome: snapshot.outcome,
                receipt: snapshot.receipt,
                part: snapshot.part,
                answered,
            });
        }
        let answers = bundle.tables.into_iter().zip(outcomes);
        let answers =
            answers.map(|(table, outcomes)| Mutex::new(Some(Arc::new(QueryAnswers { table, outcomes }))));
        Self(Arc::new(Inner {
            facts: bundle.facts,
            pack: bundle.pack,
            parts: bundle.parts,
            ending: bundle.ending,
            visits,
            answers: answers.collect(),
            outcomes: Mutex::default(),
            archive: None,
        }))
    }

    /// Who, when, from where.
    pub fn facts(&self) -> &SweepFacts {
        &self.0.facts
    }

    /// What was asked.
    pub fn pack(&self) -> &Pack {
        &self.0.pack
    }

    /// The sweeps that were merged into it, or the runs of a sweep that was gone on with; none where it is of one run.
    pub fn parts(&self) -> &[Part] {
        &self.0.parts
    }

    /// Whether it is complete.
    pub fn ending(&self) -> Ending {
        self.0.ending
    }

    /// The visits, in the order of the bundle. A host may have several in a merged bundle.
    pub fn visits(&self) -> &[HostEntry] {
        &self.0.visits
    }

    /// One query over all visits.
    ///
    /// # Errors
    /// When the bundle is damaged there, or cannot be read.
    pub fn answers(&self, query: QueryId) -> Result<Arc<QueryAnswers>, BundleError> {
        let missing = || BundleError::Io(std::io::Error::other("the bundle does not have that query"));
        let mut slot = lock(self.0.answers.get(query.0 as usize).ok_or_else(missing)?);
        if let Some(known) = &*slot {
            return Ok(Arc::clone(known));
        }
        let archive = self.0.archive.as_ref().ok_or_else(missing)?;
        let read = Arc::new(lock(archive).query(query)?.ok_or_else(missing)?);
        *slot = Some(Arc::clone(&read));
        Ok(read)
    }

    /// Lets go of what was read of a query, where it can be read again.
    pub(crate) fn forget(&self, query: QueryId) {
        if let (Some(_), Some(slot)) = (&self.0.archive, self.0.answers.get(query.0 as usize)) {
            *lock(slot) = None;
        }
    }

    /// How each query ended on each visit. All queries are read for it, one after the other.
    pub(crate) fn outcomes(&self) -> Result<Arc<Outcomes>, BundleError> {
        let mut known = lock(&self.0.outcomes);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let mut outcomes = Vec::with_capacity(self.0.answers.len());
        for (id, slot) in (0..).map(QueryId).zip(&self.0.answers) {
            let is_kept = lock(slot).is_some();
            outcomes.push(self.answers(id)?.outcomes.iter().map(Told::of).collect());
            if !is_kept {
                self.forget(id);
            }
        }
        let outcomes = Arc::new(outcomes);
        *known = Some(Arc::clone(&outcomes));
        Ok(outcomes)
    }
}

/// Nothing here is left half done by a thread that panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Told {
    fn of(outcome: &QueryOutcome) -> Self {
        match outcome {
            QueryOutcome::Rows(rows) => Self {
                outcome: if rows.tells_absence() { "rows" } else { "partly" },
                rows: Some(rows.ids.len() as u64),
                detail: what_lacks(rows),
            },
            QueryOutcome::Failed(failure) => {
                Self { outcome: failure.kind.code(), rows: None, detail: failure.detail.clone() }
            }
        }
    }
}

/// Why rows may be missing.
fn what_lacks(rows: &RowSet) -> String {
    let unread = rows.unread.iter().map(|one| format!("{} ({} times): {}", one.what, one.count, one.why));
    let cut = rows.cut.iter().map(|limit| format!("cut off by the limit of {limit}"));
    unread.chain(cut).collect::<Vec<_>>().join("; ")
}
