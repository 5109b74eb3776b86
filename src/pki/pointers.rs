//! PURE: where more is found about the certificates of an issuer.

use x509_cert::der::Result;
use x509_cert::der::asn1::{Ia5String, ObjectIdentifier};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, CrlDistributionPoints, crl::dp::DistributionPoint,
};

use super::authority::extension;

const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");

/// URLs that an issuer has every certificate name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pointers {
    /// Lists of what was revoked.
    pub crls: Vec<String>,
    /// Servers that say whether a certificate was revoked.
    pub ocsp: Vec<String>,
    /// The issuer's own certificate.
    pub issuers: Vec<String>,
}

fn uri(url: &str) -> Result<GeneralName> {
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?))
}

impl Pointers {
    /// Who can be asked about a certificate and its issuer.
    pub(super) fn access(&self) -> Result<Option<Extension>> {
        let by = |access_method: ObjectIdentifier| {
            move |url: &String| Ok(AccessDescription { access_method, access_location: uri(url)? })
        };
        let ocsp = self.ocsp.iter().map(by(OCSP));
        let all =
            ocsp.chain(self.issuers.iter().map(by(CA_ISSUERS))).collect::<Result<Vec<_>>>()?;
        (!all.is_empty()).then(|| extension(&AuthorityInfoAccessSyntax(all), false)).transpose()
    }

    /// Where the lists of what was revoked are.
    pub(super) fn revocation(&self) -> Result<Option<Extension>> {
        let point = |url: &String| {
            Ok(DistributionPoint {
                distribution_point: Some(DistributionPointName::FullName(vec![uri(url)?])),
                reasons: None,
                crl_issuer: None,
            })
        };
        let all = self.crls.iter().map(point).collect::<Result<Vec<_>>>()?;
        (!all.is_empty()).then(|| extension(&CrlDistributionPoints(all), false)).transpose()
    }
}
