//! `herdiff import`: saved osquery output becomes a bundle.

use crate::envelope::RecipientArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::summary::Summary;
use crate::output::{count, print, say};
use crate::screen::Screen;
use crate::{bundle_output, environment};
use herdiff_collector::engine::Limits;
use herdiff_collector::replay::Replay;
use herdiff_model::bundle::SealedWriter;
use herdiff_model::sweep::{SweepEnd, SweepFacts};
use std::path::PathBuf;
use std::time::Instant;

/// Reads `DIR/<host>/<query>.json`, each file as `osqueryi --json` printed it, and writes a bundle.
///
/// `DIR/pack.conf`, where it is there, is the pack with the SQL behind each name. What `herdiff export --format json`
/// wrote comes back value for value.
///
/// Or reads the result logs of osqueryd (snapshot and differential, one file or a directory of rotated ones): each host
/// as it was at the end of the log. A log that starts in the middle does not tell what is absent.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  herdiff import saved/ -o saved.herd --herd web\n  \
                        herdiff import /var/log/osquery/osqueryd.results.log -o logged.herd")]
pub(crate) struct Args {
    /// The directory with one directory a host, or osqueryd's logs
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The bundle to write
    #[arg(short, long, value_name = "FILE.herd")]
    output: PathBuf,
    /// The herd that the hosts belong to [default: the name of DIR]
    #[arg(long, value_name = "NAME")]
    herd: Option<String>,
    #[command(flatten)]
    recipients: RecipientArgs,
}

/// More notes are counted: a directory can hold a million odd files.
const MOST_NOTES: usize = 5;

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let (started, clock) = (environment::now(), Instant::now());
    let recipients = args.recipients.read()?;
    let herd = args.herd.as_deref().map(Into::into);
    let replay = Replay::open(&args.directory, herd, Limits::default())
        .map_err(|error| Failure::usage("cannot import").why(error))?;
    for note in replay.notes().iter().take(MOST_NOTES) {
        say(note);
    }
    if let Some(more) = replay.notes().len().checked_sub(MOST_NOTES).filter(|&more| more > 0) {
        say(&format!("and {}", count(more, "more note")));
    }
    let facts = SweepFacts {
        tool: concat!("herdiff ", env!("CARGO_PKG_VERSION")).to_owned(),
        started,
        operator: environment::operator(),
        transport: "replay".to_owned(),
        inventory: vec![args.directory.display().to_string()],
        targets: replay.hosts() as u64,
    };
    let mut summary = Summary::default();
    let unwritable = |error| Failure::file("write the bundle", &args.output, &error);
    let written = bundle_output::write_sealed(&args.output, recipients.as_ref(), |file| {
        let mut writer = SealedWriter::start(file, &facts, replay.pack(), &[]).map_err(unwritable)?;
        for visit in replay.visits() {
            writer.append(&visit, 0).map_err(unwritable)?;
            summary.count(&visit);
        }
        let end = SweepEnd { finished: environment::now(), ..SweepEnd::default() };
        Ok(writer.finish(end).map_err(unwritable)?.1)
    })?;
    // The wall clock may jump meanwhile.
    summary.took = clock.elapsed();
    print(summary.render(&args.output, written.bytes, written.what.seal, Screen::stdout()))
        .map_err(|error| Failure::usage("cannot write the summary").why(error))?;
    Ok(summary.exit())
}
