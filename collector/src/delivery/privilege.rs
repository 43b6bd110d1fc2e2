//! As whom the script runs on a host: as we log in, or as root or somebody else by way of sudo or doas.

use std::hash::{BuildHasher, RandomState};

/// How the script comes to its rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privilege {
    /// With those of the login.
    #[default]
    AsIs,
    /// By sudo, as root unless an account is named; with a password where one is given and sudo asks for it.
    Sudo,
    /// By doas, as root unless an account is named, which takes no password without a terminal.
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

/// An account to become in place of root. Its name goes into a command, so it is a plain one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(String);

impl Account {
    /// Names as accounts of Linux have them; an error says why this is none.
    pub fn parse(name: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.chars().all(plain) {
            return Err(format!("{name:?} is no name of an account"));
        }
        Ok(Self(name.to_owned()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether that is what one becomes anyway.
    pub(crate) fn is_root(&self) -> bool {
        self.0 == "root"
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
