//! What can go wrong between us and a cluster, and what to do about it.

use super::super::error::{Reason, Refusal, Trouble};

/// A request to a cluster that brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig's certificates or keys cannot be used.
    #[error("failed to use the credentials of {source_name}")]
    Credentials {
        /// The kubeconfig and context.
        source_name: String,
        /// Why.
        #[source]
        cause: Reason,
    },
    /// No connection came about, or it broke.
    #[error("failed to reach the cluster at {server}")]
    Connect {
        /// The server, with the kubeconfig and context.
        server: String,
        /// What to make of it.
        trouble: Trouble,
        /// Why.
        #[source]
        cause: Reason,
    },
    /// Nothing came for too long.
    #[error("the cluster at {server} sent nothing for {seconds} seconds")]
    Silent {
        /// The server, with the kubeconfig and context.
        server: String,
        /// How long we waited.
        seconds: u64,
    },
    /// The server said no.
    #[error("the cluster at {server} refused to {action}")]
    Refused {
        /// The server, with the kubeconfig and context.
        server: String,
        /// Such as ``apply Shard/one in `demo` ``.
        action: String,
        /// What it said.
        #[source]
        refusal: Box<Refusal>,
        /// The fields that another manager owns, if that is why.
        conflicts: Vec<FieldConflict>,
    },
    /// The answer is not one of a Kubernetes-style server.
    #[error("the cluster at {server} sent an answer that cannot be read")]
    Unreadable {
        /// The server, with the kubeconfig and context.
        server: String,
        /// Why.
        #[source]
        cause: Reason,
    },
    /// The cluster has no such type.
    #[error("the cluster at {server} does not know {kind} of {api_version}")]
    UnknownType {
        /// The server, with the kubeconfig and context.
        server: String,
        /// Group and version.
        api_version: String,
        /// The kind.
        kind: String,
    },
}

/// A field that another manager set to something else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldConflict {
    /// Its path.
    pub field: String,
    /// Who.
    pub manager: String,
}

impl ClusterError {
    /// What the user can do next.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Credentials { .. } => {
                "make a new kubeconfig, or name another one with `--kubeconfig`".to_owned()
            }
            Self::Connect { trouble, .. } => return vec![of_trouble(trouble)],
            Self::Silent { .. } => "see whether the API server is overloaded, and try again".into(),
            Self::Refused { conflicts, .. } if !conflicts.is_empty() => {
                "take the fields over with `--force-conflicts`, or leave them out of the manifest"
                    .to_owned()
            }
            Self::Refused { refusal, action, .. } => return of_refusal(refusal, action),
            Self::Unreadable { .. } => {
                "is it the API server of a cluster? Name one with `--context`".to_owned()
            }
            Self::UnknownType { api_version, .. } => {
                let group = api_version.split_once('/').map_or("", |it| it.0);
                match group {
                    crate::api::GROUP => "install the definitions with `kcpctl crds --apply`",
                    "cert-manager.io" => "install cert-manager: https://cert-manager.io/docs",
                    _ => "install what defines it, or leave the object out",
                }
                .to_owned()
            }
        };
        vec![hint]
    }

    /// What the server said, if it said no.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.as_ref()),
            _ => None,
        }
    }

    /// Whether the server does not let us.
    pub fn is_forbidden(&self) -> bool {
        self.refusal().is_some_and(|it| it.code == 403)
    }
}

fn of_trouble(trouble: &Trouble) -> String {
    match trouble {
        Trouble::NothingListens => "is the cluster running? Name another one with `--context`",
        Trouble::UnknownHost => "check the host in the kubeconfig's `server`",
        Trouble::ForeignCa { ca } => {
            return format!(
                "the server's certificate is not signed by {ca}: it is another server, or the \
                 kubeconfig is an old one"
            );
        }
        Trouble::WrongName => {
            "use a host name that the certificate is for, or set `tls-server-name` in the kubeconfig"
        }
        Trouble::Validity => "renew the server's certificate, and compare both clocks",
        Trouble::NotTls => {
            "this port does not speak TLS: check the port in the kubeconfig's `server`"
        }
        Trouble::ClientCertificate => "the server does not take the kubeconfig's certificate",
        Trouble::Timeout => "check the address, and whether a firewall lets it through",
        Trouble::Closed => "try again; the server may not take the kubeconfig's certificate",
        Trouble::Other => "check the kubeconfig, or name another one with `--kubeconfig`",
    }
    .to_owned()
}

fn of_refusal(refusal: &Refusal, action: &str) -> Vec<String> {
    let hint = match refusal.code {
        401 => "log in again: the cluster knows nobody by the kubeconfig's credentials",
        403 if refusal.message.contains("being terminated") => {
            "wait until the namespace is gone, and make it anew"
        }
        403 => return vec![format!("ask for a role that may {action}")],
        404 if refusal.message.starts_with("namespaces ") => {
            "make the namespace first, with `kubectl create namespace`"
        }
        409 => "somebody else changed it meanwhile: run it again",
        422 => "correct the manifest; `kcpctl validate` checks it without a cluster",
        429 | 500.. => "the API server is busy or broken: try again in a moment",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}
