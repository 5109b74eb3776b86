//! `--timeout`: how long a command waits for a cluster, and how often it looks.

use std::str::FromStr;
use std::time::Duration;

use crate::api;
use crate::model::duration::DurationError;

/// How often a condition is looked at: an operator needs seconds for anything that is waited for.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// How long to wait: `90s`, `10m`.
#[derive(Clone, Debug)]
pub(super) struct Patience(Duration);

impl Patience {
    pub(super) fn span(&self) -> Duration {
        self.0
    }
}

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span: api::Duration = text.parse().map_err(|error: DurationError| error.to_string())?;
        span.to_std().map(Self).ok_or_else(|| "expected a span of time, such as `10m`".to_owned())
    }
}
