//! A shard beside the root shard.

use kube::ResourceExt;

use super::certificates::{self, Leaf, Pki};
use super::image::Image;
use super::kubeconfigs::Files;
use super::names::{self, CA_BUNDLE_FILE, CACHE_KUBECONFIG, SERVER_CA_FILE, TLS};
use super::owner::{Labels, Owner, labels};
use super::shard_server::{ADMIN, CLIENT, EXTERNAL_ADMIN, ShardServer, kubeconfig_path};
use super::{Cache, Item, Observed, Rendered, bundle};
use crate::api::{self, RootShard, Shard, VirtualWorkspace};

const COMPONENT: &str = "shard";

pub(super) fn render(
    shard: &Shard,
    root: &RootShard,
    shards: &[String],
    cache: Option<&Cache>,
    virtual_workspace: Option<&VirtualWorkspace>,
    observed: &Observed,
) -> Rendered {
    let mut rendered = Rendered::default();
    let owner = Owner::of(shard);
    certificates(shard, root, &owner, &mut rendered);
    kubeconfigs(shard, root, &owner, &mut rendered);
    bundles(shard, root, &owner, observed, &mut rendered);
    let spec = &shard.spec.common;
    let image = Image::of(spec.image.as_ref());
    let server = ShardServer {
        name: api::names::shard_server(&owner.name),
        component: COMPONENT,
        spec,
        root,
        shards,
        cache,
        virtual_workspace,
        kubeconfigs: &[CLIENT, ADMIN, EXTERNAL_ADMIN],
        mounts_proxy: image.mounts_through_proxy(),
        client_ca_bundle: client_bundles(shard, root).next().is_some(),
        identity: identity(shard, root, cache),
        image,
    };
    server.render(&owner, observed, &mut rendered);
    rendered.finish()
}

fn identity(shard: &Shard, root: &RootShard, cache: Option<&Cache>) -> Vec<String> {
    let root_kubeconfig = kubeconfig_path(CLIENT);
    // Without a cache server the root shard serves the cache.
    let cache = if cache.is_some() { CACHE_KUBECONFIG } else { &root_kubeconfig };
    vec![
        format!("--shard-name={}", shard.name_any()),
        format!("--shard-base-url={}", names::shard_url(shard)),
        format!("--shard-external-url={}", names::external_url(&root.spec.external)),
        format!("--external-hostname={}", root.spec.external.hostname),
        format!("--cache-kubeconfig={cache}/kubeconfig"),
        format!("--root-shard-kubeconfig-file={root_kubeconfig}/kubeconfig"),
    ]
}

fn secret_labels(owner: &Owner, root: &RootShard) -> Labels {
    labels([(names::ROOT_SHARD, &root.name_any()), (names::SHARD, &owner.name)])
}

fn certificates(shard: &Shard, root: &RootShard, owner: &Owner, to: &mut Rendered) {
    let name = &owner.name;
    let root_name = root.name_any();
    let pki = Pki {
        owner,
        labels: api::names::app_labels(name, COMPONENT),
        secret_labels: secret_labels(owner, root),
        templates: Some(&shard.spec.common.certificate_templates),
    };
    let leaf = |kind: &str, leaf| Item::from(pki.leaf(kind, format!("{name}-{kind}"), leaf));
    let ca = |ca: &str| format!("{root_name}-{ca}-ca");
    let client = |common_name: String, organization: &str| Leaf {
        issuer: ca("client"),
        common_name: Some(common_name),
        organizations: vec![organization.to_owned()],
        usages: certificates::CLIENT,
        ..Leaf::default()
    };
    let own_url = shard.spec.common.shard_base_url.as_deref().and_then(names::host_of_url);
    let hosts = ["localhost".to_owned(), names::shard_host(shard)].into_iter().chain(own_url);
    to.add([
        leaf(
            "server",
            Leaf {
                issuer: ca("server"),
                dns_names: names::sorted(hosts),
                usages: certificates::SERVER,
                ..Leaf::default()
            },
        ),
        leaf(
            "virtual-workspaces",
            Leaf {
                issuer: ca("server"),
                dns_names: vec![names::shard_host(shard)],
                usages: certificates::SERVER_ONLY,
                ..Leaf::default()
            },
        ),
        leaf(
            "service-account",
            Leaf {
                issuer: ca("service-account"),
                common_name: Some(format!("{name}-service-account")),
                usages: certificates::SIGNING,
                ..Leaf::default()
            },
        ),
        leaf(CLIENT, client(format!("shard-{name}"), names::MASTERS)),
        leaf(
            "mounts-proxy",
            Leaf {
                issuer: ca("requestheader-client"),
                common_name: Some(names::MOUNTS_PROXY_USER.to_owned()),
                usages: certificates::CLIENT,
                ..Leaf::default()
            },
        ),
        leaf(ADMIN, client(format!("{ADMIN}-shard-{name}"), "system:kcp:logical-cluster-admin")),
        leaf(
            EXTERNAL_ADMIN,
            client(
                format!("{EXTERNAL_ADMIN}-shard-{name}"),
                "system:kcp:external-logical-cluster-admin",
            ),
        ),
    ]);
}

