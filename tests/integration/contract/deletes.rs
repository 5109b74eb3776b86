//! DELETE: one object with every form of a body, and whole collections.

use serde_json::json;

use super::{EXPORTS, ROLES, Row, check, row};

/// What a deletion says.
const DELETED: &str = r#"200 /kind="Status" /status="Success" /details={"group":"apis.kcp.io","kind":"apiexports","name":"one","uid":"$uid"}"#;

fn deletes(what: &'static str, body: &'static str) -> Row {
    row(what).delete(body).told(DELETED).then("404")
}

#[test]
fn a_delete_says_what_went_whatever_form_its_body_has() {
    check(
        "deletes",
        &[
            deletes("no body", ""),
            deletes("an empty object", "{}"),
            deletes("options of the type's own version", r#"{"kind":"DeleteOptions","apiVersion":"apis.kcp.io/v1alpha1"}"#),
            deletes("options of the core version", r#"{"kind":"DeleteOptions","apiVersion":"v1"}"#),
            deletes("options of meta", r#"{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/v1"}"#),
            deletes("options of another group", r#"{"kind":"DeleteOptions","apiVersion":"rbac.authorization.k8s.io/v1"}"#),
            deletes("options with a field that nobody knows", r#"{"kind":"DeleteOptions","apiVersion":"v1","unknown":1}"#),
            deletes("fields that are null", r#"{"preconditions":null,"propagationPolicy":null,"dryRun":null,"gracePeriodSeconds":null}"#),
            deletes("a grace period", r#"{"gracePeriodSeconds":30}"#),
            deletes("a grace period of nothing", r#"{"gracePeriodSeconds":0}"#),
            deletes("a negative one", r#"{"gracePeriodSeconds":-1}"#),
            deletes("foreground", r#"{"propagationPolicy":"Foreground"}"#),
            deletes("background", r#"{"propagationPolicy":"Background"}"#),
            deletes("orphans", r#"{"propagationPolicy":"Orphan"}"#),
            deletes("orphans in the old way", r#"{"orphanDependents":true}"#),
            deletes("the object that it is", r#"{"preconditions":{"uid":"$uid","resourceVersion":"$rv"}}"#),
            deletes("preconditions of nothing", r#"{"preconditions":{}}"#),
            deletes("a policy in the query", "").query("?propagationPolicy=Orphan&gracePeriodSeconds=5"),
            deletes("selectors mean nothing for one object", "").query("?labelSelector=none&fieldSelector=metadata.name%3Dnobody"),
            deletes("finalizers hold nothing", "").given(json!({"metadata": {"finalizers": ["example.com/hold"]}})),
            deletes("finalizers hold nothing, also in the foreground", r#"{"propagationPolicy":"Foreground"}"#)
                .given(json!({"metadata": {"finalizers": ["foregroundDeletion"]}})),
            deletes("YAML", "propagationPolicy: Background\n").header("Content-Type", "application/yaml"),
            row("one of a namespace")
                .of(ROLES)
                .given(json!({}))
                .delete("")
                .told(r#"200 /details={"group":"rbac.authorization.k8s.io","kind":"roles","name":"one","uid":"$uid"}"#)
                .then("404"),
        ],
    );
}

fn refused(what: &'static str, body: &'static str, told: &'static str) -> Row {
    row(what).delete(body).told(told).then("the same")
}

#[test]
fn a_delete_that_cannot_be_meant_deletes_nothing() {
    check(
        "no-deletes",
        &[
            row("what is not there")
                .without()
                .delete("")
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
            row("what is not there, and a precondition")
                .without()
                .delete(r#"{"preconditions":{"uid":"another"}}"#)
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
            refused(
                "another uid",
                r#"{"preconditions":{"uid":"another"}}"#,
                "409 Conflict: Operation cannot be fulfilled on APIExport.apis.kcp.io \"one\": the UID in the precondition (another) does not match the UID in record ($uid). The object might have been deleted and then recreated",
            ),
            refused(
                "another revision",
                r#"{"preconditions":{"resourceVersion":"1"}}"#,
                "409 Conflict: Operation cannot be fulfilled on APIExport.apis.kcp.io \"one\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ($rv). The object might have been modified",
            ),
            refused(
                "the uid that it has, and another revision",
                r#"{"preconditions":{"uid":"$uid","resourceVersion":"1"}}"#,
                "409 Conflict: …",
            ),
            refused(
                "a precondition, and a dry run",
                r#"{"preconditions":{"uid":"another"},"dryRun":["All"]}"#,
                "409 Conflict: …",
            ),
            refused(
                "a policy that there is not",
                r#"{"propagationPolicy":"Nope"}"#,
                "422 Invalid: DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Nope\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
            ),
            refused(
                "two policies",
                r#"{"propagationPolicy":"Foreground","orphanDependents":true}"#,
                "422 Invalid: DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Foreground\": orphanDependents and deletionPropagation cannot be both set",
            ),
            refused(
                "a dry run of a part",
                r#"{"dryRun":["Some"]}"#,
                "422 Invalid: DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
            ),
            refused("no JSON", "nonsense", "400 BadRequest: …"),
            refused("a list", "[]", "400 BadRequest: …"),
            refused("a text", "\"x\"", "400 BadRequest: …"),
            refused("fields of another type", r#"{"gracePeriodSeconds":"x"}"#, "400 BadRequest: …"),
            refused("options of another type", r#"{"preconditions":5}"#, "400 BadRequest: …"),
            refused("another kind", r#"{"kind":"Nope","apiVersion":"v1"}"#, "400 BadRequest: …"),
            refused(
                "text",
                "{}",
                "415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
            )
            .header("Content-Type", "text/plain")
            .here(
                "415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
                "no protobuf here",
            ),
            row("a subresource")
                .delete("")
                .target("$E/one/status")
                .told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#)
                .then("the same"),
            row("a dry run says what would go")
                .delete(r#"{"dryRun":["All"]}"#)
                .told(DELETED)
                .then("the same"),
            row("a dry run in the query").delete("").query("?dryRun=All").told(DELETED).then("the same"),
            row("a dry run shows an object with finalizers")
                .given(json!({"metadata": {"finalizers": ["example.com/hold"]}}))
                .delete("")
                .query("?dryRun=All")
                .told(r#"200 /kind="APIExport" /metadata/uid="$uid" /metadata/resourceVersion="$rv""#)
                .then("the same"),
        ],
    );
}

fn purges(what: &'static str, query: &'static str) -> Row {
    row(what)
        .given(json!({"metadata": {"labels": {"odd": "yes"}}}))
        .delete("")
        .target("$E")
        .query(query)
}

#[test]
fn a_collection_is_deleted_as_far_as_it_is_meant() {
    check(
        "purges",
        &[
            purges("everything", "")
                .told(r#"200 /apiVersion="apis.kcp.io/v1alpha1" /kind="APIExportList" /items/*/metadata/name=["one"] /metadata/continue="""#)
                .then("404"),
            purges("by label", "?labelSelector=odd%3Dyes")
                .told(r#"200 /items/*/metadata/name=["one"]"#)
                .then("404"),
            purges("by a label that it has not", "?labelSelector=odd%3Dno")
                .told("200 /items=[]")
                .then("the same"),
            purges("by name", "?fieldSelector=metadata.name%3Done")
                .told(r#"200 /items/*/metadata/name=["one"]"#)
                .then("404"),
            purges("by another name", "?fieldSelector=metadata.name%3Dtwo")
                .told("200 /items=[]")
                .then("the same"),
            purges("at most so many", "?limit=1")
                .told(r#"200 /items/*/metadata/name=["one"]"#)
                .then("404"),
            purges("a dry run", "?dryRun=All")
                .told(r#"200 /items/*/metadata/name=["one"]"#)
                .then("the same"),
            purges("a selector that means nothing", "?labelSelector=bad%20!!")
                .told("400 BadRequest: unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt")
                .then("the same"),
            purges("a field that is not there", "?fieldSelector=spec.a%3D1")
                .told("400 BadRequest: field label not supported: spec.a")
                .then("the same"),
            purges("options", "")
                .asked("DELETE", "$E", super::Body::Text(r#"{"kind":"DeleteOptions","apiVersion":"apis.kcp.io/v1alpha1"}"#))
                .told(r#"200 /items/*/metadata/name=["one"]"#)
                .then("404"),
            purges("a precondition that holds", "")
                .asked("DELETE", "$E", super::Body::Text(r#"{"preconditions":{"uid":"$uid"}}"#))
                .told(r#"200 /items/*/metadata/name=["one"]"#)
                .then("404"),
            purges("a precondition that does not", "")
                .asked("DELETE", "$E", super::Body::Text(r#"{"preconditions":{"uid":"another"}}"#))
                .told("409 Conflict: Operation cannot be fulfilled on APIExport.apis.kcp.io \"one\": the UID in the precondition (another) does not match the UID in record ($uid). The object might have been deleted and then recreated")
                .then("the same"),
            purges("finalizers hold nothing", "")
                .given(json!({"metadata": {"finalizers": ["example.com/hold"]}}))
                .told(r#"200 /items/*/metadata/name=["one"]"#)
                .then("404"),
            row("through an identity, which means nothing for built-in types")
                .of(EXPORTS)
                .delete("")
                .target("$E:some-identity")
                .told(r#"200 /items/*/metadata/name=["one"]"#)
                .then("404"),
            row("of all namespaces")
                .of(ROLES)
                .given(json!({}))
                .delete("")
                .target("$C/apis/rbac.authorization.k8s.io/v1/roles")
                .told("404 text: 404 page not found\n")
                .then("the same"),
            row("of one namespace")
                .of(ROLES)
                .given(json!({}))
                .delete("")
                .target("$E")
                .told(r#"200 /kind="RoleList" /items/*/metadata/name=["one"]"#)
                .then("404"),
        ],
    );
}
