//! Questions, asked on a terminal only; every one can be answered by a flag.

use std::io::{self, IsTerminal};

use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};

/// A question that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There is no terminal to ask on.
    #[error("no terminal to ask on: {question}")]
    NoTerminal {
        /// What would have been asked.
        question: String,
        /// What answers it on the command line.
        flag: String,
    },
    /// The user said no, or left.
    #[error("stopped: nothing was changed")]
    Declined,
    /// The terminal failed.
    #[error("failed to ask")]
    Failed {
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Asks for a yes; `yes` (the flag `--yes`) is the only way past it.
pub fn confirm(question: &str, yes: bool) -> Result<(), PromptError> {
    if yes {
        return Ok(());
    }
    on_terminal(question, "--yes")?;
    let answer = Confirm::with_theme(theme().as_ref())
        .with_prompt(question)
        .default(false)
        .interact_opt()
        .map_err(failed)?;
    if answer == Some(true) { Ok(()) } else { Err(PromptError::Declined) }
}

/// Asks for a line of text that `check` accepts; `flag` answers it without a terminal.
pub fn text(
    question: &str,
    default: Option<&str>,
    flag: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, PromptError> {
    on_terminal(question, flag)?;
    let theme = theme();
    let mut input = Input::<String>::with_theme(theme.as_ref())
        .with_prompt(question)
        .validate_with(|answer: &String| check(answer));
    if let Some(default) = default {
        input = input.default(default.to_owned());
    }
    input.interact_text().map_err(failed)
}

/// Asks for one of `choices` and answers with its index; `flag` answers it without a terminal.
pub fn choose(
    question: &str,
    choices: &[&str],
    default: usize,
    flag: &str,
) -> Result<usize, PromptError> {
    on_terminal(question, flag)?;
    Select::with_theme(theme().as_ref())
        .with_prompt(question)
        .items(choices)
        .default(default)
        .interact_opt()
        .map_err(failed)?
        .ok_or(PromptError::Declined)
}

fn on_terminal(question: &str, flag: &str) -> Result<(), PromptError> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    Err(PromptError::NoTerminal { question: question.to_owned(), flag: flag.to_owned() })
}

fn theme() -> Box<dyn Theme> {
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        Box::new(SimpleTheme)
    } else {
        Box::new(ColorfulTheme::default())
    }
}

fn failed(error: dialoguer::Error) -> PromptError {
    let dialoguer::Error::IO(source) = error;
    if source.kind() == io::ErrorKind::Interrupted {
        PromptError::Declined
    } else {
        PromptError::Failed { source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_is_the_way_past_a_question() {
        assert!(confirm("Delete everything?", true).is_ok());
    }
}
