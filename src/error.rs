//! What a command's failure looks like, and the exit code that it becomes.
//!
//! An error is a kind, a cause and hints. The kind alone decides the exit code,
//! the cause says what happened (one line each link of the chain), and a hint is
//! something to *do*. One renderer, [`CliError::render`], shows all of them.

use std::io;

/// Who can mend the failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Nobody: the answer is no (differences, failed checks).
    Findings,
    /// The user: the command line is wrong.
    Usage,
    /// The user: a file is missing or malformed.
    Config,
    /// An operator: a server did not answer.
    Unreachable,
    /// The owner of the object: a server answered no.
    Refused,
    /// The authors: this is a bug.
    Internal,
}

impl Kind {
    /// The exit code. Scripts depend on these numbers; they are never reused.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Findings => 1,
            Self::Usage => 2, // clap's own
            Self::Config => 3,
            Self::Unreachable => 4,
            Self::Refused => 5,
            Self::Internal => 70,
        }
    }
}

/// A command's failure, ready to show.
#[derive(Debug)]
pub struct CliError {
    kind: Kind,
    cause: anyhow::Error,
    hints: Vec<String>,
}

impl CliError {
    /// Wraps `cause`.
    pub fn new(kind: Kind, cause: impl Into<anyhow::Error>) -> Self {
        Self { kind, cause: cause.into(), hints: Vec::new() }
    }

    /// Adds one thing the user can do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Who can mend it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }

    /// Writes the message, then its causes, then its hints, one a line.
    pub fn render(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(out, "error: {}", self.cause)?;
        for cause in self.cause.chain().skip(1) {
            writeln!(out, "  caused by: {cause}")?;
        }
        for hint in &self.hints {
            writeln!(out, "hint: {hint}")?;
        }
        Ok(())
    }
}
