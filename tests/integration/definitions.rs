//! The definitions of the types: shards list and watch them before they start.

use serde_json::{Value, json};

use crate::support::{CRDS, Request, Server, at};

/// Where they live.
const PLACE: [&str; 2] = ["system:cache:server", "system:system-crds"];

/// The built-in types, by the names of their definitions.
const NAMES: [&str; 23] = [
    "apiconversions.apis.kcp.io",
    "apiexportendpointslices.apis.kcp.io",
    "apiexports.apis.kcp.io",
    "apiresourceschemas.apis.kcp.io",
    "cachedobjects.cache.kcp.io",
    "cachedresourceendpointslices.cache.kcp.io",
    "cachedresources.cache.kcp.io",
    "clustercachedresourceendpointslices.cache.kcp.io",
    "clustercachedresources.cache.kcp.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "logicalclustermigrations.migration.kcp.io",
    "logicalclusters.core.kcp.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "shards.core.kcp.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "workspacetypes.tenancy.kcp.io",
];

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn they_are_listed_for_everybody_who_asks_everywhere() {
    let server = Server::shared();
    let client = server.admin();
    let everywhere = client.get(at("*", "*", CRDS)).object(200);
    assert_eq!(everywhere["kind"], "CustomResourceDefinitionList");
    assert_eq!(everywhere["apiVersion"], "apiextensions.k8s.io/v1");
    assert_eq!(names(&everywhere), NAMES);
    let at_home = client.get(at(PLACE[0], PLACE[1], CRDS)).object(200);
    assert_eq!(names(&at_home), NAMES);
    assert_eq!(names(&client.get(at("amber", "acme", CRDS)).object(200)), Vec::<String>::new());
    for definition in everywhere["items"].as_array().unwrap() {
        let conditions = definition["status"]["conditions"].as_array().unwrap().iter();
        let holds =
            |kind: &str| conditions.clone().any(|it| it["type"] == kind && it["status"] == "True");
        assert!(holds("Established") && holds("NamesAccepted"), "{definition}");
        assert_eq!(definition["metadata"]["annotations"]["kcp.io/cluster"], PLACE[1]);
        assert_eq!(definition["metadata"]["annotations"]["kcp.io/shard"], PLACE[0]);
    }
}

#[test]
fn they_are_watched_with_a_streaming_list() {
    let server = Server::shared();
    let query = "watch=true&allowWatchBookmarks=true&sendInitialEvents=true\
                 &resourceVersionMatch=NotOlderThan";
    let mut watch = server.admin().watch(format!("{}?{query}", at("%2A", "%2A", CRDS)));
    for name in NAMES {
        assert_eq!(watch.next_named().0, format!("ADDED {name}"));
    }
    let bookmark = watch.next();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["kind"], "CustomResourceDefinition");
    assert_eq!(bookmark["object"]["apiVersion"], "apiextensions.k8s.io/v1");
}

#[test]
fn they_cannot_be_changed() {
    let server = Server::shared();
    let client = server.admin();
    let collection = at(PLACE[0], PLACE[1], CRDS);
    let one = format!("{collection}/{}", NAMES[0]);
    let before = client.get(&one).object(200);
    let body = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {},
    });
    for (method, target) in [
        ("POST", &collection),
        ("DELETE", &collection),
        ("PUT", &one),
        ("DELETE", &one),
        ("PATCH", &one),
    ] {
        let request = Request::new(method, target).json(&body);
        let request = if method == "PATCH" {
            request.header("Content-Type", "application/merge-patch+json")
        } else {
            request
        };
        let answer = client.send(&request);
        let (code, reason, message) = answer.refusal();
        assert_eq!((code, reason.as_str()), (405, "MethodNotAllowed"), "{method}: {message}");
        let why = "the server makes these objects from the types that it serves";
        assert!(message.contains(why), "{method}: {message}");
    }
    assert_eq!(client.get(&one).object(200), before);
}

#[test]
fn they_survive_a_restart_unchanged() {
    let mut server = Server::start();
    let everywhere = at("*", "*", CRDS);
    let before = server.admin().get(&everywhere).object(200);
    assert!(server.stop().success());
    server.start_again();
    let after = server.admin().get(&everywhere).object(200);
    assert_eq!(after["items"], before["items"]);
}
