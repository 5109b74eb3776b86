//! The scenarios that kcp's own end-to-end tests replay against a cache server: shard
//! `amber`, cluster `acme`, API exports in `v1alpha1`. Under both names of the executable.

use serde_json::json;

use crate::support::{APIEXPORTS, Client, Server, annotated, api_export, at};

/// Runs a scenario as `cache-server` and as `kcpctl cache serve`, each in a cluster of its own.
fn replay(scenario: &str, run: impl Fn(&Client, &str)) {
    for server in [Server::shared_cache_server(), Server::shared()] {
        run(&server.admin(), &at("amber", scenario, APIEXPORTS));
    }
}

#[test]
fn the_schema_is_not_enforced() {
    replay("schema", |client, exports| {
        let mut object = api_export("free");
        object["spec"] = json!("not what the schema says");
        object["extra"] = json!([1, null, {"b": true, "a": 2.5}]);
        let created = client.post(exports, &object).object(201);
        assert_eq!(created["spec"], object["spec"]);
        assert_eq!(created["extra"], object["extra"]);
        assert_eq!(client.get(format!("{exports}/free")).object(200), created);
    });
}

#[test]
fn a_name_must_be_given_or_made() {
    replay("names", |client, exports| {
        let mut object = api_export("");
        object["metadata"] = json!({});
        assert_eq!(
            client.post(exports, &object).refusal_line(),
            "422 Invalid: APIExport.apis.kcp.io \"\" is invalid: metadata.name: Required value: \
             name or generateName is required"
        );
        object["metadata"] = json!({"generateName": "made-"});
        let first = client.post(exports, &object).object(201);
        let second = client.post(exports, &object).object(201);
        let name =
            |object: &serde_json::Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        assert_ne!(name(&first), name(&second));
        let random = name(&first).strip_prefix("made-").unwrap().to_owned();
        assert_eq!(random.len(), 5);
        assert!(random.bytes().all(|it| b"bcdfghjklmnpqrstvwxz2456789".contains(&it)), "{random}");
    });
}

#[test]
fn with_the_shard_annotation_system_metadata_is_kept() {
    replay("kept", |client, exports| {
        let object = annotated(api_export("copy"));
        let created = client.post(exports, &object).object(201);
        for field in ["uid", "creationTimestamp", "generation"] {
            assert_eq!(created["metadata"][field], object["metadata"][field], "{field}");
        }
        // The annotation only has to be there: what it says comes from the path.
        assert_eq!(
            created["metadata"]["annotations"],
            json!({"kcp.io/cluster": "kept", "kcp.io/shard": "amber"})
        );
    });
}

#[test]
fn without_the_shard_annotation_system_metadata_is_made() {
    replay("made", |client, exports| {
        let mut object = annotated(api_export("original"));
        object["metadata"]["annotations"] = json!({"mine": "1"});
        let created = client.post(exports, &object).object(201);
        let metadata = &created["metadata"];
        assert_ne!(metadata["uid"], object["metadata"]["uid"]);
        assert_ne!(metadata["creationTimestamp"], object["metadata"]["creationTimestamp"]);
        assert_eq!(metadata["generation"], 1);
        assert_eq!(
            metadata["annotations"],
            json!({"kcp.io/cluster": "made", "kcp.io/shard": "amber", "mine": "1"})
        );
    });
}

#[test]
fn the_generation_does_not_follow_the_spec() {
    replay("generation", |client, exports| {
        let path = format!("{exports}/steady");
        let mut object = client.post(exports, &annotated(api_export("steady"))).object(201);
        object["spec"] = json!({"changed": true});
        let updated = client.put(&path, &object).object(200);
        assert_eq!(updated["metadata"]["generation"], 8);
        assert_eq!(updated["spec"], object["spec"]);
        assert_ne!(updated["metadata"]["resourceVersion"], object["metadata"]["resourceVersion"]);
    });
}

#[test]
fn finalizers_do_not_hold_a_delete() {
    replay("finalizers", |client, exports| {
        let path = format!("{exports}/held");
        let mut object = api_export("held");
        object["metadata"]["finalizers"] = json!(["example.com/hold"]);
        let created = client.post(exports, &object).object(201);
        assert_eq!(
            client.delete(&path).object(200),
            json!({
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": {
                    "name": "held",
                    "group": "apis.kcp.io",
                    "kind": "apiexports",
                    "uid": created["metadata"]["uid"],
                },
            })
        );
        assert_eq!(
            client.get(&path).refusal_line(),
            r#"404 NotFound: apiexports.apis.kcp.io "held" not found"#
        );
    });
}

#[test]
fn spec_and_status_change_in_one_request() {
    replay("status", |client, exports| {
        let mut object = api_export("both");
        object["status"] = json!({"phase": "New"});
        let mut object = client.post(exports, &object).object(201);
        assert_eq!(object["status"], json!({"phase": "New"}));
        object["spec"] = json!({"next": 1});
        object["status"] = json!({"phase": "Ready"});
        let updated = client.put(format!("{exports}/both"), &object).object(200);
        assert_eq!(updated["spec"], object["spec"]);
        assert_eq!(updated["status"], object["status"]);
    });
}
