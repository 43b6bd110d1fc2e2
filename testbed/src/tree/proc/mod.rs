//! The kernel's picture of a described host: `/proc` and `/sys` as plain files, in the formats of proc(5).

mod addresses;
mod network;
mod process;
mod system;

use super::{Tree, TreeError};
use crate::fleet::host::Host;

/// Ticks a second in all times of `/proc`, on every architecture that matters.
const TICKS: u64 = 100;
const PAGE_KB: u64 = 4;

pub(super) fn write(host: &Host, tree: &mut Tree) -> Result<(), TreeError> {
    process::write(host, tree)?;
    network::write(host, tree)?;
    addresses::write(host, tree)?;
    system::write(host, tree)
}
