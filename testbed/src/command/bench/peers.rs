//! Tools that others use for the same: each logs in everywhere and runs one small command, which is the least there is to do.

use super::fleet::Served;
use super::jobs::{Job, KEX, Limits, MARK, text, xargs};
use crate::command::CommandError;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A program with the words that make it tell its version.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("ssh", &["-V"]),
    ("parallel-ssh", &["--version"]),
    ("clush", &["--version"]),
    ("pdsh", &["-V"]),
    ("ansible", &["--version"]),
];

/// With libssh2, in one process: hosts, ports and key come as words.
const PYTHON: &str = r#"
import sys
from pssh.clients import ParallelSSHClient
from pssh.config import HostConfig
key, forks, seconds, command = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
places = [line.split() for line in open(sys.argv[5])]
client = ParallelSSHClient([place[0] for place in places], user="root", pkey=key, pool_size=forks, num_retries=1,
                           timeout=seconds, host_config=[HostConfig(port=int(place[1])) for place in places])
for host in client.run_command(command, stop_on_errors=False, read_timeout=seconds):
    try:
        for line in host.stdout or []:
            print(line)
    except Exception:
        pass
"#;

/// Those that are installed, with what they say of their version.
pub(super) fn versions(python: Option<&Path>) -> Vec<String> {
    let mut all: Vec<String> = PROGRAMS
        .iter()
        .filter_map(|(program, words)| Some(format!("{program}: {}", first_line(program, words)?)))
        .collect();
    if let Some(python) = python {
        let words = [
            "-c",
            "import importlib.metadata as m; print('parallel-ssh (PyPI) ' + m.version('parallel-ssh'))",
        ];
        all.extend(first_line(&text(python), &words));
    }
    all
}

fn first_line(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    output.status.success().then(|| said.lines().next().unwrap_or_default().trim().to_owned())
}

/// A job for each that is installed.
pub(super) fn jobs(
    served: &Served,
    limits: &Limits,
    python: Option<&Path>,
) -> Result<Vec<Job>, CommandError> {
    let config = text(&served.site().ssh_config());
    let (forks, connect, seconds) =
        (limits.forks.to_string(), limits.connect.to_string(), limits.host.to_string());
    let options = format!("-F {config} -o {KEX} -o BatchMode=yes -o ConnectTimeout={connect}");
    let names = served.write("names", &served.names()?)?;
    let command = format!("echo {MARK}");
    let mut jobs = vec![xargs(
        "xargs -P ssh",
        served,
        limits,
        &format!("exec timeout {seconds} ssh -n {options} \"$1\" '{command}'"),
    )?];
    let mut add = |program: &str, name, words: Vec<String>| {
        let words_of =
            PROGRAMS.iter().find(|(known, _)| *known == program).map_or(&[][..], |(_, words)| words);
        if first_line(program, words_of).is_some() {
            jobs.push(Job::of(name, words));
        }
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    add(
        "parallel-ssh",
        "pssh",
        words(&["parallel-ssh", "-h", &names, "-p", &forks, "-t", &seconds, "-P", "-x", &options, &command]),
    );
    add(
        "clush",
        "clush",
        words(&[
            "clush",
            "--hostfile",
            &names,
            "-f",
            &forks,
            "-t",
            &connect,
            "-u",
            &seconds,
            "-o",
            &options,
            &command,
        ]),
    );
    add(
        "pdsh",
        "pdsh",
        words(&[
            "env",
            &format!("PDSH_SSH_ARGS_APPEND={options}"),
            "pdsh",
            "-R",
            "ssh",
            "-f",
            &forks,
            "-t",
            &connect,
            "-u",
            &seconds,
            "-w",
            &format!("^{names}"),
            &command,
        ]),
    );
    add(
        "ansible",
        "ansible -m raw",
        words(&[
            "env",
            &format!("ANSIBLE_SSH_ARGS={options} -o ControlMaster=no"),
            // Simulated hosts have no terminals.
            "ANSIBLE_SSH_USETTY=false",
            "ansible",
            "all",
            "-i",
            &text(&served.site().inventory()),
            "-f",
            &forks,
            "-T",
            &connect,
            "--task-timeout",
            &seconds,
            "-m",
            "raw",
            "-a",
            &command,
        ]),
    );
    if let Some(python) = python {
        let script = served.write("peer.py", PYTHON)?;
        let places = served.write("places", &places(&served.site().inventory())?)?;
        let words = words(&[
            &text(python),
            &script,
            &text(&served.site().identity()),
            &forks,
            &seconds,
            &command,
            &places,
        ]);
        jobs.push(Job::of("parallel-ssh (PyPI)", words));
    }
    Ok(jobs)
}

/// Address and port of each host, one a line.
fn places(inventory: &Path) -> Result<String, CommandError> {
    let value = |line: &str, key: &str| {
        line.split(' ').find_map(|word| Some(word.strip_prefix(key)?.to_owned())).unwrap_or_default()
    };
    let lines = fs::read_to_string(inventory)?;
    let lines = lines.lines().filter(|line| line.contains(" ansible_host="));
    Ok(lines
        .map(|line| format!("{} {}\n", value(line, "ansible_host="), value(line, "ansible_port=")))
        .collect())
}
