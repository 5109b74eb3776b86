//! The decisions of the built-in issuer.
