//! Kubeconfigs for servers: they name files, which are mounted beside them.

use super::Item;
use super::bundle::secret;
use super::owner::{Labels, Owner};
use crate::kubeconfig::{Cluster, Context, Credential, KUBECONFIG_KEY, Kubeconfig, User};

/// One server, one user, one context.
pub(super) struct Files<'a> {
    /// The entry of the server.
    pub(super) cluster: &'a str,
    /// Its URL.
    pub(super) server: String,
    /// The file with its CA.
    pub(super) ca: &'a str,
    /// The context.
    pub(super) context: &'a str,
    /// The entry of the user.
    pub(super) user: &'a str,
    /// The folder with the user's certificate and key.
    pub(super) identity: &'a str,
}

impl Files<'_> {
    pub(super) fn document(self) -> Kubeconfig {
        let Self { cluster, server, ca, context, user, identity } = self;
        Kubeconfig {
            clusters: vec![Cluster {
                name: cluster.to_owned(),
                server,
                ca: Credential::File(ca.to_owned()),
            }],
            contexts: vec![Context {
                name: context.to_owned(),
                cluster: cluster.to_owned(),
                user: user.to_owned(),
            }],
            current_context: context.to_owned(),
            users: vec![User {
                name: user.to_owned(),
                cert: Credential::File(format!("{identity}/tls.crt")),
                key: Credential::File(format!("{identity}/tls.key")),
            }],
        }
    }

    /// The Secret to mount.
    pub(super) fn secret(self, owner: &Owner, name: String, labels: Labels) -> Item {
        let text = self.document().to_yaml();
        secret(owner, name, labels, KUBECONFIG_KEY, text.into_bytes()).into()
    }
}
