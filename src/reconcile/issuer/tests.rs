//! The decisions of the built-in issuer.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::judge::{self, Case, Contender, Found, KeySource};
use super::{CA_CRT, CERTIFICATE_NAME, ISSUER_GROUP, ISSUER_KIND, ISSUER_NAME, TLS_CRT, TLS_KEY};
use crate::api::{CertificateSpec, ObjectReference};
use crate::pki::{Ca, Key, KeyKind, Signer, Wanted};

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn wanted(more: &Value) -> Wanted {
    let mut spec = json!({
        "secretName": "a", "issuerRef": { "name": "ca" }, "dnsNames": ["a.example.com"],
        "privateKey": { "algorithm": "ECDSA" }, "duration": "3h",
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Wanted::of(&serde_json::from_value::<CertificateSpec>(spec).unwrap()).unwrap()
}

fn signer() -> Signer {
    let key = Key::generate().unwrap();
    let asked = wanted(&json!({ "isCA": true, "commonName": "ca" }));
    let signed = Signer::own().sign(&asked, &key, now(), [1; 16]).unwrap();
    Signer::of_ca(Ca::from_pem(&signed.chain, &key.to_pem(), None).unwrap())
}

/// A Secret with what was asked for at first.
struct There {
    data: BTreeMap<String, ByteString>,
    annotations: BTreeMap<String, String>,
}

impl There {
    fn signed_by(signer: &Signer) -> Self {
        let key = Key::generate().unwrap();
        let made = signer.sign(&wanted(&json!({})), &key, now(), [1; 16]).unwrap();
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self {
            data: BTreeMap::from([
                (TLS_CRT.to_owned(), bytes(&made.chain)),
                (TLS_KEY.to_owned(), bytes(&key.to_pem())),
                (CA_CRT.to_owned(), bytes(&made.root)),
            ]),
            annotations: BTreeMap::from(
                [
                    (CERTIFICATE_NAME, "a"),
                    (ISSUER_NAME, "ca"),
                    (ISSUER_KIND, "Issuer"),
                    (ISSUER_GROUP, "cert-manager.io"),
                ]
                .map(text),
            ),
        }
    }

    fn found(&self) -> Found<'_> {
        Found { data: &self.data, annotations: &self.annotations }
    }
}

/// Reasons: of a Secret that cannot be used, of a new certificate.
type Reasons = (Option<&'static str>, Option<&'static str>);

fn reasons(
    there: Option<&There>,
    more: &Value,
    issuer: &str,
    signer: &Signer,
    at: SystemTime,
) -> Reasons {
    let verdict = judge::judge(&Case {
        name: "a",
        issuer: &ObjectReference { name: issuer.to_owned(), ..ObjectReference::default() },
        wanted: &wanted(more),
        secret: there.map(There::found),
        signer: Some(signer),
        now: at,
    });
    (verdict.unready.map(|it| it.reason), verdict.issue.map(|it| it.reason))
}

#[test]
fn each_fault_of_a_secret_has_its_reason() {
    let signer = signer();
    let other = There::signed_by(&super::tests::signer());
    let both = |reason| (Some(reason), Some(reason));
    let as_is = |change: &dyn Fn(&mut There)| {
        let mut there = There::signed_by(&signer);
        change(&mut there);
        reasons(Some(&there), &json!({}), "ca", &signer, now())
    };
    assert_eq!(as_is(&|_| {}), (None, None));
    assert_eq!(reasons(None, &json!({}), "ca", &signer, now()), both("DoesNotExist"));
    let drop = |key: &'static str| as_is(&|it| drop(it.data.remove(key)));
    assert_eq!((drop(TLS_CRT), drop(TLS_KEY)), (both("MissingData"), both("MissingData")));
    let put = |key: &'static str, value: ByteString| {
        as_is(&|it| drop_old(it.data.insert(key.to_owned(), value.clone())))
    };
    let junk = ByteString(b"\xff\x00 junk".to_vec());
    assert_eq!(put(TLS_KEY, junk.clone()), both("InvalidKeyPair"));
    assert_eq!(put(TLS_CRT, junk), both("InvalidCertificate"));
    assert_eq!(put(TLS_KEY, other.data[TLS_KEY].clone()), both("InvalidKeyPair"));
    let annotate = |key: &'static str, value: &'static str| {
        as_is(&|it| drop_old(it.annotations.insert(key.to_owned(), value.to_owned())))
    };
    assert_eq!(annotate(CERTIFICATE_NAME, "b"), both("IncorrectCertificate"));
    assert_eq!(annotate(ISSUER_KIND, "ClusterIssuer"), both("IncorrectIssuer"));
    assert_eq!(annotate(ISSUER_KIND, ""), (None, None), "that is an Issuer");
    // Somebody else's Secret says nothing of an issuer.
    assert_eq!(as_is(&|it| it.annotations.clear()), (None, None));
    let elsewhere = reasons(Some(&There::signed_by(&signer)), &json!({}), "b", &signer, now());
    assert_eq!(elsewhere, both("IncorrectIssuer"));
    // Another CA under the same name.
    assert_eq!(reasons(Some(&other), &json!({}), "ca", &signer, now()), both("IncorrectIssuer"));
}

