//! Findings for a reader, worst first: what, where, how rare, and what else belongs to it.

use super::{Format, count, csv, json};
use crate::screen::escape::escape;
use crate::screen::wrap::{shorten, width, wrap};
use crate::screen::{Screen, Style};
use herdiff_differ::{Finding, Kind, Report};
use std::io;

/// What of a report is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection {
    /// Findings below this score are counted, not listed.
    pub(crate) min_score: f64,
    /// No more than this many are listed.
    pub(crate) top: usize,
}

impl Selection {
    fn shown<'r>(&self, report: &'r Report) -> &'r [Finding] {
        let above = report.findings.partition_point(|finding| finding.score >= self.min_score);
        report.findings.get(..above.min(self.top)).unwrap_or_default()
    }
}

/// A whole report.
pub(crate) fn render(
    report: &Report,
    selection: Selection,
    format: Format,
    screen: Screen,
) -> io::Result<Vec<u8>> {
    let shown = selection.shown(report);
    match format {
        Format::Table => Ok(table(report, shown, screen).into_bytes()),
        Format::Json => json::document(&serde_json::json!({
            "findings": shown,
            "weaker": report.total - shown.len(),
            "accepted": report.accepted,
            "suspects": report.suspects,
            "coverage": report.coverage,
            "notes": report.notes,
        })),
        Format::Ndjson => Ok(shown.iter().map(json::line).collect::<io::Result<Vec<_>>>()?.concat()),
        Format::Csv => csv::document(COLUMNS, shown.iter().map(cells)),
    }
}

const COLUMNS: [&str; 11] =
    ["id", "score", "kind", "host", "hosts", "herd", "query", "title", "why", "attack", "parts"];

fn cells(finding: &Finding) -> Vec<Vec<u8>> {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(" ");
    [
        finding.id.to_string(),
        finding.score.to_string(),
        finding.kind.to_string(),
        finding.host.to_string(),
        list(&mut finding.hosts.iter().map(ToString::to_string)),
        finding.herd.to_string(),
        finding.query.to_string(),
        finding.title.clone(),
        finding.why.clone(),
        list(&mut finding.attack.iter().map(|attack| attack.0.clone())),
        finding.parts.len().to_string(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn table(report: &Report, shown: &[Finding], screen: Screen) -> String {
    let mut out = String::new();
    let hosts = shown.iter().map(|finding| width(&whereabouts(finding))).max().unwrap_or(0).min(24);
    if !shown.is_empty() {
        let header = format!("    {:<hosts$}  {:>6}  FINDING", "HOST", "BITS");
        out += &screen.paint(Style::Faint, &header);
        out.push('\n');
    }
    for (n, finding) in shown.iter().enumerate() {
        entry(&mut out, n + 1, finding, hosts, screen);
    }
    let weaker = report.total - shown.len();
    let summary = match (shown.len(), weaker) {
        (0, 0) => "Nothing stands out.".to_owned(),
        (0, _) => {
            format!("Nothing stands out; {} (--min-score 0 lists them).", count(weaker, "weaker difference"))
        }
        (_, 0) => format!("{}.", count(shown.len(), "finding")),
        (some, _) => {
            format!(
                "{}; {} not shown (--min-score 0 lists them).",
                count(some, "finding"),
                count(weaker, "weaker difference")
            )
        }
    };
    out += &screen.paint(if shown.is_empty() { Style::Good } else { Style::Strong }, &summary);
    out.push('\n');
    out
}

/// The host, or how many.
fn whereabouts(finding: &Finding) -> String {
    match finding.hosts.len() {
        1 => escape(finding.host.as_str()),
        more => format!("{} +{}", escape(finding.host.as_str()), more - 1),
    }
}

fn entry(out: &mut String, number: usize, finding: &Finding, hosts: usize, screen: Screen) {
    let whereabouts = shorten(&whereabouts(finding), hosts);
    let space = " ".repeat(hosts.saturating_sub(width(&whereabouts)));
    let indent = 4 + hosts + 2 + 6 + 2;
    let columns = screen.width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(24));
    let margin = if columns == 24 { " ".repeat(6) } else { " ".repeat(indent) };

    let title = format!("{}{}", mark(finding.kind), escape(&finding.title));
    let mut title = wrap(&title, columns).into_iter();
    out.push_str(&format!(
        "{number:>3} {}{space}  {:>6.1}  {}\n",
        screen.paint(Style::Alarm, &whereabouts),
        finding.score,
        screen.paint(Style::Strong, &title.next().unwrap_or_default()),
    ));
    let mut push = |text: &str, style: Option<Style>| {
        for line in wrap(text, columns) {
            let line = style.map_or(line.clone(), |style| screen.paint(style, &line));
            out.push_str(&format!("{margin}{line}\n"));
        }
    };
    title.for_each(|line| push(&line, Some(Style::Strong)));
    push(&escape(&finding.why), None);
    for part in finding.parts.iter().skip(1).take(MOST_PARTS) {
        push(&format!("· {}{}", mark(part.kind), escape(&part.title)), None);
    }
    if let Some(more) = finding.parts.len().checked_sub(MOST_PARTS + 1).filter(|&more| more > 0) {
        push(&format!("· and {}", count(more, "more row")), None);
    }
    let attack: Vec<_> = finding.attack.iter().map(|attack| escape(&attack.0)).collect();
    push(format!("{} {}", finding.id, attack.join(" ")).trim_end(), Some(Style::Faint));
    out.push('\n');
}

/// One finding with every cell of every row.
pub(crate) fn everything(finding: &Finding) -> String {
    let hosts: Vec<_> = finding.hosts.iter().map(|host| escape(host.as_str())).collect();
    let attack: Vec<_> = finding.attack.iter().map(|attack| escape(&attack.0)).collect();
    let mut out = format!(
        "{}  {:.1} bits  {}{}\n{}\nhosts   {}\n",
        finding.id,
        finding.score,
        mark(finding.kind),
        escape(&finding.title),
        escape(&finding.why),
        hosts.join(" "),
    );
    if !attack.is_empty() {
        out += &format!("attack  {}\n", attack.join(" "));
    }
    let prevalence = finding.prevalence;
    out += &format!(
        "the first row is on {}, {} do not have it, {} could not tell\n",
        count(prevalence.present as usize, "host"),
        prevalence.absent,
        prevalence.unknown
    );
    for reason in &finding.reasons {
        out += &format!("  {:>+5.1}  {}\n", reason.bits, escape(&reason.say));
    }
    for part in &finding.parts {
        out += &format!("\n{} {}\n", part.kind, escape(part.query.as_str()));
        for (column, cell) in part.row.iter() {
            let before = part.before.as_ref().and_then(|row| row.iter().find(|(name, _)| *name == column));
            let before = before.filter(|(_, before)| *before != cell);
            let instead = before.map(|(_, before)| format!("  (the others: {})", escape(before)));
            out += &format!("  {:<18}  {}{}\n", escape(column), escape(cell), instead.unwrap_or_default());
        }
    }
    out
}

/// More rows of one story are counted.
const MOST_PARTS: usize = 5;

fn mark(kind: Kind) -> &'static str {
    match kind {
        Kind::Added => "",
        Kind::Missing => "missing: ",
        Kind::Changed => "changed: ",
    }
}
