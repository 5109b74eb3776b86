//! PATCH by server-side apply: options, bodies, and stories of several who apply.

use serde_json::json;

use super::{APPLY_PATCH, CLUSTER_ROLES, EXPORTS, Kind, MERGE_PATCH, ROLES, check, row, seen};
use crate::support::{Request, Server, at};

/// Why a message about a value is another.
const NO_GO: &str = "a value is told as it is, not as Go holds it in memory";

/// Why a message about YAML is another.
const YAML: &str = "it is another reader of YAML";

/// Why fields have another owner.
const UNTRACKED: &str = "only who applies is tracked: what was there before has one owner";

#[test]
fn the_options_of_an_apply() {
    check(
        "apply-options",
        &[
            row("no manager")
                .patch(APPLY_PATCH, r#"{"metadata":{"name":"one"}}"#)
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch")
                .then("the same"),
            row("an empty manager")
                .patch(APPLY_PATCH, "{}")
                .query("?fieldManager=")
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"),
            row("a manager whose name is no text")
                .patch(APPLY_PATCH, "{}")
                .query("?fieldManager=a%00b")
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\x00b\": invalid character U+0000 (at position 1)"),
            row("a validation that there is not")
                .patch(APPLY_PATCH, EXPORT)
                .query("?fieldManager=me&fieldValidation=Nonsense")
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Nonsense\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""),
            row("a dry run that there is not")
                .patch(APPLY_PATCH, EXPORT)
                .query("?fieldManager=me&dryRun=Some")
                .told("422 Invalid: PatchOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""),
            row("a dry run changes nothing")
                .patch(APPLY_PATCH, EXPORT)
                .query("?fieldManager=me&dryRun=All")
                .told("200 /spec={\"a\":1,\"b\":1}")
                .then("the same"),
            row("a dry run creates nothing")
                .without()
                .patch(APPLY_PATCH, EXPORT)
                .query("?fieldManager=me&dryRun=All")
                .told("201 /spec={\"b\":1} /metadata/annotations=- /metadata/resourceVersion=- /metadata/managedFields/0/manager=\"me\"")
                .then(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
            row("the media type may have parameters")
                .patch("application/apply-patch+yaml; charset=utf-8", EXPORT)
                .query("?fieldManager=me")
                .told("200 /spec={\"a\":1,\"b\":1}"),
            row("a collection")
                .patch(APPLY_PATCH, EXPORT)
                .target("$E")
                .query("?fieldManager=me")
                .told("400 BadRequest: name must be provided"),
            row("a subresource")
                .patch(APPLY_PATCH, EXPORT)
                .target("$E/one/status")
                .query("?fieldManager=me")
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
        ],
    );
}

const EXPORT: &str = r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one"},"spec":{"b":1}}"#;

#[test]
fn what_is_applied_must_be_an_object_of_the_type() {
    let me = "?fieldManager=me";
    check(
        "apply-bodies",
        &[
            row("YAML")
                .patch(APPLY_PATCH, "apiVersion: apis.kcp.io/v1alpha1\nkind: APIExport\nmetadata:\n  name: one\nspec:\n  a: &a {x: 1}\n  b: *a\n  c: \"1\"\n")
                .without()
                .query(me)
                .told("201 /spec={\"a\":{\"x\":1},\"b\":{\"x\":1},\"c\":\"1\"}"),
            row("no kind")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1"}"#)
                .query(me)
                .told("400 BadRequest: invalid object type: apis.kcp.io/v1alpha1, Kind=")
                .then("the same"),
            row("another kind")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"Other"}"#)
                .query(me)
                .told("400 BadRequest: invalid object type: apis.kcp.io/v1alpha1, Kind=Other"),
            row("another version")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha2","kind":"APIExport"}"#)
                .query(me)
                .told("400 BadRequest: invalid object type: apis.kcp.io/v1alpha2, Kind=APIExport"),
            row("no group")
                .patch(APPLY_PATCH, r#"{"apiVersion":"v1","kind":"APIExport"}"#)
                .query(me)
                .told("400 BadRequest: invalid object type: /v1, Kind=APIExport"),
            row("nothing")
                .patch(APPLY_PATCH, "")
                .query(me)
                .told("400 BadRequest: invalid object type: /, Kind="),
            row("null")
                .patch(APPLY_PATCH, "null")
                .query(me)
                .told("400 BadRequest: invalid object type: /, Kind="),
            row("a list")
                .patch(APPLY_PATCH, "[]")
                .query(me)
                .told("400 BadRequest: error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}")
                .here("400 BadRequest: error decoding YAML: expected an object", YAML),
            row("no YAML")
                .patch(APPLY_PATCH, "a: b: c")
                .query(me)
                .told("400 BadRequest: error decoding YAML: …"),
            row("JSON that ends in the middle")
                .patch(APPLY_PATCH, r#"{"apiVersion":"#)
                .query(me)
                .told("400 BadRequest: error decoding YAML: …"),
            row("two documents")
                .patch(APPLY_PATCH, "apiVersion: apis.kcp.io/v1alpha1\nkind: APIExport\nmetadata: {name: one}\n---\nspec: {}\n")
                .query(me)
                .told("200 /spec/a=1")
                .here("400 BadRequest: error decoding YAML: deserializing from YAML containing more than one document is not supported", "what is not read is not applied"),
            row("no name, of what is there")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","spec":{"b":1}}"#)
                .query(me)
                .told("200 /spec={\"a\":1,\"b\":1}"),
            row("no name, of what is not there")
                .without()
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","spec":{"b":1}}"#)
                .query(me)
                .told("400 BadRequest: the name of the object (one based on URL) was undeterminable: name must be provided"),
            row("another name")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"two"}}"#)
                .query(me)
                .told("400 BadRequest: the name of the object (two) does not match the name on the URL (one)")
                .then("the same"),
            row("a name that is none")
                .without()
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"No_Name"}}"#)
                .target("$E/No_Name")
                .query(me)
                .told(r#"422 Invalid: APIExport.apis.kcp.io "No_Name" is invalid: metadata.name: Invalid value: "No_Name": …"#),
            row("another namespace")
                .of(ROLES)
                .without()
                .patch(APPLY_PATCH, r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"one","namespace":"other"}}"#)
                .query(me)
                .told("400 BadRequest: the namespace of the provided object does not match the namespace sent on the request"),
            row("a namespace that the type does not have")
                .without()
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","namespace":"n"},"spec":{"b":1}}"#)
                .query(me)
                .told("201 /metadata/namespace=- /spec={\"b\":1}"),
        ],
    );
}

