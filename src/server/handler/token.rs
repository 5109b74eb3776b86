//! The token with which a client asks for the next page.
//!
//! It has the form of the original's, so that either server can read the other's:
//! base64 of JSON that names the revision of the first page and the last key, below
//! the prefix of the list. Ours also carries how many items are left, so that they
//! are counted once a listing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::model::Revision;
use crate::server::status::ApiError;

const VERSION: &str = "meta.k8s.io/v1";

/// What a token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// The revision of the pages; none goes on with what there is now.
    pub revision: Option<Revision>,
    /// The last item of the page before, below the prefix of the list.
    pub after: String,
    /// How many items are left, if that was counted.
    pub left: Option<usize>,
}

#[derive(Deserialize, Serialize)]
struct Wire {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<usize>,
}

impl Token {
    /// The token as a client keeps it.
    pub fn encode(&self) -> String {
        let rv = self.revision.map_or(-1, |it| i64::try_from(it.0).unwrap_or(i64::MAX));
        let start = format!("{}\0", self.after);
        let wire = Wire { v: VERSION.to_owned(), rv, start, left: self.left };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
    }

    /// Reads what a client sends back.
    pub fn decode(text: &str) -> Result<Self, ApiError> {
        let bad = |why: String| {
            ApiError::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|error| bad(error.to_string()))?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if wire.v != VERSION {
            let version = wire.v;
            return Err(bad(format!("server does not recognize this encoded version {version}")));
        }
        if wire.rv == 0 {
            return Err(bad(format!(
                "incorrect encoded start resourceVersion (version {VERSION})"
            )));
        }
        let after = wire.start.strip_suffix('\0').unwrap_or(&wire.start);
        if after.is_empty() {
            return Err(bad(format!("encoded start key empty (version {VERSION})")));
        }
        if after.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(bad(wire.start));
        }
        let revision = u64::try_from(wire.rv).ok().map(Revision);
        Ok(Self { revision, after: after.to_owned(), left: wire.left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_way_to_the_client_and_back() {
        for revision in [None, Some(Revision(7))] {
            let token = Token { revision, after: "s/c/x".into(), left: Some(3) };
            assert_eq!(Token::decode(&token.encode()), Ok(token));
        }
        // One of the original's.
        let theirs = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MjMwLCJzdGFydCI6ImxpbmUvYSJ9";
        assert_eq!(Token::decode(theirs).unwrap().revision, Some(Revision(230)));
    }

    #[test]
    fn garbage_is_refused() {
        for text in ["garbage", "!!!", "e30", "eyJ2IjoieCJ9", &"A".repeat(10_000)] {
            let error = Token::decode(text).unwrap_err();
            assert_eq!(error.code(), 400, "{text}");
            assert!(error.message().starts_with("invalid continue token: "));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_token_makes_it_panic(text in ".{0,64}") {
            let _ = Token::decode(&text);
        }
    }
}
