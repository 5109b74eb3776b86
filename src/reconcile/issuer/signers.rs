//! PURE: the issuers of a cluster, as far as we can be them.

use http::Uri;
use serde_json::Value;

use super::judge::{Why, group_of, kind_of};
use super::{CA_CRT, CLUSTER_NAMESPACE, TLS_CRT, TLS_KEY};
use crate::api::{CERT_MANAGER, ObjectReference};
use crate::pki::{Ca, Pointers, Signer};
use crate::reconcile::kinds::Watched;
use crate::reconcile::live::{Live, World};

/// Where the Secrets of cluster-wide issuers are.
pub(super) fn cluster_namespace(watched: Option<&str>) -> &str {
    watched.unwrap_or(CLUSTER_NAMESPACE)
}

/// The Secret that an issuer signs with.
pub(super) fn ca_secret(issuer: &Live) -> Option<&str> {
    issuer.at("/spec/ca/secretName").and_then(Value::as_str)
}

/// Whoever signs for an issuer whose Secrets are in that namespace.
pub(super) fn of_issuer(issuer: &Live, world: &World, namespace: &str) -> Result<Signer, Why> {
    let spec = issuer.at("/spec").and_then(Value::as_object);
    let kinds: Vec<&str> = spec
        .into_iter()
        .flatten()
        .filter(|(_, it)| !it.is_null())
        .map(|(kind, _)| kind.as_str())
        .collect();
    match kinds[..] {
        ["selfSigned"] => Ok(Signer::own().pointing_to(pointers(issuer, "selfSigned")?)),
        ["ca"] => Ok(ca(issuer, world, namespace)?.pointing_to(pointers(issuer, "ca")?)),
        [] => Err(Why::new("NotSupported", "its spec says not how it signs")),
        _ => Err(Why::new(
            "NotSupported",
            format!(
                "issuers of the kind `{}` need cert-manager itself: kcpctl signs for `ca` and \
                 `selfSigned`",
                kinds.join("`, `")
            ),
        )),
    }
}

/// What an issuer has its certificates say about where more is found.
fn pointers(issuer: &Live, kind: &str) -> Result<Pointers, Why> {
    let urls = |field: &str| {
        let all = issuer.at(&format!("/spec/{kind}/{field}")).and_then(Value::as_array);
        let mut urls = Vec::new();
        for it in all.into_iter().flatten() {
            let url = it.as_str().filter(|it| is_url(it)).ok_or_else(|| {
                let what = format!(
                    "spec.{kind}.{field}: {it} is no URL, such as `http://ca.example.com/list.crl`"
                );
                Why::new("InvalidSpec", what)
            })?;
            urls.push(url.to_owned());
        }
        Ok(urls)
    };
    Ok(Pointers {
        crls: urls("crlDistributionPoints")?,
        ocsp: urls("ocspServers")?,
        issuers: urls("issuingCertificateURLs")?,
    })
}

fn is_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|it| it.scheme().is_some() && it.host().is_some())
}

fn ca(issuer: &Live, world: &World, namespace: &str) -> Result<Signer, Why> {
    let unread = |what: String| {
        Why::new("ErrGetKeyPair", format!("Error getting keypair for CA issuer: {what}"))
    };
    let name = ca_secret(issuer).unwrap_or_default();
    let secret = world.get(Watched::Secret, namespace, name).and_then(|it| it.secret().cloned());
    let Some(secret) = secret else {
        return Err(unread(format!("there is no Secret `{name}` in the namespace `{namespace}`")));
    };
    let value = |key: &str| {
        let data = secret.data.as_ref().and_then(|it| it.get(key));
        let text = data.and_then(|it| std::str::from_utf8(&it.0).ok());
        text.filter(|it| !it.is_empty())
    };
    let missing = |key: &str| unread(format!("the Secret `{name}` has no key `{key}`"));
    let chain = value(TLS_CRT).ok_or_else(|| missing(TLS_CRT))?;
    let key = value(TLS_KEY).ok_or_else(|| missing(TLS_KEY))?;
    match Ca::from_pem(chain, key, value(CA_CRT)) {
        Ok(ca) => Ok(Signer::of_ca(ca)),
        Err(error) => Err(Why::new(
            "ErrInvalidKeyPair",
            format!("Error getting keypair for CA issuer: the Secret `{name}`: {error}"),
        )),
    }
}

/// Whoever signs what refers to an issuer from a namespace.
pub(super) fn of_reference(
    issuer: &ObjectReference,
    world: &World,
    namespace: &str,
    watched: Option<&str>,
) -> Result<Signer, Why> {
    let (kind, group, name) = (kind_of(issuer), group_of(issuer), &issuer.name);
    if group != CERT_MANAGER {
        let message = format!("kcpctl does not know issuers of the group `{group}`");
        return Err(Why::new("NotSupported", message));
    }
    let (found, secrets) = match kind {
        "Issuer" => (world.get(Watched::Issuer, namespace, name), namespace),
        "ClusterIssuer" => {
            (world.get(Watched::ClusterIssuer, "", name), cluster_namespace(watched))
        }
        _ => {
            let message = format!("`{kind}` is none of `Issuer` and `ClusterIssuer`");
            return Err(Why::new("NotSupported", message));
        }
    };
    let Some(found) = found else {
        return Err(Why::new("IssuerNotFound", format!("there is no {kind} `{name}`")));
    };
    of_issuer(found, world, secrets).map_err(|why| {
        Why::new("IssuerNotReady", format!("the {kind} `{name}` cannot sign: {}", why.message))
    })
}
