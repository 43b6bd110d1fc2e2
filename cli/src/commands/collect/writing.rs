//! What a sweep writes while it runs, and what is left of it in the end: a journal that is sealed, or the same encrypted.

use crate::bundle_output;
use crate::output::say;
use herdiff_envelope::{Recipients, Sealing};
use herdiff_exchange::place::Place;
use herdiff_model::bundle::{BundleWriter, Digest, SealedWriter};
use herdiff_model::pack::Pack;
use herdiff_model::sweep::{SweepEnd, SweepFacts, UnixMillis};
use herdiff_model::visit::Visit;
use std::fs::File;
use std::io;
use std::path::Path;

/// A bundle that grows.
pub(super) enum Writing {
    /// A journal, read again and sealed in the end.
    Plain(Box<BundleWriter<File>>),
    Encrypted(Box<Encrypted>),
}

/// What is encrypted cannot be read again by whoever writes it. So it is written twice: as a journal, which is what a killed sweep
/// leaves, and sealed, which takes the journal's place in the end. Neither is ever on disk in the clear.
pub(super) struct Encrypted {
    journal: BundleWriter<Sealing<File>>,
    sealed: SealedWriter<Sealing<File>>,
    place: Place,
}

impl Writing {
    pub(super) fn start(
        file: File,
        path: &Path,
        facts: &SweepFacts,
        pack: &Pack,
        recipients: Option<&Recipients>,
    ) -> io::Result<Self> {
        let Some(recipients) = recipients else {
            return BundleWriter::start(file, facts, pack).map(Self::plain);
        };
        let place = Place::file(path)?;
        let sealed = Sealing::start(place.open()?, recipients)?;
        Ok(Self::Encrypted(Box::new(Encrypted {
            journal: BundleWriter::start(Sealing::start(file, recipients)?, facts, pack)?,
            sealed: SealedWriter::start(sealed, facts, pack, &[])?,
            place,
        })))
    }

    /// A journal that is begun.
    pub(super) fn plain(journal: BundleWriter<File>) -> Self {
        Self::Plain(Box::new(journal))
    }

    pub(super) fn append(&mut self, visit: &Visit) -> io::Result<()> {
        match self {
            Self::Plain(journal) => journal.append(visit),
            Self::Encrypted(both) => {
                both.journal.append(visit)?;
                both.sealed.append(visit, 0).map(drop)
            }
        }
    }

    /// Ends the bundle at `path`; what stands for all that it says.
    pub(super) fn finish(self, path: &Path, finished: UnixMillis, interrupted: bool) -> io::Result<Digest> {
        let both = match self {
            Self::Plain(journal) => {
                let (file, seal) = journal.finish(finished, interrupted)?;
                file.sync_all()?;
                drop(file);
                bundle_output::seal(path);
                return Ok(seal);
            }
            Self::Encrypted(both) => both,
        };
        let Encrypted { journal, sealed, place } = *both;
        let (journal, seal) = journal.finish(finished, interrupted)?;
        journal.finish()?.sync_all()?;
        // From here on there is a whole bundle, whatever happens.
        let end = SweepEnd { finished, interrupted, ..SweepEnd::default() };
        let small = sealed.finish(end).and_then(|(sink, sealed)| sink.finish().map(|_| sealed));
        match small.and_then(|sealed| {
            if sealed.seal == seal {
                place.replace()
            } else {
                Err(io::Error::other("what was sealed is not what was written"))
            }
        }) {
            Ok(()) => {}
            Err(error) => {
                say(&format!("{} stays as it was written while the sweep ran: {error}", path.display()))
            }
        }
        Ok(seal)
    }
}
