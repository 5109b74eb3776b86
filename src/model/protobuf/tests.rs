//! Bodies as Go clients write them, made here byte by byte.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A field whose payload has a length.
fn long(number: u64, payload: &[u8]) -> Vec<u8> {
    [&varint(number << 3 | 2), &varint(payload.len() as u64), payload].concat()
}

fn number(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value.cast_unsigned())].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

fn body(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let types = [long(1, api_version.as_bytes()), long(2, kind.as_bytes())].concat();
    let rest = [long(3, b""), long(4, b"")].concat();
    [MAGIC, &long(1, &types), &long(2, object), &rest].concat()
}

fn pair(number: u64, key: &str, value: &[u8]) -> Vec<u8> {
    long(number, &[long(1, key.as_bytes()), long(2, value)].concat())
}

/// Metadata as a client sends it that has a name and nothing else.
fn named(name: &str) -> Vec<u8> {
    let empty = [2, 3, 4, 5, 6].map(|it| long(it, b"")).concat();
    long(1, &[long(1, name.as_bytes()), empty, number(7, 0), long(8, b"")].concat())
}

#[test]
fn a_secret() {
    let object = [
        named("keys"),
        pair(2, "tls.key", b"\0\xff"),
        pair(2, "empty", b""),
        long(3, b"Opaque"),
        pair(4, "text", "ä".as_bytes()),
    ]
    .concat();
    assert_eq!(
        to_json(&body("v1", "Secret", &object)).unwrap(),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "type": "Opaque",
            "data": {"tls.key": "AP8=", "empty": ""}, "stringData": {"text": "ä"},
        })
    );
}

#[test]
fn times_numbers_and_what_is_behind_pointers() {
    let time = |seconds, nanos| [number(1, seconds), number(2, nanos)].concat();
    let spec = [
        long(1, b""),
        number(2, 15),
        long(3, &time(1_700_000_000, 123_456_789)),
        long(4, b""),
        number(5, 0),
    ]
    .concat();
    let owner = [long(1, b"Shard"), long(3, b"one"), long(4, b"u"), long(5, b"a/v1"), number(6, 0)];
    let entry = [long(1, b"m"), long(4, &time(0, 0)), long(7, &long(1, br#"{"f:spec":{}}"#))];
    let metadata = [
        long(1, b"lease"),
        number(7, 3),
        long(8, &time(1_700_000_000, 0)),
        pair(11, "a", b"b"),
        long(13, &owner.concat()),
        long(14, b"x/y"),
        long(14, b"z"),
        long(17, &entry.concat()),
    ]
    .concat();
    let object = [long(1, &metadata), long(2, &spec)].concat();
    assert_eq!(
        to_json(&body("coordination.k8s.io/v1", "Lease", &object)).unwrap(),
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": "lease", "generation": 3, "creationTimestamp": "2023-11-14T22:13:20Z",
                "labels": {"a": "b"}, "finalizers": ["x/y", "z"],
                "ownerReferences": [{
                    "kind": "Shard", "name": "one", "uid": "u", "apiVersion": "a/v1",
                    "controller": false,
                }],
                "managedFields": [{
                    "manager": "m", "time": "1970-01-01T00:00:00Z",
                    "fieldsV1": {"f:spec": {}},
                }],
            },
            "spec": {
                "holderIdentity": "", "leaseDurationSeconds": 15, "leaseTransitions": 0,
                "acquireTime": "2023-11-14T22:13:20.123456Z",
            },
        })
    );
}

#[test]
fn a_number_or_a_text() {
    let port = |target: &[u8]| long(1, &[number(3, 443), long(4, target)].concat());
    let ports = [
        port(&[number(1, 0), number(2, 6443), long(3, b"")].concat()),
        port(&[number(1, 1), number(2, 0), long(3, b"https")].concat()),
    ];
    let object = [named("s"), long(2, &ports.concat())].concat();
    let service = to_json(&body("v1", "Service", &object)).unwrap();
    assert_eq!(
        service["spec"]["ports"],
        json!([{"port": 443, "targetPort": 6443}, {"port": 443, "targetPort": "https"}])
    );
}

#[test]
fn what_deletes_says_the_group_of_what_it_deletes() {
    let options = [number(1, 0), long(4, b"Orphan"), long(5, b"All")].concat();
    assert_eq!(
        to_json(&body("apps/v1", "DeleteOptions", &options)).unwrap(),
        json!({
            "apiVersion": "apps/v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
            "propagationPolicy": "Orphan", "dryRun": ["All"],
        })
    );
}

#[test]
fn what_is_newer_is_passed_over_and_parts_are_one() {
    let newer = [
        number(900, 5),
        long(901, b"x"),
        [varint(902 << 3 | 1), vec![0; 8]].concat(),
        [varint(903 << 3 | 5), vec![0; 4]].concat(),
    ]
    .concat();
    let object = [newer, named("a"), long(1, &long(3, b"ns")), pair(2, "k", b"v")].concat();
    assert_eq!(
        to_json(&body("v1", "ConfigMap", &object)).unwrap(),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"},
            "data": {"k": "v"},
        })
    );
}

#[test]
fn what_is_wrong_is_told() {
    assert_eq!(to_json(b"{}"), Err(ProtobufError::Strange));
    assert_eq!(
        to_json(&body("apps/v1", "Deployment", b"")),
        Err(ProtobufError::Kind("Deployment".to_owned()))
    );
    let text = to_json(&body("v1", "Secret", &long(3, b"\xff")));
    assert_eq!(text, Err(ProtobufError::Field("type")));
    let number = to_json(&body("v1", "Secret", &number(2, 7)));
    assert_eq!(number, Err(ProtobufError::Field("data")));
    let whole = body("v1", "Secret", &named("keys"));
    assert!(matches!(to_json(&whole[..whole.len() - 1]), Err(ProtobufError::Broken(_))));
    let too_long = [MAGIC, &varint(1 << 3 | 2), &varint(u64::MAX)].concat();
    assert_eq!(to_json(&too_long), Err(ProtobufError::Broken(11)));
    assert_eq!(to_json(&[MAGIC, &[0xff; 11]].concat()), Err(ProtobufError::Broken(0)));
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..4_usize) {
        let kind = ["Secret", "Service", "Event", "PodDisruptionBudget"][kind];
        let _ = to_json(&bytes);
        let _ = to_json(&[MAGIC, &bytes].concat());
        let _ = to_json(&body(if kind.starts_with('P') { "policy/v1" } else { "v1" }, kind, &bytes));
    }
}
