//! When a certificate is valid, and when its own holder should renew it.

use std::fmt;
use std::time::{Duration, SystemTime};

use x509_cert::der::asn1::{GeneralizedTime, UtcTime};
use x509_cert::time::Time;

use super::PkiError;

/// How far a new certificate reaches into the past, so that a peer whose clock is behind accepts it.
const BACKDATE_MAX: Duration = Duration::from_secs(5 * 60);

/// The share of its life that a short-lived certificate may be backdated by.
const BACKDATE_SHARE: u32 = 20;

/// The life of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// Its first moment.
    pub not_before: SystemTime,
    /// Its last moment.
    pub not_after: SystemTime,
}

impl Validity {
    /// A life of `life` from `now` on, backdated a little, in the whole seconds of X.509.
    pub fn starting(now: SystemTime, life: Duration) -> Result<Self, PkiError> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| PkiError::Time)?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
        let backdate = BACKDATE_MAX.min(life / BACKDATE_SHARE);
        Ok(Self {
            not_before: now.checked_sub(backdate).ok_or(PkiError::Time)?,
            not_after: now.checked_add(life).ok_or(PkiError::Time)?,
        })
    }

    /// The same, but ending no later than `end`.
    #[must_use]
    pub fn ending_by(self, end: SystemTime) -> Self {
        Self { not_after: self.not_after.min(end), ..self }
    }

    /// The moment at which half of this life is over: the time to renew.
    pub fn half_life(&self) -> SystemTime {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_before + life / 2
    }

    /// Whether `at` lies within.
    pub fn contains(&self, at: SystemTime) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    pub(super) fn to_x509(self) -> Result<x509_cert::time::Validity, PkiError> {
        if self.not_after <= self.not_before {
            return Err(PkiError::Time);
        }
        Ok(x509_cert::time::Validity {
            not_before: to_x509(self.not_before)?,
            not_after: to_x509(self.not_after)?,
        })
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", text(self.not_before), text(self.not_after))
    }
}

/// The last moment that X.509 can express, in seconds since 1970.
const YEAR_10000: u64 = 253_402_300_800;

/// RFC 5280: two-digit years before 2050, four digits from then on.
fn to_x509(time: SystemTime) -> Result<Time, PkiError> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| PkiError::Time)?;
    if since.as_secs() >= YEAR_10000 {
        return Err(PkiError::Time);
    }
    UtcTime::from_unix_duration(since)
        .map(Time::from)
        .or_else(|_| GeneralizedTime::from_unix_duration(since).map(Time::from))
        .map_err(|_| PkiError::Time)
}

/// A time as people read it, to the second.
pub(super) fn text(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()),
        Err(before) => i64::try_from(before.duration().as_secs()).map(|seconds| -seconds),
    };
    seconds
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| "an unknown time".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_life_is_backdated_by_a_part_of_itself() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let short = Validity::starting(now, Duration::from_secs(40)).unwrap();
        assert_eq!(now.duration_since(short.not_before).unwrap(), Duration::from_secs(2));
        assert_eq!(short.half_life(), now + Duration::from_secs(19));
        let long = Validity::starting(now, Duration::from_secs(86_400)).unwrap();
        assert_eq!(now.duration_since(long.not_before).unwrap(), BACKDATE_MAX);
    }

    #[test]
    fn years_that_x509_cannot_say_are_refused() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(matches!(to_x509(at(2_524_607_999)), Ok(Time::UtcTime(_))));
        assert!(matches!(to_x509(at(2_524_608_000)), Ok(Time::GeneralTime(_))));
        assert!(matches!(to_x509(at(YEAR_10000 - 1)), Ok(Time::GeneralTime(_))));
        assert!(to_x509(at(YEAR_10000)).is_err());
        assert!(Validity::starting(at(5), Duration::MAX).is_err());
        assert_eq!(text(at(1_800_000_000)), "2027-01-15T08:00:00Z");
    }
}
