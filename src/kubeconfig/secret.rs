//! Secrets: the one that carries a kubeconfig, and the one that a CA is read from.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_yaml::Value;

use crate::model::yaml;

/// The key of a Secret under which the operator looks for a kubeconfig.
pub const KUBECONFIG_KEY: &str = "kubeconfig";

/// A CA with its key, as a Secret of cert-manager's carries it.
#[derive(Clone, Eq, PartialEq)]
pub struct CaSecret {
    /// The Secret's name.
    pub name: String,
    /// `tls.crt`: the CA's certificate.
    pub cert_pem: String,
    /// `tls.key`: its private key.
    pub key_pem: String,
    /// `ca.crt`: the root above it, if there is one.
    pub root_pem: Option<String>,
}

/// A text that holds no Secret with a CA.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Not YAML or JSON.
    #[error("not a Secret manifest")]
    Yaml(#[source] serde_yaml::Error),
    /// No Secret has what a CA needs.
    #[error("holds no Secret with `tls.crt` and `tls.key`; found {found}")]
    Missing {
        /// The objects that there are.
        found: String,
    },
    /// Several Secrets have it.
    #[error("holds several Secrets with a CA: {names}")]
    Several {
        /// Their names.
        names: String,
    },
    /// A value is not base64 of text.
    #[error("`data[\"{key}\"]` of the Secret `{secret}` is not base64 of a PEM text")]
    Data {
        /// The key in `data`.
        key: &'static str,
        /// The Secret's name.
        secret: String,
    },
}