#[test]
fn what_is_applied_must_be_made_as_objects_are() {
    let me = "?fieldManager=me";
    check(
        "apply-fields",
        &[
            row("fields of the metadata that nobody knows")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","bogus":1}}"#)
                .query(me)
                .told("500 : failed to create typed patch object (/one; apis.kcp.io/v1alpha1, Kind=APIExport): .metadata.bogus: field not declared in schema")
                .then("the same"),
            row("a label that is no text")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","labels":{"a":1}}}"#)
                .query(me)
                .told("500 : failed to create typed patch object (/one; apis.kcp.io/v1alpha1, Kind=APIExport): .metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}")
                .here("500 : failed to create typed patch object (/one; apis.kcp.io/v1alpha1, Kind=APIExport): .metadata.labels.a: expected string, got 1", NO_GO),
            row("a label that is none")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","labels":{"a":"no label!"}}}"#)
                .query(me)
                .told(r#"422 Invalid: APIExport.apis.kcp.io "one" is invalid: metadata.labels: Invalid value: "no label!": …"#),
            row("the same owner twice")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"1"},{"apiVersion":"v1","kind":"Pod","name":"p","uid":"1"}]}}"#)
                .query(me)
                .told("500 : failed to create typed patch object (/one; apis.kcp.io/v1alpha1, Kind=APIExport): .metadata.ownerReferences: duplicate entries for key [uid=\"1\"]"),
            row("managedFields")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","managedFields":[]}}"#)
                .query(me)
                .told("400 BadRequest: metadata.managedFields must be nil"),
            row("managedFields that are null")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","managedFields":null},"spec":{"b":1}}"#)
                .query(me)
                .told("200 /spec/b=1"),
            row("a member that is given twice is warned of, and the last counts")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one"},"spec":{"b":1,"b":2}}"#)
                .query(me)
                .told(r#"200 /spec/b=2 /header/warning="299 - \"line 1: key \\\"b\\\" already set in map\"""#)
                .here(r#"200 /spec/b=2 /header/warning="299 - \"duplicate field \\\"spec.b\\\"\"""#, "as for every other patch"),
            row("or refused")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one"},"spec":{"b":1,"b":2}}"#)
                .query("?fieldManager=me&fieldValidation=Strict")
                .told("400 BadRequest: error strict decoding YAML: …")
                .here("400 BadRequest: APIExport in version \"v1alpha1\" cannot be handled as a APIExport: strict decoding error: duplicate field \"spec.b\"", "as for every other patch")
                .then("the same"),
            row("or overlooked")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one"},"spec":{"b":1,"b":2}}"#)
                .query("?fieldManager=me&fieldValidation=Ignore")
                .told("200 /spec/b=2 /header/warning=-"),
        ],
    );
}

