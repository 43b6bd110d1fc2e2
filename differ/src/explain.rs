//! Says in plain words what a deviation is, how rare it is and among whom, and what the others have instead.

use crate::deviation::{Baseline, Deviation, QueryView};
use crate::finding::{Kind, Method};
use bstr::{BStr, ByteSlice};
use herdiff_model::knowledge::Knowledge;
use herdiff_model::name::HostName;
use herdiff_model::row::Row;

/// No value in a sentence is longer, in characters.
const LONGEST_VALUE: usize = 60;

/// The row in a few words: "cron job /var/tmp/x".
pub(crate) fn title(knowledge: &Knowledge, row: Row<'_>) -> String {
    let label = match fill(&knowledge.label, row) {
        label if label.is_empty() => first_values(knowledge, row),
        label => label,
    };
    if label.is_empty() { knowledge.noun.clone() } else { format!("{} {label}", knowledge.noun) }
}

/// Puts the row's values into `{column}`s. Empty where the row has none of them.
fn fill(label: &str, row: Row<'_>) -> String {
    let mut filled = String::new();
    let mut found = false;
    let mut rest = label;
    while let Some((text, (column, after))) =
        rest.split_once('{').and_then(|(text, after)| Some((text, after.split_once('}')?)))
    {
        filled += text;
        if let Some(cell) = row.get(column) {
            filled += &value(cell);
            found = true;
        }
        rest = after;
    }
    filled += rest;
    if found { filled.replace("()", "").trim().to_owned() } else { String::new() }
}

fn first_values(knowledge: &Knowledge, row: Row<'_>) -> String {
    let of_key: Vec<_> = knowledge.key.iter().filter_map(|column| row.get(column.as_str())).collect();
    let all = || {
        row.iter().filter(|(column, _)| !knowledge.volatile.contains(column)).map(|(_, cell)| cell).collect()
    };
    let cells: Vec<&BStr> = if of_key.is_empty() { all() } else { of_key };
    let told = cells.into_iter().filter(|cell| !cell.is_empty()).take(3);
    told.map(value).collect::<Vec<_>>().join(" ")
}

fn value(cell: &BStr) -> String {
    let text = cell.to_str_lossy();
    let short: String = text.chars().take(LONGEST_VALUE).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

/// One sentence.
pub(crate) fn why(deviation: &Deviation<'_>, view: &QueryView<'_>, hosts: &[HostName]) -> String {
    let mut why = match view.method {
        Method::Herd => against_herd(deviation, view, hosts),
        Method::Baseline => against_baseline(deviation, view, hosts),
    };
    match deviation.members() {
        0 | 1 => {}
        2 if deviation.change.kind() != Kind::Added => why += "; one more row like this",
        more if deviation.change.kind() != Kind::Added => {
            why += &format!("; {} more rows like this", more - 1)
        }
        _ => {}
    }
    for sign in deviation.shown_signs(&view.knowledge) {
        why += "; ";
        why += &sign.say;
    }
    if let Some(name) = &deviation.almost {
        why += &format!("; almost the name of {}", value(name.as_ref()));
    }
    match deviation.baseline {
        Some(Baseline::Has) => why += "; as in the baseline",
        Some(Baseline::HasNot) => why += "; other than in the baseline, too",
        None => {}
    }
    match deviation.prevalence.unknown {
        0 => {}
        1 => why += "; 1 host could not tell",
        unknown => why += &format!("; {unknown} hosts could not tell"),
    }
    why
}

fn against_herd(deviation: &Deviation<'_>, view: &QueryView<'_>, hosts: &[HostName]) -> String {
    let prevalence = deviation.prevalence;
    let all = prevalence.present + prevalence.absent + prevalence.unknown;
    let on = listed(hosts);
    match deviation.change.kind() {
        Kind::Added if hosts.len() == 1 && deviation.members() > 1 => {
            format!("only on {on}, of {all}, {} times", deviation.members())
        }
        Kind::Added if hosts.len() == 1 => format!("only on {on}, of {all}"),
        Kind::Added if deviation.members() > 1 => {
            format!("on {} of {all}, each a little different: {on}", hosts.len())
        }
        Kind::Added => format!("on {} of {all}: {on}", hosts.len()),
        Kind::Missing => {
            let lack = if hosts.len() == 1 { "does not" } else { "do not" };
            format!("{} of {all} have it, {on} {lack}", prevalence.present)
        }
        Kind::Changed if hosts.len() == 1 => format!("only on {on}, of {all}: {}", instead(deviation, view)),
        Kind::Changed => format!("on {} of {all}: {on}: {}", hosts.len(), instead(deviation, view)),
    }
}

fn against_baseline(deviation: &Deviation<'_>, view: &QueryView<'_>, hosts: &[HostName]) -> String {
    let on = listed(hosts);
    match deviation.change.kind() {
        Kind::Added => format!("on {on}, and not in the baseline"),
        Kind::Missing => format!("in the baseline, and not on {on}"),
        Kind::Changed => format!("on {on}, other than in the baseline: {}", instead(deviation, view)),
    }
}

/// Up to three names, and how many more.
fn listed(hosts: &[HostName]) -> String {
    let named = hosts.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match hosts.len().saturating_sub(3) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Which columns differ from what the others have, and how.
fn instead(deviation: &Deviation<'_>, view: &QueryView<'_>) -> String {
    let Some(before) = deviation.before else { return String::new() };
    let columns = view.compared.columns().iter();
    let differs = columns.filter(|column| deviation.row.get(column.as_str()) != before.get(column.as_str()));
    let said = differs.take(2).map(|column| {
        let of = |row: Row<'_>| match row.get(column.as_str()) {
            Some(cell) if !cell.is_empty() => value(cell),
            _ => "nothing".to_owned(),
        };
        format!("{column} {} instead of {}", of(deviation.row), of(before))
    });
    said.collect::<Vec<_>>().join(", ")
}
