//! The tokens that OpenSSH's configuration has in names of files and in commands: `%h`, `%p`, `%r`.

use super::Settings;
use std::path::{Path, PathBuf};

/// What tokens stand for.
pub(super) struct Tokens<'a> {
    pub(super) named: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) local_user: &'a str,
    pub(super) home: Option<&'a Path>,
}

impl Tokens<'_> {
    /// `None` where there is a token that is not known here.
    pub(super) fn expand(&self, text: &str) -> Option<String> {
        let mut expanded = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                expanded.push(c);
                continue;
            }
            match chars.next()? {
                '%' => expanded.push('%'),
                'h' => expanded.push_str(self.host),
                'n' => expanded.push_str(self.named),
                'p' => expanded.push_str(&self.port.to_string()),
                'r' => expanded.push_str(self.user),
                'u' => expanded.push_str(self.local_user),
                'd' => expanded.push_str(self.home?.to_str()?),
                _ => return None,
            }
        }
        Some(expanded)
    }

    /// A file, with `~/` for the home directory. `None` where it has a token or a variable that is not known here.
    pub(super) fn file(&self, text: &str) -> Option<PathBuf> {
        if text.contains("${") {
            return None;
        }
        let expanded = self.expand(text)?;
        match (expanded.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            (Some(_), None) => None,
            _ => Some(PathBuf::from(expanded)),
        }
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
        local_user: "",
        home: None,
    };
    let unknown = || format!("the ProxyCommand {template:?} has a token other than %h, %n, %p, %r and %%");
    if template.contains("%u") || template.contains("%d") {
        return Err(unknown());
    }
    tokens.expand(template).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_filled_in() {
        let home = PathBuf::from("/home/ada");
        let tokens = Tokens {
            named: "web",
            host: "web.lan",
            port: 22,
            user: "root",
            local_user: "ada",
            home: Some(&home),
        };
        assert_eq!(
            tokens.expand("%n %h:%p %r %u %d 100%%").as_deref(),
            Some("web web.lan:22 root ada /home/ada 100%")
        );
        assert_eq!(tokens.expand("%C"), None);
        assert_eq!(tokens.expand("50%"), None);
        assert_eq!(tokens.file("~/.ssh/%h"), Some("/home/ada/.ssh/web.lan".into()));
        assert_eq!(tokens.file("${HOME}/.ssh/key"), None);
        assert_eq!(tokens.file("~/my key").as_deref(), Some(Path::new("/home/ada/my key")));
    }
}
