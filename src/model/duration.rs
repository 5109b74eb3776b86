//! Spans of time as Go writes them: `8766h`, `1h30m`, `0.5s`.

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

/// Reads a span of time as Go does, in nanoseconds.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_len);
        if number.is_empty() {
            return Err(malformed());
        }
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        rest = tail;
        let nanos = parse_number(number, unit_nanos(text, unit)?).ok_or_else(malformed)?;
        total += nanos;
        if total > i128::from(i64::MAX) {
            return Err(DurationError::TooLong(text.to_owned()));
        }
    }
    let nanos = i64::try_from(total).map_err(|_| DurationError::TooLong(text.to_owned()))?;
    Ok(if negative { -nanos } else { nanos })
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

/// A span of nanoseconds as Go prints it: `87600h0m0s`, `1m30s`, `1.5ms`.
pub fn format(nanos: i64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let text = match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..SECOND => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let (hours, minutes) = (nanos / SECOND / 3600, nanos / SECOND / 60 % 60);
            let seconds = decimal(nanos % (60 * SECOND), SECOND);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

/// `nanos` in units of `unit`, a power of ten, without zeros at its end.
fn decimal(nanos: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let (whole, rest) = (nanos / unit, nanos % unit);
    let fraction = format!("{rest:0digits$}");
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_printed_as_go_prints_them() {
        for (text, printed) in [
            ("0", "0s"),
            ("1ns", "1ns"),
            ("1100ns", "1.1µs"),
            ("2.2ms", "2.2ms"),
            ("1ms", "1ms"),
            ("1.5s", "1.5s"),
            ("60s", "1m0s"),
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("8766h", "8766h0m0s"),
            ("36h30m1.25s", "36h30m1.25s"),
            ("-90s", "-1m30s"),
            ("10s", "10s"),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Ok(printed), "{text}");
        }
    }
}
