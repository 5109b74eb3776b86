//! The command tree: a folder is a group, a file is a command.
//!
//! This file only parses and dispatches. A command file holds its `Args`, whose
//! doc comment is the help text, and one `run`. `args/` holds the groups of flags
//! that commands share.

mod apply;
mod args;
mod cache;
mod check;
mod completions;
mod crds;
mod delete;
mod diff;
mod files;
mod findings;
mod help;
mod init;
mod installations;
mod kubeconfig;
mod logging;
mod man;
mod manifests;
mod reconcile;
mod render;
mod runtime;
mod sources;
mod status;
mod validate;
mod version;
mod waiting;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::error::CliError;
use crate::term;

/// The administrator's tool for kcp
///
/// Describes an installation, runs the cache that its shards share, shows what a
/// cache holds, and hands out access.
#[derive(Debug, clap::Parser)]
#[command(
    name = "kcpctl",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 80,
    after_help = help::EXAMPLES,
    after_long_help = help::epilogue()
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(subcommand)]
    Init(Box<init::Command>),
    Validate(validate::ValidateArgs),
    Apply(Box<apply::ApplyArgs>),
    Diff(diff::DiffArgs),
    Delete(delete::DeleteArgs),
    Status(status::StatusArgs),
    Check(check::CheckArgs),
    Render(render::RenderArgs),
    Reconcile(Box<reconcile::ReconcileArgs>),
    #[command(subcommand)]
    Cache(cache::Command),
    #[command(subcommand)]
    Kubeconfig(kubeconfig::Command),
    Crds(crds::CrdsArgs),
    Version(version::VersionArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command line `args` and answers with the exit code of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if help::is_called(cache::CACHE_SERVER, args.first()) {
        return match cache::run_as_cache_server(args) {
            Ok(result) => finish(result),
            Err(error) => refuse(&error),
        };
    }
    if let Some(answer) = completions::answer(&args) {
        return finish(answer);
    }
    let parsed = help::named_after(Cli::command(), args.first())
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    finish(run(cli))
}

/// Shows what the parser says instead of a command.
fn refuse(error: &clap::Error) -> ExitCode {
    // Help goes to stdout, a refusal to stderr; a closed pipe is nobody's error.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Shows a failure and turns it into the exit code.
fn finish(result: Result<(), CliError>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut rendered = Vec::new();
    // A vector takes every write.
    let _ = error.render(&mut rendered);
    term::failure(&String::from_utf8_lossy(&rendered));
    ExitCode::from(error.exit_code())
}

fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Init(command) => init::run(*command),
        Command::Validate(args) => validate::run(args),
        Command::Apply(args) => apply::run(*args),
        Command::Diff(args) => diff::run(args),
        Command::Delete(args) => delete::run(args),
        Command::Status(args) => status::run(args),
        Command::Check(args) => check::run(args),
        Command::Render(args) => render::run(args),
        Command::Reconcile(args) => reconcile::run(*args),
        Command::Cache(command) => cache::run(command),
        Command::Kubeconfig(command) => kubeconfig::run(command),
        Command::Crds(args) => crds::run(args),
        Command::Version(args) => version::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
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
