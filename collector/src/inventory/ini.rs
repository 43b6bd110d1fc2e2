//! Plain lists and Ansible's INI files: sections, hosts, variables. A plain list is an INI file without sections.

use super::LineError;
use super::document::{Document, HostLine, Place, Var, check_group};
use super::host::parse as parse_host;
use std::net::Ipv6Addr;

enum Section {
    Hosts(Option<usize>),
    Children(usize),
    Vars(usize),
}

/// Adds the lines of a file to a document.
pub(super) fn read(document: &mut Document, file: usize, text: &str) -> Result<(), LineError> {
    let mut section = Section::Hosts(None);
    for (line, text) in text.lines().enumerate().map(|(n, text)| (Place::new(file, n + 1), text.trim())) {
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        let fail = |why: String| LineError::new(line, why);
        if let Some(header) = header(text) {
            section = self::section(document, header).map_err(fail)?;
            continue;
        }
        match section {
            Section::Vars(group) => {
                let var = var(line, without_comment(text)).ok_or_else(|| {
                    fail(format!("{text:?} is not name=value, as lines of a :vars section are"))
                })?;
                document.group_mut(group, |group| group.vars.push(var));
            }
            Section::Children(group) => {
                let child = without_comment(text);
                check_group(child).map_err(fail)?;
                document.group(child);
                document.group_mut(group, |group| group.children.push((child.to_owned(), line)));
            }
            Section::Hosts(group) => {
                let mut words = words(text).map_err(fail)?.into_iter();
                let Some(first) = words.next() else { continue };
                let word = parse_host(&first).map_err(fail)?;
                let vars = words.map(|word| {
                    var(line, &word).ok_or_else(|| {
                        fail(format!("expected one host a line, and name=value after it; got {word:?}"))
                    })
                });
                let vars = vars.collect::<Result<_, _>>()?;
                document.hosts.push(HostLine { line, group, word, vars });
            }
        }
    }
    Ok(())
}

fn section(document: &mut Document, header: &str) -> Result<Section, String> {
    let (name, kind) = header.split_once(':').unwrap_or((header, "hosts"));
    check_group(name)?;
    let group = document.group(name);
    document.group_mut(group, |group| group.defined |= kind != "vars");
    match kind {
        // Ansible's own word for hosts that are in no group.
        "hosts" if name == "ungrouped" => Ok(Section::Hosts(None)),
        "hosts" => Ok(Section::Hosts(Some(group))),
        "children" => Ok(Section::Children(group)),
        "vars" => Ok(Section::Vars(group)),
        other => Err(format!(
            "[{name}:{other}] is no section; there are [group], [group:children] and [group:vars]"
        )),
    }
}

/// What stands between the brackets of a section's first line. An IPv6 address in brackets is none.
fn header(text: &str) -> Option<&str> {
    let (inside, after) = text.strip_prefix('[')?.split_once(']')?;
    let after = after.trim_start();
    let alone = after.is_empty() || after.starts_with(['#', ';']);
    (alone && inside.parse::<Ipv6Addr>().is_err()).then_some(inside.trim())
}

fn without_comment(text: &str) -> &str {
    text.split_once(" #").map_or(text, |(before, _)| before).trim_end()
}

/// A value may stand in quotes, as in Ansible.
fn var(line: Place, text: &str) -> Option<Var> {
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let quoted = ['"', '\''].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let value = quoted.unwrap_or(value).to_owned();
    (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| Var {
        line,
        name: name.to_owned(),
        value,
    })
}

/// Splits as a shell would: at blanks outside quotes; ends at a comment.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("{text:?} has a quote that is not closed"));
    }
    words.extend(word);
    Ok(words)
}
