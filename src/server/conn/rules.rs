//! What TLS may agree on: versions, cipher suites and key exchanges, under the names that
//! Go's servers have for them, and the protocol inside.
//!
//! # What is absent on purpose
//!
//! TLS before 1.2, and suites with CBC, RC4, 3DES or without forward secrecy: rustls has
//! none of them. To be told that some of these may be used is no error, for whoever says
//! so only allows them.

use std::fmt::Display;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, ALL_KX_GROUPS, default_provider};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

/// What ALPN calls HTTP/2.
pub(super) const ALPN_H2: &[u8] = b"h2";
const ALPN_H1: &[u8] = b"http/1.1";

/// The versions that there are, the better one first.
static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// Suites that Go has and this stack has not.
const ABSENT_SUITES: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// What TLS may agree on. The default is everything that is safe.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsRules {
    only_tls13: bool,
    /// Empty allows all.
    suites: Vec<CipherSuite>,
    /// The numbers of key exchanges; empty allows the usual ones.
    groups: Vec<u16>,
    /// Suites that were allowed and that nobody can use.
    absent: Vec<String>,
    only_http1: bool,
}

/// A rule that cannot be kept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TlsRuleError {
    /// A version of which there is no code.
    #[error(
        "{0} is not to be had: this server's TLS begins with VersionTLS12; the other is VersionTLS13"
    )]
    OldVersion(String),
    /// No version.
    #[error("`{0}` is no TLS version: there are VersionTLS12 and VersionTLS13")]
    Version(String),
    /// No suite.
    #[error("`{name}` is no cipher suite: there are {known}")]
    Suite {
        /// What was said.
        name: String,
        /// What there is.
        known: String,
    },
    /// No key exchange.
    #[error("`{name}` is no key exchange of this server: there are {known}")]
    Group {
        /// What was said.
        name: String,
        /// What there is.
        known: String,
    },
}

impl TlsRules {
    /// Reads the least version, such as `VersionTLS12`; empty for the default.
    pub fn min_version(mut self, name: &str) -> Result<Self, TlsRuleError> {
        self.only_tls13 = match name {
            "" | "VersionTLS12" => false,
            "VersionTLS13" => true,
            "VersionTLS10" | "VersionTLS11" => {
                return Err(TlsRuleError::OldVersion(name.to_owned()));
            }
            _ => return Err(TlsRuleError::Version(name.to_owned())),
        };
        Ok(self)
    }

    /// Reads the names of suites, between commas.
    ///
    /// As in Go, those of TLS 1.3 are all allowed if none of them is named.
    pub fn cipher_suites(mut self, names: &str) -> Result<Self, TlsRuleError> {
        for name in listed(names) {
            if let Some(suite) = ALL_CIPHER_SUITES.iter().find(|it| is_called(it, name)) {
                self.suites.push(suite.suite());
            } else if ABSENT_SUITES.contains(&name) {
                self.absent.push(name.to_owned());
            } else {
                let known = joined(ALL_CIPHER_SUITES.iter().map(go_name));
                return Err(TlsRuleError::Suite { name: name.to_owned(), known });
            }
        }
        let any_of = |version| {
            let of_it = |it: &&SupportedCipherSuite| it.version() == version;
            ALL_CIPHER_SUITES.iter().filter(of_it).any(|it| self.suites.contains(&it.suite()))
        };
        if (!self.suites.is_empty() || !self.absent.is_empty()) && !any_of(&TLS13) {
            let all = ALL_CIPHER_SUITES.iter().filter(|it| it.version() == &TLS13);
            self.suites.extend(all.map(SupportedCipherSuite::suite));
        }
        Ok(self)
    }

    /// Reads the numbers of key exchanges, between commas.
    pub fn key_exchanges(mut self, numbers: &str) -> Result<Self, TlsRuleError> {
        for text in listed(numbers) {
            let number = text.parse().ok();
            let known =
                |number: &u16| ALL_KX_GROUPS.iter().any(|it| u16::from(it.name()) == *number);
            let Some(number) = number.filter(known) else {
                let one = |it: &&dyn rustls::crypto::SupportedKxGroup| {
                    format!("{} ({:?})", u16::from(it.name()), it.name())
                };
                let known = joined(ALL_KX_GROUPS.iter().map(one));
                return Err(TlsRuleError::Group { name: text.to_owned(), known });
            };
            self.groups.push(number);
        }
        Ok(self)
    }

