//! The shape of a kubeconfig, in the order in which kubectl writes one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_yaml::Value;

use crate::model::yaml;

/// A kubeconfig that this program makes: every entry is complete.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kubeconfig {
    /// The servers.
    pub clusters: Vec<Cluster>,
    /// Pairs of a server and a user.
    pub contexts: Vec<Context>,
    /// The name of the context in use.
    pub current_context: String,
    /// The users.
    pub users: Vec<User>,
}

/// A server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cluster {
    /// The entry's name.
    pub name: String,
    /// Its URL.
    pub server: String,
    /// The certificates that vouch for it.
    pub ca: Credential,
}

/// A pair of a server and a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Context {
    /// The entry's name.
    pub name: String,
    /// The name of a cluster entry.
    pub cluster: String,
    /// The name of a user entry.
    pub user: String,
}

/// A user with a client certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The entry's name.
    pub name: String,
    /// The certificate, and after it the intermediate one that it needs.
    pub cert: Credential,
    /// The private key.
    pub key: Credential,
}

/// PEM, or where to find it. Clients read files again when they change, and
/// inline data never.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credential {
    /// The PEM text itself.
    Inline(String),
    /// An absolute path.
    File(String),
}

/// A text that is not a kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// Not YAML, or of another shape.
    #[error("not a kubeconfig")]
    Shape(#[source] serde_yaml::Error),
    /// `*-data` that is not base64 of text.
    #[error("`{field}` of `{entry}` is not base64 of a PEM text")]
    Data {
        /// The field.
        field: &'static str,
        /// The entry's name.
        entry: String,
    },
    /// An entry lacks what a complete one has.
    #[error("the entry `{entry}` has no `{field}`")]
    Incomplete {
        /// The field.
        field: &'static str,
        /// The entry's name.
        entry: String,
    },
}

impl Kubeconfig {
    /// The document as YAML.
    pub fn to_yaml(&self) -> String {
        yaml::render(&self.to_value())
    }

    /// The document as YAML, without saying what kind of document it is.
    pub fn to_bare_yaml(&self) -> String {
        let mut value = self.to_value();
        if let Value::Mapping(fields) = &mut value {
            fields
                .retain(|key, _| !["apiVersion", "kind"].iter().any(|it| key.as_str() == Some(it)));
        }
        yaml::render(&value)
    }

    /// The document as a tree.
    pub(super) fn to_value(&self) -> Value {
        let Self { clusters, contexts, current_context, users } = self;
        mapping([
            ("apiVersion", "v1".into()),
            ("clusters", named("cluster", clusters.iter().map(|it| (&it.name, it.to_value())))),
            ("contexts", named("context", contexts.iter().map(|it| (&it.name, it.to_value())))),
            ("current-context", current_context.as_str().into()),
            ("kind", "Config".into()),
            ("users", named("user", users.iter().map(|it| (&it.name, it.to_value())))),
        ])
    }

    /// Reads a document that [`to_yaml`](Self::to_yaml) wrote, or one like it.
    /// Fields that this program does not write are passed over.
    pub fn from_yaml(text: &str) -> Result<Self, KubeconfigError> {
        serde_yaml::from_str::<wire::Document>(text).map_err(KubeconfigError::Shape)?.try_into()
    }

    /// The entry of a cluster.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|it| it.name == name)
    }

    /// The entry of a user.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|it| it.name == name)
    }
}

impl Cluster {
    fn to_value(&self) -> Value {
        let Self { name: _, server, ca } = self;
        let ca = ca.to_entry("certificate-authority", "certificate-authority-data");
        mapping([ca, ("server", server.as_str().into())])
    }
}

impl Context {
    fn to_value(&self) -> Value {
        let Self { name: _, cluster, user } = self;
        mapping([("cluster", cluster.as_str().into()), ("user", user.as_str().into())])
    }
}

impl User {
    fn to_value(&self) -> Value {
        let Self { name: _, cert, key } = self;
        mapping([
            cert.to_entry("client-certificate", "client-certificate-data"),
            key.to_entry("client-key", "client-key-data"),
        ])
    }
}

impl Credential {
    fn to_entry(&self, file: &'static str, data: &'static str) -> (&'static str, Value) {
        match self {
            Self::File(path) => (file, path.as_str().into()),
            Self::Inline(pem) => (data, STANDARD.encode(pem).into()),
        }
    }
}

