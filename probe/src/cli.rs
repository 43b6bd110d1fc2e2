//! The command line: our own sweep, and osqueryi's flags where clients use them.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;

use crate::host::{Host, Root};
use crate::shell::{self, Format};
use crate::sql::Engine;
use crate::sweep;

/// Wrong arguments or input; osqueryi's status for an unknown flag is 1.
const USAGE: u8 = 1;
/// The request of a sweep could not be read, or its reader went away.
const NO_SWEEP: u8 = 2;

const HELP: &str = "\
herdiff-probe: answers osquery's SQL about this host; reads only

  herdiff-probe --json \"SELECT * FROM users\"   rows as osqueryi prints them
  herdiff-probe --json < statements.sql        one statement a line
  herdiff-probe --sweep < pack.json            one line of JSON a query, for herdiff
  herdiff-probe --root DIR ...                 another root: a mounted image, a container's tree

  --json, --csv, --line, --list   how rows are printed (default: --json)
  --separator S, --header=false   for --csv and --list
  --version
";

/// osqueryi's flags that have a value and mean nothing here.
const IGNORED_WITH_VALUE: [&str; 12] = [
    "flagfile",
    "config_path",
    "config_plugin",
    "database_path",
    "extensions_socket",
    "extensions_autoload",
    "extensions_timeout",
    "logger_plugin",
    "logger_path",
    "pidfile",
    "planner",
    "nullvalue",
];

/// osqueryi's switches that mean nothing here; it writes nothing and loads nothing anyway.
const IGNORED_SWITCHES: [&str; 15] = [
    "disable_database",
    "disable_extensions",
    "disable_events",
    "disable_logging",
    "disable_audit",
    "disable_watchdog",
    "disable_tables",
    "disable_history",
    "ephemeral",
    "force",
    "S",
    "verbose",
    "read_max",
    "logtostderr",
    "enable_foreign",
];

#[derive(Debug, PartialEq, Eq)]
enum Mode {
    Shell,
    Sweep,
    Help,
    Version,
    Tables,
}

#[derive(Debug)]
struct Options {
    mode: Mode,
    format: Format,
    separator: String,
    header: bool,
    root: Option<OsString>,
    statements: Vec<String>,
}

fn parse(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options {
        mode: Mode::Shell,
        format: Format::Json,
        separator: "|".to_owned(),
        header: true,
        root: None,
        statements: Vec::new(),
    };
    let mut only_sql = false;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        let Some(flag) = text.strip_prefix('-').filter(|_| !only_sql) else {
            options.statements.push(text.into_owned());
            continue;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if flag.is_empty() {
            only_sql = true;
            continue;
        }
        let (name, given) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let mut value = || {
            given
                .clone()
                .map(OsString::from)
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| format!("ERROR: flag '{name}' is missing its argument"))
        };
        match name {
            "sweep" => options.mode = Mode::Sweep,
            "tables" => options.mode = Mode::Tables,
            "help" | "h" => options.mode = Mode::Help,
            "version" => options.mode = Mode::Version,
            "json" => options.format = Format::Json,
            "json_pretty" => options.format = Format::Json,
            "csv" => options.format = Format::Csv,
            "line" => options.format = Format::Line,
            "list" => options.format = Format::List,
            "header" => options.header = given.as_deref() != Some("false"),
            "noheader" => options.header = false,
            "separator" => options.separator = value()?.to_string_lossy().into_owned(),
            "root" => options.root = Some(value()?),
            _ if IGNORED_WITH_VALUE.contains(&name) => {
                value()?;
            }
            _ if IGNORED_SWITCHES.contains(&name.strip_prefix("no").unwrap_or(name))
                || IGNORED_SWITCHES.contains(&name) => {}
            _ => return Err(format!("ERROR: unknown command line flag '{name}'")),
        }
    }
    Ok(options)
}

