//! What create, update and delete do to an object, and what they refuse.
//!
//! Each test runs as `cache-server` and as `kcpctl cache serve`, in a cluster of its own.

use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, Answer, CLUSTERROLES, Client, ROLES, Request, Server, annotated, api_export, at,
    cluster_role, role,
};

fn replay(cluster: &str, run: impl Fn(&Client, &str)) {
    for server in [Server::shared_cache_server(), Server::shared()] {
        run(&server.admin(), &at("amber", cluster, APIEXPORTS));
    }
}

/// An export with this metadata beside its name.
fn export_with(name: &str, metadata: Value) -> Value {
    let mut object = api_export(name);
    let Value::Object(fields) = metadata else { panic!("not metadata: {metadata}") };
    object["metadata"].as_object_mut().unwrap().extend(fields);
    object
}

fn revision(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// The answer as a line, once the text of the naming rule is folded.
fn line(answer: &Answer) -> String {
    answer.refusal_line().replace(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
         or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex \
         used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        "<subdomain>",
    )
}

#[test]
fn what_was_created_is_what_is_read() {
    replay("created", |client, exports| {
        let created = client.post(exports, &api_export("one")).object(201);
        let read = client.get(format!("{exports}/one"));
        assert_eq!(read.header("content-type"), Some("application/json"));
        assert_eq!(read.object(200), created);
        assert!(read.body.ends_with(b"}\n"), "{read}");
        let uid = created["metadata"]["uid"].as_str().unwrap();
        assert_eq!(uid.len(), 36, "{uid}");
        assert!(revision(&created).parse::<u64>().unwrap() > 0);
    });
}

#[test]
fn a_name_is_taken_once() {
    replay("taken", |client, exports| {
        client.post(exports, &api_export("one")).object(201);
        let again = client.post(exports, &api_export("one"));
        assert_eq!(
            again.refusal_line(),
            r#"409 AlreadyExists: apiexports.apis.kcp.io "one" already exists"#
        );
        assert_eq!(
            again.json()["details"],
            json!({"name": "one", "group": "apis.kcp.io", "kind": "apiexports"})
        );
        // The same name elsewhere is another object.
        let elsewhere = exports.replace("amber", "basalt");
        client.post(elsewhere, &api_export("one")).object(201);
    });
}

#[test]
fn create_wants_part_of_the_system_metadata_of_a_copy() {
    replay("copies", |client, exports| {
        let copy = |name: &str, metadata: Value| {
            let mut object = export_with(name, metadata);
            object["metadata"]["annotations"] = json!({"kcp.io/shard": "amber"});
            client.post(exports, &object)
        };
        assert_eq!(
            copy("neither", json!({})).refusal_line(),
            "500 InternalError: Internal error occurred: system metadata was not initialized"
        );
        let only_uid = copy("uid", json!({"uid": "some-uid"})).object(201);
        assert_eq!(only_uid["metadata"]["uid"], "some-uid");
        assert_eq!(
            only_uid["metadata"].get("creationTimestamp").unwrap_or(&Value::Null),
            &Value::Null
        );
        // What was not sent is not stored, and read as 1.
        assert_eq!(only_uid["metadata"]["generation"], 1);
        let moment = json!({"creationTimestamp": "2020-01-02T03:04:05Z"});
        let only_time = copy("time", moment).object(201);
        assert_eq!(only_time["metadata"]["creationTimestamp"], "2020-01-02T03:04:05Z");
        let deleting = json!({
            "uid": "u",
            "deletionTimestamp": "2020-01-02T03:04:06Z",
            "deletionGracePeriodSeconds": 5,
            "finalizers": ["example.com/hold"],
        });
        let deleting = copy("deleting", deleting).object(201);
        assert_eq!(deleting["metadata"]["deletionTimestamp"], "2020-01-02T03:04:06Z");
        assert_eq!(deleting["metadata"]["deletionGracePeriodSeconds"], 5);
    });
}

#[test]
fn without_the_annotation_the_marks_of_deletion_are_wiped() {
    replay("wiped", |client, exports| {
        let marks = json!({
            "deletionTimestamp": "2020-01-02T03:04:06Z",
            "deletionGracePeriodSeconds": 5,
            "generation": 7,
            "selfLink": "/x",
        });
        let created = client.post(exports, &export_with("one", marks)).object(201);
        let metadata = created["metadata"].as_object().unwrap();
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
            assert!(!metadata.contains_key(field), "{field} in {created}");
        }
        assert_eq!(metadata["generation"], 1);
    });
}

