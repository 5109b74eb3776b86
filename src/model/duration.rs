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
