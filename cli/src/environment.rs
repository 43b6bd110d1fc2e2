//! What the command takes from its surroundings: home, user, agent, clock, limits. Libraries get it as values.

use herdiff_collector::sweep::SweepConfig;
use herdiff_model::sweep::UnixMillis;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::env;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
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

    pub(crate) fn known_hosts(&self) -> Vec<PathBuf> {
        let own = self
            .0
            .iter()
            .flat_map(|home| [".ssh/known_hosts", ".ssh/known_hosts2"].map(|name| home.join(name)));
        let of_all = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from);
        own.chain(of_all).collect()
    }
}

/// The name of the account that runs this: as the login said, else as the password file has it.
pub(crate) fn user() -> Option<String> {
    let said =
        ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok()).filter(|user| !user.is_empty());
    said.or_else(|| {
        let uid = rustix::process::getuid().to_string();
        let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
        let mut accounts = accounts.lines().map(|line| line.split(':'));
        accounts.find_map(|mut fields| {
            let name = fields.next()?;
            (fields.nth(1) == Some(uid.as_str())).then(|| name.to_owned())
        })
    })
}

pub(crate) fn agent() -> Option<PathBuf> {
    env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
}

pub(crate) fn operator() -> String {
    let machine = rustix::system::uname();
    format!("{}@{}", user().as_deref().unwrap_or("?"), machine.nodename().to_string_lossy())
}

pub(crate) fn now() -> UnixMillis {
    UnixMillis(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64))
}

/// A name that sorts by time.
pub(crate) fn output_name() -> PathBuf {
    PathBuf::from(jiff::Timestamp::now().strftime("sweep-%Y%m%dT%H%M%SZ.herd").to_string())
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