#[test]
fn create_refuses_an_object_that_was_stored_before() {
    replay("stored", |client, exports| {
        let refusal = "500 : resourceVersion should not be set on objects to be created".to_owned();
        let stored = export_with("one", json!({"resourceVersion": "5"}));
        assert_eq!(client.post(exports, &stored).refusal_line(), refusal);
        assert_eq!(client.get(format!("{exports}/one")).status, 404);
        for unset in ["", "0"] {
            let object = export_with("ok", json!({"resourceVersion": unset}));
            client.post(exports, &object).object(201);
            client.delete(format!("{exports}/ok"));
        }
    });
}

#[test]
fn create_checks_names_and_metadata() {
    let label_key = "name part must consist of alphanumeric characters, '-', '_' or '.', and must \
                     start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  \
                     or '123-abc', regex used for validation is \
                     '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let label_value = "a valid label must be an empty string or consist of alphanumeric \
                       characters, '-', '_' or '.', and must start and end with an alphanumeric \
                       character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
                       validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    replay("checked", |client, exports| {
        let refused = |metadata: Value| line(&client.post(exports, &export_with("x", metadata)));
        let invalid = |name: &str, what: &str| {
            format!("422 Invalid: APIExport.apis.kcp.io \"{name}\" is invalid: {what}")
        };
        for name in ["Upper", "a_b", "-a", "a-", "a/b", "..", "system:admin", "é", "a b", "a..b"] {
            assert_eq!(
                refused(json!({"name": name})),
                invalid(name, &format!("metadata.name: Invalid value: \"{name}\": <subdomain>"))
            );
        }
        let long = "a".repeat(254);
        assert_eq!(client.post(exports, &api_export(&long)).status, 422);
        client.post(exports, &api_export(&long[1..])).object(201);
        assert_eq!(
            refused(json!({"labels": {"bad key!": "b"}})),
            invalid("x", &format!("metadata.labels: Invalid value: \"bad key!\": {label_key}"))
        );
        assert_eq!(
            refused(json!({"labels": {"a": "bad value!"}})),
            invalid("x", &format!("metadata.labels: Invalid value: \"bad value!\": {label_value}"))
        );
        assert_eq!(
            refused(json!({"annotations": {"bad key!": "b"}})),
            invalid(
                "x",
                &format!("metadata.annotations: Invalid value: \"bad key!\": {label_key}")
            )
        );
        assert_eq!(
            refused(json!({"annotations": {"a": "x".repeat(262_145)}})),
            invalid("x", "metadata.annotations: Too long: may not be more than 262144 bytes")
        );
        assert_eq!(
            refused(json!({"finalizers": ["not ok!"]})),
            invalid("x", &format!("metadata.finalizers: Invalid value: \"not ok!\": {label_key}"))
        );
        assert_eq!(client.get(format!("{exports}/x")).status, 404);
    });
}

