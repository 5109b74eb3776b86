//! What must hold for any bytes: shared by the fuzz targets beside this file and by the
//! test that runs the corpus.

#![allow(dead_code, reason = "each target uses one of them")]

use bytes::Bytes;
use kcpctl::model::builtin;
use kcpctl::model::json::{scan, tree};
use kcpctl::model::selector::{FieldSelector, LabelSelector};
use kcpctl::model::{ClusterName, ShardName};
use kcpctl::server::Flavor;
use kcpctl::server::handler::Token;
use kcpctl::server::path::{self, Endpoint, Route};
use kcpctl::server::plan::{self, FieldValidation, Incoming, Subject};

/// A path is read or refused with a reason, and names come out as they can be stored.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for flavor in [Flavor::Kcpctl, Flavor::CacheServer] {
        match path::parse(text, flavor) {
            Ok(Route::Scoped(scoped)) => {
                if let Endpoint::Resource(it) = scoped.endpoint {
                    assert!(!it.version.is_empty() && !it.resource.contains('/'), "{it:?}");
                    assert!(!it.namespace.contains('/'), "{it:?}");
                    // `/r//status` names nothing and is answered as such; `/r//` is `/r`.
                    let nameless = it.subresource.is_some();
                    let fits = |name: &str| nameless || !name.is_empty();
                    assert!(it.name.is_none_or(|it| fits(&it) && !it.contains('/')));
                }
            }
            Ok(_) => {}
            Err(error) => {
                assert!((400..=501).contains(&error.code()) && !error.message().is_empty());
            }
        }
    }
}

/// A selector is read or refused, and what is read can be asked.
pub fn selector(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(selector) = text.parse::<LabelSelector>() {
        for labels in [&b""[..], b"{}", br#"{"a":"b","tier":"","x/y":"1"}"#] {
            let matched = selector.matches(labels);
            assert!(matched || !selector.is_everything(), "{text}");
        }
    }
    if let Ok(selector) = text.parse::<FieldSelector>() {
        let matched = selector.matches(Some("default"), "one", b"{}");
        assert!(matched || !selector.is_everything(), "{text}");
    }
}

/// A token is refused, or it is the one that its own content makes.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Token::decode(text) {
        Ok(token) => assert_eq!(Token::decode(&token.encode()), Ok(token)),
        Err(error) => assert_eq!(error.code(), 400),
    }
}

/// What counts as canonical is JSON, and is what the slow road makes of it; what the slow
/// road makes of anything is canonical.
pub fn json(data: &[u8]) {
    let fast = scan::scan(data);
    let Ok((value, duplicates)) = tree::read(data) else {
        assert!(fast.is_err(), "canonical, and not JSON");
        return;
    };
    let written = tree::to_vec(&value);
    if fast.is_ok() {
        assert!(duplicates.is_empty(), "canonical, with duplicate keys");
        assert_eq!(written, data.strip_suffix(b"\n").unwrap_or(data));
    }
    if value.is_object() {
        assert!(scan::scan(&written).is_ok(), "{}", String::from_utf8_lossy(&written));
    }
}

/// A body is refused with a reason, or it becomes an object in canonical form.
pub fn body(data: &[u8]) {
    let (shard, cluster): (ShardName, ClusterName) =
        ("root".parse().expect("a name"), "acme".parse().expect("a name"));
    for kind in builtin::types() {
        if !matches!(kind.resource.as_str(), "apiexports" | "roles") {
            continue;
        }
        let version = kind.versions[0].name.as_str();
        let namespace = if kind.namespaced { "default" } else { "" };
        let subject = Subject {
            structure: None,
            kind,
            version,
            shard: &shard,
            cluster: &cluster,
            namespace,
            says_place: true,
        };
        for validation in [FieldValidation::Warn, FieldValidation::Strict] {
            let body = Bytes::copy_from_slice(data);
            let planned = Incoming::read(body, &subject, validation).and_then(|incoming| {
                plan::create(&subject, &incoming, "2026-01-01T00:00:00Z", "uid", "x4x4x")
            });
            match planned {
                Ok(created) => {
                    let stored = &created.value.stored;
                    assert!(scan::scan(stored).is_ok(), "{}", String::from_utf8_lossy(stored));
                    assert!(!created.name.is_empty() && !created.name.contains('/'));
                }
                Err(error) => assert!((400..=500).contains(&error.code())),
            }
        }
    }
}