    /// Says whether HTTP/2 is offered.
    #[must_use]
    pub fn http2(mut self, offered: bool) -> Self {
        self.only_http1 = !offered;
        self
    }

    /// The protocols that a client can choose from, the better one first.
    pub(super) fn protocols(&self) -> Vec<Vec<u8>> {
        let all = [ALPN_H2, ALPN_H1];
        all[usize::from(self.only_http1)..].iter().map(|it| it.to_vec()).collect()
    }

    /// Suites that were allowed and that this stack has not.
    pub fn absent(&self) -> &[String] {
        &self.absent
    }

    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        if self.only_tls13 { &VERSIONS[..1] } else { &VERSIONS }
    }

    /// What is allowed, the best first.
    pub(super) fn provider(&self) -> CryptoProvider {
        let mut provider = default_provider();
        if !self.suites.is_empty() {
            provider.cipher_suites.retain(|it| self.suites.contains(&it.suite()));
        }
        if !self.groups.is_empty() {
            let named = |it: &&dyn rustls::crypto::SupportedKxGroup| {
                self.groups.contains(&u16::from(it.name()))
            };
            provider.kx_groups = ALL_KX_GROUPS.iter().copied().filter(named).collect();
        }
        provider
    }
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

fn joined(names: impl Iterator<Item: Display>) -> String {
    names.map(|it| it.to_string()).collect::<Vec<_>>().join(", ")
}

/// The name in Go: rustls marks those of TLS 1.3.
fn go_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

fn is_called(suite: &SupportedCipherSuite, name: &str) -> bool {
    let known = go_name(suite);
    // Go takes those with ChaCha also without the name of the hash.
    known == name || (name.ends_with("_POLY1305") && known == format!("{name}_SHA256"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suites(names: &str) -> Vec<String> {
        let rules = TlsRules::default().cipher_suites(names).unwrap();
        rules.provider().cipher_suites.iter().map(go_name).collect()
    }

    #[test]
    fn versions_are_those_that_there_are() {
        let versions =
            |name: &str| TlsRules::default().min_version(name).map(|it| it.versions().len());
        assert_eq!(versions(""), Ok(2));
        assert_eq!(versions("VersionTLS12"), Ok(2));
        assert_eq!(versions("VersionTLS13"), Ok(1));
        for old in ["VersionTLS10", "VersionTLS11"] {
            assert_eq!(versions(old), Err(TlsRuleError::OldVersion(old.to_owned())));
        }
        assert_eq!(versions("TLS1.2"), Err(TlsRuleError::Version("TLS1.2".to_owned())));
    }

    #[test]
    fn suites_of_the_newer_version_stay_unless_some_are_named() {
        assert_eq!(suites("").len(), ALL_CIPHER_SUITES.len());
        let named = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305";
        let found = suites(named);
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.contains(&"TLS_AES_128_GCM_SHA256".to_owned()), "{found:?}");
        assert_eq!(suites("TLS_AES_128_GCM_SHA256"), ["TLS_AES_128_GCM_SHA256"]);
    }

    #[test]
    fn a_suite_that_nobody_has_is_told_and_one_of_go_is_left_out() {
        let error = TlsRules::default().cipher_suites("TLS_NONSENSE").unwrap_err().to_string();
        assert!(
            error.contains("TLS_NONSENSE") && error.contains("TLS_AES_256_GCM_SHA384"),
            "{error}"
        );
        let rules = TlsRules::default()
            .cipher_suites("TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
            .unwrap();
        assert_eq!(rules.absent(), ["TLS_RSA_WITH_AES_128_CBC_SHA"]);
        assert_eq!(rules.provider().cipher_suites.len(), 4);
        // Only 1.3 is left of these, not everything.
        assert_eq!(suites("TLS_RSA_WITH_AES_128_CBC_SHA").len(), 3);
    }

    #[test]
    fn key_exchanges_have_numbers() {
        let groups = |numbers: &str| {
            let rules = TlsRules::default().key_exchanges(numbers)?;
            Ok(rules.provider().kx_groups.iter().map(|it| u16::from(it.name())).collect::<Vec<_>>())
        };
        assert_eq!(groups("24,29"), Ok(vec![29, 24]), "the order is ours, as in Go");
        assert!(groups("").is_ok_and(|all| all.len() >= 3));
        for bad in ["25", "X25519", "0", "-1"] {
            let error: TlsRuleError = groups(bad).unwrap_err();
            assert!(error.to_string().contains("29 (X25519)"), "{error}");
        }
    }
}
