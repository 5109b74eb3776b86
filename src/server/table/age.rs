//! How long ago something was, in the words of `kubectl`: two units at most.

use jiff::Timestamp;

/// The text is not a time of RFC 3339.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a time such as `2026-01-31T12:00:00Z`")]
pub struct NotATime;

/// How long before `now` the moment `then` was, such as `5m30s`.
///
/// Empty text stands for a time that was never set.
pub fn age(then: &str, now: Timestamp) -> Result<String, NotATime> {
    if then.is_empty() || then == "null" {
        return Ok("<unknown>".to_owned());
    }
    let then: Timestamp = then.parse().map_err(|_| NotATime)?;
    // Whole seconds, cut towards zero: 1.9 s ago and 1.9 s ahead are both 1.
    let nanoseconds = now.as_nanosecond() - then.as_nanosecond();
    Ok(human_duration(i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX)))
}

/// A number of seconds as `kubectl` writes it: the larger, the coarser.
pub fn human_duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let (minute, hour, day, year) = (60, 3600, 86400, 365 * 86400);
    match seconds {
        // Clocks differ by a second or two; more is a mistake worth showing.
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 2 * minute => format!("{seconds}s"),
        _ if seconds < 10 * minute => two(minutes, 'm', seconds % 60, 's'),
        _ if seconds < 3 * hour => format!("{minutes}m"),
        _ if seconds < 8 * hour => two(hours, 'h', minutes % 60, 'm'),
        _ if seconds < 2 * day => format!("{hours}h"),
        _ if seconds < 8 * day => two(days, 'd', hours % 24, 'h'),
        _ if seconds < 2 * year => format!("{days}d"),
        _ if seconds < 8 * year => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

fn two(major: i64, major_unit: char, minor: i64, minor_unit: char) -> String {
    if minor == 0 {
        format!("{major}{major_unit}")
    } else {
        format!("{major}{major_unit}{minor}{minor_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_grow_coarser() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        for (seconds, text) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (10 * MINUTE - 1, "9m59s"),
            (10 * MINUTE, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + 59, "3h"),
            (3 * HOUR + MINUTE, "3h1m"),
            (8 * HOUR - 1, "7h59m"),
            (8 * HOUR, "8h"),
            (2 * DAY - 1, "47h"),
            (2 * DAY, "2d"),
            (3 * DAY + 4 * HOUR, "3d4h"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (2 * 365 * DAY - 1, "729d"),
            (2 * 365 * DAY, "2y"),
            (3 * 365 * DAY + 7 * DAY, "3y7d"),
            (8 * 365 * DAY, "8y"),
        ] {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn an_age_is_taken_from_a_timestamp() {
        let now: Timestamp = "2026-01-31T12:00:01.9Z".parse().unwrap();
        assert_eq!(age("2026-01-31T12:00:00Z", now), Ok("1s".to_owned()));
        assert_eq!(age("2026-01-31T13:00:00+01:00", now), Ok("1s".to_owned()));
        assert_eq!(age("2026-01-31T12:00:03Z", now), Ok("0s".to_owned()));
        assert_eq!(age("2026-01-31T12:01:00Z", now), Ok("<invalid>".to_owned()));
        assert_eq!(age("", now), Ok("<unknown>".to_owned()));
        assert_eq!(age("yesterday", now), Err(NotATime));
    }
}