fn mapping<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Mapping(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A list of entries, each a name and a body called `kind`.
fn named<'a>(kind: &'static str, entries: impl Iterator<Item = (&'a String, Value)>) -> Value {
    entries
        .map(|(name, body)| {
            let name = ("name", name.as_str().into());
            // The order of kubectl, which sorts by key.
            if kind < "name" {
                mapping([(kind, body), name])
            } else {
                mapping([name, (kind, body)])
            }
        })
        .collect()
}

/// The fields as they are read.
mod wire {
    use super::{Credential, Deserialize, Engine, KubeconfigError, STANDARD};

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub(super) struct Document {
        #[serde(default)]
        clusters: Vec<NamedCluster>,
        #[serde(default)]
        contexts: Vec<NamedContext>,
        #[serde(default)]
        current_context: String,
        #[serde(default)]
        users: Vec<NamedUser>,
    }

    #[derive(Deserialize)]
    struct NamedCluster {
        cluster: Cluster,
        name: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Cluster {
        #[serde(default)]
        certificate_authority: Option<String>,
        #[serde(default)]
        certificate_authority_data: Option<String>,
        server: String,
    }

    #[derive(Deserialize)]
    struct NamedContext {
        context: Context,
        name: String,
    }

    #[derive(Deserialize)]
    struct Context {
        cluster: String,
        user: String,
    }

    #[derive(Deserialize)]
    struct NamedUser {
        name: String,
        user: User,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[expect(clippy::struct_field_names, reason = "they are the names of the format")]
    struct User {
        #[serde(default)]
        client_certificate: Option<String>,
        #[serde(default)]
        client_certificate_data: Option<String>,
        #[serde(default)]
        client_key: Option<String>,
        #[serde(default)]
        client_key_data: Option<String>,
    }

    impl TryFrom<Document> for super::Kubeconfig {
        type Error = KubeconfigError;

        fn try_from(document: Document) -> Result<Self, KubeconfigError> {
            let Document { clusters, contexts, current_context, users } = document;
            let clusters = clusters.into_iter().map(|NamedCluster { cluster, name }| {
                let Cluster { certificate_authority, certificate_authority_data, server } = cluster;
                let field = "certificate-authority-data";
                let ca = join(certificate_authority, certificate_authority_data, field, &name)?;
                Ok(super::Cluster { name, server, ca })
            });
            let contexts = contexts.into_iter().map(|NamedContext { context, name }| {
                super::Context { name, cluster: context.cluster, user: context.user }
            });
            let users = users.into_iter().map(|NamedUser { name, user }| {
                let User {
                    client_certificate,
                    client_certificate_data,
                    client_key,
                    client_key_data,
                } = user;
                let field = "client-certificate-data";
                let cert = join(client_certificate, client_certificate_data, field, &name)?;
                let key = join(client_key, client_key_data, "client-key-data", &name)?;
                Ok(super::User { name, cert, key })
            });
            Ok(Self {
                clusters: clusters.collect::<Result<_, _>>()?,
                contexts: contexts.collect(),
                current_context,
                users: users.collect::<Result<_, _>>()?,
            })
        }
    }

    /// Inline data win over a file, as in client-go.
    fn join(
        file: Option<String>,
        data: Option<String>,
        field: &'static str,
        entry: &str,
    ) -> Result<Credential, KubeconfigError> {
        match (file, data) {
            (_, Some(data)) => STANDARD
                .decode(data)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(Credential::Inline)
                .ok_or_else(|| KubeconfigError::Data { field, entry: entry.to_owned() }),
            (Some(file), None) => Ok(Credential::File(file)),
            (None, None) => Err(KubeconfigError::Incomplete { field, entry: entry.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let written = Kubeconfig {
            clusters: vec![Cluster {
                name: "cache".to_owned(),
                server: "https://localhost:6443".to_owned(),
                ca: Credential::Inline("PEM\n".to_owned()),
            }],
            contexts: vec![Context {
                name: "cache".to_owned(),
                cluster: "cache".to_owned(),
                user: "yes".to_owned(),
            }],
            current_context: "cache".to_owned(),
            users: vec![User {
                name: "yes".to_owned(),
                cert: Credential::File("/a b/client.crt".into()),
                key: Credential::File("/a b/client.key".into()),
            }],
        };
        let yaml = written.to_yaml();
        assert_eq!(
            yaml,
            "\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: UEVNCg==
    server: https://localhost:6443
  name: cache
contexts:
- context:
    cluster: cache
    user: \"yes\"
  name: cache
current-context: cache
kind: Config
users:
- name: \"yes\"
  user:
    client-certificate: /a b/client.crt
    client-key: /a b/client.key
"
        );
        assert_eq!(Kubeconfig::from_yaml(&yaml).unwrap(), written);
    }

    #[test]
    fn what_is_not_a_kubeconfig_is_refused() {
        for (text, says) in [
            ("- a list", "not a kubeconfig"),
            (
                "users: [{name: a, user: {token: b}}]",
                "the entry `a` has no `client-certificate-data`",
            ),
            (
                "clusters: [{name: a, cluster: {server: b, certificate-authority-data: '!'}}]",
                "`certificate-authority-data` of `a` is not base64 of a PEM text",
            ),
        ] {
            assert_eq!(Kubeconfig::from_yaml(text).unwrap_err().to_string(), says);
        }
    }
}
