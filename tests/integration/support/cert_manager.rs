//! Objects of cert-manager.

use serde_json::{Value, json};

use super::DEMO;

fn object(kind: &str, metadata: &Value, spec: &Value) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": metadata, "spec": spec,
    })
}

/// An Issuer in the namespace of the installation.
pub fn issuer(name: &str, spec: &Value) -> Value {
    object("Issuer", &json!({ "name": name, "namespace": DEMO }), spec)
}

/// The `ClusterIssuer` called `self`, which has everything sign itself.
pub fn self_signed() -> Value {
    object("ClusterIssuer", &json!({ "name": "self" }), &json!({ "selfSigned": {} }))
}

/// A Certificate with a small key and a Secret of its name, and what `more` says.
pub fn certificate(name: &str, issuer: &str, more: &Value) -> Value {
    let mut spec = json!({
        "secretName": name, "commonName": name, "issuerRef": { "name": issuer },
        "privateKey": { "algorithm": "ECDSA", "size": 256 },
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object("Certificate", &json!({ "name": name, "namespace": DEMO }), &spec)
}

/// The Issuer `self`, and the Issuer `ca` with the authority that `self` has signed.
pub fn authority() -> [Value; 3] {
    [
        issuer("self", &json!({ "selfSigned": {} })),
        certificate("ca", "self", &json!({ "isCA": true })),
        issuer("ca", &json!({ "ca": { "secretName": "ca" } })),
    ]
}
