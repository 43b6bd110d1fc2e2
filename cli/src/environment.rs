//! What the command takes from its surroundings: home, user, agent, clock, limits. Libraries get it as values.

use crate::error::Failure;
use herdiff_collector::ssh::OpenSsh;
use herdiff_collector::sweep::SweepConfig;
use herdiff_model::sweep::UnixMillis;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::env;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

/// The home directory of the operator, where there is one.
pub(crate) struct Home(Option<PathBuf>);

impl Home {
    pub(crate) fn of_this_user() -> Self {
        Self(env::home_dir().filter(|path| !path.as_os_str().is_empty()))
    }

    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.0.clone()
    }

    /// In OpenSSH's order.
    pub(crate) fn identities(&self) -> Vec<PathBuf> {
        let ssh = self.0.iter().map(|home| home.join(".ssh"));
        ssh.flat_map(|ssh| ["id_rsa", "id_ecdsa", "id_ed25519"].map(|name| ssh.join(name))).collect()
    }

    pub(crate) fn has_ssh_config(&self) -> bool {
        self.0.as_ref().is_some_and(|home| home.join(".ssh/config").exists())
    }

    pub(crate) fn known_hosts(&self) -> Vec<PathBuf> {
        let own = self
            .0
            .iter()
            .flat_map(|home| [".ssh/known_hosts", ".ssh/known_hosts2"].map(|name| home.join(name)));
        let of_all = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from);
        own.chain(of_all).collect()
    }
}

/// OpenSSH's client, where it is installed, with the files that it reads.
pub(crate) fn openssh(config: Option<&Path>) -> Option<OpenSsh> {
    let path = env::var_os("PATH")?;
    let program = env::split_paths(&path).map(|dir| dir.join("ssh")).find(|program| program.is_file())?;
    let files = match config {
        Some(config) if config == Path::new("none") => Vec::new(),
        Some(config) => vec![config.to_owned()],
        // It looks where the password file says that home is, whatever the environment says.
        None => {
            let home = account().and_then(|fields| fields.get(5).map(PathBuf::from));
            let own = home.or_else(env::home_dir).map(|home| home.join(".ssh/config"));
            own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_config")]).collect()
        }
    };
    Some(OpenSsh { program, config: config.map(Path::to_owned), files })
}

/// The line of the password file for the account that runs this.
fn account() -> Option<Vec<String>> {
    let uid = rustix::process::getuid().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut lines = accounts.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    lines.find(|fields| fields.get(2) == Some(&uid))
}

/// The name of the account that runs this: as the login said, else as the password file has it.
pub(crate) fn user() -> Option<String> {
    let said =
        ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok()).filter(|user| !user.is_empty());
    said.or_else(|| account()?.into_iter().next())
}

/// The number of the account that runs this.
pub(crate) fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A variable that OpenSSH's configuration names.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

pub(crate) fn agent() -> Option<PathBuf> {
    env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
}

pub(crate) fn operator() -> String {
    format!("{}@{}", user().as_deref().unwrap_or("?"), machine())
}

/// The name that this machine has for itself.
pub(crate) fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The day by the machine's clock and time zone.
pub(crate) fn today() -> herdiff_differ::Day {
    let date = jiff::Zoned::now().date();
    herdiff_differ::Day::of(date.year(), date.month(), date.day())
}

pub(crate) fn now() -> UnixMillis {
    UnixMillis(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64))
}

/// Becomes true when the operator, or the system, asks this program to stop. The second time it ends at once.
pub(crate) fn interrupted() -> Result<Arc<AtomicBool>, Failure> {
    let no_signals = |error: io::Error| Failure::usage("cannot listen for signals").why(error);
    let asked = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&asked);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(no_signals)?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt()).map_err(no_signals)?,
            signal(SignalKind::terminate()).map_err(no_signals)?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () };
                if told.swap(true, Ordering::Relaxed) {
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                        .ok();
                }
            }
        });
    });
    Ok(asked)
}

/// A name that sorts by time.
pub(crate) fn output_name(encrypted: bool) -> PathBuf {
    let end = if encrypted { ".age" } else { "" };
    PathBuf::from(format!("{}{end}", jiff::Timestamp::now().strftime("sweep-%Y%m%dT%H%M%SZ.herd")))
}

/// A new file in the system's directory for temporary files.
#[cfg(feature = "aws")]
pub(crate) fn spool_name() -> PathBuf {
    let now = jiff::Timestamp::now();
    env::temp_dir().join(format!("herdiff-{}-{}.herd", std::process::id(), now.as_nanosecond()))
}

/// A file's name and text; `-` is standard input.
pub(crate) fn read_text(path: &Path) -> io::Result<(String, String)> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        return Ok(("standard input".to_owned(), text));
    }
    Ok((path.display().to_string(), std::fs::read_to_string(path)?))
}

/// Asks on the terminal for something that is not shown.
pub(crate) fn ask_secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new)
}

/// Asks on the terminal; without one, keys with a passphrase are passed over.
pub(crate) fn ask_passphrase(key: &Path) -> Option<Zeroizing<String>> {
    if !io::stderr().is_terminal() {
        return None;
    }
    let prompt = format!("Passphrase for {} (empty to pass it over): ", key.display());
    rpassword::prompt_password(prompt).ok().map(Zeroizing::new).filter(|passphrase| !passphrase.is_empty())
}

/// Descriptors that are in use besides connections.
const OTHER_FILES: u64 = 64;

/// Every host under way needs a descriptor: the limit is raised as far as it may be, and where that is not enough fewer
/// hosts are visited at a time.
pub(crate) fn fit_to_file_limit(mut config: SweepConfig, say: impl FnOnce(&str)) -> SweepConfig {
    let needed = config.forks as u64 * 2 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|&current| current < needed) else { return config };
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let usable = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    };
    if usable < needed {
        config.forks = (usable.saturating_sub(OTHER_FILES) / 2).max(1) as usize;
        say(&format!(
            "the limit of open files ({usable}) allows {} hosts at a time (ulimit -n)",
            config.forks
        ));
    }
    config
}
