//! As whom the script runs on a host: as we log in, or as root by way of sudo or doas.

use std::hash::{BuildHasher, RandomState};

/// How the script comes to its rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privilege {
    /// With those of the login.
    #[default]
    AsIs,
    /// As root, by sudo; with a password where one is given and sudo asks for it.
    Sudo,
    /// As root, by doas, which takes no password without a terminal.
    Doas,
}

impl Privilege {
    /// The program's name.
    pub fn program(self) -> &'static str {
        match self {
            Self::AsIs => "none",
            Self::Sudo => "sudo",
            Self::Doas => "doas",
        }
    }
}

/// What sudo is told to ask with: a line that nothing before it on a host can know.
#[derive(Clone, Debug)]
pub(crate) struct Prompt(String);

impl Prompt {
    pub(crate) fn new() -> Self {
        Self(format!("herdiff-{:016x}-password", RandomState::new().hash_one("prompt")))
    }

    /// In the form that the command has it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether a line, so far, is the prompt.
    pub(crate) fn is(&self, line: &[u8]) -> bool {
        line.strip_prefix(&[0x1e]).is_some_and(|line| line == self.0.as_bytes())
    }
}
