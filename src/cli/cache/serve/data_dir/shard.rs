//! `kubeconfigs/<shard>/`: what a shard needs to reach the cache.
//!
//! Files and not inline data: clients read the pair's files again and again, so a
//! running shard picks a renewed certificate up, and nothing else ever reaches it.

use std::path::PathBuf;
use std::time::SystemTime;

use super::dir::{DataDir, Pass};
use super::{Clients, DataDirError};
use crate::cli::files;
use crate::kubeconfig::{Cluster, Context, Credential, Kubeconfig, User};
use crate::model::ShardName;
use crate::pki::Leaf;
use crate::server::auth::GROUP_SHARD_PREFIX;

/// The name of cluster, context and user: other tools of kcp ask for the context.
const CACHE: &str = "cache";

impl DataDir {
    /// Whether certificates for shards can be signed here.
    pub(crate) fn can_sign(&self) -> bool {
        self.options().clients == Clients::Own
    }

    /// The kubeconfig of a shard.
    pub(crate) fn shard_kubeconfig(&self, shard: &ShardName) -> PathBuf {
        self.file(&format!("kubeconfigs/{shard}/kubeconfig"))
    }

    /// Makes the files of `shard` at its first pass, and renews them later. The
    /// server's URL must be known.
    pub(crate) fn keep_shard(
        &self,
        shard: &ShardName,
        now: SystemTime,
    ) -> Result<Pass, DataDirError> {
        let mut pass = Pass { written: Vec::new(), next: now + self.leaf_life() };
        let (Some(ca), Some(url)) = (self.client_authority()?, self.url()) else {
            return Ok(pass);
        };
        let folder = format!("kubeconfigs/{shard}");
        files::make_private_dir(&self.file("kubeconfigs"))?;
        files::make_private_dir(&self.file(&folder))?;
        let [cert, key, ca_cert, kubeconfig] =
            ["client.crt", "client.key", "ca.crt", "kubeconfig"].map(|it| format!("{folder}/{it}"));
        let groups = [format!("{GROUP_SHARD_PREFIX}{shard}")];
        let leaf = Leaf::Client { user: shard.as_str(), groups: &groups };
        if let Some(cert_pem) =
            self.renew_pair(&ca, "client-ca.crt", leaf, [&cert, &key], now, &mut pass)?
        {
            self.write_if_new(&cert, &cert_pem, files::PUBLIC, &mut pass)?;
        }
        self.write_if_new(&ca_cert, &self.server_ca_pem()?, files::PUBLIC, &mut pass)?;
        let file = |name: &str| self.absolute(name).map(Credential::File);
        let text = Kubeconfig {
            clusters: vec![Cluster {
                name: CACHE.to_owned(),
                server: url.to_owned(),
                ca: file(&ca_cert)?,
            }],
            contexts: vec![Context {
                name: CACHE.to_owned(),
                cluster: CACHE.to_owned(),
                user: CACHE.to_owned(),
            }],
            current_context: CACHE.to_owned(),
            users: vec![User { name: CACHE.to_owned(), cert: file(&cert)?, key: file(&key)? }],
        };
        self.write_if_new(&kubeconfig, &text.to_yaml(), files::PRIVATE, &mut pass)?;
        Ok(pass)
    }

    /// A file of the directory as a kubeconfig must name it: a client may run elsewhere.
    fn absolute(&self, name: &str) -> Result<String, DataDirError> {
        let path = self.file(name);
        std::path::absolute(&path)
            .ok()
            .and_then(|it| it.to_str().map(ToOwned::to_owned))
            .ok_or(DataDirError::Unspeakable { path })
    }
}
