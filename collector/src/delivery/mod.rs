//! What happens on the one channel to a host: the script, the choice of the engine, the upload, the receipt.

mod binary;
mod budget;
mod dialogue;
mod osquery;
mod privilege;
mod recorded;
mod script;
#[cfg(test)]
mod tests;

pub use binary::{BinaryError, ProbeBinary};
pub(crate) use budget::{Budget, Share};
pub(crate) use dialogue::{Dialogue, End, Orders, Reply};
pub(crate) use privilege::Prompt;
pub use privilege::{Account, Privilege};
pub use recorded::{Printed, Script};
pub(crate) use script::command;