fn kubeconfigs(shard: &Shard, root: &RootShard, owner: &Owner, to: &mut Rendered) {
    let has_bundle = names::named(shard.spec.common.ca_bundle_secret_ref.as_ref()).is_some();
    let external_ca = if has_bundle { CA_BUNDLE_FILE } else { SERVER_CA_FILE };
    let root_shard = Files {
        cluster: "root-shard",
        server: names::root_shard_url(root),
        ca: SERVER_CA_FILE,
        // kcp looks for this name.
        context: "shard-base",
        user: "shard",
        identity: &format!("{TLS}/{CLIENT}"),
    };
    let admin = Files {
        cluster: "logical-cluster:admin",
        server: names::shard_url(shard),
        ca: SERVER_CA_FILE,
        context: "logical-cluster",
        user: ADMIN,
        identity: &format!("{TLS}/{ADMIN}"),
    };
    let external_admin = Files {
        cluster: "external-logical-cluster:admin",
        server: names::private_url(&root.spec.external),
        ca: external_ca,
        context: "external-logical-cluster",
        user: EXTERNAL_ADMIN,
        identity: &format!("{TLS}/{EXTERNAL_ADMIN}"),
    };
    for (certificate, files) in
        [(CLIENT, root_shard), (ADMIN, admin), (EXTERNAL_ADMIN, external_admin)]
    {
        let name = format!("{}-{certificate}-kubeconfig", owner.name);
        to.add([files.secret(owner, name, secret_labels(owner, root))]);
    }
}

/// The users' Secrets with more CAs of clients.
fn client_bundles<'a>(
    shard: &'a Shard,
    root: &'a RootShard,
) -> impl Iterator<Item = &'a str> + use<'a> {
    [&root.spec.common.client_ca_bundle_ref, &shard.spec.common.client_ca_bundle_ref]
        .into_iter()
        .filter_map(|it| names::named(it.as_ref()))
}

fn bundles(shard: &Shard, root: &RootShard, owner: &Owner, observed: &Observed, to: &mut Rendered) {
    let name = &owner.name;
    let root_name = root.name_any();
    let own = || labels([(names::SHARD, name)]);
    if let Some(users) = names::named(shard.spec.common.ca_bundle_secret_ref.as_ref()) {
        // The CA of servers, and not the certificate of this one: what the bundle is for
        // is to recognise other servers.
        let parts = [format!("{root_name}-server-ca"), users.to_owned()];
        bundle::merge(owner, format!("{name}-merged-ca-bundle"), own(), parts, observed, to);
    }
    let users: Vec<_> = client_bundles(shard, root).map(str::to_owned).collect();
    if !users.is_empty() {
        let parts = std::iter::once(format!("{root_name}-client-ca")).chain(users);
        bundle::merge(owner, format!("{name}-merged-client-ca"), own(), parts, observed, to);
    }
}