/// Does what the arguments say. The environment's root is used when no argument names one.
pub(crate) fn run(
    arguments: &[OsString],
    environment_root: Option<OsString>,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(words) => {
            // Nothing can be done about a closed standard error.
            let _ = writeln!(errors, "{words}");
            return ExitCode::from(USAGE);
        }
    };
    let said = match options.mode {
        Mode::Help => Some(HELP.to_owned()),
        Mode::Version => Some(format!("herdiff-probe version {}\n", env!("CARGO_PKG_VERSION"))),
        Mode::Tables => Some(crate::tables::document()),
        Mode::Shell | Mode::Sweep => None,
    };
    if let Some(said) = said {
        let written = output.write_all(said.as_bytes()).and_then(|()| output.flush());
        return ExitCode::from(u8::from(written.is_err()));
    }
    let root = options.root.clone().or(environment_root).filter(|root| !root.is_empty());
    let root = root.as_deref().unwrap_or(OsStr::new("/"));
    let said = match options.mode {
        Mode::Sweep => sweep_root(root, input, output),
        _ => ask_root(root, &options, input, output, errors),
    };
    said.unwrap_or_else(|(status, words)| {
        let _ = writeln!(errors, "Error: {words}");
        ExitCode::from(status)
    })
}

/// A status and its reason.
type Refusal = (u8, String);

fn host_below(root: &OsStr) -> Result<Host, Refusal> {
    let refuse =
        |errno| (USAGE, format!("cannot use {} as root: {}", root.display(), crate::host::os_words(errno)));
    Root::below(root).map(Host::new).map_err(refuse)
}

fn sweep_root(root: &OsStr, input: &mut dyn BufRead, output: &mut dyn Write) -> Result<ExitCode, Refusal> {
    let live = host_below(root)?.is_live();
    crate::restraint::step_back();
    let workers = (0..sweep::WORKERS).map(|_| sweep::Worker::start()).collect::<Result<Vec<_>, _>>();
    let workers = workers.map_err(|error| (NO_SWEEP, format!("no thread can be started: {error}")))?;
    let packet_filter = crate::restraint::apply(live).map(Arc::new);
    let host = || {
        let host = host_below(root).map_err(|(_, words)| io::Error::other(words))?;
        if let Some(socket) = &packet_filter {
            host.keep_packet_filter(Arc::clone(socket));
        }
        Ok(host)
    };
    sweep::run(workers, &host, input, output).map_err(|error| (NO_SWEEP, error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

fn ask_root(
    root: &OsStr,
    options: &Options,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<ExitCode, Refusal> {
    let host = host_below(root)?;
    crate::restraint::step_back();
    if let Some(socket) = crate::restraint::apply(host.is_live()) {
        host.keep_packet_filter(Arc::new(socket));
    }
    let engine =
        Engine::new(Arc::new(host)).map_err(|error| (USAGE, format!("SQLite did not start: {error}")))?;
    let style =
        shell::Style { format: options.format, separator: options.separator.clone(), header: options.header };
    let status = if options.statements.is_empty() {
        shell::interactive(&engine, &style, input, output, errors)
    } else {
        shell::once(&engine, &style, &options.statements.join(";\n"), output, errors)
    };
    Ok(ExitCode::from(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, String> {
        parse(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn osqueryis_flags_are_understood() {
        let options = parsed(&[
            "--flagfile=/dev/null",
            "--config_path",
            "/dev/null",
            "--disable_database",
            "--disable_events=true",
            "--json",
            "select 1",
        ])
        .unwrap();
        assert_eq!(options.statements, ["select 1"]);
        assert_eq!(parsed(&["--", "-- note\nselect 1"]).unwrap().statements, ["-- note\nselect 1"]);
    }

    #[test]
    fn unknown_flags_are_refused() {
        assert_eq!(parsed(&["--wat"]).unwrap_err(), "ERROR: unknown command line flag 'wat'");
        assert!(parsed(&["--root"]).unwrap_err().contains("missing"));
    }
}
