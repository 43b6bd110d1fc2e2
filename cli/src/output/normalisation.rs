//! How rows are compared, for a reader.

use crate::output::count;
use crate::screen::escape::escape;
use herdiff_differ::Normalisation;
use herdiff_model::name::ColumnName;

/// A paragraph for each query.
pub(crate) fn table(all: &[Normalisation]) -> String {
    let mut out = String::new();
    for one in all {
        let rows = match &one.table {
            Some(table) => format!("rows of {}", escape(table.as_str())),
            None => "rows of no table that is known".to_owned(),
        };
        out += &format!("{} {}: {rows}\n", escape(one.herd.as_str()), escape(one.query.as_str()));
        let mut line = |what: &str, columns: &mut dyn Iterator<Item = &ColumnName>| {
            let names: Vec<_> = columns.map(|column| escape(column.as_str())).collect();
            if !names.is_empty() {
                out += &format!("  {what:<14}{}\n", names.join(", "));
            }
        };
        line("one thing by", &mut one.key.iter());
        line("compared", &mut one.compared.iter().map(|masked| &masked.column));
        line("volatile", &mut one.volatile.iter());
        line("not shared", &mut one.not_shared.iter());
        for masked in one.compared.iter().filter(|masked| !masked.masks.is_empty()) {
            let values = count(masked.values, "value");
            out += &format!(
                "  {}: {values} in {}\n",
                escape(masked.column.as_str()),
                count(masked.forms, "form")
            );
            for mask in &masked.masks {
                out += &format!(
                    "    {}  {} on {}, as {}{}\n",
                    escape(&mask.form),
                    count(mask.values, "value"),
                    count(mask.hosts as usize, "host"),
                    escape(&mask.example),
                    if mask.learned { "; learned here" } else { "" },
                );
            }
        }
        out.push('\n');
    }
    out += "A masked value that is odd among those of its form is a finding all the same.\n";
    out
}
