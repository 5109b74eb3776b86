use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Code, Report, Scan};
use crate::model::Revision;
use crate::store::Keyspace;
use crate::view::serve_placed;

const HOUR: Duration = Duration::from_secs(3600);

/// 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600_000;

fn object(namespace: &str, name: &str) -> String {
    let namespace =
        if namespace.is_empty() { String::new() } else { format!(r#","namespace":"{namespace}""#) };
    format!(
        r#"{{"apiVersion":"v1","kind":"K","metadata":{{"creationTimestamp":"2020-01-02T03:04:05Z","name":"{name}"{namespace}}}}}"#
    )
}

fn judged(pairs: &[(&str, String)]) -> Report {
    let home = ("system:cache:server", "system:system-crds");
    let mut scan = Scan::new(Keyspace::new("/cache"), home, serve_placed);
    for (at, (key, value)) in (1..).zip(pairs) {
        let (key, value) = (Bytes::from((*key).to_owned()), Bytes::from(value.clone()));
        scan.add(&key, Revision(at), &value, None);
    }
    scan.finish(NOW, HOUR)
}

/// What is said of one key alone: the code, and whether it is removable.
fn verdict(key: &str, value: String) -> Option<(Code, bool)> {
    let report = judged(&[(key, value)]);
    assert!(report.findings.len() <= 1, "{report:?}");
    report.findings.first().map(|it| (it.code, it.removable))
}

const EXPORTS: &str = "/cache/apis.kcp.io/apiexports/customresources";
const ROLES: &str = "/cache/rbac.authorization.k8s.io/roles/customresources";

#[test]
fn what_servers_write_is_clean() {
    for (key, namespace, name) in [
        ("apis.kcp.io/apiexports/customresources/root/root/tenancy.kcp.io", "", "tenancy.kcp.io"),
        ("apis.kcp.io/apiexports/customresources/s/system:admin/x", "", "x"),
        ("rbac.authorization.k8s.io/roles/customresources/s/c/default/a:b", "default", "a:b"),
        ("things.example.com/things/1d/s/c/one", "", "one"),
        ("things.example.com/things/1d/s/c/default/one", "default", "one"),
        ("core/namespaces/0123abcd/s/c/ns1", "", "ns1"),
        ("new.kcp.io/things/customresources/s/c/one", "", "one"),
        (
            "apiextensions.k8s.io/customresourcedefinitions/system:cache:server/system:system-crds/a.b",
            "",
            "a.b",
        ),
    ] {
        assert_eq!(verdict(&format!("/cache/{key}"), object(namespace, name)), None, "{key}");
    }
}

#[test]
fn a_key_that_no_request_leads_to_is_poisoned_if_its_type_is_known() {
    let identity = "0123456789abcdef".repeat(4);
    let poisoned = Some((Code::PoisonedKey, true));
    let strange = Some((Code::StrangeKey, false));
    for (key, namespace, expected) in [
        (format!("{EXPORTS}/root/root:org/x"), "", poisoned),
        (format!("{EXPORTS}/root/*/x"), "", poisoned),
        (format!("{EXPORTS}/*/root/x"), "", poisoned),
        (format!("{EXPORTS}/root/x"), "", poisoned),
        (format!("{EXPORTS}/x"), "", poisoned),
        (format!("{EXPORTS}/root//x"), "", poisoned),
        (format!("{EXPORTS}/root/root/ns/x"), "ns", poisoned),
        (format!("{ROLES}/root/default/x"), "default", poisoned),
        (format!("{ROLES}/default/x"), "default", poisoned),
        (format!("/cache/a.io/things/{identity}/root/root:org/x"), "", poisoned),
        (format!("/cache/a.io/things/{identity}/root/x"), "", poisoned),
        (format!("/cache/a.io/things/{identity}/root/ns/x"), "ns", poisoned),
        ("/cache/a.io/things/elsewhere/root/root:org/x".to_owned(), "", strange),
        ("/cache/a.io/things/customresources/root/x".to_owned(), "", strange),
        (format!("{EXPORTS}/a/b/c/d/x"), "", strange),
        ("/cache/apis.kcp.io/apiexports".to_owned(), "", strange),
        ("/cache/note".to_owned(), "", strange),
        ("/cachexy/apis.kcp.io/apiexports/customresources/a/b/x".to_owned(), "", strange),
        (
            "/cache/apiextensions.k8s.io/customresourcedefinitions/root/root/x".to_owned(),
            "",
            strange,
        ),
    ] {
        assert_eq!(verdict(&key, object(namespace, "x")), expected, "{key}");
    }
}

#[test]
fn a_value_is_removable_if_no_server_can_read_it() {
    let key = format!("{EXPORTS}/root/root/x");
    let unreadable = Some((Code::UnreadableValue, true));
    for (value, expected) in [
        (String::new(), unreadable),
        ("{\"apiVersion\":".to_owned(), unreadable),
        ("[]".to_owned(), unreadable),
        (r#"{"kind":"K","metadata":{"name":"x"}}"#.to_owned(), unreadable),
        (r#"{"apiVersion":"v1","metadata":{"name":7}}"#.to_owned(), unreadable),
        ("k8s:enc:aescbc:v1:key:xxx".to_owned(), Some((Code::EncodedValue, false))),
        (object("", "y"), Some((Code::NameMismatch, false))),
        (object("ns", "x"), Some((Code::NameMismatch, false))),
        // Any JSON is an object, also if it is not written as Go writes it.
        (format!(" {} ", object("", "x").replace(':', " : ")), None),
    ] {
        let value_shown = value.clone();
        // A colon in a time is no separator.
        let value = value.replace("03 : 04 : 05", "03:04:05");
        assert_eq!(verdict(&key, value), expected, "{value_shown}");
    }
    let cbor = Bytes::from_static(b"\xd9\xd9\xf7\xa0");
    let mut scan = Scan::new(Keyspace::new("/cache"), ("a", "b"), serve_placed);
    scan.add(&Bytes::from(key), Revision(1), &cbor, None);
    assert_eq!(scan.finish(NOW, HOUR).findings[0].code, Code::EncodedValue);
    let definition = "/cache/apiextensions.k8s.io/customresourcedefinitions/system:cache:server/system:system-crds/a.b";
    assert_eq!(verdict(definition, "{".to_owned()), Some((Code::UnreadableValue, false)));
}

#[test]
fn an_object_on_two_shards_is_told_with_each_of_its_places() {
    let place = |shard: &str, rest: &str| format!("{EXPORTS}/{shard}/{rest}");
    let keys = [
        place("a", "c1/x"),
        place("b", "c1/x"),
        place("b", "c2/x"),
        place("a", "system:admin/x"),
        place("b", "system:admin/x"),
        "/cache/things.example.com/things/1d/a/c1/x".to_owned(),
        "/cache/things.example.com/things/2e/b/c1/x".to_owned(),
    ];
    let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), object("", "x"))).collect();
    let report = judged(&pairs);
    let told: Vec<_> = report.findings.iter().map(|it| (it.code, &it.key[..])).collect();
    let expected = [(Code::TwoShards, keys[0].as_bytes()), (Code::TwoShards, keys[1].as_bytes())];
    assert_eq!(told, expected);
    assert_eq!(report.findings[0].detail, "it is also on shard `b`");
    assert!(!report.findings[0].removable);
    assert_eq!(report.pairs, 7);
}

const SHARD: &str = "/cache/core.kcp.io/shards/customresources/root/root/shard-1";

#[test]
fn what_a_gone_shard_left_is_orphaned_after_a_while() {
    let (alive, gone) = (format!("{EXPORTS}/shard-1/c/x"), format!("{EXPORTS}/shard-2/c/x"));
    let root = format!("{EXPORTS}/root/c/x");
    let pairs = [
        (SHARD, object("", "shard-1")),
        (&alive, object("", "x")),
        (&gone, object("", "x")),
        (&root, object("", "x")),
    ];
    let codes = |report: &Report, key: &str| -> Vec<Code> {
        report.findings.iter().filter(|it| it.key == key).map(|it| it.code).collect()
    };
    let report = judged(&pairs);
    assert_eq!(codes(&report, &gone), [Code::TwoShards, Code::OrphanedShard]);
    for key in [&alive, &root] {
        assert_eq!(codes(&report, key), [Code::TwoShards]);
    }
    assert!(!report.unjudged && report.young.is_empty());

    // An empty cache tells nothing.
    let report = judged(&pairs[1..]);
    assert!(report.unjudged);
    assert!(report.findings.iter().all(|it| it.code != Code::OrphanedShard));

    // Neither does a shard of which something changed of late.
    let late = object("", "x").replace("2020-01-02T03:04:05Z", "2025-12-31T23:30:00Z");
    let late = (&*format!("{EXPORTS}/shard-2/c/y"), late.replace(r#""x""#, r#""y""#));
    let report = judged(&[pairs.as_slice(), &[late]].concat());
    assert_eq!(report.young.len(), 1);
    assert_eq!((report.young[0].objects, report.young[0].age.as_secs()), (2, 1800));
    assert!(report.findings.iter().all(|it| it.code != Code::OrphanedShard));
}

#[test]
fn what_a_store_knows_of_the_time_counts_too() {
    let gone = Bytes::from(format!("{EXPORTS}/shard-2/c/x"));
    let value = Bytes::from(object("", "x"));
    for (revision, at, is_young) in [
        (7, None, false),
        (7, Some(NOW - 60_000), true),
        (7, Some(NOW - 7_200_000), false),
        ((NOW - 60_000) * 1000, None, true),
        ((NOW - 7_200_000) * 1000, None, false),
    ] {
        let mut scan = Scan::new(Keyspace::new("/cache"), ("a", "b"), |place, value| {
            serve_placed(place, value)
        });
        let shard = object("", "shard-1").into();
        scan.add(&SHARD.into(), Revision(1), &shard, None);
        scan.add(&gone, Revision(revision), &value, at);
        let report = scan.finish(NOW, HOUR);
        assert_eq!((report.young.len() == 1, report.findings.len() == 1), (is_young, !is_young));
    }
}

proptest! {
    /// Whatever stands in a store, it is judged, and never twice in one way.
    #[test]
    fn anything_is_judged(
        pairs in prop::collection::vec(
            (
                prop_oneof![
                    any::<Vec<u8>>(),
                    "/cache(/[a-z:*.]{0,6}){0,9}".prop_map(String::into_bytes),
                    "(root|a|system:x|a:b|)(/(root|a|b:c|x|)){0,4}"
                        .prop_map(|it| format!("{EXPORTS}/{it}").into_bytes()),
                ],
                prop_oneof![any::<Vec<u8>>(), Just(object("", "x").into_bytes())],
            ),
            0..12,
        )
    ) {
        let mut scan = Scan::new(Keyspace::new("/cache"), ("a", "b"), serve_placed);
        let unique: std::collections::BTreeMap<_, _> = pairs.into_iter().collect();
        for (key, value) in &unique {
            scan.add(&Bytes::from(key.clone()), Revision(1), &Bytes::from(value.clone()), None);
        }
        let report = scan.finish(NOW, HOUR);
        prop_assert_eq!(report.pairs, unique.len());
        let mut seen = std::collections::BTreeSet::new();
        for finding in &report.findings {
            prop_assert!(unique.contains_key(&finding.key[..]));
            prop_assert!(seen.insert((finding.code, finding.key.clone())));
        }
    }
}
