//! Parse, run, print the error, exit with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kcpctl::cli::main(std::env::args_os())
}
