//! What `ssh -G` prints for one host: OpenSSH's own view of its configuration, of which we take what matters here.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Which kinds of addresses a host may be reached at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Family {
    /// Whatever the name resolves to.
    #[default]
    Any,
    V4,
    V6,
}

/// `StrictHostKeyChecking`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Strict {
    /// `yes`, and `ask`: nobody is there to be asked.
    #[default]
    Yes,
    AcceptNew,
    No,
}

/// Configuration of one host. Values are as OpenSSH prints them: tokens of files and commands are not filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) hostname: String,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) identity_files: Vec<String>,
    pub(crate) certificate_files: Vec<String>,
    pub(crate) identities_only: bool,
    pub(crate) identity_agent: Option<String>,
    pub(crate) proxy_jump: Option<String>,
    pub(crate) proxy_command: Option<String>,
    /// The user's files, then those of the system.
    pub(crate) known_hosts: Vec<PathBuf>,
    pub(crate) host_key_alias: Option<String>,
    pub(crate) strict: Strict,
    pub(crate) hash_known_hosts: bool,
    pub(crate) revoked_host_keys: Option<String>,
    pub(crate) family: Family,
    pub(crate) connect_timeout: Option<Duration>,
    /// The address of this machine to connect from.
    pub(crate) bind_address: Option<IpAddr>,
    pub(crate) ciphers: String,
    pub(crate) macs: String,
    pub(crate) kex: String,
    pub(crate) host_key_algorithms: String,
    /// Options that change how a host is reached, and that are not known here.
    pub(crate) unknown: Vec<String>,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let mut answer = Self::default();
        let mut of_system = Vec::new();
        for line in text.lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            let some = || Some(value.to_owned()).filter(|value| !value.is_empty() && value != "none");
            let files = || names_of_files(value).into_iter();
            match name {
                "hostname" => value.clone_into(&mut answer.hostname),
                "user" => answer.user = some(),
                "port" => answer.port = value.parse().ok(),
                "identityfile" => answer.identity_files.extend(some()),
                "certificatefile" => answer.certificate_files.extend(some()),
                "identitiesonly" => answer.identities_only = value == "yes",
                "identityagent" => answer.identity_agent = Some(value.to_owned()),
                "proxyjump" => answer.proxy_jump = some(),
                "proxycommand" => answer.proxy_command = some(),
                "userknownhostsfile" => answer.known_hosts = files().collect(),
                "globalknownhostsfile" => of_system = files().collect(),
                "hostkeyalias" => answer.host_key_alias = some(),
                "stricthostkeychecking" => {
                    answer.strict = match value {
                        "accept-new" => Strict::AcceptNew,
                        "no" | "off" | "false" => Strict::No,
                        _ => Strict::Yes,
                    }
                }
                "hashknownhosts" => answer.hash_known_hosts = value == "yes",
                "revokedhostkeys" => answer.revoked_host_keys = some(),
                "addressfamily" => {
                    answer.family = match value {
                        "inet" => Family::V4,
                        "inet6" => Family::V6,
                        _ => Family::Any,
                    }
                }
                "connecttimeout" => {
                    answer.connect_timeout =
                        value.parse().ok().filter(|&seconds| seconds > 0).map(Duration::from_secs);
                }
                "ciphers" => value.clone_into(&mut answer.ciphers),
                "macs" => value.clone_into(&mut answer.macs),
                "kexalgorithms" => value.clone_into(&mut answer.kex),
                "hostkeyalgorithms" => value.clone_into(&mut answer.host_key_algorithms),
                "bindaddress" if value.parse::<IpAddr>().is_ok() => answer.bind_address = value.parse().ok(),
                "knownhostscommand" | "bindaddress" | "bindinterface" | "securitykeyprovider"
                    if some().is_some_and(|value| value != "internal") =>
                {
                    answer.unknown.push(line.to_owned());
                }
                "proxyusefdpass" if value == "yes" => answer.unknown.push(line.to_owned()),
                _ => {}
            }
        }
        answer.known_hosts.extend(of_system);
        answer
    }
}

/// Names of files as OpenSSH prints them: whole paths with blanks between them, and blanks within them as they are. So a word
/// that starts no path goes on with the one before it.
fn names_of_files(value: &str) -> Vec<PathBuf> {
    let mut names: Vec<String> = Vec::new();
    for word in value.split(' ') {
        match names.last_mut() {
            Some(name) if !word.starts_with(['/', '~']) && word != "none" => {
                name.push(' ');
                name.push_str(word);
            }
            _ => names.push(word.to_owned()),
        }
    }
    names.into_iter().filter(|name| name != "none" && !name.is_empty()).map(PathBuf::from).collect()
}

/// Whether an answer holds the name of the host that was asked about, other than as the name itself: then it is good for no
/// other host.
pub(super) fn is_about(text: &str, name: &str) -> bool {
    let itself = |line: &str| line == format!("host {name}") || line == format!("hostname {name}");
    text.lines().any(|line| line.contains(name) && !itself(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_taken() {
        let answer = Answer::parse(
            "host a\nuser ada\nhostname a.lan\nport 2222\naddressfamily inet6\nidentitiesonly yes\nstricthostkeychecking \
             accept-new\nhashknownhosts yes\nidentityfile ~/.ssh/%h\nidentityfile none\ncertificatefile /c.pub\n\
             userknownhostsfile /a /my known hosts /b\nglobalknownhostsfile /g none\nconnecttimeout 7\nproxyjump u@j:1,k\n\
             proxycommand none\nidentityagent SSH_AUTH_SOCK\nbindaddress 127.0.0.2\nbindinterface eth7\nhostkeyalias x\n",
        );
        let expected = Answer {
            hostname: "a.lan".into(),
            user: Some("ada".into()),
            port: Some(2222),
            identity_files: vec!["~/.ssh/%h".into()],
            certificate_files: vec!["/c.pub".into()],
            identities_only: true,
            identity_agent: Some("SSH_AUTH_SOCK".into()),
            proxy_jump: Some("u@j:1,k".into()),
            known_hosts: vec!["/a".into(), "/my known hosts".into(), "/b".into(), "/g".into()],
            host_key_alias: Some("x".into()),
            strict: Strict::AcceptNew,
            hash_known_hosts: true,
            family: Family::V6,
            connect_timeout: Some(Duration::from_secs(7)),
            bind_address: Some("127.0.0.2".parse().unwrap()),
            unknown: vec!["bindinterface eth7".into()],
            ..Answer::default()
        };
        assert_eq!(answer, expected);
    }

    #[test]
    fn an_answer_that_names_its_host_is_its_own() {
        assert!(!is_about("host a1\nhostname a1\nport 22\n", "a1"));
        assert!(is_about("host a1\nhostname a1.lan\n", "a1"));
        assert!(is_about("host a1\nhostname a1\nuserknownhostsfile /k/a1\n", "a1"));
    }
}
