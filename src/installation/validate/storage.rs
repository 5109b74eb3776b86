//! Etcds and caches: whatever could lose data, or show a shard another's.

use std::collections::BTreeSet;

use super::{World, find, name};
use crate::api::{self, CacheServer, EtcdConfig, RootShard};
use crate::installation::finding::{Code, Finding, Subject};

/// Where kcp stores unless told otherwise.
const SHARD_PREFIX: &str = "/registry";
/// Where a cache server stores unless told otherwise.
const CACHE_PREFIX: &str = "/cache";

pub(super) fn check(world: &World<'_>, findings: &mut Vec<Finding>) {
    for cache in &world.caches {
        embedded_replicas(cache, findings);
    }
    for root in &world.roots {
        split_caches(world, root, findings);
        embedded_prefix(root, findings);
    }
    shared_cache_of_roots(world, findings);
    let stores = stores(world);
    for store in &stores {
        endpoints(store, findings);
    }
    let all: Vec<Store<'_>> = embedded_stores(world).chain(stores).collect();
    for (index, store) in all.iter().enumerate() {
        for other in &all[..index] {
            overlap(other, store, findings);
        }
    }
}

fn embedded_replicas(cache: &CacheServer, findings: &mut Vec<Finding>) {
    let replicas = cache.spec.replicas.unwrap_or_default();
    if cache.spec.etcd.is_none() && replicas > 1 {
        findings.push(Finding::error(
            Code::EmbeddedReplicas,
            Subject::typed(cache),
            "spec.replicas",
            format!(
                "{replicas} replicas with an embedded etcd: each would hold a cache of its own, \
                 and lose it with its pod"
            ),
            "use one replica, or set `spec.etcd` to an etcd that all replicas share",
        ));
    }
}

/// The cache inside a root shard stores in that shard's etcd, so that its replicas share it:
/// below `/cache` as long as the shard has the default prefix, else below the shard's own.
/// There its keys have the form of the shard's, which takes every copy for an object.
fn embedded_prefix(root: &RootShard, findings: &mut Vec<Finding>) {
    let prefix = root.spec.common.etcd.prefix.as_deref().unwrap_or(SHARD_PREFIX);
    if root.cache_name().is_none() && prefix != SHARD_PREFIX {
        findings.push(Finding::error(
            Code::EmbeddedPrefix,
            Subject::typed(root),
            "spec.etcd.prefix",
            format!(
                "the cache inside the root shard would store below `{prefix}` too, and the shard \
                 would take what is cached there for objects of its own"
            ),
            "leave the prefix out, or use a cache server with `--cache server`",
        ));
    }
}

/// All shards of an installation must see the same cache.
fn split_caches(world: &World<'_>, root: &RootShard, findings: &mut Vec<Finding>) {
    let members =
        world.shards.iter().filter(|it| world.root_of(it).is_some_and(|it| std::ptr::eq(it, root)));
    for shard in members {
        let (own, roots) = (api::effective_cache(shard, Some(root)), root.cache_name());
        if own == roots {
            continue;
        }
        let etcd = |cache: Option<&str>| {
            let cache = find(&world.caches, root, cache?)?;
            cache.spec.etcd.as_ref().map(place)
        };
        let same = etcd(own).is_some() && etcd(own) == etcd(roots);
        // A reference to nothing is reported as such.
        let known = |it: Option<&str>| it.is_none_or(|it| find(&world.caches, root, it).is_some());
        if same || !known(own) || !known(roots) {
            continue;
        }
        let called = |it: Option<&str>| {
            it.map_or("the cache embedded in the root shard".to_owned(), |it| format!("`{it}`"))
        };
        findings.push(Finding::error(
            Code::SplitCache,
            Subject::typed(*shard),
            "spec.cache.ref",
            format!(
                "the shard would use {}, its root shard uses {}, and the two do not share an etcd: \
                 neither shard would see what the other writes",
                called(own),
                called(roots)
            ),
            "use one CacheServer for all shards, or give all of them the same `spec.etcd`",
        ));
    }
}

/// An etcd as one value: its members in any order, and the keys in it.
fn place(etcd: &EtcdConfig) -> (BTreeSet<&str>, &str) {
    (etcd.endpoints.iter().map(String::as_str).collect(), cache_prefix(etcd))
}

/// Every `RootShard` is `root` to its cache.
fn shared_cache_of_roots(world: &World<'_>, findings: &mut Vec<Finding>) {
    for (index, root) in world.roots.iter().enumerate() {
        let Some(cache) = root.cache_name().and_then(|it| find(&world.caches, *root, it)) else {
            continue;
        };
        let other = world.roots[..index].iter().find(|it| {
            let theirs = it.cache_name().and_then(|name| find(&world.caches, **it, name));
            theirs.is_some_and(|it| std::ptr::eq(it, cache))
        });
        if let Some(other) = other {
            findings.push(Finding::error(
                Code::ShardIdentity,
                Subject::typed(*root),
                "spec.cache.ref",
                format!(
                    "RootShard/{} uses CacheServer/{} too, and both are `root` there: each would \
                     write over the other's data",
                    name(*other),
                    name(cache)
                ),
                "give each installation a cache server of its own",
            ));
        }
    }
}

/// A server and the etcd that it stores in.
struct Store<'a> {
    subject: Subject,
    /// It is the cache inside that root shard.
    inside: bool,
    cache: bool,
    etcd: &'a EtcdConfig,
    prefix: &'a str,
}

