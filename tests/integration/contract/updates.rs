//! PUT: what an update can change, what it keeps, and what it is refused for.

use serde_json::json;

use super::{Body, ROLES, check, row};

const STALE: &str = "409 Conflict: Operation cannot be fulfilled on apiexports.apis.kcp.io \"one\": the object has been modified; please apply your changes to the latest version and try again";
const NO_REVISION: &str = "422 Invalid: apiexports.apis.kcp.io \"one\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update";

#[test]
fn an_update_changes_what_may_change() {
    let copy = json!({"metadata": {"annotations": {"kcp.io/shard": "amber"}, "uid": "u", "generation": 8}, "spec": {"a": 1}});
    check(
        "updates",
        &[
            row("spec and status in one request")
                .put(json!({"spec": {"a": 2}, "status": {"s": 1}}))
                .told(r#"200 /spec/a=2 /status={"s":1} /metadata/generation=1"#)
                .then(r#"200 /spec/a=2 /status={"s":1}"#),
            row("a status that is left out is gone")
                .given(json!({"status": {"s": 1}}))
                .put(json!({"status": null}))
                .told("200 /status=-"),
            row("the generation of a copy does not follow its spec")
                .given(copy.clone())
                .put(json!({"spec": {"a": 2}}))
                .told("200 /metadata/generation=8"),
            row("it is raised by hand")
                .given(copy.clone())
                .put(json!({"metadata": {"generation": 55}}))
                .told("200 /metadata/generation=55")
                .then("200 /metadata/generation=55"),
            row("it is never lowered")
                .given(copy.clone())
                .put(json!({"metadata": {"generation": 2}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.generation: Invalid value: 2: must not be decremented")
                .then("the same"),
            row("and not below nothing")
                .given(copy.clone())
                .put(json!({"metadata": {"generation": -1}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: [metadata.generation: Invalid value: -1: must be greater than or equal to 0, metadata.generation: Invalid value: -1: must not be decremented]")
                .then("the same"),
            row("without one it stays")
                .given(copy.clone())
                .put(json!({"metadata": {"generation": null}, "spec": {"a": 2}}))
                .told("200 /metadata/generation=8"),
            row("the time of creation stays")
                .given(json!({"metadata": {"annotations": {"kcp.io/shard": "amber"}, "creationTimestamp": "2020-01-02T03:04:05Z"}}))
                .put(json!({"metadata": {"creationTimestamp": "1999-01-01T00:00:00Z"}}))
                .told(r#"200 /metadata/creationTimestamp="2020-01-02T03:04:05Z""#)
                .then("the same"),
            row("the uid stays if it is left out")
                .put(json!({"metadata": {"uid": null}, "spec": {"a": 2}}))
                .told(r#"200 /metadata/uid="$uid" /spec/a=2"#),
            row("the annotations of the server are of the path, whatever is sent")
                .put(json!({"metadata": {"annotations": {"kcp.io/shard": "other", "kcp.io/cluster": "elsewhere"}}, "spec": {"a": 2}}))
                .told(r#"200 /metadata/annotations/kcp.io~1shard="amber""#)
                .then(r#"200 /metadata/annotations/kcp.io~1shard="amber""#),
            row("a namespace in the body of a type without any is dropped")
                .put(json!({"metadata": {"namespace": "default"}, "spec": {"a": 2}}))
                .told("200 /metadata/namespace=- /spec/a=2"),
            row("a revision with zeros before it")
                .put(json!({"metadata": {"resourceVersion": "0$rv"}, "spec": {"a": 2}}))
                .told("200 /spec/a=2"),
            row("managed fields stay if none are sent")
                .given(json!({"metadata": {"managedFields": [{"manager": "kcp", "operation": "Update", "apiVersion": "apis.kcp.io/v1alpha1", "time": "2020-01-02T03:04:05Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {".": {}, "f:a": {}}}}]}, "spec": {"a": 1}}))
                .put(json!({"metadata": {"managedFields": null}}))
                .told(r#"200 /metadata/managedFields/*/operation=["Update"]"#),
            row("one empty entry removes them")
                .given(json!({"metadata": {"managedFields": [{"manager": "kcp", "operation": "Update", "apiVersion": "apis.kcp.io/v1alpha1", "time": "2020-01-02T03:04:05Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {".": {}, "f:a": {}}}}]}, "spec": {"a": 1}}))
                .put(json!({"metadata": {"managedFields": [{}]}}))
                .told("200 /metadata/managedFields=-"),
            row("the last finalizer of an object in deletion")
                .given(json!({"metadata": {"annotations": {"kcp.io/shard": "amber"}, "uid": "u", "deletionTimestamp": "2020-01-02T03:04:06Z", "finalizers": ["a.b/c"]}}))
                .put(json!({"metadata": {"finalizers": null}}))
                .told(r#"200 /metadata/uid="u" /metadata/resourceVersion="$rv""#)
                .then("404"),
            row("one of two")
                .given(json!({"metadata": {"annotations": {"kcp.io/shard": "amber"}, "uid": "u", "deletionTimestamp": "2020-01-02T03:04:06Z", "finalizers": ["a.b/c", "a.b/d"]}}))
                .put(json!({"metadata": {"finalizers": ["a.b/d"], "deletionTimestamp": null}}))
                .told(r#"200 /metadata/finalizers=["a.b/d"] /metadata/deletionTimestamp="2020-01-02T03:04:06Z""#),
            row("a dry run")
                .put(json!({"spec": {"a": 2}}))
                .query("?dryRun=All")
                .told(r#"200 /spec/a=2 /metadata/resourceVersion="$rv""#)
                .then("the same"),
            row("through an identity, which means nothing for built-in types")
                .put(json!({"spec": {"a": 2}}))
                .target("$E:some-identity/one")
                .told("200 /spec/a=2"),
        ],
    );
}

#[test]
fn an_update_is_of_the_object_and_the_revision_that_it_names() {
    check(
        "no-updates",
        &[
            row("another revision")
                .put(json!({"metadata": {"resourceVersion": "1"}, "spec": {"a": 2}}))
                .told(STALE)
                .then("the same"),
            row("a revision of the future")
                .put(json!({"metadata": {"resourceVersion": "18446744073709551615"}, "spec": {"a": 2}}))
                .told(STALE)
                .then("the same"),
            row("no revision")
                .put(json!({"metadata": {"resourceVersion": null}, "spec": {"a": 2}}))
                .told(NO_REVISION)
                .then("the same"),
            row("a revision of nothing")
                .put(json!({"metadata": {"resourceVersion": "0"}, "spec": {"a": 2}}))
                .told(NO_REVISION)
                .then("the same"),
            row("a revision that is no number")
                .put(json!({"metadata": {"resourceVersion": "abc"}, "spec": {"a": 2}}))
                .told("500 : strconv.ParseUint: parsing \"abc\": invalid syntax")
                .then("the same"),
            row("a revision of another type")
                .put(json!({"metadata": {"resourceVersion": 5}, "spec": {"a": 2}}))
                .told("400 BadRequest: APIExport in version \"v1alpha1\" cannot be handled as a APIExport: …")
                .then("the same"),
            row("another uid wins over another revision")
                .put(json!({"metadata": {"uid": "another", "resourceVersion": "1"}}))
                .told("409 Conflict: Operation cannot be fulfilled on apiexports.apis.kcp.io \"one\": StorageError: invalid object, Code: 4, Key: …")
                .then("the same"),
            row("another name")
                .put(json!({"metadata": {"name": "two"}}))
                .told("400 BadRequest: the name of the object (two) does not match the name on the URL (one)")
                .then("the same"),
            row("no name")
                .put(json!({"metadata": null}))
                .told("400 BadRequest: the name of the object (one based on URL) was undeterminable: name must be provided")
                .then("the same"),
            row("no object: nothing is created")
                .without()
                .asked("PUT", "$E/one", Body::Object(json!({"metadata": {"resourceVersion": "5"}})))
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#)
                .then("404"),
            row("no object, and no revision: nothing is created either")
                .without()
                .asked("PUT", "$E/one", Body::Object(json!({})))
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#)
                .then("404"),
            row("no object of a name that cannot be")
                .without()
                .asked("PUT", "$E/Bad_Name", Body::Object(json!({"metadata": {"name": "Bad_Name", "resourceVersion": "5"}})))
                .told(r#"404 NotFound: apiexports.apis.kcp.io "Bad_Name" not found"#),
            row("another kind")
                .put(json!({"kind": "Other"}))
                .told("422 Invalid: Other.apis.kcp.io \"one\" is invalid: kind: Invalid value: \"Other\": must be APIExport")
                .then("the same"),
            row("another version")
                .put(json!({"apiVersion": "apis.kcp.io/v1alpha2"}))
                .told("400 BadRequest: the API version in the data (apis.kcp.io/v1alpha2) does not match the expected API version (apis.kcp.io/v1alpha1)")
                .then("the same"),
            row("another namespace")
                .of(ROLES)
                .given(json!({}))
                .put(json!({"metadata": {"namespace": "other"}}))
                .told("400 BadRequest: the namespace of the provided object does not match the namespace sent on the request")
                .then("the same"),
            row("a mark of deletion")
                .put(json!({"metadata": {"deletionTimestamp": "2020-01-02T03:04:06Z"}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.deletionTimestamp: Invalid value: \"2020-01-02T03:04:06Z\": field is immutable")
                .then("the same"),
            row("labels that are none")
                .put(json!({"metadata": {"labels": {"bad key!": "b"}}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.labels: Invalid value: \"bad key!\": …")
                .then("the same"),
            row("fields that nobody knows, if they are not wanted")
                .put(json!({"metadata": {"unknown": 1}}))
                .query("?fieldValidation=Strict")
                .told("400 BadRequest: APIExport in version \"v1alpha1\" cannot be handled as a APIExport: strict decoding error: unknown field \"metadata.unknown\"")
                .then("the same"),
            row("a collection")
                .put(json!({}))
                .target("$E")
                .told("400 BadRequest: name must be provided")
                .then("the same"),
            row("a subresource")
                .put(json!({"spec": {"a": 2}}))
                .target("$E/one/status")
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#)
                .then("the same"),
            row("a manager whose name is no text")
                .put(json!({"spec": {"a": 2}}))
                .query("?fieldManager=a%00b")
                .told("422 Invalid: UpdateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\x00b\": invalid character U+0000 (at position 1)")
                .then("the same"),
        ],
    );
}
