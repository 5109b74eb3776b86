//! The command tree: a folder is a group, a file is a command.
//!
//! This file only parses and dispatches. A command file holds its `Args`, whose
//! doc comment is the help text, and one `run`.

mod cache;
mod files;
mod init;
mod kubeconfig;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::error::CliError;

/// The administrator's tool for kcp
#[derive(Debug, Parser)]
#[command(name = "kcpctl", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(subcommand)]
    Cache(cache::Command),
    #[command(subcommand)]
    Init(init::Command),
    #[command(subcommand)]
    Kubeconfig(kubeconfig::Command),
}

/// Runs the command line `args` and answers with the exit code of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = error.render(&mut std::io::stderr().lock());
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Cache(command) => cache::run(command),
        Command::Init(command) => init::run(command),
        Command::Kubeconfig(command) => kubeconfig::run(command),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        super::Cli::command().debug_assert();
    }
}