#[test]
fn create_refuses_metadata_of_the_wrong_form() {
    replay("form", |client, exports| {
        for metadata in [
            json!({"labels": {"a": 1}}),
            json!({"labels": []}),
            json!({"finalizers": "x"}),
            json!({"generation": "7"}),
            json!({"resourceVersion": 5}),
            json!({"creationTimestamp": "not a time"}),
            json!({"managedFields": "x"}),
            json!({"ownerReferences": {}}),
            json!({"name": 5}),
        ] {
            let answer = client.post(exports, &export_with("x", metadata.clone()));
            let (code, reason, message) = answer.refusal();
            assert_eq!((code, reason.as_str()), (400, "BadRequest"), "{metadata}: {message}");
            let beginning = "APIExport in version \"v1alpha1\" cannot be handled as a APIExport: ";
            assert!(message.starts_with(beginning), "{metadata}: {message}");
        }
        let mut object = api_export("x");
        object["metadata"] = json!("text");
        assert_eq!(client.post(exports, &object).status, 400);
    });
}

#[test]
fn kind_and_version_must_be_those_of_the_path() {
    replay("kinds", |client, exports| {
        let sent = |changes: Value| {
            let mut object = api_export("x");
            for (key, value) in changes.as_object().unwrap() {
                match value {
                    Value::Null => drop(object.as_object_mut().unwrap().remove(key)),
                    _ => object[key] = value.clone(),
                }
            }
            client.post(exports, &object).refusal_line()
        };
        assert_eq!(
            sent(json!({"kind": "Nope"})),
            r#"422 Invalid: Nope.apis.kcp.io "x" is invalid: kind: Invalid value: "Nope": must be APIExport"#
        );
        for version in ["v1", "apis.kcp.io/v1alpha2", "rbac.authorization.k8s.io/v1"] {
            assert_eq!(
                sent(json!({"apiVersion": version})),
                format!(
                    "400 BadRequest: the API version in the data ({version}) does not match the \
                     expected API version (apis.kcp.io/v1alpha1)"
                )
            );
        }
        assert_eq!(
            sent(json!({"apiVersion": null})),
            "400 BadRequest: the API version in the data () does not match the expected API \
             version (apis.kcp.io/v1alpha1)"
        );
        let no_kind = "400 BadRequest: the object provided is unrecognized (must be of type \
                       APIExport): Object 'Kind' is missing in '";
        for changes in [json!({"kind": null}), json!({"kind": null, "apiVersion": null})] {
            let said = sent(changes);
            assert!(said.starts_with(no_kind), "{said}");
        }
        assert_eq!(client.get(format!("{exports}/x")).status, 404);
    });
}

#[test]
fn rbac_names_are_path_segments() {
    replay("segments", |client, exports| {
        let roles = exports.replace(APIEXPORTS, CLUSTERROLES);
        for name in ["system:admin", "Upper_Case", "a b", "é", "..."] {
            client.post(&roles, &cluster_role(name)).object(201);
        }
        for (name, why) in [
            ("a/b", "may not contain '/'"),
            ("a%b", "may not contain '%'"),
            (".", "may not be '.'"),
            ("..", "may not be '..'"),
        ] {
            assert_eq!(
                client.post(&roles, &cluster_role(name)).refusal_line(),
                format!(
                    "422 Invalid: ClusterRole.rbac.authorization.k8s.io \"{name}\" is invalid: \
                     metadata.name: Invalid value: \"{name}\": {why}"
                )
            );
        }
        for path in ["a%20b", "%C3%A9", "system:admin", "system%3Aadmin"] {
            assert_eq!(client.get(format!("{roles}/{path}")).status, 200, "{path}");
        }
    });
}

