//! POST: what becomes of each field of a body, and what is refused.

use serde_json::json;

use super::{Body, CLUSTER_ROLES, CUT, ROLES, check, row};

const NO_TRACKING: &str = "managed fields are stored as they are sent: nobody tracks them here";

#[test]
fn a_create_keeps_what_a_copy_says_and_makes_what_a_new_object_needs() {
    let copy = |metadata: serde_json::Value| {
        let mut object = json!({"metadata": {"annotations": {"kcp.io/shard": "other"}}});
        json_patch::merge(&mut object, &json!({ "metadata": metadata }));
        object
    };
    check(
        "creates",
        &[
            row("a new object has a uid, a time and a generation of its own")
                .without()
                .post(json!({"metadata": {"uid": "mine", "creationTimestamp": "2020-01-02T03:04:05Z", "generation": 7}}))
                .told("201 /metadata/generation=1 /metadata/deletionTimestamp=-")
                .then("200 /metadata/generation=1"),
            row("a copy has those of its original")
                .without()
                .post(copy(json!({"uid": "mine", "creationTimestamp": "2020-01-02T03:04:05Z", "generation": 7})))
                .told(r#"201 /metadata/uid="mine" /metadata/creationTimestamp="2020-01-02T03:04:05Z" /metadata/generation=7"#)
                .then(r#"200 /metadata/uid="mine" /metadata/generation=7"#),
            row("what the annotation says does not matter, and the path wins")
                .without()
                .post(json!({"metadata": {"uid": "mine", "annotations": {"kcp.io/shard": "", "kcp.io/cluster": "elsewhere", "z": "1"}}}))
                .told(r#"201 /metadata/uid="mine" /metadata/annotations/kcp.io~1shard="amber" /metadata/annotations/z="1""#)
                .then(r#"200 /metadata/annotations/kcp.io~1shard="amber""#),
            row("the annotation of the cluster alone makes no copy")
                .without()
                .post(json!({"metadata": {"generation": 7, "annotations": {"kcp.io/cluster": "elsewhere"}}}))
                .told("201 /metadata/generation=1"),
            row("a copy without uid and time")
                .without()
                .post(copy(json!({"generation": 7})))
                .told("500 InternalError: Internal error occurred: system metadata was not initialized")
                .then("404"),
            row("a copy with a uid alone")
                .without()
                .post(copy(json!({"uid": "mine"})))
                .told(r#"201 /metadata/uid="mine" /metadata/creationTimestamp=- /metadata/generation=1"#),
            row("a copy with a time alone")
                .without()
                .post(copy(json!({"creationTimestamp": "2020-01-02T03:04:05Z"})))
                .told(r#"201 /metadata/uid=- /metadata/creationTimestamp="2020-01-02T03:04:05Z""#),
            row("a time is written in UTC and in seconds")
                .without()
                .post(copy(json!({"uid": "u", "creationTimestamp": "2020-01-02T03:04:05.123456+02:00"})))
                .told(r#"201 /metadata/creationTimestamp="2020-01-02T01:04:05Z""#),
            row("a copy in deletion stays in deletion")
                .without()
                .post(copy(json!({"uid": "u", "deletionTimestamp": "2020-01-02T03:04:06Z", "deletionGracePeriodSeconds": 5, "finalizers": ["a.b/c"]})))
                .told(r#"201 /metadata/deletionTimestamp="2020-01-02T03:04:06Z" /metadata/deletionGracePeriodSeconds=5"#),
            row("a new object is in no deletion")
                .without()
                .post(json!({"metadata": {"deletionTimestamp": "2020-01-02T03:04:06Z", "deletionGracePeriodSeconds": 5, "selfLink": "/x"}}))
                .told("201 /metadata/deletionTimestamp=- /metadata/deletionGracePeriodSeconds=- /metadata/selfLink=-"),
            row("a link to itself is dropped, also from a copy")
                .without()
                .post(copy(json!({"uid": "u", "selfLink": "/x"})))
                .told("201 /metadata/selfLink=-"),
            row("a generation of a copy may be written with a fraction of nothing")
                .without()
                .asked("POST", "$E", Body::Text(r#"{"kind":"APIExport","apiVersion":"apis.kcp.io/v1alpha1","metadata":{"name":"one","uid":"u","annotations":{"kcp.io/shard":"x"},"generation":2.0}}"#))
                .told("201 /metadata/generation=2"),
            row("a generation below nothing")
                .without()
                .post(copy(json!({"uid": "u", "generation": -1})))
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.generation: Invalid value: -1: must be greater than or equal to 0")
                .then("404"),
            row("a generation of another type")
                .without()
                .post(copy(json!({"uid": "u", "generation": 1.5})))
                .told("400 BadRequest: APIExport in version \"v1alpha1\" cannot be handled as a APIExport: …")
                .then("404"),
        ],
    );
}

#[test]
fn a_create_takes_what_clients_send() {
    check(
        "creates-taken",
        &[
            row("a revision")
                .without()
                .post(json!({"metadata": {"resourceVersion": "5"}}))
                .told("500 : resourceVersion should not be set on objects to be created")
                .then("404"),
            row("a revision, and a name that is taken")
                .post(json!({"metadata": {"resourceVersion": "5"}}))
                .told("500 : resourceVersion should not be set on objects to be created")
                .then("the same"),
            row("a revision of nothing")
                .without()
                .post(json!({"metadata": {"resourceVersion": "0"}}))
                .told("201"),
            row("a revision that is no number counts as none")
                .without()
                .post(json!({"metadata": {"resourceVersion": "abc"}}))
                .told("201"),
            row("a name that is taken")
                .post(json!({}))
                .told(r#"409 AlreadyExists: apiexports.apis.kcp.io "one" already exists"#)
                .then("the same"),
            row("a status is kept, and whatever else there is")
                .without()
                .post(json!({"spec": "text", "status": {"phase": "Ready"}, "other": [1, null, {"b": true}]}))
                .told(r#"201 /spec="text" /status={"phase":"Ready"} /other=[1,null,{"b":true}]"#),
            row("a label of nothing is empty")
                .without()
                .asked("POST", "$E", Body::Text(r#"{"kind":"APIExport","apiVersion":"apis.kcp.io/v1alpha1","metadata":{"name":"one","labels":{"a":null}}}"#))
                .told(r#"201 /metadata/labels={"a":""}"#),
            row("empty labels are none")
                .without()
                .post(json!({"metadata": {"labels": {}}}))
                .told("201 /metadata/labels=-"),
            row("the caller is the manager of what it creates")
                .without()
                .post(json!({"spec": {"a": 1}}))
                .query("?fieldManager=bob")
                .told(r#"201 /metadata/managedFields/*/manager=["bob"]"#)
                .here("201 /metadata/managedFields=-", NO_TRACKING),
            row("one empty entry means that nothing is tracked")
                .without()
                .post(json!({"metadata": {"managedFields": [{}]}}))
                .told("201"),
            row("a manager whose name is no text")
                .without()
                .post(json!({}))
                .query("?fieldManager=a%00b")
                .told("422 Invalid: CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\x00b\": invalid character U+0000 (at position 1)")
                .then("404"),
            row("a manager with a name that is too long")
                .without()
                .post(json!({}))
                .query("?fieldManager=mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm")
                .told("422 Invalid: CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes")
                .then("404"),
        ],
    );
}

#[test]
fn a_create_warns_of_what_is_odd_and_refuses_what_is_wrong() {
    check(
        "odd-creates",
        &[
            row("an owner that stands twice is said once")
                .without()
                .post(json!({"metadata": {"ownerReferences": [
                    {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u"},
                    {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u"},
                ]}}))
                .told(r#"201 /header/warning="299 - \".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: u\"" /metadata/ownerReferences/*/name=["s"]"#),
            row("two owners that both control")
                .without()
                .post(json!({"metadata": {"ownerReferences": [
                    {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u", "controller": true},
                    {"apiVersion": "v1", "kind": "Secret", "name": "t", "uid": "u", "controller": true},
                ]}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.ownerReferences: Invalid value: [{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"name\":\"s\",\"uid\":\"u\",\"controller\":true},{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"name\":\"t\",\"uid\":\"u\",\"controller\":true}]: Only one reference can have Controller set to true. Found \"true\" in references for Secret/s and Secret/t")
                .then("404"),
            row("an event owns nothing")
                .without()
                .post(json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "s", "uid": "u"}]}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.ownerReferences: Invalid value: {\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":\"s\",\"uid\":\"u\"}: /v1, Kind=Event is disallowed from being an owner")
                .then("404"),
            row("a finalizer without a domain")
                .without()
                .post(json!({"metadata": {"finalizers": ["a.b/c", "x"]}}))
                .told(r#"201 /header/warning="299 - \"metadata.finalizers: \\\"x\\\": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers\"" /metadata/finalizers=["a.b/c","x"]"#),
            row("finalizers that exclude each other")
                .without()
                .post(json!({"metadata": {"finalizers": ["orphan", "foregroundDeletion"]}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"one\" is invalid: metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set")
                .then("404"),
            row("a finalizer twice")
                .without()
                .post(json!({"metadata": {"finalizers": ["a.b/c", "a.b/c"]}}))
                .told(r#"201 /header/warning=- /metadata/finalizers=["a.b/c","a.b/c"]"#),
        ],
    );
}

#[test]
fn a_name_is_made_of_a_prefix() {
    check(
        "made-names",
        &[
            row("a prefix is kept")
                .without()
                .post(json!({"metadata": {"name": null, "generateName": "made-"}}))
                .told(r#"201 /metadata/generateName="made-""#),
            row("a name beside it wins")
                .without()
                .post(json!({"metadata": {"name": "one", "generateName": "made-"}}))
                .told(r#"201 /metadata/name="one" /metadata/generateName="made-""#),
            row("a copy may have one")
                .without()
                .post(json!({"metadata": {"name": null, "generateName": "made-", "uid": "u", "annotations": {"kcp.io/shard": "x"}}}))
                .told(r#"201 /metadata/uid="u" /metadata/generateName="made-""#),
            row("a dry run makes one, too")
                .without()
                .post(json!({"metadata": {"name": null, "generateName": "made-"}}))
                .query("?dryRun=All")
                .told(r#"201 /metadata/generateName="made-" /metadata/resourceVersion=- /metadata/annotations=-"#),
            row("one that makes no name")
                .without()
                .post(json!({"metadata": {"name": null, "generateName": "Bad_"}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"Bad_…"),
            row("neither")
                .without()
                .post(json!({"metadata": {"name": null}}))
                .told("422 Invalid: APIExport.apis.kcp.io \"\" is invalid: metadata.name: Required value: name or generateName is required"),
            row("names of RBAC are any segment of a path")
                .of(CLUSTER_ROLES)
                .without()
                .post(json!({"metadata": {"name": "system:x"}}))
                .told(r#"201 /metadata/name="system:x""#),
            row("but for those that mean something in one")
                .of(CLUSTER_ROLES)
                .without()
                .post(json!({"metadata": {"name": ".."}}))
                .told("422 Invalid: ClusterRole.rbac.authorization.k8s.io \"..\" is invalid: metadata.name: Invalid value: \"..\": may not be '..'"),
            row("a namespace with a name that is too long")
                .of(ROLES)
                .without()
                .post(json!({}))
                .target("$C/apis/rbac.authorization.k8s.io/v1/namespaces/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/roles")
                .told("422 Invalid: Role.rbac.authorization.k8s.io \"one\" is invalid: metadata.namespace: Invalid value: \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\": must be no more than 63 …"),
        ],
    );
}

#[test]
fn a_body_is_json_or_yaml() {
    check(
        "bodies",
        &[
            row("protobuf, of a type of kcp")
                .without()
                .asked("POST", "$E", Body::Text("k8s\0 nothing that anybody reads"))
                .header("Content-Type", "application/vnd.kubernetes.protobuf")
                .told(CUT)
                .here(PROTOBUF, "the original ends the connection"),
            row("protobuf, of a type of Kubernetes")
                .of(CLUSTER_ROLES)
                .without()
                .asked("POST", "$E", Body::Text("k8s\0 nothing that anybody reads"))
                .header("Content-Type", "application/vnd.kubernetes.protobuf")
                .told("400")
                .here(PROTOBUF, "there is no protobuf here"),
            row("an update in protobuf")
                .of(CLUSTER_ROLES)
                .given(json!({}))
                .asked("PUT", "$E/one", Body::Text("k8s\0 nothing that anybody reads"))
                .header("Content-Type", "application/vnd.kubernetes.protobuf")
                .told("400")
                .here(PROTOBUF, "there is no protobuf here")
                .then("the same"),
            row("text")
                .without()
                .asked("POST", "$E", Body::Text("{}"))
                .header("Content-Type", "text/plain")
                .told("415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json, application/yaml…"),
            row("a body in YAML")
                .without()
                .asked("POST", "$E", Body::Text("apiVersion: apis.kcp.io/v1alpha1\nkind: APIExport\nmetadata:\n  name: one\nspec: {a: [1, two]}\n"))
                .header("Content-Type", "application/yaml")
                .told(r#"201 /spec/a=[1,"two"]"#),
            row("the watch parameter means nothing to a create")
                .without()
                .post(json!({}))
                .query("?watch=true")
                .told("201"),
            row("a create on a name")
                .without()
                .post(json!({}))
                .target("$E/other")
                .told(r#"201 /metadata/name="one""#)
                .here(
                    "405 MethodNotAllowed: create is not supported on resources of kind \"apiexports.apis.kcp.io\": an object is created by a POST on its collection",
                    "a client that names an object does not mean another",
                ),
        ],
    );
}

/// What to do about protobuf.
const PROTOBUF: &str = "415 UnsupportedMediaType: this server reads no protobuf: send JSON (contentType application/json in the client's configuration) - accepted media types include: application/json, application/yaml";
