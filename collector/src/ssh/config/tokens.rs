//! The tokens of OpenSSH's configuration, such as `%h`, and its `${VARIABLES}`: in names of files, jump hosts and commands. Each
//! directive knows those that ssh_config(5) gives it; `ssh -G` fills in some itself and leaves these to us.

use super::{Answer, Settings};
use crate::ssh::SshConfig;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::path::PathBuf;

/// What tokens stand for, for one host.
pub(super) struct Tokens<'a> {
    pub(super) named: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) alias: Option<&'a str>,
    /// The jump host that is next to it, without user and port; empty where there is none.
    pub(super) jump: &'a str,
    /// What is the same for all hosts.
    pub(super) config: &'a SshConfig,
}

/// What a directive knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// `ProxyCommand` and `ProxyJump`: the host, and no variables.
    Host,
    /// Files of keys: all about both sides.
    Both,
}

impl<'a> Tokens<'a> {
    /// Those of a host, from what was asked for and what the configuration has for it.
    pub(super) fn of(
        config: &'a SshConfig,
        named: &'a str,
        (user, port): (Option<&'a str>, Option<u16>),
        answer: &'a Answer,
    ) -> Self {
        Self {
            named,
            host: if answer.hostname.is_empty() { named } else { &answer.hostname },
            port: port.or(answer.port).unwrap_or(22),
            user: user.or(answer.user.as_deref()).unwrap_or(&config.local_user),
            alias: answer.host_key_alias.as_deref(),
            jump: "",
            config,
        }
    }

    /// A word of `ProxyJump`, or a `ProxyCommand`. An error says what is not known there.
    pub(super) fn proxy(&self, text: &str) -> Result<String, String> {
        self.expand(text, Known::Host)
    }

    /// A file, with `~/` for the home directory. An error says what is not known, or not there.
    pub(super) fn file(&self, text: &str) -> Result<PathBuf, String> {
        let home = || self.config.home.as_deref().ok_or_else(|| "there is no home directory".to_owned());
        match text.strip_prefix('~').map(|rest| (rest, rest.strip_prefix('/'))) {
            None => Ok(PathBuf::from(self.expand(text, Known::Both)?)),
            Some((_, Some(rest))) => Ok(home()?.join(self.expand(rest, Known::Both)?)),
            Some((rest, None)) => {
                Err(format!("~{rest} is in another user's home directory, which is not looked up here"))
            }
        }
    }

    /// What comes in for a token or a variable is not looked at again.
    fn expand(&self, text: &str, known: Known) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
            expanded.push_str(before);
            if let Some(token) = after.strip_prefix('%') {
                let mut chars = token.chars();
                let token = chars.next().ok_or("there is a % at its end")?;
                expanded.push_str(&self.token(token, known)?);
                rest = chars.as_str();
            } else if let Some((name, behind)) =
                after.strip_prefix("${").filter(|_| known == Known::Both).and_then(|it| it.split_once('}'))
            {
                let value = self.config.variable.as_ref().and_then(|variable| variable(name));
                expanded.push_str(&value.ok_or_else(|| format!("${{{name}}} is not set"))?);
                rest = behind;
            } else {
                expanded.push('$');
                rest = after.get(1..).unwrap_or_default();
            }
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn token(&self, token: char, known: Known) -> Result<String, String> {
        let own = &self.config.local_host;
        Ok(match (token, known) {
            ('%', _) => "%".to_owned(),
            ('h', _) => self.host.to_owned(),
            ('n', _) => self.named.to_owned(),
            ('p', _) => self.port.to_string(),
            ('r', _) => self.user.to_owned(),
            (_, Known::Host) => return Err(format!("the token %{token} is not known there")),
            ('C', _) => self.hash(),
            ('d', _) => {
                let home = self.config.home.as_deref().and_then(|home| home.to_str());
                home.ok_or("there is no home directory")?.to_owned()
            }
            ('i', _) => self.config.local_uid.to_string(),
            ('j', _) => self.jump.to_owned(),
            ('k', _) => self.alias.unwrap_or(self.named).to_owned(),
            ('L', _) => own.split('.').next().unwrap_or(own).to_owned(),
            ('l', _) => own.clone(),
            ('u', _) => self.config.local_user.clone(),
            _ => return Err(format!("the token %{token} is not known there")),
        })
    }

    /// SHA-1 of `%l%h%p%r%j`. OpenSSH before 9.6 knows no `%j`; without a jump host that makes no difference.
    fn hash(&self) -> String {
        let port = self.port.to_string();
        let of = [&self.config.local_host, self.host, &port, self.user, self.jump].concat();
        data_encoding::HEXLOWER.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, of.as_bytes()).as_ref())
    }
}

