//! The names of a herd's hosts. Where they are words, no number says that two values differ only in whose they are.

use crate::template;
use aho_corasick::{AhoCorasick, MatchKind};
use herdiff_model::bundle::Bundle;
use herdiff_model::row::Row;
use herdiff_model::snapshot::Snapshot;
use std::collections::BTreeSet;

/// Finds the names of hosts in values.
#[derive(Clone, Debug, Default)]
pub(crate) struct HerdNames(Option<AhoCorasick>);

/// Columns in which a host says its name, as osquery's `system_info`, `interface_details` and others have them.
const NAME_COLUMNS: &[&str] = &["hostname", "local_hostname", "computer_name", "nodename", "fqdn"];

/// Shorter names are in everything.
const SHORTEST: usize = 3;
/// RFC 1035: the longest label.
const LONGEST: usize = 63;
/// Where the hosts have at least this share of different names, numbers left out, they are named by words.
const WORDS: f64 = 0.1;
const FEWEST_WORDS: usize = 3;

impl HerdNames {
    /// The names that the inventory gives to these hosts, and those that they give themselves.
    pub(crate) fn of(bundle: &Bundle, hosts: &[&Snapshot]) -> Self {
        let mut names: BTreeSet<&[u8]> =
            hosts.iter().filter_map(|host| label(host.host.as_str().as_bytes())).collect();
        for (id, _, table) in bundle.queries() {
            let says_name = |shape: &herdiff_model::row::Columns| {
                NAME_COLUMNS.iter().any(|column| shape.position(column).is_some())
            };
            if !table.shapes().iter().any(says_name) {
                continue;
            }
            for host in hosts {
                let rows = host.query(id).and_then(|outcome| outcome.rows());
                // Who says several names must not choose what is a name.
                let Some([row]) = rows.map(|rows| &*rows.ids) else { continue };
                let row: Option<Row<'_>> = table.row(*row);
                let said =
                    NAME_COLUMNS.iter().find_map(|column| row?.get(column)).map(|cell| -> &[u8] { cell });
                names.extend(said.and_then(label));
            }
        }
        Self::from_labels(&names, hosts.len())
    }

    fn from_labels(names: &BTreeSet<&[u8]>, hosts: usize) -> Self {
        let forms: BTreeSet<Vec<u8>> = names.iter().map(|name| template_of(name)).collect();
        if forms.len() < FEWEST_WORDS || (forms.len() as f64) < hosts as f64 * WORDS {
            return Self::default();
        }
        // The builder fails where there are more patterns than any machine has room for: then nothing is masked.
        Self(AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(names).ok())
    }

    /// True where the hosts are not named by words.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Where a value has the names of hosts in it, its template without them.
    pub(crate) fn template(&self, value: &[u8]) -> Option<Vec<u8>> {
        let mut form = Vec::new();
        let mut done = 0;
        for found in self.0.as_ref()?.find_iter(value) {
            let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
            let before = found.start().checked_sub(1).and_then(|before| value.get(before));
            if is_edge(before) && is_edge(value.get(found.end())) {
                template::push(&mut form, value.get(done..found.start()).unwrap_or_default());
                form.extend_from_slice(NAME);
                done = found.end();
            }
        }
        if done == 0 {
            return None;
        }
        template::push(&mut form, value.get(done..).unwrap_or_default());
        Some(form)
    }
}

/// What stands for the name of a host in a template.
const NAME: &[u8] = b"#host";

/// The first part of a name, where it is one and no address.
fn label(name: &[u8]) -> Option<&[u8]> {
    let label = name.split(|&byte| byte == b'.').next()?;
    let is_word = label.iter().any(u8::is_ascii_alphabetic);
    (is_word && (SHORTEST..=LONGEST).contains(&label.len())).then_some(label)
}

fn template_of(value: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    template::push(&mut form, value);
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&'static str]) -> HerdNames {
        let labels = names.iter().filter_map(|name| label(name.as_bytes())).collect();
        HerdNames::from_labels(&labels, names.len())
    }

    #[test]
    fn words_that_name_hosts_are_left_out() {
        let herd = names(&["athena.corp.example", "hermes.corp.example", "zeus.corp.example"]);
        let form = |value: &str| herd.template(value.as_bytes()).map(|form| String::from_utf8(form).unwrap());
        assert_eq!(form("agent --node athena.corp.example:80"), form("agent --node zeus.corp.example:8080"));
        assert_eq!(form("/etc/ssl/hermes.pem").as_deref(), Some("/etc/ssl/#host.pem"));
        assert_eq!(form("/etc/ssl/hermesx.pem"), None);
        assert_eq!(form("nothing"), None);
    }

    #[test]
    fn numbered_hosts_need_no_words() {
        assert!(names(&["web-01", "web-02", "web-03", "web-04"]).is_empty());
        assert!(names(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]).is_empty());
    }
}
