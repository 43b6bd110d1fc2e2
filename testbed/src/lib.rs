//! Fleets to try Herdiff on: described hosts, the traces of attacks, root trees, SSH servers, faults.
//!
//! The way of the data: a plan grows into a [`fleet`], an [`attack`] changes a host of it, a [`tree`] writes a host to
//! disk, and [`serve`] makes it answer over SSH, with a [`fault`] where one is wanted.

pub mod attack;
pub mod dice;
pub mod fault;
pub mod fleet;
pub mod ground;
pub mod serve;
pub mod site;
pub mod tree;