fn stores<'a>(world: &World<'a>) -> Vec<Store<'a>> {
    let shard_prefix = |etcd: &'a EtcdConfig| etcd.prefix.as_deref().unwrap_or(SHARD_PREFIX);
    let roots = world.roots.iter().map(|it| (Subject::typed(*it), &it.spec.common.etcd));
    let shards = world.shards.iter().map(|it| (Subject::typed(*it), &it.spec.common.etcd));
    let mut stores: Vec<Store<'_>> = roots
        .chain(shards)
        .map(|(subject, etcd)| Store {
            subject,
            inside: false,
            cache: false,
            etcd,
            prefix: shard_prefix(etcd),
        })
        .collect();
    for cache in &world.caches {
        let Some(etcd) = &cache.spec.etcd else { continue };
        let subject = Subject::typed(*cache);
        let prefix = cache_prefix(etcd);
        stores.push(Store { subject, inside: false, cache: true, etcd, prefix });
    }
    stores
}

/// A cache server takes the prefix of shards for none.
fn cache_prefix(etcd: &EtcdConfig) -> &str {
    etcd.prefix.as_deref().filter(|it| *it != SHARD_PREFIX).unwrap_or(CACHE_PREFIX)
}

/// The caches inside root shards: an etcd without an object of its own.
fn embedded_stores<'a>(world: &World<'a>) -> impl Iterator<Item = Store<'a>> {
    let is_embedded = |it: &&&'a RootShard| {
        let default = it.spec.common.etcd.prefix.as_deref().is_none_or(|it| it == SHARD_PREFIX);
        it.cache_name().is_none() && default
    };
    world.roots.iter().filter(is_embedded).map(|it| Store {
        subject: Subject::typed(*it),
        inside: true,
        cache: true,
        etcd: &it.spec.common.etcd,
        prefix: CACHE_PREFIX,
    })
}

fn endpoints(store: &Store<'_>, findings: &mut Vec<Finding>) {
    let endpoints = &store.etcd.endpoints;
    let mut report = |code, path: String, message: String, hint: &str| {
        findings.push(Finding::error(code, &store.subject, path, message, hint));
    };
    if endpoints.is_empty() {
        let message = "no member of etcd is named".to_owned();
        report(
            Code::EtcdEndpoint,
            "spec.etcd.endpoints".to_owned(),
            message,
            "add the URL of each member, such as `https://etcd-0.etcd:2379`",
        );
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        if !is_endpoint(endpoint) {
            report(
                Code::EtcdEndpoint,
                format!("spec.etcd.endpoints[{index}]"),
                format!("`{endpoint}` is no URL of an etcd member"),
                "write it as `https://HOST:PORT`",
            );
        }
    }
    if let Some(prefix) = store.etcd.prefix.as_deref().filter(|it| !it.starts_with('/')) {
        report(
            Code::EtcdEndpoint,
            "spec.etcd.prefix".to_owned(),
            format!("the prefix `{prefix}` does not begin with `/`"),
            "begin it with `/`, or leave it out",
        );
    }
    let secure = endpoints.iter().filter(|it| it.starts_with("https://")).count();
    let tls = store.etcd.tls_config.is_some();
    if secure != 0 && secure != endpoints.len() {
        report(
            Code::EtcdTls,
            "spec.etcd.endpoints".to_owned(),
            "some members are reached with TLS and others without".to_owned(),
            "write all of them with `https://`",
        );
    } else if tls && secure == 0 && !endpoints.is_empty() {
        report(
            Code::EtcdTls,
            "spec.etcd.tlsConfig".to_owned(),
            "there is a client certificate, but the endpoints are reached without TLS".to_owned(),
            "write the endpoints with `https://`, or remove `tlsConfig`",
        );
    } else if secure != 0 && !tls {
        let message = "TLS without a client certificate and without etcd's CA: this works only with \
                       a public CA and an etcd that lets everybody in";
        let hint = "set `spec.etcd.tlsConfig.secretRef`";
        let finding =
            Finding::error(Code::EtcdTls, &store.subject, "spec.etcd.tlsConfig", message, hint);
        findings.push(finding.warn());
    }
}

fn is_endpoint(endpoint: &str) -> bool {
    let address = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    let Some((host, port)) = address.and_then(|it| it.rsplit_once(':')) else { return false };
    let bracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let host_is_sound = match bracketed {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => super::access::is_host(host),
    };
    host_is_sound && port.parse::<u16>().is_ok_and(|it| it != 0)
}

/// Two servers in one etcd need keys of their own. Cache servers share theirs.
fn overlap(one: &Store<'_>, two: &Store<'_>, findings: &mut Vec<Finding>) {
    let Some(shared) = one.etcd.endpoints.iter().find(|it| two.etcd.endpoints.contains(it)) else {
        return;
    };
    if one.cache && two.cache
        || !contains(one.prefix, two.prefix) && !contains(two.prefix, one.prefix)
    {
        return;
    }
    findings.push(Finding::error(
        Code::EtcdOverlap,
        &two.subject,
        "spec.etcd.prefix",
        format!(
            "{}{} stores below `{}` of the etcd at {shared} too (here `{}`): each would write over \
             the other's data",
            if one.inside { "the cache inside " } else { "" },
            one.subject,
            one.prefix,
            two.prefix
        ),
        "give each an etcd of its own, or a `prefix` of its own such as `/NAME`",
    ));
}

/// Whether keys below `inner` are also below `outer`.
fn contains(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (outer.trim_matches('/'), inner.trim_matches('/'));
    outer.is_empty()
        || inner.strip_prefix(outer).is_some_and(|it| it.is_empty() || it.starts_with('/'))
}