#[test]
fn an_apply_is_of_the_same_object() {
    let me = "?fieldManager=me";
    check(
        "apply-same",
        &[
            row("the revision that it is at")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","resourceVersion":"$rv"},"spec":{"b":1}}"#)
                .query(me)
                .told("200 /spec/b=1"),
            row("another revision")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","resourceVersion":"1"},"spec":{"b":1}}"#)
                .query(me)
                .told(r#"409 Conflict: Operation cannot be fulfilled on apiexports.apis.kcp.io "one": the object has been modified; please apply your changes to the latest version and try again"#)
                .then("the same"),
            row("a revision that is none")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","resourceVersion":"abc"},"spec":{"b":1}}"#)
                .query(me)
                .told(r#"500 : strconv.ParseUint: parsing "abc": invalid syntax"#)
                .then("the same"),
            row("a revision, of what is not there")
                .without()
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","resourceVersion":"1"},"spec":{"b":1}}"#)
                .query(me)
                .told("201 /spec/b=1"),
            row("a revision that is none, of what is not there")
                .without()
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","resourceVersion":"abc"}}"#)
                .query(me)
                .told(r#"500 : strconv.ParseUint: parsing "abc": invalid syntax"#),
            row("another uid")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","uid":"u"}}"#)
                .query(me)
                .told(r#"422 Invalid: APIExport.apis.kcp.io "one" is invalid: metadata.uid: Invalid value: "u": field is immutable"#)
                .then("the same"),
            row("a uid, of what is not there")
                .without()
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","uid":"u"}}"#)
                .query(me)
                .told(r#"409 Conflict: Operation cannot be fulfilled on apiexports.apis.kcp.io "one": uid mismatch: the provided object specified uid u, and no existing object was found"#)
                .then(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
            row("a copy of an object that lives elsewhere keeps what it is")
                .without()
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","annotations":{"kcp.io/shard":"amber"},"generation":4,"creationTimestamp":"2026-01-02T03:04:05Z"}}"#)
                .query(me)
                .told(r#"201 /metadata/generation=4 /metadata/creationTimestamp="2026-01-02T03:04:05Z" /metadata/uid=-"#),
            row("a higher generation")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","generation":7}}"#)
                .query(me)
                .told("200 /metadata/generation=7"),
            row("a mark of deletion")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one","deletionTimestamp":"2026-01-02T03:04:05Z"}}"#)
                .query(me)
                .told(r#"422 Invalid: APIExport.apis.kcp.io "one" is invalid: metadata.deletionTimestamp: Invalid value: "2026-01-02T03:04:05Z": field is immutable"#)
                .then("the same"),
            row("what was there before has an owner")
                .patch(APPLY_PATCH, r#"{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIExport","metadata":{"name":"one"},"spec":{"a":2}}"#)
                .query(me)
                .told(r#"409 Conflict: Apply failed with 1 conflict: conflict with "tests" using apis.kcp.io/v1alpha1: .spec.a"#)
                .here(r#"409 Conflict: Apply failed with 1 conflict: conflict with "before-first-apply" using apis.kcp.io/v1alpha1: .spec.a"#, UNTRACKED)
                .then("the same"),
            row("a list is one field")
                .of(CLUSTER_ROLES)
                .given(json!({"rules": [{"verbs": ["get"]}]}))
                .patch(APPLY_PATCH, r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"one"},"rules":[{"verbs":["list"]}]}"#)
                .query("?fieldManager=me&force=true")
                .told(r#"200 /rules=[{"verbs":["list"]}] /metadata/managedFields/0/manager="me""#),
        ],
    );
}

/// What is asked of the object `one`, one request after the other, and what is told.
struct Story {
    kind: Kind,
    steps: Vec<Step>,
}

struct Step {
    media_type: &'static str,
    query: &'static str,
    fields: &'static str,
    told: &'static str,
    /// Whether it writes nothing.
    same: bool,
}

fn story(kind: Kind) -> Story {
    Story { kind, steps: Vec::new() }
}

impl Story {
    /// Applies these fields.
    fn apply(mut self, query: &'static str, fields: &'static str, told: &'static str) -> Self {
        self.steps.push(Step { media_type: APPLY_PATCH, query, fields, told, same: false });
        self
    }

    fn merge(mut self, fields: &'static str, told: &'static str) -> Self {
        self.steps.push(Step { media_type: MERGE_PATCH, query: "", fields, told, same: false });
        self
    }

    /// The last step writes nothing.
    fn writing_nothing(mut self) -> Self {
        self.steps.last_mut().unwrap().same = true;
        self
    }

    #[track_caller]
    fn check(&self, name: &str) {
        for server in [Server::shared_cache_server(), Server::shared()] {
            let client = server.admin();
            let target = format!("{}/one", at("amber", name, self.kind.collection));
            let mut revision = None;
            for (number, step) in self.steps.iter().enumerate() {
                let mut body: serde_json::Value = serde_json::from_str(step.fields).unwrap();
                if step.media_type == APPLY_PATCH {
                    body["apiVersion"] = self.kind.api_version.into();
                    body["kind"] = self.kind.name.into();
                    body["metadata"]["name"] = "one".into();
                }
                let request = Request::new("PATCH", format!("{target}{}", step.query))
                    .header("Content-Type", step.media_type)
                    .body(body.to_string());
                let answer = client.send(&request);
                assert_eq!(seen(&answer, step.told), step.told, "{name}, step {number}: {body}");
                if answer.status < 300 {
                    let now = answer.json()["metadata"]["resourceVersion"].clone();
                    // The original writes once more, since it then stores its own annotations.
                    if step.same && !server.is_foreign() {
                        assert_eq!(revision.as_ref(), Some(&now), "{name}, step {number}");
                    }
                    revision = Some(now);
                }
            }
        }
    }
}

#[test]
fn a_field_belongs_to_those_who_apply_it() {
    let (a, b) = ("?fieldManager=a", "?fieldManager=b");
    story(EXPORTS)
        .apply(
            a,
            r#"{"metadata":{"labels":{"l":"1"}},"spec":{"x":1,"y":{"z":[1]}}}"#,
            r#"201 /metadata/managedFields/*/manager=["a"] /metadata/managedFields/0/fieldsV1={"f:metadata":{"f:labels":{"f:l":{}}},"f:spec":{".":{},"f:x":{},"f:y":{".":{},"f:z":{}}}} /metadata/managedFields/0/operation="Apply""#,
        )
        .apply(a, r#"{"metadata":{"labels":{"l":"1"}},"spec":{"x":1,"y":{"z":[1]}}}"#, "200")
        .writing_nothing()
        .apply(
            b,
            r#"{"spec":{"x":1,"w":0}}"#,
            r#"200 /metadata/managedFields/*/manager=["a","b"] /metadata/managedFields/1/fieldsV1={"f:spec":{".":{},"f:w":{},"f:x":{}}}"#,
        )
        .apply(a, r#"{"spec":{}}"#, r#"200 /metadata/labels=- /spec={"w":0,"x":1}"#)
        .apply(b, r#"{"spec":{"w":0}}"#, r#"200 /spec={"w":0}"#)
        .check("apply-story-shared");
}

#[test]
fn a_field_of_another_is_a_conflict_or_taken_by_force() {
    let (a, b) = ("?fieldManager=a", "?fieldManager=b&force=false");
    story(EXPORTS)
        .apply(a, r#"{"spec":{"x":1,"l":[1]}}"#, "201")
        .apply(
            b,
            r#"{"spec":{"x":2}}"#,
            "409 Conflict: Apply failed with 1 conflict: conflict with \"a\": .spec.x",
        )
        .apply(
            b,
            r#"{"spec":{"x":2,"l":[2]}}"#,
            "409 Conflict: Apply failed with 2 conflicts: conflicts with \"a\":\n- .spec.l\n- .spec.x",
        )
        .apply(
            b,
            r#"{"spec":{"x":2}}"#,
            r#"409 /details/causes=[{"field":".spec.x","message":"conflict with \"a\"","reason":"FieldManagerConflict"}] /details/name=-"#,
        )
        .apply(
            "?fieldManager=b&force=true",
            r#"{"spec":{"x":2}}"#,
            r#"200 /spec={"l":[1],"x":2} /metadata/managedFields/*/fieldsV1=[{"f:spec":{".":{},"f:l":{}}},{"f:spec":{".":{},"f:x":{}}}]"#,
        )
        .apply(a, r#"{"spec":{"l":[1]}}"#, r#"200 /spec={"l":[1],"x":2}"#)
        .writing_nothing()
        .apply(b, r#"{"spec":{}}"#, r#"200 /spec={"l":[1]}"#)
        .check("apply-story-conflict");
}

#[test]
fn finalizers_and_owners_are_owned_one_by_one() {
    let (a, b) = ("?fieldManager=a", "?fieldManager=b");
    story(EXPORTS)
        .apply(
            a,
            r#"{"metadata":{"finalizers":["x/a"],"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"1"}]}}"#,
            r#"201 /metadata/managedFields/0/fieldsV1={"f:metadata":{"f:finalizers":{"v:\"x/a\"":{}},"f:ownerReferences":{"k:{\"uid\":\"1\"}":{}}}}"#,
        )
        .apply(
            b,
            r#"{"metadata":{"finalizers":["x/b"],"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"q","uid":"2"}]}}"#,
            r#"200 /metadata/finalizers=["x/a","x/b"] /metadata/ownerReferences/*/name=["p","q"]"#,
        )
        .apply(
            b,
            r#"{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"q","uid":"1"}]}}"#,
            "409 Conflict: Apply failed with 1 conflict: conflict with \"a\": .metadata.ownerReferences[uid=\"1\"]",
        )
        .apply(a, "{}", r#"200 /metadata/finalizers=["x/b"] /metadata/ownerReferences/*/name=["q"]"#)
        .check("apply-story-lists");
}

#[test]
fn owners_are_forgotten_when_a_client_says_so() {
    story(EXPORTS)
        .apply("?fieldManager=a", r#"{"spec":{"x":1}}"#, "201")
        .merge(r#"{"metadata":{"managedFields":[]}}"#, r#"200 /metadata/managedFields/*/manager=["a"]"#)
        .merge(r#"{"metadata":{"managedFields":[{}]}}"#, "200 /metadata/managedFields=-")
        .apply(
            "?fieldManager=a",
            r#"{"spec":{"x":2}}"#,
            "409 Conflict: Apply failed with 1 conflict: conflict with \"before-first-apply\" using apis.kcp.io/v1alpha1: .spec.x",
        )
        .apply(
            "?fieldManager=a&force=1",
            r#"{"spec":{"x":2}}"#,
            r#"200 /spec={"x":2} /metadata/managedFields/*/manager=["a","before-first-apply"] /metadata/managedFields/1/fieldsV1={"f:metadata":{"f:annotations":{".":{},"f:kcp.io/cluster":{},"f:kcp.io/shard":{}}},"f:spec":{}}"#,
        )
        .check("apply-story-reset");
}

#[test]
fn who_applies_nothing_any_more_owns_nothing() {
    story(CLUSTER_ROLES)
        .apply(
            "?fieldManager=a",
            r#"{"rules":[{"verbs":["get"]}]}"#,
            r#"201 /metadata/managedFields/0/fieldsV1={"f:rules":{}}"#,
        )
        .apply("?fieldManager=a", "{}", "200 /rules=- /metadata/managedFields=-")
        .check("apply-story-nothing");
}

#[test]
fn many_who_apply_at_once_lose_nothing() {
    let server = Server::shared();
    let target = format!("{}/one", at("amber", "apply-race", EXPORTS.collection));
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let applied = (0..8).map(|number| {
            let (server, target) = (&server, &target);
            scope.spawn(move || {
                let body = json!({"apiVersion": EXPORTS.api_version, "kind": EXPORTS.name,
                    "metadata": {"name": "one"}, "spec": {format!("f{number}"): number}});
                let request = Request::new("PATCH", format!("{target}?fieldManager=m{number}"))
                    .header("Content-Type", APPLY_PATCH)
                    .body(body.to_string());
                server.admin().send(&request).status
            })
        });
        let applied: Vec<_> = applied.collect();
        applied.into_iter().map(|it| it.join().unwrap()).collect()
    });
    // One made it, and the others found it there, however often they had to look.
    assert_eq!(codes.iter().filter(|it| **it == 201).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|it| **it == 200).count(), 7, "{codes:?}");
    let object = server.admin().get(&target).object(200);
    for number in 0..8 {
        assert_eq!(object["spec"][format!("f{number}")], number);
    }
    assert_eq!(object["metadata"]["managedFields"].as_array().map(Vec::len), Some(8));
}
