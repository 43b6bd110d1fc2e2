//! soon
use crate::error::Failure;
use crate::exit::Exit;
#[derive(clap::Args)]
pub(crate) struct Args {}
pub(crate) fn run(_: Args) -> Result<Exit, Failure> {
    Ok(Exit::Clean)
}
