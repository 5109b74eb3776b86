//! `-l`: a label selector, legal once parsed, and sent as it was written.

use std::str::FromStr;

use crate::model::selector::{LabelError, LabelSelector};

/// A legal label selector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Selector(String);

impl Selector {
    /// The text, unless it selects everything.
    pub(crate) fn into_text(self) -> Option<String> {
        Some(self.0).filter(|text| !text.trim().is_empty())
    }
}

impl FromStr for Selector {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        text.parse::<LabelSelector>()?;
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_checked_before_it_is_sent() {
        assert_eq!(
            "a=b, c in (d)".parse::<Selector>().unwrap().into_text().unwrap(),
            "a=b, c in (d)"
        );
        assert_eq!("".parse::<Selector>().unwrap().into_text(), None);
        assert!("(((".parse::<Selector>().is_err());
    }
}
