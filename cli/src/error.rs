//! Errors as the operator sees them: what failed, why, and what to do next.

use crate::envelope;
use crate::exit::Exit;
use crate::screen::escape::escape;
use herdiff_model::bundle::BundleError;
use std::fmt;
use std::path::Path;

/// Ends the command.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: Option<String>,
    next: Option<String>,
    pub(crate) exit: Exit,
}

impl Failure {
    /// Something that the operator can put right.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, next: None, exit: Exit::Usage }
    }

    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// What to do about it.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// A bundle that cannot be read.
    pub(crate) fn bundle(path: &Path, error: &BundleError) -> Self {
        let failure = Self::usage(format!("cannot read the bundle {}", path.display())).why(error);
        match error {
            BundleError::Damaged { .. } => failure
                .next("go back to a copy of it, or save what is intact: herdiff verify FILE --recover OUT")
                .exit(Exit::Integrity),
            BundleError::NotABundle => {
                failure.next("bundles are made by `herdiff collect` and `herdiff import`")
            }
            BundleError::TooOld { .. } => {
                failure.next("`herdiff merge OLD -o NEW` writes what is in it in the format of this version")
            }
            BundleError::Io(error) if error.kind() == std::io::ErrorKind::NotSeekable => {
                failure.next("this needs to go back and forth in it: save it to a file first")
            }
            BundleError::Io(error) if herdiff_envelope::is_damage(error) => envelope::damaged(failure),
            BundleError::TooNew { .. }
            | BundleError::InUse
            | BundleError::Unfinished
            | BundleError::Merged
            | BundleError::Io(_) => failure,
        }
    }

    /// A file or directory that the system refuses.
    pub(crate) fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::usage(format!("cannot {doing} {}", path.display())).why(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", escape(&self.what))?;
        if let Some(why) = &self.why {
            write!(f, "\n  why: {}", escape(why))?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  try: {}", escape(next))?;
        }
        Ok(())
    }
}
