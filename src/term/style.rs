//! Colours by meaning, and where they may appear.

use std::io::{self, IsTerminal};

/// What a word means to the reader. The colour follows from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Meaning {
    /// Something is wrong.
    Danger,
    /// Something may be wrong.
    Caution,
    /// Something went well.
    Success,
    /// Something to do.
    Advice,
}

impl Meaning {
    fn code(self) -> &'static str {
        match self {
            Self::Danger => "1;31",
            Self::Caution => "1;33",
            Self::Success => "1;32",
            Self::Advice => "1;36",
        }
    }

    /// `text` in this meaning's colour, if stderr shows colours.
    pub fn paint(self, text: &str) -> String {
        if allowed() && io::stderr().is_terminal() { self.painted(text) } else { text.to_owned() }
    }

    /// `text` in this meaning's colour, wherever it goes.
    pub(super) fn painted(self, text: &str) -> String {
        format!("\u{1b}[{}m{text}\u{1b}[0m", self.code())
    }
}

/// Whether the user wants colours at all.
pub(super) fn allowed() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !set("NO_COLOR") && !dumb
}
