//! What happens on the one channel to a host: the script, the choice of the engine, the upload, the receipt.

mod binary;

pub use binary::{BinaryError, ProbeBinary};
