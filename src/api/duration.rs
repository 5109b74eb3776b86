//! Spans of time as Kubernetes objects write them: `8766h`, `1h30m`, `0.5s`.
//!
//! The text is kept beside the value, so that a manifest goes out as it came in.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time;

use serde::{Deserialize, Deserializer, Serialize};

use super::text;

/// A span of time, with the text that it was written as.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct Duration {
    text: String,
    nanos: i64,
}

/// The text is not a duration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DurationError {
    /// No number where one is needed.
    #[error("`{0}` is not a duration: expected a number and a unit, such as `8760h` or `90m`")]
    Malformed(String),
    /// The unit is unknown or missing.
    #[error(
        "`{text}` is not a duration: unit `{unit}` is none of `h`, `m`, `s`, `ms`, `us`, `ns`{}",
        if unit == "d" { " (a day is `24h`)" } else { "" }
    )]
    Unit {
        /// The whole text.
        text: String,
        /// What stood where the unit belongs.
        unit: String,
    },
    /// More than 64 bits of nanoseconds, which is about 292 years.
    #[error("`{0}` is longer than 292 years")]
    TooLong(String),
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

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let malformed = || DurationError::Malformed(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self { text: text.to_owned(), nanos: 0 });
        }
        if rest.is_empty() {
            return Err(malformed());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let number_len =
                rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(number_len);
            let unit_len =
                tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_len);
            rest = tail;
            let nanos = parse_number(number, unit_nanos(text, unit)?).ok_or_else(malformed)?;
            total += nanos;
            if total > i128::from(i64::MAX) {
                return Err(DurationError::TooLong(text.to_owned()));
            }
        }
        let nanos = i64::try_from(total).map_err(|_| DurationError::TooLong(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), nanos: if negative { -nanos } else { nanos } })
    }
}

fn unit_nanos(text: &str, unit: &str) -> Result<i128, DurationError> {
    Ok(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        _ => return Err(DurationError::Unit { text: text.to_owned(), unit: unit.to_owned() }),
    })
}

/// `number` times `unit`, in nanoseconds; digits below one nanosecond are cut off.
fn parse_number(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // 19 digits fill 64 bits, so nothing longer can be a legal span.
    if whole.is_empty() && fraction.is_empty() || whole.len() > 19 || fraction.contains('.') {
        return None;
    }
    let mut nanos =
        if whole.is_empty() { 0 } else { i128::from(whole.parse::<u64>().ok()?) * unit };
    let mut scale = unit;
    for digit in fraction.bytes() {
        scale /= 10;
        nanos += i128::from(digit - b'0') * scale;
    }
    Some(nanos)
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
