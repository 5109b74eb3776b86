//! PATCH: JSON patches, merge patches, strategic merge patches of Kubernetes' own types,
//! and what is no patch.

use serde_json::json;

use super::{CLUSTER_ROLES, JSON_PATCH, MERGE_PATCH, ROLES, Row, STRATEGIC_PATCH, check, row};

/// Why the forms that there are are told otherwise.
const ONCE: &str = "each is named once";

#[test]
fn a_patch_changes_what_it_names() {
    check(
        "patches",
        &[
            row("a JSON patch changes what it names")
                .patch(JSON_PATCH, r#"[{"op":"replace","path":"/spec/a","value":2}]"#)
                .told(r#"200 /kind="APIExport" /spec/a=2 /metadata/generation=1"#)
                .then(r"200 /spec/a=2 /metadata/generation=1"),
            row("a JSON patch of several operations, each on what the one before left")
                .patch(
                    JSON_PATCH,
                    r#"[{"op":"add","path":"/spec/l","value":[1]},{"op":"add","path":"/spec/l/-","value":2},
                        {"op":"copy","from":"/spec/a","path":"/spec/c"},{"op":"move","from":"/spec/a","path":"/spec/m"},
                        {"op":"test","path":"/spec/c","value":1},{"op":"remove","path":"/spec/c"}]"#,
                )
                .told("200 /spec/l=[1,2] /spec/m=1 /spec/a=- /spec/c=-"),
            row("a JSON patch that changes nothing writes nothing")
                .patch(JSON_PATCH, r#"[{"op":"replace","path":"/spec/a","value":1}]"#)
                .told(r#"200 /metadata/resourceVersion="$rv""#)
                .then("the same"),
            row("an empty JSON patch writes nothing")
                .patch(JSON_PATCH, "[]")
                .told(r#"200 /metadata/resourceVersion="$rv""#)
                .then("the same"),
            row("a merge patch changes, adds and removes")
                .given(json!({"spec": {"a": 1, "b": {"c": 1, "d": 2}}, "status": {"s": 1}}))
                .patch(MERGE_PATCH, r#"{"spec":{"b":{"c":null,"e":[3]}},"status":null,"other":"x"}"#)
                .told(r#"200 /spec={"a":1,"b":{"d":2,"e":[3]}} /status=- /other="x""#)
                .then(r#"200 /spec/b={"d":2,"e":[3]}"#),
            row("a merge patch that changes nothing writes nothing")
                .patch(MERGE_PATCH, r#"{"spec":{"a":1}}"#)
                .told(r#"200 /metadata/resourceVersion="$rv""#)
                .then("the same"),
            row("a merge patch of labels")
                .patch(MERGE_PATCH, r#"{"metadata":{"labels":{"colour":"red"}}}"#)
                .told(r#"200 /metadata/labels={"colour":"red"} /metadata/generation=1"#),
            row("a media type may have parameters")
                .patch("application/merge-patch+json; charset=utf-8", r#"{"spec":{"a":2}}"#)
                .told("200 /spec/a=2"),
            row("a strategic merge patch of a type of Kubernetes")
                .of(CLUSTER_ROLES)
                .given(json!({"rules": [{"verbs": ["get"]}]}))
                .patch(STRATEGIC_PATCH, r#"{"metadata":{"labels":{"a":"b"}}}"#)
                .told(r#"200 /metadata/labels={"a":"b"} /rules=[{"verbs":["get"]}]"#),
            row("one of a type of kcp is not understood")
                .patch(STRATEGIC_PATCH, r#"{"spec":{"a":2}}"#)
                .told("415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, application/apply-patch+yaml")
                .here(NOT_A_PATCH, ONCE)
                .then("the same"),
        ],
    );
}

const NOT_A_PATCH: &str = "415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

fn is_no_patch(media_type: &'static str, what: &'static str) -> Row {
    row(what)
        .patch(media_type, "{}")
        .told("415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, application/apply-patch+yaml")
        .here(NOT_A_PATCH, ONCE)
        .then("the same")
}

#[test]
fn what_is_no_patch_is_refused_with_what_is_one() {
    check(
        "no-patches",
        &[
            is_no_patch("application/json", "JSON is no patch"),
            is_no_patch("text/plain", "text is no patch"),
            is_no_patch("application/yaml", "YAML is no patch"),
            is_no_patch("application/vnd.kubernetes.protobuf", "protobuf is no patch"),
            is_no_patch("", "without a media type it is none"),
            row("a patch of a collection that is none")
                .patch("application/json", "{}")
                .target("$E")
                .told("415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, application/apply-patch+yaml")
                .here(NOT_A_PATCH, ONCE),
            row("a patch of a collection")
                .patch(MERGE_PATCH, "{}")
                .target("$E")
                .told("400 BadRequest: name must be provided"),
            row("a patch of a subresource")
                .patch(MERGE_PATCH, "{}")
                .target("$E/one/status")
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
            row("a patch of what is not there")
                .without()
                .patch(MERGE_PATCH, r#"{"spec":{"a":2}}"#)
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
            row("a JSON patch of what is not there")
                .without()
                .patch(JSON_PATCH, "[]")
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
        ],
    );
}

#[test]
fn a_patch_that_cannot_be_read_or_does_not_fit_changes_nothing() {
    check(
        "bad-patches",
        &[
            row("a JSON patch that is an object")
                .patch(JSON_PATCH, r#"{"a":1}"#)
                .told("400 BadRequest: error decoding patch: …")
                .then("the same"),
            row("a JSON patch that is no JSON")
                .patch(JSON_PATCH, "nonsense")
                .told("400 BadRequest: error decoding patch: …")
                .then("the same"),
            row("a JSON patch that ends in the middle")
                .patch(JSON_PATCH, r#"[{"op":"replace""#)
                .told("400 BadRequest: error decoding patch: …")
                .then("the same"),
            row("a JSON patch with an operation that nobody knows")
                .patch(JSON_PATCH, r#"[{"op":"burn","path":"/spec"}]"#)
                .told("422 Invalid: …")
                .here("400 BadRequest: error decoding patch: …", "it cannot be read")
                .then("the same"),
            row("an empty JSON patch body")
                .patch(JSON_PATCH, "")
                .told("400 BadRequest: error decoding patch: …")
                .then("the same"),
            row("a merge patch that is no JSON")
                .patch(MERGE_PATCH, "nonsense")
                .told("400 BadRequest: error decoding patch: …")
                .then("the same"),
            row("a merge patch that is a list")
                .patch(MERGE_PATCH, "[]")
                .told("400 BadRequest: error decoding patch: …")
                .then("the same"),
            row("a merge patch that is a number")
                .patch(MERGE_PATCH, "1")
                .told("400 BadRequest: error decoding patch: …")
                .then("the same"),
            row("a merge patch without a body")
                .patch(MERGE_PATCH, "")
                .told("400 BadRequest: error decoding patch: …")
                .then("the same"),
            row("a test that fails")
                .patch(
                    JSON_PATCH,
                    r#"[{"op":"replace","path":"/spec/a","value":2},{"op":"test","path":"/spec/a","value":1}]"#,
                )
                .told("422 Invalid: the server rejected our request due to an error in our request")
                .here("422 Invalid: …", "it says which operation failed")
                .then("the same"),
            row("a place that is not there")
                .patch(JSON_PATCH, r#"[{"op":"replace","path":"/spec/none/x","value":3}]"#)
                .told("422 Invalid: the server rejected our request due to an error in our request")
                .here("422 Invalid: …", "it says which operation failed")
                .then("the same"),
            row("an index that is not there")
                .patch(JSON_PATCH, r#"[{"op":"add","path":"/spec/a/7","value":3}]"#)
                .told("422 Invalid: the server rejected our request due to an error in our request")
                .here("422 Invalid: …", "it says which operation failed")
                .then("the same"),
            row("nothing is left of the object")
                .patch(JSON_PATCH, r#"[{"op":"replace","path":"","value":1}]"#)
                .told("422 Invalid: …")
                .then("the same"),
            row("the metadata is gone")
                .patch(JSON_PATCH, r#"[{"op":"remove","path":"/metadata"}]"#)
                .told("400 BadRequest: the name of the object (one based on URL) was undeterminable: name must be provided")
                .then("the same"),
            row("a field of the metadata is of another type")
                .patch(MERGE_PATCH, r#"{"metadata":{"labels":{"a":1}}}"#)
                .told("422 Invalid: …")
                .then("the same"),
            row("a label that is none")
                .patch(MERGE_PATCH, r#"{"metadata":{"labels":{"a":"no label!"}}}"#)
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.labels: Invalid value: \"no label!\": …")
                .then("the same"),
        ],
    );
}

#[test]
fn a_patch_is_of_the_same_object() {
    check(
        "same-patches",
        &[
            row("a revision that it is at")
                .patch(MERGE_PATCH, r#"{"metadata":{"resourceVersion":"$rv"},"spec":{"a":2}}"#)
                .told("200 /spec/a=2"),
            row("another revision")
                .patch(MERGE_PATCH, r#"{"metadata":{"resourceVersion":"1"},"spec":{"a":2}}"#)
                .told("409 Conflict: Operation cannot be fulfilled on apiexports.apis.kcp.io \"one\": the object has been modified; please apply your changes to the latest version and try again")
                .then("the same"),
            row("another revision, by a JSON patch")
                .patch(JSON_PATCH, r#"[{"op":"replace","path":"/metadata/resourceVersion","value":"1"}]"#)
                .told("409 Conflict: Operation cannot be fulfilled on apiexports.apis.kcp.io \"one\": the object has been modified; please apply your changes to the latest version and try again")
                .then("the same"),
            row("no revision")
                .patch(MERGE_PATCH, r#"{"metadata":{"resourceVersion":null},"spec":{"a":2}}"#)
                .told("422 Invalid: apiexports.apis.kcp.io \"one\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update")
                .then("the same"),
            row("another uid")
                .patch(MERGE_PATCH, r#"{"metadata":{"uid":"another"}}"#)
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.uid: Invalid value: \"another\": field is immutable")
                .then("the same"),
            row("no uid")
                .patch(MERGE_PATCH, r#"{"metadata":{"uid":null}}"#)
                .told(r#"200 /metadata/uid="$uid" /metadata/resourceVersion="$rv""#)
                .then("the same"),
            row("another name")
                .patch(MERGE_PATCH, r#"{"metadata":{"name":"two"}}"#)
                .told("400 BadRequest: the name of the object (two) does not match the name on the URL (one)")
                .then("the same"),
            row("no name")
                .patch(MERGE_PATCH, r#"{"metadata":{"name":null}}"#)
                .told("400 BadRequest: …")
                .then("the same"),
            row("a namespace, of a type that has none")
                .patch(MERGE_PATCH, r#"{"metadata":{"namespace":"other"}}"#)
                .told(r#"200 /metadata/namespace=- /metadata/resourceVersion="$rv""#)
                .then("the same"),
            row("another namespace")
                .of(ROLES)
                .given(json!({}))
                .patch(MERGE_PATCH, r#"{"metadata":{"namespace":"other"}}"#)
                .told("400 BadRequest: the namespace of the provided object does not match the namespace sent on the request")
                .then("the same"),
            row("another kind")
                .patch(MERGE_PATCH, r#"{"kind":"Other"}"#)
                .told("422 Invalid: …")
                .then("the same"),
            row("another version")
                .patch(MERGE_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha2"}"#)
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: apiVersion: Invalid value: \"apis.kcp.io/v1alpha2\": must be apis.kcp.io/v1alpha1")
                .then("the same"),
            row("no kind")
                .patch(MERGE_PATCH, r#"{"kind":null}"#)
                .told("422 Invalid: …")
                .then("the same"),
            row("another time of creation is overlooked")
                .patch(MERGE_PATCH, r#"{"metadata":{"creationTimestamp":"1999-01-01T00:00:00Z"}}"#)
                .told(r#"200 /metadata/resourceVersion="$rv""#)
                .then("the same"),
            row("a mark of deletion")
                .patch(MERGE_PATCH, r#"{"metadata":{"deletionTimestamp":"2020-01-02T03:04:06Z"}}"#)
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.deletionTimestamp: Invalid value: \"2020-01-02T03:04:06Z\": field is immutable")
                .then("the same"),
            row("a generation is raised")
                .patch(MERGE_PATCH, r#"{"metadata":{"generation":9}}"#)
                .told("200 /metadata/generation=9")
                .then("200 /metadata/generation=9"),
            row("a generation is not lowered")
                .given(json!({"metadata": {"annotations": {"kcp.io/shard": "amber"}, "uid": "u", "generation": 8}}))
                .patch(MERGE_PATCH, r#"{"metadata":{"generation":2}}"#)
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.generation: Invalid value: 2: must not be decremented")
                .then("the same"),
            row("a generation does not follow the spec")
                .given(json!({"metadata": {"annotations": {"kcp.io/shard": "amber"}, "uid": "u", "generation": 8}}))
                .patch(MERGE_PATCH, r#"{"spec":{"changed":true}}"#)
                .told(r#"200 /metadata/generation=8 /metadata/uid="u" /spec/changed=true"#),
            row("the annotations of the server say what they say")
                .patch(MERGE_PATCH, r#"{"metadata":{"annotations":{"kcp.io/shard":"other","kcp.io/cluster":"elsewhere"}}}"#)
                .told(r#"200 /metadata/annotations/kcp.io~1shard="amber""#)
                .then(r#"200 /metadata/annotations/kcp.io~1shard="amber""#),
            row("the last finalizer of an object in deletion")
                .given(json!({"metadata": {
                    "annotations": {"kcp.io/shard": "amber"}, "uid": "u",
                    "deletionTimestamp": "2020-01-02T03:04:06Z", "finalizers": ["example.com/hold"],
                }}))
                .patch(MERGE_PATCH, r#"{"metadata":{"finalizers":null}}"#)
                .told("200")
                .then("404"),
        ],
    );
}

#[test]
fn a_patch_has_options() {
    check(
        "patch-options",
        &[
            row("a dry run shows and writes nothing")
                .patch(MERGE_PATCH, r#"{"spec":{"a":2}}"#)
                .query("?dryRun=All")
                .told(r#"200 /spec/a=2 /metadata/resourceVersion="$rv""#)
                .then("the same"),
            row("a dry run of a part")
                .patch(MERGE_PATCH, r#"{"spec":{"a":2}}"#)
                .query("?dryRun=Some")
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"")
                .then("the same"),
            row("fields that nobody knows are warned of")
                .patch(MERGE_PATCH, r#"{"metadata":{"lables":{"a":"b"}},"spec":{"a":2}}"#)
                .told(r#"200 /header/warning="299 - \"unknown field \\\"metadata.lables\\\"\"" /spec/a=2 /metadata/lables=-"#),
            row("or refused, if that is wanted")
                .patch(MERGE_PATCH, r#"{"metadata":{"lables":{"a":"b"}}}"#)
                .query("?fieldValidation=Strict")
                .told("422 Invalid: …")
                .then("the same"),
            row("or overlooked")
                .patch(MERGE_PATCH, r#"{"metadata":{"lables":{"a":"b"}},"spec":{"a":2}}"#)
                .query("?fieldValidation=Ignore")
                .told("200 /header/warning=- /spec/a=2"),
            row("fields that are given twice are warned of, and the last counts")
                .patch(MERGE_PATCH, r#"{"spec":{"a":2,"a":3}}"#)
                .told(r#"200 /header/warning="299 - \"duplicate field \\\"spec.a\\\"\"" /spec/a=3"#),
            row("or refused")
                .patch(MERGE_PATCH, r#"{"spec":{"a":2,"a":3}}"#)
                .query("?fieldValidation=Strict")
                .told("422 Invalid: …")
                .then("the same"),
            row("an operation with a member that means nothing")
                .patch(JSON_PATCH, r#"[{"op":"add","path":"/spec/b","value":1,"nope":1}]"#)
                .told(r#"200 /header/warning="299 - \"json patch unknown field \\\"[0].nope\\\"\"" /spec/b=1"#),
            row("an operation with a member that is given twice")
                .patch(JSON_PATCH, r#"[{"op":"add","op":"add","path":"/spec/b","value":1}]"#)
                .told(r#"200 /header/warning="299 - \"json patch duplicate field \\\"[0].op\\\"\"" /spec/b=1"#),
            row("strict, and nothing to say")
                .patch(MERGE_PATCH, r#"{"spec":{"a":2}}"#)
                .query("?fieldValidation=Strict")
                .told("200 /spec/a=2"),
            row("a validation that there is not")
                .patch(MERGE_PATCH, "{}")
                .query("?fieldValidation=Nonsense")
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Nonsense\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""),
            row("force is for server-side apply")
                .patch(MERGE_PATCH, r#"{"spec":{"a":2}}"#)
                .query("?force=true")
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch")
                .then("the same"),
            row("a manager whose name is no text")
                .patch(MERGE_PATCH, r#"{"spec":{"a":2}}"#)
                .query("?fieldManager=a%00b")
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\x00b\": invalid character U+0000 (at position 1)")
                .then("the same"),
        ],
    );
}
