//! A root shard: the installation's CAs, the shard itself, and its internal proxy.

use super::certificates::{self, Leaf, Pki};
use super::front_proxy;
use super::image::Image;
use super::kubeconfigs::Files;
use super::names::{self, CA_BUNDLE_FILE, SERVER_CA_FILE, TLS};
use super::owner::{Labels, Owner, labels};
use super::shard_server::{ADMIN, CLIENT, EXTERNAL_ADMIN, ROOT, ShardServer};
use super::{Cache, Item, Observed, Rendered, bundle};
use crate::api::{self, RootShard, VirtualWorkspace};

/// The CAs below the root CA, each for one purpose.
const CAS: [&str; 4] = ["server", "requestheader-client", "client", "service-account"];
/// What the operator calls itself before kcp.
const OPERATOR: &str = "system:kcp-operator";
/// The group of the operator.
const ADMINS: &str = "system:kcp:admin";

pub(super) fn render(
    root: &RootShard,
    shards: &[String],
    cache: Option<&Cache>,
    virtual_workspace: Option<&VirtualWorkspace>,
    observed: &Observed,
) -> Rendered {
    let mut rendered = Rendered::default();
    let owner = Owner::of(root);
    certificates(root, &owner, &mut rendered);
    bundles(root, &owner, observed, &mut rendered);
    kubeconfigs(root, &owner, &mut rendered);
    let spec = &root.spec.common;
    let server = ShardServer {
        name: api::names::root_shard_server(&owner.name),
        component: ROOT,
        spec,
        root,
        shards,
        cache,
        virtual_workspace,
        kubeconfigs: &[ADMIN, EXTERNAL_ADMIN],
        mounts_proxy: false,
        client_ca_bundle: names::named(spec.client_ca_bundle_ref.as_ref()).is_some(),
        identity: vec![
            format!("--shard-base-url={}", names::root_shard_url(root)),
            format!("--shard-external-url={}", names::external_url(&root.spec.external)),
        ],
        image: Image::of(spec.image.as_ref()),
    };
    server.render(&owner, observed, &mut rendered);
    front_proxy::render_internal(root, &owner, observed, &mut rendered);
    rendered.finish()
}

/// The labels of the Secrets of a root shard.
pub(super) fn secret_labels(owner: &Owner) -> Labels {
    labels([(names::ROOT_SHARD, &owner.name)])
}

fn certificates(root: &RootShard, owner: &Owner, to: &mut Rendered) {
    let name = &owner.name;
    let root_ca = format!("{name}-ca");
    let pki = Pki {
        owner,
        labels: api::names::app_labels(name, ROOT),
        secret_labels: secret_labels(owner),
        templates: Some(&root.spec.common.certificate_templates),
    };
    to.add([Item::from(pki.issuer(root_ca.clone(), names::root_shard_ca(root)))]);
    if let Some(issuer) = names::new_ca_issuer(&root.spec.certificates) {
        to.add([Item::from(pki.ca("root-ca", root_ca.clone(), issuer))]);
    }
    for ca in CAS {
        let own = format!("{name}-{ca}-ca");
        let issuer = certificates::local(root_ca.clone());
        to.add([
            Item::from(pki.issuer(own.clone(), own.clone())),
            Item::from(pki.ca(&format!("{ca}-ca"), own, issuer)),
        ]);
    }

    let leaf = |kind: &str, leaf| Item::from(pki.leaf(kind, format!("{name}-{kind}"), leaf));
    let ca = |ca: &str| format!("{name}-{ca}-ca");
    let client = |common_name: &str, organization: &str| Leaf {
        issuer: ca("client"),
        common_name: Some(common_name.to_owned()),
        organizations: vec![organization.to_owned()],
        usages: certificates::CLIENT,
        ..Leaf::default()
    };
    let external = &root.spec.external.hostname;
    let own_url = root.spec.common.shard_base_url.as_deref().and_then(names::host_of_url);
    let hosts = [names::root_shard_host(root), external.clone()].into_iter().chain(own_url);
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
                dns_names: vec![external.clone()],
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
        leaf(ADMIN, client(ADMIN, "system:kcp:logical-cluster-admin")),
        leaf(EXTERNAL_ADMIN, client(EXTERNAL_ADMIN, "system:kcp:external-logical-cluster-admin")),
        leaf(CLIENT, client(name, names::MASTERS)),
        leaf("kcp-operator", client(OPERATOR, ADMINS)),
    ]);
}

fn bundles(root: &RootShard, owner: &Owner, observed: &Observed, to: &mut Rendered) {
    let name = &owner.name;
    let common = &root.spec.common;
    for (kind, ca, users) in [
        ("merged-ca-bundle", "server-ca", &common.ca_bundle_secret_ref),
        ("merged-client-ca", "client-ca", &common.client_ca_bundle_ref),
    ] {
        let Some(users) = names::named(users.as_ref()) else { continue };
        let parts = [format!("{name}-{ca}"), users.to_owned()];
        let secret = format!("{name}-{kind}");
        bundle::merge(owner, secret, secret_labels(owner), parts, observed, to);
    }
}

fn kubeconfigs(root: &RootShard, owner: &Owner, to: &mut Rendered) {
    let has_bundle = names::named(root.spec.common.ca_bundle_secret_ref.as_ref()).is_some();
    let url = names::root_shard_url(root);
    let external = names::private_url(&root.spec.external);
    let external_ca = if has_bundle { CA_BUNDLE_FILE } else { SERVER_CA_FILE };
    for (certificate, server, ca) in
        [(ADMIN, url, SERVER_CA_FILE), (EXTERNAL_ADMIN, external, external_ca)]
    {
        let files = Files {
            cluster: "root-shard",
            server,
            ca,
            // kcp looks for this name.
            context: "shard-base",
            user: "shard",
            identity: &format!("{TLS}/{certificate}"),
        };
        let name = format!("{}-{certificate}-kubeconfig", owner.name);
        to.add([files.secret(owner, name, secret_labels(owner))]);
    }
}