#[test]
fn a_namespace_comes_from_the_path() {
    replay("namespaces", |client, exports| {
        let roles = exports.replace(APIEXPORTS, ROLES);
        let created = client.post(&roles, &role("one")).object(201);
        assert_eq!(created["metadata"]["namespace"], "default");
        let mut other = role("two");
        other["metadata"]["namespace"] = json!("other");
        assert_eq!(
            client.post(&roles, &other).refusal_line(),
            "400 BadRequest: the namespace of the provided object does not match the namespace \
             sent on the request"
        );
        let bad = client.post(roles.replace("default", "Bad_NS"), &role("three"));
        let message = "Role.rbac.authorization.k8s.io \"three\" is invalid: metadata.namespace: \
                       Invalid value: \"Bad_NS\": a lowercase RFC 1123 label must consist of";
        assert!(bad.refusal().2.starts_with(message), "{bad}");
        // A type without namespaces forgets the one that was sent.
        let export = export_with("export", json!({"namespace": "default"}));
        let created = client.post(exports, &export).object(201);
        assert!(created["metadata"].get("namespace").is_none(), "{created}");
    });
}

#[test]
fn owner_references_are_checked_and_said_once() {
    replay("owners", |client, exports| {
        let owner = json!({"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u"});
        let twice = export_with("twice", json!({"ownerReferences": [owner, owner]}));
        let answer = client.post(exports, &twice);
        assert_eq!(answer.object(201)["metadata"]["ownerReferences"], json!([owner]));
        let warning = answer.header("warning").unwrap();
        assert!(warning.contains("ownerReferences contains duplicate entries"), "{warning}");
        let empty = export_with("empty", json!({"ownerReferences": [{"apiVersion": "v1"}]}));
        assert_eq!(
            client.post(exports, &empty).refusal_line(),
            "422 Invalid: APIExport.apis.kcp.io \"empty\" is invalid: \
             [metadata.ownerReferences.kind: Invalid value: \"\": must not be empty, \
             metadata.ownerReferences.name: Invalid value: \"\": must not be empty, \
             metadata.ownerReferences.uid: Invalid value: \"\": must not be empty]"
        );
    });
}

#[test]
fn numbers_texts_and_nulls_keep_their_meaning() {
    replay("values", |client, exports| {
        let body = concat!(
            r#"{"kind":"APIExport","metadata":{"name":"values","labels":null},"#,
            r#""apiVersion":"apis.kcp.io/v1alpha1","zz":null,"spec":{"null":null,"#,
            r#""max":9223372036854775807,"one":1.0,"thousand":1e3,"half":0.50,"minus":-0,"#,
            r#""tiny":0.0000001,"big":1e21,"list":[],"map":{},"#,
            r#""text":"<&>\u2028\u00e9\ud83d\ude00\/\b"}}"#
        );
        let created = client.send(&Request::new("POST", exports).body(body));
        assert_eq!(created.status, 201, "{created}");
        let text = created.text();
        assert!(
            text.contains(concat!(
                r#""spec":{"big":1e+21,"half":0.5,"list":[],"map":{},"#,
                r#""max":9223372036854775807,"minus":0,"null":null,"one":1,"#,
                r#""text":"\u003c\u0026\u003e\u2028é😀/\b","thousand":1000,"tiny":1e-7},"zz":null}"#
            )),
            "{text}"
        );
        assert_eq!(client.get(format!("{exports}/values")).text(), text);
    });
}

#[test]
fn an_update_that_changes_nothing_writes_nothing() {
    replay("noop", |client, exports| {
        let path = format!("{exports}/copy");
        let created = client.post(exports, &annotated(api_export("copy"))).object(201);
        // The first one may bring home the server's own annotations; from then on nothing moves.
        let settled = client.put(&path, &created).object(200);
        let target = format!("{exports}?watch=true&resourceVersion={}", revision(&settled));
        let mut watch = client.watch(target);
        for _ in 0..3 {
            assert_eq!(client.put(&path, &settled).object(200), settled);
        }
        // Neither the clock nor the order of keys is a change, nor what the server decides.
        let mut dressed = settled.clone();
        dressed["metadata"]["creationTimestamp"] = json!("1999-01-01T00:00:00Z");
        dressed["metadata"].as_object_mut().unwrap().remove("uid");
        dressed["metadata"].as_object_mut().unwrap().remove("generation");
        dressed["metadata"]["namespace"] = json!("dropped");
        assert_eq!(client.put(&path, &dressed).object(200), settled);
        let spaced = serde_json::to_string_pretty(&settled).unwrap();
        let answer = client.send(&Request::new("PUT", &path).body(spaced));
        assert_eq!(answer.object(200), settled);
        client.post(exports, &api_export("next")).object(201);
        assert_eq!(watch.next_named().0, "ADDED next");
    });
}

