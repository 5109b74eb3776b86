//! The log: lines or JSON, on stderr.
//!
//! `KCPCTL_LOG` says in detail what is logged, in the syntax of `tracing`'s filters; it
//! wins over `-v`.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::error::{CliError, Kind};

/// The variable that says in detail what is logged.
const VARIABLE: &str = "KCPCTL_LOG";

/// The verbosity of `-v` without a number.
pub(crate) const VERBOSE: &str = "4";

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// How much, in the numbers that Kubernetes' own servers use.
    pub verbosity: u8,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Logs from now on.
pub(crate) fn start(settings: LogSettings) -> Result<(), CliError> {
    let LogSettings { format, verbosity } = settings;
    let filter = match std::env::var(VARIABLE) {
        Ok(directives) => EnvFilter::try_new(&directives).map_err(|error| {
            let cause =
                anyhow::Error::new(error).context(format!("cannot read {VARIABLE}=`{directives}`"));
            CliError::new(Kind::Usage, cause).hint(format!("such as {VARIABLE}=kcpctl=debug"))
        })?,
        Err(_) => EnvFilter::new(directives(verbosity)),
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            subscriber.with_ansi(colour).with_target(verbosity > 0).try_init()
        }
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| {
        CliError::new(Kind::Internal, anyhow::anyhow!(error).context("failed to start the log"))
    })?;
    log_panics();
    Ok(())
}

/// What each verbosity shows: of ourselves more than of the libraries.
fn directives(verbosity: u8) -> &'static str {
    match verbosity {
        // kube logs each failed request without saying which; whoever made it says more.
        0..=2 => "warn,kcpctl=info,kube_client=off",
        3..=5 => "info,kcpctl=debug",
        6..=7 => "debug,kcpctl=trace,h2=info,hyper=info,rustls=info,fjall=info,lsm_tree=info",
        _ => "trace",
    }
}

/// Panics belong into the log, in its form.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let message =
            text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        tracing::error!(place, message, "panic");
    }));
}
