//! Spans of time as Kubernetes objects write them: `8766h`, `1h30m`, `0.5s`.
//!
//! The text is kept beside the value, so that a manifest goes out as it came in.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time;

use serde::{Deserialize, Deserializer, Serialize};

use super::text;
use crate::model::duration::{self, DurationError};

/// A span of time, with the text that it was written as.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct Duration {
    text: String,
    nanos: i64,
}

impl Duration {
    /// Whole hours.
    pub fn from_hours(hours: u32) -> Self {
        Self { text: format!("{hours}h"), nanos: i64::from(hours) * 3600 * 1_000_000_000 }
    }

    /// The span, or nothing if it is negative.
    pub fn to_std(&self) -> Option<time::Duration> {
        u64::try_from(self.nanos).ok().map(time::Duration::from_nanos)
    }

    /// The span as Go prints it, whichever way it was written: `1h0m0s`.
    pub fn canonical(&self) -> String {
        duration::format(self.nanos)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// No time at all: what an absent field means to the operator.
impl Default for Duration {
    fn default() -> Self {
        Self { text: "0s".to_owned(), nanos: 0 }
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        Ok(Self { text: text.to_owned(), nanos: duration::parse(text)? })
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parse(deserializer)
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.text
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl schemars::JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Without a format: OpenAPI's `duration` is the one of ISO 8601.
        schemars::json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_those_of_go() {
        let seconds =
            |text: &str| text.parse::<Duration>().map(|it| it.to_std().map(|it| it.as_secs_f64()));
        for (text, expected) in [
            ("0", 0.0),
            ("8760h", 31_536_000.0),
            ("1h30m", 5_400.0),
            ("1.5h", 5_400.0),
            (".5s", 0.5),
            ("1s500ms", 1.5),
            ("+2m", 120.0),
        ] {
            assert_eq!(seconds(text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(seconds("-1h"), Ok(None));
        assert_eq!("8760h".parse::<Duration>(), Ok(Duration::from_hours(8760)));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "-", "h", "1", "1h-5m", "1.2.3h", ".h", "1 h", "99999999999999999999h"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        assert_eq!(
            "365d".parse::<Duration>().unwrap_err().to_string(),
            "`365d` is not a duration: unit `d` is none of `h`, `m`, `s`, `ms`, `us`, `ns` \
             (a day is `24h`)"
        );
        assert_eq!(
            "2562048h".parse::<Duration>().unwrap_err().to_string(),
            "`2562048h` is longer than 292 years"
        );
    }
}
