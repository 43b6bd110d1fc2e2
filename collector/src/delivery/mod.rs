//! What happens on the one channel to a host: the script, the choice of the engine, the upload, the receipt.

mod binary;
mod dialogue;
mod script;
#[cfg(test)]
mod tests;

pub use binary::{BinaryError, ProbeBinary};
pub(crate) use dialogue::{Dialogue, End, Orders};
pub(crate) use script::command;
