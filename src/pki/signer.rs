//! An issuer's part: what it signs, and the chain and root that go with it.

use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{
    ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, UnparsedPublicKey,
};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::authority::{Parts, SERIAL_LEN, key_id};
use super::{Authority, Certificate, Key, PkiError, Pointers, Validity, Wanted, pem};

/// Who signs.
#[derive(Debug)]
pub struct Signer {
    /// None if each certificate signs itself.
    ca: Option<Box<Ca>>,
    pointers: Pointers,
}

/// A CA with the way to its root.
#[derive(Debug)]
pub struct Ca {
    authority: Authority,
    /// The CA and those that vouch for it, without a root that vouches for itself.
    chain: Vec<CertificateDer<'static>>,
    /// The end of that way.
    root: CertificateDer<'static>,
}

/// What was signed, as PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedChain {
    /// The certificate and those between it and the root.
    pub chain: String,
    /// The root.
    pub root: String,
}

impl Ca {
    /// Reads a CA from its Secret: the CA with perhaps those that vouch for it, its key, the root.
    pub fn from_pem(chain: &str, key: &str, root: Option<&str>) -> Result<Self, PkiError> {
        let authority = Authority::from_pem(chain, key)?;
        let mut known = pem::certificates(chain)?;
        if let Some(root) = root {
            known.push(pem::certificates(root)?.swap_remove(0));
        }
        let mut way = vec![authority.der().clone()];
        while let Some(last) = way.last()
            && !signs(last, last)
            && let Some(next) = known.iter().find(|it| !way.contains(it) && signs(it, last))
        {
            way.push(next.clone());
        }
        let root = way.last().cloned().unwrap_or_else(|| authority.der().clone());
        way.retain(|it| !signs(it, it));
        Ok(Self { authority, chain: way, root })
    }

    /// What the CA's certificate says.
    pub fn certificate(&self) -> &Certificate {
        self.authority.certificate()
    }
}

impl Signer {
    /// Has each certificate sign itself.
    pub fn own() -> Self {
        Self { ca: None, pointers: Pointers::default() }
    }

    /// Signs as a CA.
    pub fn of_ca(ca: Ca) -> Self {
        Self { ca: Some(Box::new(ca)), pointers: Pointers::default() }
    }

    /// Has certificates say where more is found.
    #[must_use]
    pub fn pointing_to(self, pointers: Pointers) -> Self {
        Self { pointers, ..self }
    }

    /// Whether this is a CA.
    pub fn is_ca(&self) -> bool {
        self.ca.is_some()
    }

    /// Whether a certificate bears the signature of this signer's key.
    pub fn has_signed(&self, der: &[u8]) -> bool {
        match &self.ca {
            None => signs(der, der),
            Some(ca) => signs(ca.authority.der(), der),
        }
    }

    /// Whether a root is the one that this signer's certificates lead to, by its key.
    pub fn leads_to(&self, root: &[u8]) -> bool {
        let key = |der: &[u8]| Certificate::from_der(der).ok().map(|it| it.public_der);
        match &self.ca {
            None => true,
            Some(ca) => key(root) == key(&ca.root),
        }
    }

    /// Signs what is wanted for a key, from `now` on.
    pub fn sign(
        &self,
        wanted: &Wanted,
        key: &Key,
        now: SystemTime,
        serial: [u8; SERIAL_LEN],
    ) -> Result<SignedChain, PkiError> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| PkiError::Time)?;
        let not_before = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
        let not_after = not_before.checked_add(wanted.life()).ok_or(PkiError::Time)?;
        let validity = Validity { not_before, not_after };
        let subject = wanted.subject()?;
        let public = key.public_der();
        let (issuer, issuer_key, issuer_id) = match &self.ca {
            None => (subject.as_slice(), key, None),
            Some(ca) => {
                let own = ca.certificate();
                // One that has its issuer's name needs no way to it.
                let id = own.key_id.as_deref().filter(|_| own.subject_der != subject);
                (own.subject_der.as_slice(), ca.authority.key(), id)
            }
        };
        let extensions = wanted
            .extensions(&key_id(&public), issuer_id, &self.pointers)
            .map_err(|error| PkiError::encode(&error))?;
        let parts = Parts { issuer, subject: &subject, public: &public, validity, extensions };
        let der = parts.sign_as(serial, issuer_key)?;
        let mut chain = pem::encode(pem::CERTIFICATE, &der);
        let root = match &self.ca {
            None => chain.clone(),
            Some(ca) => {
                for der in &ca.chain {
                    chain.push_str(&pem::encode(pem::CERTIFICATE, der));
                }
                pem::encode(pem::CERTIFICATE, &ca.root)
            }
        };
        Ok(SignedChain { chain, root })
    }
}

/// Whether one certificate has signed another, or itself.
fn signs(issuer: &[u8], der: &[u8]) -> bool {
    let (Ok((_, issuer)), Ok((_, read))) =
        (X509Certificate::from_der(issuer), X509Certificate::from_der(der))
    else {
        return false;
    };
    issuer.subject().as_raw() == read.issuer().as_raw()
        && (read.verify_signature(Some(issuer.public_key())).is_ok() || signs_p521(&issuer, &read))
}

/// The same for keys on P-521, of which the reader of certificates knows nothing.
fn signs_p521(issuer: &X509Certificate<'_>, read: &X509Certificate<'_>) -> bool {
    let point = &issuer.public_key().subject_public_key.data;
    [&ECDSA_P521_SHA512_ASN1, &ECDSA_P521_SHA384_ASN1, &ECDSA_P521_SHA256_ASN1].iter().any(|it| {
        UnparsedPublicKey::new(*it, point)
            .verify(read.tbs_certificate.as_ref(), &read.signature_value.data)
            .is_ok()
    })
}
