//! The `herdiff-testbed` command.

fn main() {}
