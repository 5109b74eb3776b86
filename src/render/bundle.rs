//! CAs of several Secrets in one, and what is read from Secrets at all.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::owner::{Labels, Owner};
use super::{Absence, Observed, Rendered, Waiting};

/// Where a Secret has a certificate.
pub(super) const CERTIFICATE: &str = "tls.crt";
/// Where a Secret has the key of its certificate.
pub(super) const KEY: &str = "tls.key";

/// A Secret of ours.
pub(super) fn secret(
    owner: &Owner,
    name: String,
    labels: Labels,
    key: &str,
    value: Vec<u8>,
) -> Secret {
    Secret {
        data: Some([(key.to_owned(), ByteString(value))].into()),
        metadata: owner.metadata(name, labels),
        ..Secret::default()
    }
}

/// What stands under a key of a Secret.
pub(super) fn read<'a>(
    observed: &'a Observed,
    needs: &str,
    key: &str,
) -> Result<&'a [u8], Absence> {
    let secret = observed.secrets.get(needs).ok_or(Absence::NoSecret)?;
    let value = secret.data.as_ref().and_then(|it| it.get(key)).ok_or(Absence::NoKey)?;
    Ok(&value.0)
}

/// Adds a Secret with the certificates of several others, in their order.
pub(super) fn merge(
    owner: &Owner,
    name: String,
    labels: Labels,
    parts: impl IntoIterator<Item = String>,
    observed: &Observed,
    to: &mut Rendered,
) {
    let mut all: Vec<u8> = Vec::new();
    let mut complete = true;
    for needs in parts {
        match read(observed, &needs, CERTIFICATE) {
            Ok([]) => {}
            Ok(part) => {
                if !all.is_empty() {
                    all.push(b'\n');
                }
                all.extend_from_slice(part);
            }
            Err(absence) => {
                complete = false;
                let key = CERTIFICATE.to_owned();
                to.waiting.push(Waiting { secret: name.clone(), needs, key, absence });
            }
        }
    }
    if complete {
        to.add([super::Item::from(secret(owner, name, labels, CERTIFICATE, all))]);
    }
}