/// The command of a `ProxyCommand` for one host. Names go into a shell there, so what a shell could take for its own is
/// refused: OpenSSH does the same.
pub(crate) fn command(template: &str, settings: &Settings) -> Result<String, String> {
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '@' | '+');
    for name in [&settings.host, &settings.named, &settings.user] {
        if name.starts_with('-') || !name.chars().all(harmless) {
            return Err(format!("{name:?} cannot be part of a ProxyCommand: a shell could take it for more"));
        }
    }
    let tokens = Tokens {
        named: &settings.named,
        host: &settings.host,
        port: settings.port,
        user: &settings.user,
        alias: None,
        jump: "",
        config: &SshConfig::default(),
    };
    tokens.proxy(template).map_err(|why| format!("the ProxyCommand {template:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    fn config() -> SshConfig {
        SshConfig {
            local_user: "ada".into(),
            local_uid: 1000,
            local_host: "desk.lan".into(),
            home: Some("/home/ada".into()),
            variable: Some(Arc::new(|name| (name == "KEYS").then(|| "/keys/%h".to_owned()))),
            ..SshConfig::default()
        }
    }

    fn tokens<'a>(config: &'a SshConfig, alias: Option<&'a str>) -> Tokens<'a> {
        Tokens { named: "web", host: "web.lan", port: 22, user: "root", alias, jump: "gate", config }
    }

    #[test]
    fn tokens_are_filled_in() {
        let config = config();
        let file = |text: &str| tokens(&config, None).file(text).map(|path| path.display().to_string());
        assert_eq!(file("%n %h:%p %r %u %d 100%%").as_deref(), Ok("web web.lan:22 root ada /home/ada 100%"));
        assert_eq!(file("%i %j %k %l %L").as_deref(), Ok("1000 gate web desk.lan desk"));
        assert_eq!(tokens(&config, Some("the-web")).file("%k").unwrap(), Path::new("the-web"));
        assert_eq!(file("~/.ssh/%h").as_deref(), Ok("/home/ada/.ssh/web.lan"));
        assert_eq!(file("~/my key").as_deref(), Ok("/home/ada/my key"));
        assert_eq!(file("${KEYS}/$k").as_deref(), Ok("/keys/%h/$k"), "what comes in is taken as it is");
        assert_eq!(file("${HOME}/k").unwrap_err(), "${HOME} is not set");
        assert_eq!(file("50%").unwrap_err(), "there is a % at its end");
        assert_eq!(file("%q").unwrap_err(), "the token %q is not known there");
        assert!(file("~bob/k").unwrap_err().contains("another user's home"));
    }

    #[test]
    fn jump_hosts_and_commands_know_only_the_host() {
        let config = config();
        let proxy = |text: &str| tokens(&config, None).proxy(text);
        assert_eq!(
            proxy("nc %h %p %n %r %% ${KEYS} $x").as_deref(),
            Ok("nc web.lan 22 web root % ${KEYS} $x")
        );
        for token in ["%C", "%d", "%i", "%j", "%k", "%l", "%L", "%u"] {
            assert!(proxy(token).is_err(), "{token}");
        }
    }

    /// `ssh -G` shows a `ControlPath` with all tokens filled in: the word of OpenSSH itself, of this machine and account.
    #[test]
    fn openssh_fills_in_the_same() {
        let asked = "/%C-%d-%h-%i-%k-%L-%l-%n-%p-%r-%u-%%-${KEYS}";
        let output = Command::new("ssh")
            .args(["-G", "-F", "none", "-l", "bob", "-p", "2222", "-o", "HostName=%h.lan"])
            .args(["-o", "HostKeyAlias=alias", "-o", &format!("ControlPath={asked}"), "web"])
            .env("KEYS", "/keys/%h")
            .output();
        let Ok(output) = output else {
            assert!(std::env::var_os("CI").is_none(), "OpenSSH's client is not installed");
            return;
        };
        let told = String::from_utf8(output.stdout).unwrap();
        let told = told.lines().find_map(|line| line.strip_prefix("controlpath ")).unwrap();
        let of_id = |flag: &str| {
            let output = Command::new("id").arg(flag).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let account = std::fs::read_to_string("/etc/passwd").unwrap();
        let account = account.lines().find(|line| line.starts_with(&format!("{}:", of_id("-un")))).unwrap();
        let config = SshConfig {
            local_user: of_id("-un"),
            local_uid: of_id("-u").parse().unwrap(),
            local_host: rustix::system::uname().nodename().to_str().unwrap().to_owned(),
            home: account.split(':').nth(5).map(PathBuf::from),
            ..config()
        };
        let answer =
            Answer { hostname: "web.lan".into(), host_key_alias: Some("alias".into()), ..Answer::default() };
        let ours = Tokens::of(&config, "web", (Some("bob"), Some(2222)), &answer).file(asked);
        assert_eq!(ours.unwrap(), Path::new(told));
    }
}
