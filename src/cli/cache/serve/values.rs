//! Values of flags that are more than a word.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::api;
use crate::model::duration::DurationError;

/// A number of bytes, such as `256MiB`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ByteCount(pub(super) usize);

/// The text is not a number of bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a number of bytes, such as `268435456`, `262144Ki` or `256MiB`")]
pub(super) struct ByteCountError;

impl FromStr for ByteCount {
    type Err = ByteCountError;

    fn from_str(text: &str) -> Result<Self, ByteCountError> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit: usize = match unit {
            "" | "B" => 1,
            "k" | "kB" => 1000,
            "M" | "MB" => 1_000_000,
            "G" | "GB" => 1_000_000_000,
            "Ki" | "KiB" => 1 << 10,
            "Mi" | "MiB" => 1 << 20,
            "Gi" | "GiB" => 1 << 30,
            _ => return Err(ByteCountError),
        };
        let number: usize = number.parse().map_err(|_| ByteCountError)?;
        number.checked_mul(unit).map(Self).ok_or(ByteCountError)
    }
}

/// A span of time that is not negative, such as `100ms`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let span: api::Duration = text.parse().map_err(|error: DurationError| error.to_string())?;
    span.to_std().ok_or_else(|| "expected no negative span of time".to_owned())
}

/// A span of time that is longer than nothing.
pub(super) fn parse_some_span(text: &str) -> Result<Duration, String> {
    let span = parse_span(text)?;
    if span.is_zero() { Err("expected more than no time".to_owned()) } else { Ok(span) }
}

/// Takes any path, also the empty one, which says that there should be none.
pub(super) fn path_or_none() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// A truth value, in all the forms that Go takes.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_in_the_usual_units() {
        for (text, bytes) in [
            ("0", 0),
            ("268435456", 256 << 20),
            ("256MiB", 256 << 20),
            ("256Mi", 256 << 20),
            ("1G", 1_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(ByteCount(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5G", "1m", "99999999999GiB", "1 MiB"] {
            assert_eq!(text.parse::<ByteCount>(), Err(ByteCountError), "{text}");
        }
    }

    #[test]
    fn spans_are_written_as_in_go() {
        assert_eq!(parse_span("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(parse_span("0"), Ok(Duration::ZERO));
        assert!(parse_span("-1s").is_err() && parse_span("5").is_err());
    }
}
