//! Fleets to try Herdiff on: described hosts, the traces of attacks, root trees, SSH servers, faults.
//!
//! The way of the data: a plan grows into a [`fleet`], an [`attack`] changes a host of it, a [`tree`] writes a host to
//! disk, and [`serve`] makes it answer over SSH, with a [`fault`] where one is wanted.

pub mod attack;
pub mod dice;
pub mod evaluate;
pub mod fault;
pub mod fleet;
pub mod generate;
pub mod ground;
pub mod live;
pub mod relay;
pub mod serve;
pub mod site;
pub mod ssm;
pub mod tree;

/// Does something for each of many, on all processors, until one fails.
pub(crate) fn side_by_side<T: Sync, E: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(threads).max(1);
    let results = std::thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> =
            items.chunks(share).map(|items| scope.spawn(move || items.iter().try_for_each(act))).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    results.into_iter().try_for_each(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