#[test]
fn a_new_root_above_a_ca_that_keeps_its_key_calls_for_another_certificate() {
    let kept = Key::generate().unwrap();
    let below_a_root = |root: &Signer| {
        let asked = wanted(&json!({ "isCA": true, "commonName": "middle" }));
        let made = root.sign(&asked, &kept, now(), [2; 16]).unwrap();
        let middle = Ca::from_pem(&made.chain, &kept.to_pem(), Some(&made.root)).unwrap();
        Signer::of_ca(middle)
    };
    let (root, other) = (signer(), signer());
    let there = There::signed_by(&below_a_root(&root));
    let judged =
        |root: &Signer| reasons(Some(&there), &json!({}), "ca", &below_a_root(root), now());
    assert_eq!(judged(&root), (None, None));
    assert_eq!(judged(&other), (Some("IncorrectIssuer"), Some("IncorrectIssuer")));
}

fn drop_old<T>(_: T) {}

#[test]
fn each_field_that_changes_calls_for_another_certificate() {
    let signer = signer();
    let there = There::signed_by(&signer);
    let asked = |more: Value| reasons(Some(&there), &more, "ca", &signer, now());
    for more in [
        json!({ "commonName": "b" }),
        json!({ "dnsNames": ["a.example.com", "b.example.com"] }),
        json!({ "ipAddresses": ["10.0.0.1"] }),
        json!({ "uris": ["spiffe://a"] }),
        json!({ "emailAddresses": ["a@example.com"] }),
        json!({ "subject": { "organizations": ["a"] } }),
        json!({ "subject": { "serialNumber": "1" } }),
        json!({ "usages": ["client auth"] }),
        json!({ "isCA": true }),
        json!({ "duration": "4h" }),
        json!({ "privateKey": { "algorithm": "ECDSA", "size": 384 } }),
        json!({ "privateKey": { "algorithm": "Ed25519" } }),
    ] {
        assert_eq!(asked(more.clone()), (Some("SecretMismatch"), Some("SecretMismatch")), "{more}");
    }
    for more in [
        // The same in other words.
        json!({ "usages": ["key encipherment", "signing"] }),
        json!({ "duration": "180m" }),
        // Nothing that a certificate says.
        json!({ "renewBefore": "10m" }),
        json!({ "secretTemplate": { "labels": { "a": "b" } } }),
        json!({ "privateKey": { "algorithm": "ECDSA", "encoding": "PKCS8" } }),
    ] {
        assert_eq!(asked(more.clone()), (None, None), "{more}");
    }
}