#[test]
fn an_update_must_name_the_revision_that_it_replaces() {
    replay("revisions", |client, exports| {
        let path = format!("{exports}/one");
        let created = client.post(exports, &api_export("one")).object(201);
        let put = |revision: Value| {
            let mut object = created.clone();
            object["spec"] = json!({"lost": true});
            object["metadata"]["resourceVersion"] = revision;
            client.put(&path, &object)
        };
        let conflict = "409 Conflict: Operation cannot be fulfilled on apiexports.apis.kcp.io \
                        \"one\": the object has been modified; please apply your changes to the \
                        latest version and try again";
        assert_eq!(put(json!("1")).refusal_line(), conflict);
        assert_eq!(put(json!("18446744073709551615")).refusal_line(), conflict);
        let required = "422 Invalid: apiexports.apis.kcp.io \"one\" is invalid: \
                        metadata.resourceVersion: Invalid value: 0: must be specified for an update";
        assert_eq!(put(Value::Null).refusal_line(), required);
        assert_eq!(put(json!("0")).refusal_line(), required);
        let (code, _, message) = put(json!("abc")).refusal();
        assert!((400..=500).contains(&code), "{code} {message}");
        assert_eq!(client.get(&path).object(200), created);
    });
}

#[test]
fn an_update_is_of_the_same_object() {
    replay("same", |client, exports| {
        let path = format!("{exports}/one");
        let created = client.post(exports, &api_export("one")).object(201);
        let put = |metadata: Value| {
            let mut object = created.clone();
            for (key, value) in metadata.as_object().unwrap() {
                object["metadata"][key] = value.clone();
            }
            client.put(&path, &object)
        };
        let other_uid = put(json!({"uid": "another"}));
        let (code, reason, message) = other_uid.refusal();
        assert_eq!((code, reason.as_str()), (409, "Conflict"));
        let uid = created["metadata"]["uid"].as_str().unwrap();
        assert!(
            message
                .starts_with("Operation cannot be fulfilled on apiexports.apis.kcp.io \"one\": ")
                && message.ends_with(&format!(
                    "Precondition failed: UID in precondition: another, UID in object meta: {uid}"
                )),
            "{message}"
        );
        // It wins over a stale revision: a client must learn that its object is gone.
        let both = put(json!({"uid": "another", "resourceVersion": "1"}));
        assert!(both.refusal().2.contains("UID in precondition: another"), "{both}");
        assert_eq!(
            put(json!({"name": "two"})).refusal_line(),
            "400 BadRequest: the name of the object (two) does not match the name on the URL (one)"
        );
        assert_eq!(
            put(json!({"name": null})).refusal_line(),
            "400 BadRequest: the name of the object (one based on URL) was undeterminable: name \
             must be provided"
        );
        let missing = client.put(format!("{exports}/none"), &api_export("none"));
        assert_eq!(
            missing.refusal_line(),
            r#"404 NotFound: apiexports.apis.kcp.io "none" not found"#
        );
        assert_eq!(put(json!({"uid": ""})).object(200)["metadata"]["uid"], uid);
    });
}

#[test]
fn a_generation_is_raised_by_hand_and_never_lowered() {
    replay("raised", |client, exports| {
        let path = format!("{exports}/one");
        client.post(exports, &annotated(api_export("one"))).object(201);
        let put = |generation: Value| {
            let mut object = client.get(&path).object(200);
            object["metadata"]["generation"] = generation;
            client.put(&path, &object)
        };
        assert_eq!(put(json!(9)).object(200)["metadata"]["generation"], 9);
        assert_eq!(put(json!(0)).object(200)["metadata"]["generation"], 9);
        assert_eq!(
            put(json!(2)).refusal_line(),
            "422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.generation: Invalid \
             value: 2: must not be decremented"
        );
    });
}

