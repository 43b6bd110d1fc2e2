//! What the operator looks at: how wide it is, whether it has colours, and text that cannot harm it.

pub(crate) mod escape;
pub(crate) mod table;
pub(crate) mod wrap;

use std::io::IsTerminal;

/// Where a result is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) color: bool,
    /// Columns of the terminal; `None` where lines may be as long as they like.
    pub(crate) width: Option<usize>,
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Strong,
    Faint,
    Alarm,
    Good,
}

impl Screen {
    /// Standard output, as it is now. `NO_COLOR` and `TERM=dumb` are respected.
    pub(crate) fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self { color: terminal && !plain, width: width.filter(|_| terminal).map(|width| width.max(40)) }
    }

    /// Text with a style, where there are colours.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Alarm => "1;31",
            Style::Good => "32",
        };
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
