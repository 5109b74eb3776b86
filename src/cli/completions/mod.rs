//! `kcpctl completions`: the script that lets a shell complete a command line, and the answers
//! that the script then asks for.
//!
//! A script only hands the words so far to `kcpctl` itself, with [`ASKED`] naming the shell: so
//! names of contexts, shards and objects complete, and no script grows old. Nushell has no such
//! script; its completions are written down in full and know no names.

mod bash;
pub(super) mod names;
mod words;

use std::env;
use std::ffi::OsString;
use std::io::Write;

use clap::{Command, CommandFactory};
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use clap_complete_nushell::Nushell;

use self::bash::Bash;
use super::Cli;
use crate::error::{CliError, Kind};
use crate::term::{Output, OutputError};

/// Set to the name of a shell, it asks for completions instead of running a command.
const ASKED: &str = "KCPCTL_COMPLETE";

/// What the scripts call.
const PROGRAM: &str = "kcpctl";

const SHELLS: Shells<'static> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

const EXAMPLES: &str = "\
Examples:
  # bash, for this shell, and for every later one
  source <(kcpctl completions bash)
  kcpctl completions bash > ~/.local/share/bash-completion/completions/kcpctl

  # zsh, fish
  kcpctl completions zsh > \"${fpath[1]}/_kcpctl\"
  kcpctl completions fish > ~/.config/fish/completions/kcpctl.fish";

/// Print a completion script for a shell
///
/// Completes commands, flags and files, and names of contexts, namespaces, installations,
/// shards, clusters and resources as the server knows them that the command line would lead to.
/// A server that does not answer within two seconds completes nothing. The script for nushell
/// knows no names.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete in
    #[arg(value_enum)]
    shell: ShellName,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum ShellName {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Elvish,
    Nushell,
}

pub(super) fn run(args: CompletionsArgs) -> Result<(), CliError> {
    let CompletionsArgs { shell } = args;
    let mut out = Output::stdout();
    out.write_all(&script(shell)?).map_err(OutputError::from)?;
    Ok(out.finish()?)
}

/// Into memory first: a generator panics when a write fails.
fn script(shell: ShellName) -> Result<Vec<u8>, CliError> {
    let mut script = Vec::new();
    let completer: &dyn EnvCompleter = match shell {
        ShellName::Bash => &Bash,
        ShellName::Zsh => &Zsh,
        ShellName::Fish => &Fish,
        ShellName::PowerShell => &Powershell,
        ShellName::Elvish => &Elvish,
        ShellName::Nushell => {
            clap_complete::generate(Nushell, &mut Cli::command(), PROGRAM, &mut script);
            return Ok(script);
        }
    };
    completer
        .write_registration(ASKED, PROGRAM, PROGRAM, PROGRAM, &mut script)
        .map_err(OutputError::from)?;
    Ok(script)
}

/// Answers the script of a shell, if it is one that calls.
pub(super) fn answer(args: &[OsString]) -> Option<Result<(), CliError>> {
    let shell = env::var_os(ASKED).filter(|it| !it.is_empty())?;
    Some(complete(&shell.to_string_lossy(), args))
}

fn complete(shell: &str, args: &[OsString]) -> Result<(), CliError> {
    let completer = SHELLS.completer(shell).ok_or_else(|| {
        let known: Vec<_> = SHELLS.names().collect();
        let cause = anyhow::anyhow!("{ASKED} is `{shell}`, which is no shell that can ask");
        CliError::new(Kind::Usage, cause)
            .hint(format!("unset it, or set it to one of {}", known.join(", ")))
    })?;
    let words = words::of(args);
    if words.is_empty() {
        let cause = anyhow::anyhow!("{ASKED} is set, and no command line follows `--`");
        return Err(CliError::new(Kind::Usage, cause)
            .hint("unset it: it is for the scripts of `kcpctl completions`"));
    }
    let mut command: Command = Cli::command();
    let mut candidates = Vec::new();
    completer
        .write_complete(&mut command, words, env::current_dir().ok().as_deref(), &mut candidates)
        .map_err(OutputError::from)?;
    let mut out = Output::stdout();
    out.write_all(&candidates).map_err(OutputError::from)?;
    Ok(out.finish()?)
}