#[test]
fn an_object_in_deletion_goes_with_its_last_finalizer() {
    replay("going", |client, exports| {
        let path = format!("{exports}/one");
        let mut object = annotated(api_export("one"));
        object["metadata"]["deletionTimestamp"] = json!("2020-01-02T03:04:06Z");
        object["metadata"]["finalizers"] = json!(["example.com/hold"]);
        let mut object = client.post(exports, &object).object(201);
        // The mark stays, also if it is not sent.
        object["metadata"].as_object_mut().unwrap().remove("deletionTimestamp");
        let mut object = client.put(&path, &object).object(200);
        assert_eq!(object["metadata"]["deletionTimestamp"], "2020-01-02T03:04:06Z");
        object["metadata"].as_object_mut().unwrap().remove("finalizers");
        client.put(&path, &object).object(200);
        assert_eq!(client.get(&path).status, 404);
        // Nobody gets the mark by an update.
        let mut live = client.post(exports, &annotated(api_export("live"))).object(201);
        live["metadata"]["deletionTimestamp"] = json!("2020-01-02T03:04:06Z");
        let refusal = client.put(format!("{exports}/live"), &live).refusal();
        assert_eq!(refusal.0, 422);
        assert!(refusal.2.contains("metadata.deletionTimestamp: Invalid value"), "{}", refusal.2);
    });
}

#[test]
fn a_delete_can_demand_which_object() {
    replay("demand", |client, exports| {
        let path = format!("{exports}/one");
        let created = client.post(exports, &api_export("one")).object(201);
        let delete = |options: Value| client.send(&Request::new("DELETE", &path).json(&options));
        let uid = created["metadata"]["uid"].as_str().unwrap();
        assert_eq!(
            delete(json!({"preconditions": {"uid": "another"}})).refusal_line(),
            format!(
                "409 Conflict: Operation cannot be fulfilled on APIExport.apis.kcp.io \"one\": the \
                 UID in the precondition (another) does not match the UID in record ({uid}). The \
                 object might have been deleted and then recreated"
            )
        );
        assert_eq!(
            delete(json!({"preconditions": {"uid": uid, "resourceVersion": "1"}})).refusal_line(),
            format!(
                "409 Conflict: Operation cannot be fulfilled on APIExport.apis.kcp.io \"one\": the \
                 ResourceVersion in the precondition (1) does not match the ResourceVersion in \
                 record ({}). The object might have been modified",
                revision(&created)
            )
        );
        assert_eq!(delete(json!({"dryRun": ["Some"]})).status, 422);
        assert_eq!(delete(json!({"dryRun": ["All"]})).status, 200);
        assert_eq!(delete(json!({"propagationPolicy": "Nope"})).status, 422);
        let garbage = client.send(&Request::new("DELETE", &path).body("nonsense"));
        assert_eq!(garbage.status, 400, "{garbage}");
        assert_eq!(client.get(&path).object(200), created);
        let options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "apis.kcp.io/v1alpha1",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid, "resourceVersion": revision(&created)},
        });
        assert_eq!(delete(options).status, 200);
        assert_eq!(
            client.delete(&path).refusal_line(),
            r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#
        );
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    replay("dry", |client, exports| {
        let path = format!("{exports}/one");
        let dry = client.post(format!("{exports}?dryRun=All"), &api_export("one")).object(201);
        assert_eq!(dry["metadata"]["name"], "one");
        assert_eq!(client.get(&path).status, 404);
        let created = client.post(exports, &api_export("one")).object(201);
        let again = client.post(format!("{exports}?dryRun=All"), &api_export("one"));
        assert_eq!(again.status, 409, "{again}");
        let mut changed = created.clone();
        changed["spec"] = json!({"dry": true});
        let answer = client.put(format!("{path}?dryRun=All"), &changed).object(200);
        assert_eq!(answer["spec"], changed["spec"]);
        assert_eq!(client.delete(format!("{path}?dryRun=All")).status, 200);
        assert_eq!(client.get(&path).object(200), created);
        let refused = client.post(format!("{exports}?dryRun=Some"), &api_export("two"));
        assert_eq!(
            refused.refusal_line(),
            "422 Invalid: CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \
             [\"Some\"]: supported values: \"All\""
        );
    });
}

