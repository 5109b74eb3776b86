//! The one counter that orders all changes, and what clients call resourceVersion.

use std::fmt;
use std::str::FromStr;

/// A position in the order of all changes of one store.
///
/// Zero stands for "before every change" and is never given to one.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Revision(pub u64);

impl Revision {
    /// Before every change.
    pub const ZERO: Self = Self(0);

    /// The next position.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Revision {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, RevisionError> {
        // `u64::from_str` takes a leading `+`; Go's ParseUint does not.
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RevisionError);
        }
        text.parse().map(Self).map_err(|_| RevisionError)
    }
}

/// The text is not a decimal number that fits 64 bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a decimal number below 2^64")]
pub struct RevisionError;
