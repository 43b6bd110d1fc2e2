//! The packs that come with the tool: named, so that nobody has to carry files around at night.

use super::{Pack, PackError};

/// A pack of ours.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// What users call it.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub purpose: &'static str,
    text: &'static str,
}

impl BuiltIn {
    /// All of them, in the order in which a responder needs them.
    pub const ALL: &[Self] = &[
        Self {
            name: "triage",
            purpose: "A first look: what runs, listens, starts by itself and may log in, what is hidden or emptied",
            text: include_str!("../../packs/triage.conf"),
        },
        Self {
            name: "hunt",
            purpose: "A second, longer look: hidden things, histories, units, all programs, the network",
            text: include_str!("../../packs/hunt.conf"),
        },
    ];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|pack| pack.name == name)
    }

    /// The file as it was written, with its comments.
    pub fn text(self) -> &'static str {
        self.text
    }

    /// Understands it.
    ///
    /// # Errors
    /// Where it is no pack, which a test rules out.
    pub fn pack(self) -> Result<Pack, PackError> {
        Pack::parse(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_is_a_pack_and_all_can_be_asked_at_once() {
        let packs: Vec<_> = BuiltIn::ALL.iter().map(|built_in| built_in.pack().unwrap()).collect();
        let count: usize = packs.iter().map(|pack| pack.queries().len()).sum();
        let joined = Pack::join(&packs).unwrap();
        assert_eq!(joined.queries().len(), count);
        assert!(joined.queries().iter().all(|query| query.sql.is_some() && query.for_linux));
    }

    #[test]
    fn names_differ() {
        let names: HashSet<_> = BuiltIn::ALL.iter().map(|pack| pack.name).collect();
        assert_eq!(names.len(), BuiltIn::ALL.len());
        assert!(BuiltIn::named("triage").is_some() && BuiltIn::named("Triage").is_none());
    }
}
