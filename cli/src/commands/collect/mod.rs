//! `herdiff collect`: a sweep, from the command line to a bundle.

mod opened;
mod options;
mod progress;
mod secrets;
mod transport;
mod writing;

pub(crate) use options::Args;
pub(crate) use transport::Transport;

use crate::environment;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::print;
use crate::output::summary::Summary;
use crate::screen::Screen;
use herdiff_collector::inventory::Target;
use herdiff_collector::sweep::{Event, SweepConfig};
use herdiff_model::name::HostName;
use herdiff_model::pack::Pack;
use opened::Opened;
use progress::Progress;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use writing::Writing;

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let mut plan = args.plan()?;
    let opened = Opened::of(&mut plan)?;
    let mut progress = Progress::new(&plan.targets, args.quiet);
    plan.notes.iter().for_each(|note| progress.say(note));
    let config = environment::fit_to_file_limit(plan.config, |note| progress.say(note));

    let clock = Instant::now();
    let resumed = opened.resumed;
    let runtime = Runtime::new().map_err(|error| Failure::usage("cannot start the runtime").why(error))?;
    let ended =
        runtime.block_on(sweep(plan.targets, plan.pack, config, plan.transport, opened, &mut progress));
    // What still runs is not waited for: the operator asked twice, or something is broken.
    runtime.shutdown_background();
    let Sweeping { writer, mut summary, ending } = match ended {
        // Nothing was visited: an empty bundle would only stand in the way of the next try.
        Err(SweepFailure::Start(failure)) => {
            if !resumed {
                let _ = std::fs::remove_file(&plan.output);
            }
            return Err(failure);
        }
        Err(SweepFailure::Write(error)) => {
            let next = "what was written until then is a readable bundle that says where it ends";
            return Err(Failure::file("write the bundle", &plan.output, &error).next(next));
        }
        Ok(sweeping) => sweeping,
    };
    progress.finish();
    if ending == Ending::Abandoned {
        let path = plan.output.display();
        let next =
            if plan.recipients.is_none() { ", and --resume in place of -o goes on with it" } else { "" };
        progress.say(&format!("abandoned; {path} holds the hosts that were done{next}"));
        return Ok(Exit::Interrupted);
    }
    let finished = environment::now();
    let seal = writer
        .finish(&plan.output, finished, ending == Ending::Interrupted)
        .map_err(|error| Failure::file("write the bundle", &plan.output, &error))?;
    let size = plan.output.metadata().map_or(0, |metadata| metadata.len());
    plan.place.keep()?;
    // The wall clock may jump meanwhile.
    summary.took = clock.elapsed();
    summary.resumable = plan.recipients.is_none();
    print(summary.render(&plan.place.shown(), size, seal, Screen::stdout()))
        .map_err(|error| Failure::usage("cannot write the summary").why(error))?;
    Ok(if ending == Ending::Interrupted { Exit::Interrupted } else { summary.exit() })
}

/// How a sweep ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Every target was visited.
    Complete,
    /// The operator stopped it; every target has an outcome.
    Interrupted,
    /// The operator would not wait for that.
    Abandoned,
}

struct Sweeping {
    writer: Writing,
    summary: Summary,
    ending: Ending,
}

enum SweepFailure {
    Start(Failure),
    Write(std::io::Error),
}

async fn sweep(
    targets: Vec<Target>,
    pack: Arc<Pack>,
    config: SweepConfig,
    transport: Transport,
    opened: Opened,
    progress: &mut Progress,
) -> Result<Sweeping, SweepFailure> {
    let no_signals =
        |error: std::io::Error| SweepFailure::Start(Failure::usage("cannot listen for signals").why(error));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let cancel = CancellationToken::new();
    let names: Vec<HostName> = targets.iter().map(|target| target.host.clone()).collect();
    let mut sweep = transport.start(targets, pack, config, &cancel).await.map_err(SweepFailure::Start)?;
    sweep.notes().iter().for_each(|note| progress.say(note));
    let Opened { mut writer, mut summary, .. } = opened;
    loop {
        tokio::select! {
            event = sweep.next() => match event {
                Some(Event::Done(_, visit)) => {
                    writer.append(&visit).map_err(SweepFailure::Write)?;
                    progress.done(&visit);
                    summary.count(&visit);
                }
                Some(Event::Started(target)) => progress.started(target),
                Some(Event::Note(target, note)) => {
                    let host = names.get(target.0).map_or("?", HostName::as_str);
                    progress.say(&format!("{host} {note}"));
                }
                Some(Event::Phase(..)) => {}
                None => break,
            },
            () = either(&mut interrupt, &mut terminate) => {
                if cancel.is_cancelled() {
                    return Ok(Sweeping { writer, summary, ending: Ending::Abandoned });
                }
                progress.say("stopping: hosts under way are ended, nothing is lost; once more to leave at once");
                cancel.cancel();
            }
        }
    }
    for (file, added) in sweep.learned() {
        progress.say(&format!("new host keys that were accepted and added to {}: {added}", file.display()));
    }
    let ending = if cancel.is_cancelled() { Ending::Interrupted } else { Ending::Complete };
    Ok(Sweeping { writer, summary, ending })
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
