//! What the server says it serves: under each shard and cluster, in each form.

use serde_json::{Value, json};

use crate::support::{Request, Server};

/// Everything that is one scope to a client.
const SCOPES: [&str; 5] = [
    "/services/cache/shards/root/clusters/root",
    "/services/cache/shards/amber/clusters/nobody-wrote-here",
    "/services/cache/shards/amber/clusters/*",
    "/services/cache/shards/%2A/clusters/%2A",
    "/shards/amber/clusters/acme",
];

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

#[test]
fn every_scope_has_the_same_documents() {
    let server = Server::shared();
    let client = server.client("auditor", &["kcpctl:reader"]);
    let ask =
        |path: &str, accept: &str| client.send(&Request::new("GET", path).header("Accept", accept));
    let mut seen: Option<Vec<Value>> = None;
    for scope in SCOPES {
        let plain = |path: &str| ask(&format!("{scope}{path}"), "application/json").object(200);
        let groups = plain("/apis");
        let mut documents = vec![plain("/api"), plain("/version"), groups.clone()];
        let mut types = 0;
        for group in groups["groups"].as_array().unwrap() {
            documents.push(plain(&format!("/apis/{}", group["name"].as_str().unwrap())));
            for version in group["versions"].as_array().unwrap() {
                let version = version["groupVersion"].as_str().unwrap();
                let resources = plain(&format!("/apis/{version}"));
                assert_eq!(resources["groupVersion"], version);
                types += resources["resources"].as_array().unwrap().len();
                documents.push(resources);
            }
        }
        // 23 types, APIExport in a second version, and the definitions.
        assert_eq!(types, 23 + 1 + 1, "{scope}");
        for path in ["/api", "/apis"] {
            let answer = ask(&format!("{scope}{path}"), &format!("{AGGREGATED},application/json"));
            assert_eq!(answer.header("content-type"), Some(AGGREGATED), "{scope}{path}");
            let list = answer.object(200);
            assert_eq!(list["kind"], json!("APIGroupDiscoveryList"), "{scope}{path}");
            let resources = list["items"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|group| group["versions"].as_array().unwrap())
                .map(|version| version["resources"].as_array().unwrap().len());
            assert_eq!(resources.sum::<usize>(), if path == "/apis" { types } else { 0 });
            documents.push(list);
        }
        match &seen {
            None => seen = Some(documents),
            Some(first) => assert!(*first == documents, "{scope} differs"),
        }
    }
}

#[test]
fn the_openapi_index_leads_to_a_document_for_each_version() {
    let server = Server::shared();
    let client = server.client("auditor", &["kcpctl:reader"]);
    for scope in SCOPES {
        let index = client.get(format!("{scope}/openapi/v3")).object(200);
        let paths = index["paths"].as_object().unwrap();
        let groups = client.get(format!("{scope}/apis")).object(200);
        for group in groups["groups"].as_array().unwrap() {
            for version in group["versions"].as_array().unwrap() {
                let path = format!("apis/{}", version["groupVersion"].as_str().unwrap());
                assert!(paths.contains_key(&path), "{scope}: {path} is not in {paths:?}");
            }
        }
        for path in paths.keys() {
            let document = client.get(format!("{scope}/openapi/v3/{path}")).object(200);
            assert_eq!(document["openapi"], json!("3.0.0"), "{scope}: {path}");
            // Without this parameter kubectl refuses to create or apply.
            let creates = document["paths"]
                .as_object()
                .unwrap()
                .values()
                .filter_map(|it| it["post"]["parameters"].as_array());
            for parameters in creates {
                let named = parameters.iter().any(|it| it["name"] == "fieldValidation");
                assert!(named, "{scope}: {path}: {parameters:?}");
            }
        }
    }
}
