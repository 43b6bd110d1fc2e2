//! What became of a visit to a host, and of each query there. A failure is data like any other.

use crate::rowtable::RowId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Declares an enum whose members have a stable code that scripts may rely on, and words for the reader.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($member:ident $code:literal $number:literal $meaning:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $meaning] $member,)+
        }

        impl $name {
            /// All of them, in the order in which summaries list them.
            pub const ALL: &[Self] = &[$(Self::$member,)+];

            /// The stable code, as files and scripts know it.
            pub fn code(self) -> &'static str {
                match self { $(Self::$member => $code,)+ }
            }

            /// What it means, for a reader.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$member => $meaning,)+ }
            }

            /// The number that stands for it in a bundle. Never changed, never used again.
            pub fn number(self) -> u8 {
                match self { $(Self::$member => $number,)+ }
            }

            /// The member with that number.
            pub fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$member),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.code())
            }
        }
    };
}

coded! {
    /// How the visit to a host ended.
    HostOutcomeKind {
        Ok "ok" 0 "every query has its rows",
        Partial "partial" 1 "some queries have no rows",
        Unresolved "unresolved" 2 "the name has no address",
        Refused "refused" 3 "nothing accepts connections there",
        Unreachable "unreachable" 4 "no way to the host, or the connection was cut",
        HostKeyUnknown "host-key-unknown" 5 "the host key is not in known_hosts",
        HostKeyChanged "host-key-changed" 6 "the host key is not the one in known_hosts",
        HostKeyRevoked "host-key-revoked" 7 "the host key is revoked in known_hosts",
        AuthFailed "auth-failed" 8 "the host accepted none of our keys",
        BecomeFailed "become-failed" 17 "the host did not let us become root",
        Timeout "timeout" 9 "a deadline passed",
        Protocol "protocol" 10 "what the host sent is not SSH as it should be",
        EngineMissing "engine-missing" 11 "there is no engine that could run there",
        EngineFailed "engine-failed" 12 "the engine did not start, or died",
        OutputLimit "output-limit" 13 "the host sent more than the limit",
        MalformedOutput "malformed-output" 14 "the answer is not what an engine prints",
        Interrupted "interrupted" 15 "the sweep was stopped before the host was done",
        Unknown "unknown" 16 "what is known of it was lost with a part of a bundle",
    }
}

coded! {
    /// A step of the visit to a host.
    Phase {
        Resolve "resolve" 0 "looking up the address",
        Connect "connect" 1 "opening the TCP connection",
        Handshake "handshake" 2 "agreeing on keys with the server",
        Authenticate "authenticate" 3 "logging in",
        Session "session" 4 "opening the channel and starting the script",
        Upload "upload" 5 "sending the engine",
        Run "run" 6 "running the queries",
        Cleanup "cleanup" 7 "removing what was placed",
        Read "read" 8 "reading saved output",
    }
}

coded! {
    /// Why a query has no rows on a host.
    QueryFailureKind {
        NotRun "not-run" 0 "the visit ended before this query",
        Error "error" 1 "the engine refused the statement",
        Unsupported "unsupported" 2 "this cannot be known on that host",
        Timeout "timeout" 3 "the query took too long",
        OutputLimit "output-limit" 4 "the answer was longer than the limit",
        Malformed "malformed" 5 "the answer could not be read",
        NotAsked "not-asked" 6 "the pack does not ask this on such a host",
        Unknown "unknown" 7 "its rows were lost with a part of a bundle",
    }
}

/// How the visit to a host ended, where it stopped, and the cause in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostOutcome {
    /// One of a stable list.
    pub kind: HostOutcomeKind,
    /// The step that failed; `None` where nothing did.
    pub phase: Option<Phase>,
    /// The cause as the system or the host put it. May hold hostile text.
    pub detail: String,
}

impl HostOutcome {
    /// Every query has its rows.
    pub fn ok() -> Self {
        Self { kind: HostOutcomeKind::Ok, phase: None, detail: String::new() }
    }

    /// A visit that stopped in a phase.
    pub fn failed(kind: HostOutcomeKind, phase: Phase, detail: impl Into<String>) -> Self {
        Self { kind, phase: Some(phase), detail: detail.into() }
    }
}

/// What one query gave on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryOutcome {
    /// It ran; the rows may still be incomplete, see [`RowSet::tells_absence`].
    Rows(RowSet),
    /// It has no rows, which says nothing about what is on the host.
    Failed(QueryFailure),
}

impl QueryOutcome {
    /// The rows, where it has some.
    pub fn rows(&self) -> Option<&RowSet> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Failed(_) => None,
        }
    }
}

/// Why a query has no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFailure {
    /// One of a stable list.
    pub kind: QueryFailureKind,
    /// The cause in the engine's words. May hold hostile text.
    pub detail: String,
}

/// The rows of one query on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSet {
    /// Ascending; a row that was reported twice stands twice.
    pub ids: Vec<RowId>,
    /// What could not be read while the query ran.
    pub unread: Vec<Unread>,
    /// The limit that ended the query early, if one did.
    pub cut: Option<String>,
}

impl RowSet {
    /// Whether a row that is not here is known to be absent on the host. Where something could not be read, or a
    /// limit cut the answer, it is not: then absence is unknown.
    pub fn tells_absence(&self) -> bool {
        self.unread.is_empty() && self.cut.is_none()
    }

    /// The different rows, ascending.
    pub fn distinct(&self) -> impl Iterator<Item = RowId> {
        let mut last = None;
        self.ids.iter().copied().filter(move |&id| last.replace(id) != Some(id))
    }
}

/// Something on the host that a query should have read and could not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Where, as the engine names it.
    pub what: String,
    /// The system's reason.
    pub why: String,
    /// How often.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_unique_and_come_back() {
        for &kind in HostOutcomeKind::ALL {
            assert_eq!(HostOutcomeKind::from_number(kind.number()), Some(kind));
        }
        let mut codes: Vec<_> = HostOutcomeKind::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), HostOutcomeKind::ALL.len());
        assert_eq!(HostOutcomeKind::from_number(200), None);
    }

    #[test]
    fn what_could_not_be_read_makes_absence_unknown() {
        let mut rows = RowSet { ids: vec![RowId(1), RowId(1), RowId(4)], ..RowSet::default() };
        assert!(rows.tells_absence());
        assert_eq!(rows.distinct().collect::<Vec<_>>(), [RowId(1), RowId(4)]);
        rows.unread.push(Unread { what: "/proc/1/fd".into(), why: "Permission denied".into(), count: 1 });
        assert!(!rows.tells_absence());
    }
}