/// Leaves the private key out.
impl std::fmt::Debug for CaSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaSecret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A Secret that carries `kubeconfig`, ready to apply.
pub fn kubeconfig_secret(name: &str, namespace: Option<&str>, kubeconfig: &str) -> String {
    let map = |entries: Vec<(&str, Value)>| -> Value {
        Value::Mapping(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    };
    let mut metadata = vec![
        ("labels", map(vec![("app.kubernetes.io/managed-by", "kcpctl".into())])),
        ("name", name.into()),
    ];
    if let Some(namespace) = namespace {
        metadata.push(("namespace", namespace.into()));
    }
    yaml::render(&map(vec![
        ("apiVersion", "v1".into()),
        ("kind", "Secret".into()),
        ("metadata", map(metadata)),
        ("type", "Opaque".into()),
        ("data", map(vec![(KUBECONFIG_KEY, STANDARD.encode(kubeconfig).into())])),
    ]))
}

/// The kubeconfig in a Secret that [`kubeconfig_secret`] wrote.
pub fn kubeconfig_of_secret(text: &str) -> Option<String> {
    let secret: Object = serde_yaml::from_str(text).ok()?;
    let bytes = STANDARD.decode(secret.data.get(KUBECONFIG_KEY)?).ok()?;
    String::from_utf8(bytes).ok()
}

/// The one Secret in `text` (YAML or JSON, one document or several, or a `List`)
/// that holds a CA with its key.
pub fn read_ca_secret(text: &str) -> Result<CaSecret, SecretError> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document).map_err(SecretError::Yaml)?;
        if value.is_null() {
            continue;
        }
        let object: Object = serde_yaml::from_value(value).map_err(SecretError::Yaml)?;
        if object.kind == "List" || object.kind == "SecretList" {
            objects.extend(object.items);
        } else {
            objects.push(object);
        }
    }
    let (mut matching, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(Object::has_ca);
    let names = |objects: &[Object]| -> String {
        let names = objects.iter().map(|it| format!("{} `{}`", it.kind_word(), it.metadata.name));
        names.collect::<Vec<_>>().join(", ")
    };
    match (matching.pop(), matching.is_empty()) {
        (Some(secret), true) => secret.into_ca(),
        (Some(secret), false) => {
            matching.push(secret);
            Err(SecretError::Several { names: names(&matching) })
        }
        (None, _) => {
            let found = if others.is_empty() { "nothing".to_owned() } else { names(&others) };
            Err(SecretError::Missing { found })
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    string_data: BTreeMap<String, String>,
    #[serde(default)]
    items: Vec<Object>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

impl Object {
    fn kind_word(&self) -> &str {
        if self.kind.is_empty() { "object" } else { &self.kind }
    }

    fn has_ca(&self) -> bool {
        let has = |key: &str| self.data.contains_key(key) || self.string_data.contains_key(key);
        self.kind == "Secret" && has("tls.crt") && has("tls.key")
    }

    fn into_ca(self) -> Result<CaSecret, SecretError> {
        let missing = || SecretError::Missing { found: format!("`{}`", self.metadata.name) };
        Ok(CaSecret {
            cert_pem: self.text("tls.crt")?.ok_or_else(missing)?,
            key_pem: self.text("tls.key")?.ok_or_else(missing)?,
            root_pem: self.text("ca.crt")?.filter(|pem| !pem.trim().is_empty()),
            name: self.metadata.name,
        })
    }

    /// `stringData` wins over `data`, as in the API server.
    fn text(&self, key: &'static str) -> Result<Option<String>, SecretError> {
        if let Some(text) = self.string_data.get(key) {
            return Ok(Some(text.clone()));
        }
        let Some(encoded) = self.data.get(key) else { return Ok(None) };
        let compact: String = encoded.split_ascii_whitespace().collect();
        STANDARD
            .decode(compact)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(Some)
            .ok_or_else(|| SecretError::Data { key, secret: self.metadata.name.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_ready_to_apply() {
        let text = kubeconfig_secret("ci", Some("kcp"), "kind: Config\n");
        assert_eq!(
            text,
            "\
apiVersion: v1
kind: Secret
metadata:
  labels:
    app.kubernetes.io/managed-by: kcpctl
  name: ci
  namespace: kcp
type: Opaque
data:
  kubeconfig: a2luZDogQ29uZmlnCg==
"
        );
        assert_eq!(kubeconfig_of_secret(&text).unwrap(), "kind: Config\n");
    }

    #[test]
    fn a_ca_is_found_in_data_and_string_data() {
        let text = "\
kind: ConfigMap
metadata: {name: other}
data: {tls.crt: a, tls.key: b}
---
---
kind: Secret
metadata: {name: ca}
data: {tls.crt: Q0VSVA==, tls.key: 'S0VZ', ca.crt: ''}
stringData:
  tls.key: plain
";
        let secret = read_ca_secret(text).unwrap();
        assert_eq!(
            (secret.name.as_str(), secret.cert_pem.as_str(), secret.key_pem.as_str()),
            ("ca", "CERT", "plain")
        );
        assert_eq!(secret.root_pem, None);
        let json = r#"{"kind":"List","items":[{"kind":"Secret","metadata":{"name":"j"},
            "data":{"tls.crt":"Q0VSVA==","tls.key":"S0VZ","ca.crt":"Uk9PVA=="}}]}"#;
        assert_eq!(read_ca_secret(json).unwrap().root_pem.as_deref(), Some("ROOT"));
    }

    #[test]
    fn what_is_no_ca_is_refused_by_name() {
        let ca = "kind: Secret\nmetadata: {name: a}\ndata: {tls.crt: '', tls.key: ''}\n";
        for (text, says) in [
            (String::new(), "holds no Secret with `tls.crt` and `tls.key`; found nothing"),
            (
                "kind: Secret\nmetadata: {name: a}\ndata: {kubeconfig: ''}".to_owned(),
                "holds no Secret with `tls.crt` and `tls.key`; found Secret `a`",
            ),
            (format!("{ca}---\n{ca}"), "holds several Secrets with a CA: Secret `a`, Secret `a`"),
            (
                ca.replace("tls.crt: ''", "tls.crt: '!'"),
                "`data[\"tls.crt\"]` of the Secret `a` is not base64 of a PEM text",
            ),
            ("a: b: c".to_owned(), "not a Secret manifest"),
            ("- a".to_owned(), "not a Secret manifest"),
        ] {
            assert_eq!(read_ca_secret(&text).unwrap_err().to_string(), says, "{text}");
        }
    }
}
