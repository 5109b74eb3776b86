//! `kcpctl completions`: the script that lets a shell complete a command line.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::{Generator, Shell};
use clap_complete_nushell::Nushell;

use super::Cli;
use crate::error::CliError;
use crate::term::{Output, OutputError};

const EXAMPLES: &str = "\
Examples:
  # bash, for this shell, and for every later one
  source <(kcpctl completions bash)
  kcpctl completions bash > ~/.local/share/bash-completion/completions/kcpctl

  # zsh, fish
  kcpctl completions zsh > \"${fpath[1]}/_kcpctl\"
  kcpctl completions fish > ~/.config/fish/completions/kcpctl.fish";

/// Print a completion script for a shell
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
    out.write_all(&script(shell)).map_err(OutputError::from)?;
    Ok(out.finish()?)
}

fn script(shell: ShellName) -> Vec<u8> {
    match shell {
        ShellName::Bash => generate(Shell::Bash),
        ShellName::Zsh => generate(Shell::Zsh),
        ShellName::Fish => generate(Shell::Fish),
        ShellName::PowerShell => generate(Shell::PowerShell),
        ShellName::Elvish => generate(Shell::Elvish),
        ShellName::Nushell => generate(Nushell),
    }
}

/// Into memory first: the generators panic when a write fails.
fn generate(generator: impl Generator) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut Cli::command(), "kcpctl", &mut script);
    script
}
