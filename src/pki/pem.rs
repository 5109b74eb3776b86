//! PEM text: blocks between `-----BEGIN` and `-----END` lines.
//!
//! What stands outside a block is a comment, as OpenSSL and Go have it. Every
//! refusal names the line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The label of a certificate's block.
pub const CERTIFICATE: &str = "CERTIFICATE";

/// The label of a PKCS#8 key's block.
pub const PRIVATE_KEY: &str = "PRIVATE KEY";

const LINE_LEN: usize = 64; // base64 characters a line, as RFC 7468 has it

/// One block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// The words after `BEGIN`.
    pub label: String,
    /// The line of `BEGIN`, from 1.
    pub line: usize,
    /// The bytes within.
    pub der: Vec<u8>,
}

/// Text that is not the PEM that was wanted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PemError {
    /// There is no block of the wanted kind.
    #[error("expected a PEM block `{wanted}`, found {found}")]
    Missing {
        /// The label that was looked for.
        wanted: &'static str,
        /// What there is instead.
        found: String,
    },
    /// A `BEGIN` line has no `END` line of the same label.
    #[error("line {line}: the block `{label}` has no end")]
    Unclosed {
        /// The line of `BEGIN`.
        line: usize,
        /// The block's label.
        label: String,
    },
    /// A block holds something other than base64.
    #[error("line {line}: the block `{label}` is not base64")]
    Base64 {
        /// The line of `BEGIN`.
        line: usize,
        /// The block's label.
        label: String,
    },
    /// The private key is protected by a password.
    #[error("line {line}: the private key is encrypted; decrypt it with `openssl pkey -in FILE`")]
    Encrypted {
        /// The line of `BEGIN`.
        line: usize,
    },
}

/// All blocks of `text`, in order.
pub fn blocks(text: &str) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((begin, line)) = lines.next() {
        let Some(label) = marker(begin, "-----BEGIN ") else { continue };
        let mut encoded = String::new();
        let mut encrypted = false;
        loop {
            let Some((inner, _)) = lines.next() else {
                return Err(PemError::Unclosed { line, label: label.to_owned() });
            };
            match marker(inner, "-----END ") {
                Some(end) if end == label => break,
                Some(_) => return Err(PemError::Unclosed { line, label: label.to_owned() }),
                None if inner.starts_with("-----BEGIN ") => {
                    return Err(PemError::Unclosed { line, label: label.to_owned() });
                }
                // RFC 1421 headers, which old OpenSSL keys carry.
                None if inner.contains(':') => encrypted |= inner.contains("ENCRYPTED"),
                None => encoded.extend(inner.split_ascii_whitespace()),
            }
        }
        if encrypted || label == "ENCRYPTED PRIVATE KEY" {
            return Err(PemError::Encrypted { line });
        }
        let der = STANDARD
            .decode(encoded)
            .map_err(|_| PemError::Base64 { line, label: label.to_owned() })?;
        blocks.push(Block { label: label.to_owned(), line, der });
    }
    Ok(blocks)
}

/// The certificates of `text`, at least one.
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let (wanted, other): (Vec<_>, Vec<_>) =
        blocks(text)?.into_iter().partition(|block| block.label == CERTIFICATE);
    if wanted.is_empty() {
        return Err(missing(CERTIFICATE, &other));
    }
    Ok(wanted.into_iter().map(|block| CertificateDer::from(block.der)).collect())
}

/// The block of the first private key of `text`.
pub fn private_key_block(text: &str) -> Result<Block, PemError> {
    let is_key = |label: &str| label == PRIVATE_KEY || label.ends_with(" PRIVATE KEY");
    let (wanted, other): (Vec<_>, Vec<_>) =
        blocks(text)?.into_iter().partition(|block| is_key(&block.label));
    wanted.into_iter().next().ok_or_else(|| missing(PRIVATE_KEY, &other))
}

/// The first private key of `text`, as rustls wants it.
pub fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, PemError> {
    let Block { label, der, .. } = private_key_block(text)?;
    Ok(match label.as_str() {
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.into()),
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(der.into()),
        _ => PrivateKeyDer::Pkcs8(der.into()),
    })
}

/// `der` as one block.
pub fn encode(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = String::with_capacity(encoded.len() + encoded.len() / LINE_LEN + 80);
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_LEN));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

fn marker<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix(start)?.strip_suffix("-----")
}

fn missing(wanted: &'static str, found: &[Block]) -> PemError {
    let found = match found {
        [] => "none".to_owned(),
        some => some
            .iter()
            .map(|block| format!("`{}` in line {}", block.label, block.line))
            .collect::<Vec<_>>()
            .join(", "),
    };
    PemError::Missing { wanted, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_again_with_its_line() {
        let text =
            format!("a comment: ignored\n{}{}", encode(CERTIFICATE, &[7; 100]), encode("X", b""));
        let read = blocks(&text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].line, read[0].der.as_slice()), (2, [7; 100].as_slice()));
        assert_eq!(certificates(&text).unwrap().len(), 1);
        assert!(text.lines().all(|line| line.len() <= LINE_LEN));
    }

    #[test]
    fn each_refusal_names_its_line() {
        for (text, says) in [
            ("", "expected a PEM block `PRIVATE KEY`, found none"),
            (
                "\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
                "expected a PEM block `PRIVATE KEY`, found `CERTIFICATE` in line 2",
            ),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "line 1: the block `PRIVATE KEY` has no end"),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END CERTIFICATE-----",
                "line 1: the block `PRIVATE KEY` has no end",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
                "line 1: the block `PRIVATE KEY` has no end",
            ),
            (
                "\n\n-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----",
                "line 3: the block `PRIVATE KEY` is not base64",
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
                "line 1: the private key is encrypted; decrypt it with `openssl pkey -in FILE`",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----",
                "line 1: the private key is encrypted; decrypt it with `openssl pkey -in FILE`",
            ),
        ] {
            assert_eq!(private_key(text).unwrap_err().to_string(), says, "{text}");
        }
    }
}
