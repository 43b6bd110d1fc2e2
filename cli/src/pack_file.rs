//! Packs by name or file, with the errors of the command line.

use crate::error::Failure;
use herdiff_model::pack::{BuiltIn, Pack};
use std::path::Path;

/// One pack: ours by its name, or a file. A file of that name needs a path in front (`./triage`).
pub(crate) fn load(name: &str) -> Result<Pack, Failure> {
    let unusable = |error| Failure::usage(format!("cannot use the pack {name}")).why(error);
    if let Some(built_in) = BuiltIn::named(name) {
        return built_in.pack().map_err(unusable);
    }
    let path = Path::new(name);
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::file("read the pack", path, &error)
            .next("give an osquery pack file, or a name of `herdiff pack list`")
    })?;
    Pack::parse(&text).map_err(unusable)
}

/// What a sweep asks: all of these packs in one visit.
pub(crate) fn to_ask(names: &[String]) -> Result<Pack, Failure> {
    let mut packs = Vec::new();
    for name in names {
        let pack = load(name)?;
        if let Some(query) = pack.queries().iter().find(|query| query.sql.is_none()) {
            return Err(Failure::usage(format!("cannot use the pack {name}"))
                .why(format!("its query {} has no SQL", query.name)));
        }
        if pack.queries().is_empty() {
            return Err(Failure::usage(format!("the pack {name} has no queries")));
        }
        packs.push(pack);
    }
    Pack::join(&packs).map_err(|error| {
        Failure::usage("cannot ask these packs in one visit")
            .why(error)
            .next("rename one of the two, or sweep twice")
    })
}
