//! Sizes, ages and counts as a person reads them.

use std::time::Duration;

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// A size: `512 B`, `2.1 KiB`, `37 MiB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub fn bytes(size: u64) -> String {
    if size < 1024 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be rounded to 1024.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A time span in at most two units, as kubectl shows ages: `42s`, `5m3s`, `3h12m`, `6d`.
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{big}{big_unit}")
        } else {
            format!("{big}{big_unit}{small}{small_unit}")
        }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, "y", days % 365, "d"),
    }
}

/// A number with its noun: `1 object`, `2,500 objects`.
///
/// `noun` is the singular of a noun that takes an `s`, or ends in `y` or in a hiss.
pub fn count(number: usize, noun: &str) -> String {
    let shown = grouped(number as u64);
    if number == 1 {
        return format!("{shown} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{shown} {stem}ies"),
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") => format!("{shown} {noun}es"),
        _ => format!("{shown} {noun}s"),
    }
}

/// A number with a comma between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_188, "9.9 KiB"),
            (10_189, "10 KiB"),
            (1_048_575, "1.0 MiB"),
            (37 << 20, "37 MiB"),
            (u64::MAX, "16384 PiB"),
        ];
        for (size, shown) in cases {
            assert_eq!(bytes(size), shown);
        }
    }

    #[test]
    fn ages_are_those_of_kubectl() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (303, "5m3s"),
            (3600, "60m"),
            (10_800, "3h"),
            (11_520, "3h12m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (700_000, "8d"),
            (63_158_400, "2y1d"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(age(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(count(1, "object"), "1 object");
        assert_eq!(count(0, "object"), "0 objects");
        assert_eq!(count(1_234_567, "entry"), "1,234,567 entries");
        assert_eq!(count(2, "key"), "2 keys");
        assert_eq!(count(2, "address"), "2 addresses");
    }
}