#[test]
fn a_certificate_is_renewed_before_it_ends() {
    let signer = signer();
    let there = There::signed_by(&signer);
    let at =
        |more: &Value, after: Duration| reasons(Some(&there), more, "ca", &signer, now() + after);
    let second = Duration::from_secs(1);
    let renew = |more: Value, due: Duration| {
        assert_eq!(at(&more, due.checked_sub(second).unwrap()), (None, None), "{more}");
        assert_eq!(at(&more, due), (None, Some("Renewing")), "{more}");
    };
    renew(json!({}), 2 * HOUR);
    renew(json!({ "renewBefore": "30m" }), 5 * HOUR / 2);
    renew(json!({ "renewBeforePercentage": 50 }), 3 * HOUR / 2);
    assert_eq!(at(&json!({}), 3 * HOUR + second), (Some("Expired"), Some("Renewing")));
}

#[test]
fn a_key_lives_as_long_as_its_certificate_unless_it_is_to_stay() {
    let there = There::signed_by(&signer());
    let found = there.found();
    let policy = |policy: &str, size: i64| {
        let key = json!({ "algorithm": "ECDSA", "size": size, "rotationPolicy": policy });
        judge::key_source(&wanted(&json!({ "privateKey": key })), Some(&found))
    };
    assert!(matches!(judge::key_source(&wanted(&json!({})), Some(&found)), KeySource::New));
    assert!(matches!(policy("Always", 256), KeySource::New));
    let KeySource::Keep(kept) = policy("Never", 256) else { panic!("a new key") };
    assert_eq!(kept.to_pem().as_bytes(), there.data[TLS_KEY].0);
    assert!(matches!(policy("Never", 384), KeySource::Stuck(_)));
    let never = wanted(&json!({ "privateKey": { "rotationPolicy": "Never" } }));
    assert!(matches!(judge::key_source(&never, None), KeySource::New));
    assert_eq!(never.key, KeyKind::Rsa(2048));
}

#[test]
fn a_secret_belongs_to_whom_it_speaks_of_else_to_the_oldest() {
    let contender = |created, name: &str| Contender { created, name: name.to_owned() };
    let all = [contender(2, "a"), contender(1, "c"), contender(1, "b")];
    assert_eq!(judge::owner(&all, None), Some("b"));
    assert_eq!(judge::owner(&all, Some("a")), Some("a"));
    assert_eq!(judge::owner(&all, Some("gone")), Some("b"));
    assert_eq!(judge::owner(&[], None), None);
}

#[test]
fn what_nobody_could_sign_is_refused_with_its_field() {
    let refused = |more: Value| {
        let mut spec =
            json!({ "secretName": "a", "issuerRef": { "name": "b" }, "commonName": "c" });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let spec: CertificateSpec = serde_json::from_value(spec).unwrap();
        Wanted::of(&spec).err().map(|it| it.field)
    };
    assert_eq!(refused(json!({})), None);
    for (more, field) in [
        (json!({ "commonName": "" }), "spec"),
        (json!({ "commonName": "x".repeat(65) }), "spec.commonName"),
        (json!({ "dnsNames": ["ä"] }), "spec.dnsNames"),
        (json!({ "ipAddresses": ["10.0.0.256"] }), "spec.ipAddresses"),
        (json!({ "usages": ["flying"] }), "spec.usages"),
        (json!({ "duration": "9.9s" }), "spec.duration"),
        (json!({ "duration": "a day" }), "spec.duration"),
        (json!({ "duration": "-9h" }), "spec.duration"),
        (json!({ "renewBefore": "2s" }), "spec.renewBefore"),
        (json!({ "renewBefore": "2160h" }), "spec.renewBefore"),
        (json!({ "renewBeforePercentage": 100 }), "spec.renewBeforePercentage"),
        (json!({ "renewBefore": "1h", "renewBeforePercentage": 50 }), "spec.renewBefore"),
        (json!({ "privateKey": { "size": 1024 } }), "spec.privateKey.size"),
        (json!({ "privateKey": { "algorithm": "ECDSA", "size": 2048 } }), "spec.privateKey.size"),
    ] {
        assert_eq!(refused(more.clone()), Some(field), "{more}");
    }
}