#[test]
fn versions_of_a_type_show_the_same_object() {
    replay("versions", |client, exports| {
        let newer = exports.replace("v1alpha1", "v1alpha2");
        let created = client.post(exports, &api_export("one")).object(201);
        let mut read = client.get(format!("{newer}/one")).object(200);
        assert_eq!(read["apiVersion"], "apis.kcp.io/v1alpha2");
        assert_eq!(read["spec"], created["spec"]);
        assert_eq!(revision(&read), revision(&created));
        read["spec"] = json!({"resources": [{"group": "example.com"}]});
        let updated = client.put(format!("{newer}/one"), &read).object(200);
        let mut expected = updated.clone();
        expected["apiVersion"] = json!("apis.kcp.io/v1alpha1");
        assert_eq!(client.get(format!("{exports}/one")).object(200), expected);
    });
}

#[test]
fn a_collection_is_deleted_by_selector() {
    replay("collection", |client, exports| {
        for name in ["one", "two", "three"] {
            let labels = json!({"labels": {"odd": if name == "two" { "no" } else { "yes" }}});
            client.post(exports, &export_with(name, labels)).object(201);
        }
        let deleted = client.delete(format!("{exports}?labelSelector=odd=yes")).object(200);
        let names = |list: &Value| -> Vec<String> {
            let items = list["items"].as_array().unwrap().iter();
            items.map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(deleted["kind"], "APIExportList");
        assert_eq!(names(&deleted), ["one", "three"]);
        assert_eq!(names(&client.get(exports).object(200)), ["two"]);
        let none = client.delete(format!("{exports}?labelSelector=odd=yes")).object(200);
        assert_eq!(none["items"], json!([]));
        assert_eq!(client.delete(format!("{exports}?fieldSelector=spec.a=1")).status, 400);
        assert_eq!(names(&client.get(exports).object(200)), ["two"]);
    });
}

#[test]
fn methods_that_do_not_exist_are_named() {
    replay("methods", |client, exports| {
        for method in ["OPTIONS", "FOO"] {
            let answer = client.send(&Request::new(method, exports));
            assert_eq!((answer.status, answer.refusal().1.as_str()), (405, "MethodNotAllowed"));
        }
        let put = client.send(&Request::new("PUT", exports).json(&api_export("x")));
        assert_eq!(put.status, 400, "{put}");
        let head = client.send(&Request::new("HEAD", exports));
        assert_eq!((head.status, head.text().as_str()), (200, ""));
    });
}

#[test]
fn yaml_is_read_as_json_is() {
    replay("yaml", |client, exports| {
        let body = "apiVersion: apis.kcp.io/v1alpha1\nkind: APIExport\nmetadata:\n  name: yaml\n\
                    spec:\n  list: [1, two]\n";
        let post = |body: &str| {
            let request = Request::new("POST", exports).header("Content-Type", "application/yaml");
            client.send(&request.body(body))
        };
        assert_eq!(post(body).object(201)["spec"], json!({"list": [1, "two"]}));
        let flawed = post(&body.replace("  name: yaml", "  name: yaml\n ] oops"));
        assert_eq!(flawed.status, 400, "{flawed}");
    });
}
