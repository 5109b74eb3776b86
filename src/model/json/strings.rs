//! Valid JSON as a stream of bytes: where a string begins and ends.

/// Follows strings through bytes that may be cut anywhere.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Strings {
    /// Between strings.
    #[default]
    Outside,
    /// Inside of one.
    Inside,
    /// Inside of one, after a backslash.
    Escaped,
}

impl Strings {
    /// Goes past `byte`; whether it is part of a string, its quotes included.
    pub fn pass(&mut self, byte: u8) -> bool {
        let before = *self;
        *self = match (before, byte) {
            (Self::Outside, b'"') => Self::Inside,
            (Self::Outside, _) | (Self::Inside, b'"') => Self::Outside,
            (Self::Inside, b'\\') => Self::Escaped,
            (Self::Inside | Self::Escaped, _) => Self::Inside,
        };
        before != Self::Outside || *self != Self::Outside
    }
}
