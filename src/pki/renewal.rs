//! When a pair that lies somewhere can stay, and what takes its place.

use std::time::{Duration, SystemTime};

use super::{Authority, Certificate, Issued, Key, Leaf, PkiError, Validity, pem, verify};

/// A certificate and its key as they were found, each perhaps missing or damaged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    /// The certificate, in PEM.
    pub cert_pem: Option<&'a str>,
    /// The private key, in PEM.
    pub key_pem: Option<&'a str>,
}

/// What became of a pair.
#[derive(Debug)]
pub enum Renewal {
    /// It stays: less than half its life is over, and it is right in all else.
    NotDue(Box<Certificate>),
    /// This takes its place. The key is the old one wherever that is of use, so that
    /// replacing the certificate's file alone leaves no moment at which the two differ.
    Renewed(Box<Issued>),
}

impl Renewal {
    /// What the certificate that is now in place says.
    pub fn certificate(&self) -> &Certificate {
        match self {
            Self::NotDue(certificate) => certificate,
            Self::Renewed(issued) => &issued.certificate,
        }
    }
}

impl Authority {
    /// Signs `leaf` for `life`, unless what was `found` will do.
    ///
    /// A certificate never outlives its CA: `life` is cut short to that.
    pub fn renew(
        &self,
        leaf: Leaf<'_>,
        found: Found<'_>,
        life: Duration,
        now: SystemTime,
    ) -> Result<Renewal, PkiError> {
        let key = found.key_pem.and_then(|pem| Key::from_pem(pem).ok());
        if let (Some(cert_pem), Some(key)) = (found.cert_pem, &key)
            && let Some(certificate) = self.will_do(leaf, cert_pem, key, now)
        {
            return Ok(Renewal::NotDue(Box::new(certificate)));
        }
        let own = self.certificate();
        if !own.validity.contains(now) {
            return Err(PkiError::CaNotValid {
                subject: own.subject.clone(),
                not_before: own.validity.not_before,
                not_after: own.validity.not_after,
            });
        }
        let validity = Validity::starting(now, life)?.ending_by(own.validity.not_after);
        let issued = match key {
            Some(key) => self.issue_for(leaf, &key, validity),
            None => self.issue(leaf, validity),
        };
        Ok(Renewal::Renewed(Box::new(issued?)))
    }

    /// The certificate at the head of `cert_pem`, if nothing calls for a new one.
    fn will_do(
        &self,
        leaf: Leaf<'_>,
        cert_pem: &str,
        key: &Key,
        now: SystemTime,
    ) -> Option<Certificate> {
        let chain = pem::certificates(cert_pem).ok()?;
        let certificate = Certificate::from_der(chain.first()?).ok()?;
        let roots = [self.der().clone()];
        let verified = match leaf {
            Leaf::Client { .. } => verify::verify_client(&chain, &roots, now),
            Leaf::Server { sans, .. } => {
                let mut wanted = sans.to_vec();
                let mut present = certificate.sans.clone();
                wanted.sort_unstable();
                present.sort_unstable();
                if wanted != present {
                    return None;
                }
                verify::verify_server(&chain, &roots, sans.first()?, now)
            }
        };
        let as_wanted = verified.is_ok()
            && certificate.subject_der == leaf.subject().ok()?
            && certificate.public_der == key.public_der()
            && now < certificate.validity.half_life();
        as_wanted.then_some(certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::San;

    const HOUR: Duration = Duration::from_secs(3600);

    fn renew(authority: &Authority, leaf: Leaf<'_>, old: &Issued, now: SystemTime) -> Renewal {
        let found = Found { cert_pem: Some(&old.cert_pem), key_pem: Some(&old.key_pem) };
        authority.renew(leaf, found, HOUR, now).unwrap()
    }

    #[test]
    fn a_pair_stays_until_half_its_life_is_over_and_then_keeps_its_key() {
        let now = SystemTime::now();
        let authority =
            Authority::create("ca", Validity::starting(now, 3 * HOUR).unwrap()).unwrap();
        let leaf = Leaf::Client { user: "u", groups: &["g".to_owned()] };
        let first = authority.renew(leaf, Found::default(), HOUR, now).unwrap();
        let Renewal::Renewed(first) = first else { panic!("{first:?}") };
        assert!(matches!(renew(&authority, leaf, &first, now), Renewal::NotDue(_)));
        let Renewal::Renewed(second) = renew(&authority, leaf, &first, now + HOUR / 2) else {
            panic!("not renewed at half its life");
        };
        assert_eq!(second.key_pem, first.key_pem);
        // Cut short to the CA's end, and refused after it.
        let late = renew(&authority, leaf, &second, now + 5 * HOUR / 2);
        let ca_end = authority.certificate().validity.not_after;
        assert_eq!(late.certificate().validity.not_after, ca_end);
        let over = authority.renew(leaf, Found::default(), HOUR, now + 4 * HOUR);
        assert!(matches!(over, Err(PkiError::CaNotValid { .. })), "{over:?}");
    }

    #[test]
    fn whatever_is_not_as_wanted_is_replaced() {
        let now = SystemTime::now();
        let validity = Validity::starting(now, 3 * HOUR).unwrap();
        let authority = Authority::create("ca", validity).unwrap();
        let sans = |names: &[&str]| -> Vec<San> {
            names.iter().map(|name| name.parse().unwrap()).collect()
        };
        let two = sans(&["localhost", "a.example.com"]);
        let leaf = Leaf::Server { name: "s", sans: &two };
        let old = authority.issue(leaf, Validity::starting(now, HOUR).unwrap()).unwrap();
        assert!(matches!(renew(&authority, leaf, &old, now), Renewal::NotDue(_)));

        let one = sans(&["localhost"]);
        let turned = sans(&["a.example.com", "localhost"]);
        let other_ca = Authority::create("ca", validity).unwrap();
        let other_key = Issued { key_pem: Key::generate().unwrap().to_pem(), ..old.clone() };
        let damaged = Issued { cert_pem: old.cert_pem.replace('M', "N"), ..old.clone() };
        let renewed = |it| matches!(it, Renewal::Renewed(_));
        assert!(!renewed(renew(&authority, Leaf::Server { name: "s", sans: &turned }, &old, now)));
        assert!(renewed(renew(&authority, Leaf::Server { name: "s", sans: &one }, &old, now)));
        assert!(renewed(renew(&authority, Leaf::Server { name: "t", sans: &two }, &old, now)));
        assert!(renewed(renew(&other_ca, leaf, &old, now)));
        assert!(renewed(renew(&authority, leaf, &other_key, now)));
        assert!(renewed(renew(&authority, leaf, &damaged, now)));
    }
}
