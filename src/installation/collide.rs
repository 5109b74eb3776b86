//! The names that the operator makes, and who would make one twice.
//!
//! The operator names what it generates after the object alone, without its kind:
//! a Shard `a` and a `CacheServer` `a` both write the Secret `a-server`, and each
//! takes it from the other for ever.

use std::collections::BTreeMap;

use super::finding::{Code, Finding, Subject};
use crate::api::{Object, names};

/// The longest name part of an annotation key.
const KEY_LEN_MAX: usize = 63;
/// What the operator puts around the name of a certificate in an annotation key.
const REVISION_KEY: (&str, &str) = ("cert-", "-revision");

/// How long `name` may be, if each of `suffixes` makes a certificate with a `-` before it.
pub(super) fn longest_name(suffixes: &[&str]) -> usize {
    let suffix = suffixes.iter().map(|it| it.len() + 1).max().unwrap_or_default();
    KEY_LEN_MAX - REVISION_KEY.0.len() - REVISION_KEY.1.len() - suffix
}

/// Finds generated objects that more than one object would make.
pub(super) fn collisions<'a>(objects: impl Iterator<Item = &'a Object>) -> Vec<Finding> {
    let mut made: BTreeMap<(String, &str, String), Vec<Subject>> = BTreeMap::new();
    for object in objects {
        let owner = Subject::of(object);
        let namespace = object.namespace().unwrap_or_default();
        for (kind, name) in generated(object) {
            let owners = made.entry((namespace.to_owned(), kind, name)).or_default();
            if !owners.contains(&owner) {
                owners.push(owner.clone());
            }
        }
    }
    // Two objects share many names; the first by the alphabet stands for all.
    let mut reported = Vec::new();
    let mut findings = Vec::new();
    for ((_, kind, name), owners) in made {
        let [first, second, ..] = owners.as_slice() else { continue };
        if reported.contains(&owners) {
            continue;
        }
        findings.push(Finding::error(
            Code::Collision,
            second,
            "metadata.name",
            format!("{first} makes a {kind} `{name}` too, and each would overwrite the other's"),
            format!("give {second} another name"),
        ));
        reported.push(owners);
    }
    findings
}

/// What an object makes, by kind and name.
fn generated(object: &Object) -> Vec<(&'static str, String)> {
    let name = object.name();
    let mut made = Vec::new();
    let certificates = |owner: &str, suffixes: &[&str], made: &mut Vec<_>| {
        made.extend(suffixes.iter().map(|it| ("Secret", format!("{owner}-{it}"))));
    };
    let bundles = |owner: &str, ca: bool, client_ca: bool, made: &mut Vec<_>| {
        let kinds = [("merged-ca-bundle", ca), ("merged-client-ca", client_ca)];
        let wanted: Vec<_> = kinds.into_iter().filter(|it| it.1).map(|it| it.0).collect();
        certificates(owner, &wanted, made);
    };
    match object {
        Object::CacheServer(_) => {
            certificates(name, &names::CACHE_SERVER_CERTIFICATES, &mut made);
            made.push(("Secret", format!("{name}-kubeconfig")));
            made.push(("Deployment", names::cache_server(name)));
        }
        Object::RootShard(root) => {
            let common = &root.spec.common;
            let (ca, client_ca) =
                (common.ca_bundle_secret_ref.is_some(), common.client_ca_bundle_ref.is_some());
            certificates(name, &names::ROOT_SHARD_CERTIFICATES, &mut made);
            certificates(name, &SHARD_KUBECONFIGS, &mut made);
            bundles(name, ca, client_ca, &mut made);
            let proxy = names::root_shard_proxy(name);
            certificates(&proxy, &names::FRONT_PROXY_CERTIFICATES, &mut made);
            certificates(&proxy, &["dynamic-kubeconfig"], &mut made);
            bundles(&proxy, ca, true, &mut made);
            made.push(("ConfigMap", format!("{proxy}-config")));
            made.push(("Deployment", names::root_shard_server(name)));
            made.push(("Deployment", proxy));
        }
        Object::Shard(shard) => {
            let common = &shard.spec.common;
            certificates(name, &names::SHARD_CERTIFICATES, &mut made);
            certificates(name, &SHARD_KUBECONFIGS, &mut made);
            let (ca, client_ca) =
                (common.ca_bundle_secret_ref.is_some(), common.client_ca_bundle_ref.is_some());
            bundles(name, ca, client_ca, &mut made);
            made.push(("Deployment", names::shard_server(name)));
        }
        Object::FrontProxy(proxy) => {
            if let Some(root) = &proxy.spec.root_shard.reference {
                let owner = format!("{}-{name}", root.name);
                certificates(&owner, &names::FRONT_PROXY_CERTIFICATES, &mut made);
                certificates(&owner, &["dynamic-kubeconfig"], &mut made);
            }
            bundles(name, proxy.spec.ca_bundle_secret_ref.is_some(), true, &mut made);
            made.push(("ConfigMap", format!("{name}-config")));
            made.push(("Deployment", names::front_proxy_server(name)));
        }
        Object::VirtualWorkspace(server) => {
            certificates(name, &names::VIRTUAL_WORKSPACE_CERTIFICATES, &mut made);
            bundles(name, false, server.spec.client_ca_bundle_ref.is_some(), &mut made);
            made.push(("Deployment", names::virtual_workspace_server(name)));
        }
        Object::Kubeconfig(kubeconfig) => {
            made.push(("Secret", format!("kubeconfig-cert-{name}")));
            made.push(("Secret", kubeconfig.spec.secret_ref.name.clone()));
        }
        Object::Other { kind, .. } if kind == "Secret" => {
            made.push(("Secret", name.to_owned()));
        }
        Object::Other { .. } => {}
    }
    made
}

/// Kubeconfigs that a shard mounts.
const SHARD_KUBECONFIGS: [&str; 3] = [
    "client-kubeconfig",
    "logical-cluster-admin-kubeconfig",
    "external-logical-cluster-admin-kubeconfig",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_operators_annotation_keys() {
        assert_eq!(longest_name(&names::ROOT_SHARD_CERTIFICATES), 18);
        assert_eq!(longest_name(&names::SHARD_CERTIFICATES), 18);
        assert_eq!(longest_name(&names::CACHE_SERVER_CERTIFICATES), 30);
        assert_eq!(longest_name(&names::VIRTUAL_WORKSPACE_CERTIFICATES), 42);
        // The root shard and the front-proxy, without the `-` between them.
        assert_eq!(longest_name(&names::FRONT_PROXY_CERTIFICATES) - 1, 34);
    }
}
