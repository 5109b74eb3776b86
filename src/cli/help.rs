//! What the top of the help says beyond the flags: examples and exit codes.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;

/// The examples of `kcpctl -h`.
pub(super) const EXAMPLES: &str = "\
Examples:
  # Describe an installation in a folder of manifests
  kcpctl init installation demo --hostname kcp.example.com -o demo

  # Put it into a cluster, wait for it, and look at it
  kcpctl apply -f demo
  kcpctl status

  # Run the cache on this machine, then look inside
  kcpctl cache serve
  kcpctl cache list
  kcpctl cache list apiexports --shard root";

/// What the exit codes mean; those of [`crate::error::Kind`].
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   the answer is no: differences, findings, failed checks
  2   the command line is wrong
  3   a file is missing or malformed
  4   a server did not answer
  5   a server answered no
  70  an error in kcpctl itself";

/// The variables that every command reads.
const ENVIRONMENT: &str = "\
Environment:
  KUBECONFIG  kubeconfig files: a cluster's current context, a cache's
              context `cache`
  NO_COLOR    no colour, whatever its value";

/// What `kcpctl --help` says after the flags.
pub(super) fn epilogue() -> String {
    [EXAMPLES, EXIT_CODES, ENVIRONMENT].join("\n\n")
}

/// `command` with the name of the executable that it was started as in its
/// usage and examples, so that what a kubectl plugin shows can be typed.
pub(super) fn named_after(command: Command, executable: Option<&OsString>) -> Command {
    let name = executable.and_then(|path| Path::new(path).file_stem()?.to_str());
    match name {
        Some("kubectl-kcpctl") => renamed(command.bin_name("kubectl-kcpctl"), "kubectl-kcpctl "),
        _ => command,
    }
}

/// Whether the executable was started as `name`.
pub(super) fn is_called(name: &str, executable: Option<&OsString>) -> bool {
    executable.and_then(|path| Path::new(path).file_stem()?.to_str()) == Some(name)
}

fn renamed(command: Command, name: &str) -> Command {
    let replace = |help: &clap::builder::StyledStr| help.to_string().replace("kcpctl ", name);
    let short = command.get_after_help().map(replace);
    let long = command.get_after_long_help().map(replace);
    let command = match short {
        Some(short) => command.after_help(short),
        None => command,
    };
    let command = match long {
        Some(long) => command.after_long_help(long),
        None => command,
    };
    let children: Vec<String> =
        command.get_subcommands().map(|child| child.get_name().to_owned()).collect();
    children
        .into_iter()
        .fold(command, |command, child| command.mut_subcommand(child, |child| renamed(child, name)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn help_of(executable: &str) -> String {
        named_after(Cli::command(), Some(&executable.into())).render_long_help().to_string()
    }

    #[test]
    fn a_kubectl_plugin_speaks_of_itself_by_its_own_name() {
        let help = help_of("/usr/local/bin/kubectl-kcpctl");
        assert!(help.contains("Usage: kubectl-kcpctl <COMMAND>"), "{help}");
        assert!(help.contains("  kubectl-kcpctl cache serve\n"), "{help}");
        assert!(help_of("kcpctl").contains("  kcpctl cache serve\n"));
    }

    #[test]
    fn help_fits_a_terminal_of_80_columns() {
        for line in epilogue().lines() {
            assert!(line.len() <= 80, "{line}");
        }
    }
}
