//! What a command's failure looks like, and the exit code that it becomes.
//!
//! An error is a kind, a cause and hints. The kind alone decides the exit code,
//! the cause says what happened (one line each link of the chain), and a hint is
//! something to *do*. One renderer, [`CliError::render`], shows all of them.

use std::io;

use crate::term::{OutputError, PromptError};

/// Who can mend the failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Nobody: the answer is no (differences, findings, failed checks).
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
    /// Nobody: the user would not wait for an orderly end.
    Aborted,
    /// Nobody: the reader of our output has seen enough and closed the pipe.
    ClosedPipe,
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
            Self::Aborted => 130, // as a shell says of a process that Ctrl-C ended
            Self::ClosedPipe => 0,
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

    /// What happened.
    pub fn cause(&self) -> &anyhow::Error {
        &self.cause
    }

    /// What the user can do next.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Writes the message, then its causes, then its hints, one a line; nothing
    /// for a closed pipe, since nobody is left who asked.
    pub fn render(&self, out: &mut impl io::Write) -> io::Result<()> {
        if self.kind == Kind::ClosedPipe {
            return Ok(());
        }
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

/// What becomes of a failed write to stdout.
impl From<OutputError> for CliError {
    fn from(error: OutputError) -> Self {
        match error {
            OutputError::Closed => Self::new(Kind::ClosedPipe, error),
            OutputError::Failed { .. } => {
                Self::new(Kind::Config, error).hint("free some space, or send the output elsewhere")
            }
        }
    }
}

/// A question that nobody could answer.
impl From<PromptError> for CliError {
    fn from(error: PromptError) -> Self {
        let hint = match &error {
            PromptError::NoTerminal { flag, .. } => Some(format!("answer it with `{flag}`")),
            PromptError::Declined | PromptError::Failed { .. } => None,
        };
        let error = Self::new(Kind::Usage, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(error: &CliError) -> String {
        let mut out = Vec::new();
        error.render(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_error_shows_its_causes_and_then_what_to_do() {
        let cause = anyhow::anyhow!("connection refused").context("failed to reach the server");
        let error = CliError::new(Kind::Unreachable, cause).hint("start one");
        assert_eq!(
            rendered(&error),
            "error: failed to reach the server\n  caused by: connection refused\nhint: start one\n"
        );
        assert_eq!(error.exit_code(), 4);
    }

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let error = CliError::from(OutputError::Closed);
        assert_eq!((rendered(&error).as_str(), error.exit_code()), ("", 0));
    }
}
