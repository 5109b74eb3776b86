//! The CA, the server and its names, as a cluster has them.

use std::collections::BTreeSet;

use anyhow::{Context, anyhow};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::signing::Signing;
use crate::api;
use crate::cli::args::ClusterArgs;
use crate::cli::installations::operator_objects;
use crate::client::cluster::ClusterClient;
use crate::error::{CliError, Kind};
use crate::kubeconfig::{Target, TargetKind};
use crate::pki::{Authority, Certificate, pem};
use crate::render::{Entrance, Objects, Unresolved};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// What a cluster says of a target: who signs for its users, and the namespace that it is in.
pub(super) async fn load(
    cluster: ClusterArgs,
    namespace: Option<&str>,
    target: &Target,
    server_ca: Option<String>,
) -> Result<(Signing, String), CliError> {
    let client = cluster.client().await?;
    let namespace = namespace.or(client.namespace()).unwrap_or("default").to_owned();
    let entrance = entrance(&client, &namespace, target).await?;
    let secrets = Secrets { client: &client, namespace: &namespace };
    let ca = secrets.get(&entrance.client_ca).await?;
    let (cert, key) = (ca.text(CERTIFICATE)?, ca.text(KEY)?);
    let authority = Authority::from_pem(&cert, &key)
        .with_context(|| format!("cannot sign with the Secret `{}`", entrance.client_ca))
        .map_err(|error| CliError::new(Kind::Config, error))?;
    let server_ca_pem = if let Some(pem) = server_ca {
        pem
    } else {
        let mut all = String::new();
        for name in &entrance.server_cas {
            all.push_str(&secrets.get(name).await?.certificates()?);
        }
        all
    };
    // Where somebody else serves, such as a gateway, there may be none.
    let serving = secrets.find(&entrance.serving).await?;
    let serving_pem = serving.map(|it| it.certificates()).transpose()?;
    let url = entrance.url.parse().context("the server has no URL that can be used");
    let url = url.map_err(|error| CliError::new(Kind::Config, error))?;
    Ok((Signing { authority, server_ca_pem, serving_pem, url: Some(url) }, namespace))
}

async fn entrance(
    client: &ClusterClient,
    namespace: &str,
    target: &Target,
) -> Result<Entrance, CliError> {
    client.resource(api::API_VERSION, api::Kind::RootShard.as_str()).await?;
    let trees = operator_objects(client, &BTreeSet::from([namespace.to_owned()])).await?;
    let read = trees.iter().map(|it| api::read_all(&it.to_string(), client.server()).documents);
    let documents: Vec<_> = read.flatten().collect();
    let objects = Objects::of_documents(&documents);
    let unknown = |error: anyhow::Error| {
        let known: Vec<String> = targets(&objects).map(|it| it.to_string()).collect();
        let error = CliError::new(Kind::Usage, error);
        match known.as_slice() {
            [] => error.hint(format!(
                "there is no server at all in the namespace `{namespace}`: name another with `--namespace`"
            )),
            known => error.hint(format!("there are in that namespace: {}", known.join(", "))),
        }
    };
    let Some(reference) = target.reference() else {
        let server = objects.cache_servers.iter().find(|it| it.name_any() == target.name);
        let server = server.ok_or_else(|| {
            let name = &target.name;
            unknown(anyhow!("there is no CacheServer `{name}` in the namespace `{namespace}`"))
        })?;
        return Ok(Entrance::of_cache(server));
    };
    match objects.server(&reference, Some(namespace)) {
        Ok((root, server)) => Ok(Entrance::of(&server, &root)),
        Err(Unresolved::NotFound { kind, name, namespace, .. }) => Err(unknown(anyhow!(
            "there is no {} `{name}` in the namespace `{namespace}`",
            kind.as_str()
        ))),
        Err(error) => Err(CliError::new(Kind::Config, anyhow!("`{target}`: {error}"))
            .hint("`kcpctl check` says what is wrong with an installation")),
    }
}

/// Every server that a kubeconfig can be made for.
fn targets(objects: &Objects) -> impl Iterator<Item = Target> {
    let target = |kind, name| Target { kind, name };
    let roots = objects.root_shards.iter().map(|it| (TargetKind::RootShard, it.name_any()));
    let shards = objects.shards.iter().map(|it| (TargetKind::Shard, it.name_any()));
    let proxies = objects.front_proxies.iter().map(|it| (TargetKind::FrontProxy, it.name_any()));
    let caches = objects.cache_servers.iter().map(|it| (TargetKind::CacheServer, it.name_any()));
    roots.chain(shards).chain(proxies).chain(caches).map(move |(kind, name)| target(kind, name))
}

struct Secrets<'a> {
    client: &'a ClusterClient,
    namespace: &'a str,
}

struct Found {
    name: String,
    secret: Secret,
}

impl Secrets<'_> {
    async fn find(&self, name: &str) -> Result<Option<Found>, CliError> {
        let of = self.client.resource("v1", "Secret").await?;
        let Some(tree) = self.client.get(&of, self.namespace, name).await? else {
            return Ok(None);
        };
        let secret = serde_json::from_value(tree)
            .with_context(|| format!("cannot read the Secret `{name}`"))
            .map_err(|error| CliError::new(Kind::Unreachable, error))?;
        Ok(Some(Found { name: name.to_owned(), secret }))
    }

    async fn get(&self, name: &str) -> Result<Found, CliError> {
        self.find(name).await?.ok_or_else(|| {
            let cause =
                anyhow!("there is no Secret `{name}` in the namespace `{}`", self.namespace);
            CliError::new(Kind::Config, cause)
                .hint("the operator or the loop makes it: `kcpctl status` says what they wait for")
        })
    }
}

impl Found {
    fn text(&self, key: &str) -> Result<String, CliError> {
        let data = self.secret.data.as_ref().and_then(|it| it.get(key));
        let text = data.and_then(|it| String::from_utf8(it.0.clone()).ok());
        text.filter(|it| !it.is_empty()).ok_or_else(|| {
            let cause = anyhow!("the Secret `{}` has no text in the key `{key}`", self.name);
            CliError::new(Kind::Config, cause)
        })
    }

    /// The certificates of `tls.crt`, without what else stands there.
    fn certificates(&self) -> Result<String, CliError> {
        let text = self.text(CERTIFICATE)?;
        let read = Certificate::from_pem(&text)
            .with_context(|| format!("cannot use `{CERTIFICATE}` of the Secret `{}`", self.name))
            .map_err(|error| CliError::new(Kind::Config, error))?;
        Ok(read.iter().map(|(_, der)| pem::encode(pem::CERTIFICATE, der)).collect())
    }
}
