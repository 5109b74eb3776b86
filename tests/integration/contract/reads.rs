//! GET: one object, lists and the beginnings of watches, with every option.

use serde_json::json;

use super::{CLUSTER_ROLES, ROLES, Row, check, row};

const NO_PROTOBUF: &str = "there is no protobuf here";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const PARTIAL_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// What a list of the object `one` says.
const ONE: &str = r#"200 /kind="APIExportList" /items/*/metadata/name=["one"] /metadata/continue="" /metadata/remainingItemCount=-"#;

fn list(what: &'static str, query: &'static str, told: &'static str) -> Row {
    row(what).get("$E").query(query).told(told)
}

/// A refusal because of a revision that has not come to pass.
const FUTURE: &str = r#"504 /reason="Timeout" /details={"causes":[{"message":"Too large resource version","reason":"ResourceVersionTooLarge"}]} /header/retry-after=-"#;

#[test]
fn one_object_is_read() {
    check(
        "gets",
        &[
            row("as it is").get("$E/one").told(r#"200 /kind="APIExport" /apiVersion="apis.kcp.io/v1alpha1" /metadata/resourceVersion="$rv" /header/content-type="application/json""#),
            row("with the annotations of the server")
                .get("$E/one")
                .told(r#"200 /metadata/annotations/kcp.io~1shard="amber""#),
            row("in another version")
                .get("$C/apis/apis.kcp.io/v1alpha2/apiexports/one")
                .told(r#"200 /apiVersion="apis.kcp.io/v1alpha2" /spec={"a":1} /metadata/resourceVersion="$rv""#),
            row("through an identity").get("$E:some-identity/one").told(r#"200 /metadata/uid="$uid""#),
            row("of a namespace").of(ROLES).given(json!({})).get("$E/one").told(r#"200 /metadata/namespace="default""#),
            row("with HEAD").asked("HEAD", "$E/one", super::Body::None).told("200"),
            row("at a revision that was").get("$E/one").query("?resourceVersion=1").told("200 /spec/a=1"),
            row("at the revision that is").get("$E/one").query("?resourceVersion=$rv").told("200 /spec/a=1"),
            row("at a revision of nothing").get("$E/one").query("?resourceVersion=0").told("200 /spec/a=1"),
            row("at a revision of the future").get("$E/one").query("?resourceVersion=9$rv").told(FUTURE),
            row("at a revision that is no number").get("$E/one").query("?resourceVersion=abc").told("400"),
            row("a watch of an object is a read of it").get("$E/one").query("?watch=true").told("200 /spec/a=1"),
            row("what is not there").without().get("$E/one").told(r#"404 /reason="NotFound" /message="apiexports.apis.kcp.io \"one\" not found" /details={"group":"apis.kcp.io","kind":"apiexports","name":"one"}"#),
            row("a type that is not there").get("$C/apis/apis.kcp.io/v1alpha1/things/one").told("404 text: 404 page not found\n"),
            row("a subresource").get("$E/one/status").told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
            row("the scale").get("$E/one/scale").told(r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#),
            row("a method that nobody knows")
                .asked("FOO", "$E/one", super::Body::None)
                .told("405 MethodNotAllowed:  is not supported on resources of kind \"apiexports.apis.kcp.io\""),
            row("OPTIONS")
                .asked("OPTIONS", "$E", super::Body::None)
                .told("405 MethodNotAllowed:  is not supported on resources of kind \"apiexports.apis.kcp.io\""),
        ],
    );
}

#[test]
fn a_list_is_as_new_as_it_is_wanted() {
    check(
        "list-revisions",
        &[
            list("the newest", "", ONE),
            list("an empty revision", "?resourceVersion=", ONE),
            list("any", "?resourceVersion=0", ONE),
            list("any, in pages", "?resourceVersion=0&limit=1", ONE),
            list("not older than it is", "?resourceVersion=$rv", ONE),
            list(
                "not older than it is, in words",
                "?resourceVersion=$rv&resourceVersionMatch=NotOlderThan",
                ONE,
            ),
            list(
                "not older than anything",
                "?resourceVersion=0&resourceVersionMatch=NotOlderThan",
                ONE,
            ),
            list("not older than the past", "?resourceVersion=1", ONE),
            list("exactly then", "?resourceVersion=$rv&resourceVersionMatch=Exact", ONE),
            list(
                "exactly then, in the old way",
                "?resourceVersion=$rv&limit=5",
                r#"200 /items/*/metadata/name=["one"] /metadata/resourceVersion="$rv""#,
            ),
            list("not older than the future", "?resourceVersion=9$rv", FUTURE),
            list(
                "not older than the future, in words",
                "?resourceVersion=9$rv&resourceVersionMatch=NotOlderThan",
                FUTURE,
            ),
            list(
                "exactly in the future",
                "?resourceVersion=9$rv&resourceVersionMatch=Exact",
                FUTURE,
            ),
            list("exactly in the future, in the old way", "?resourceVersion=9$rv&limit=5", FUTURE),
            list(
                "the future has a message",
                "?resourceVersion=9$rv",
                "504 Timeout: Timeout: Too large resource version: 9$rv, current: …",
            ),
            list(
                "a page of the future",
                // {"v":"meta.k8s.io/v1","rv":9000000000000000000,"start":"one\u0000"}
                "?limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6OTAwMDAwMDAwMDAwMDAwMDAwMCwic3RhcnQiOiJvbmVcdTAwMDAifQ",
                FUTURE,
            ),
            list(
                "no number",
                "?resourceVersion=abc",
                "400 BadRequest: invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax",
            ),
            list(
                "below nothing",
                "?resourceVersion=-1",
                "400 BadRequest: invalid resource version: resourceVersion: Invalid value: \"-1\": strconv.ParseUint: parsing \"-1\": invalid syntax",
            ),
            list(
                "too large a number",
                "?resourceVersion=99999999999999999999",
                "400 BadRequest: invalid resource version: resourceVersion: Invalid value: \"99999999999999999999\": strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
            ),
            list(
                "exactly nothing",
                "?resourceVersion=0&resourceVersionMatch=Exact",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ),
            list(
                "exactly, and not when",
                "?resourceVersionMatch=Exact",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
            list(
                "not older than, and not what",
                "?resourceVersionMatch=NotOlderThan",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
            list(
                "a match that there is not",
                "?resourceVersion=$rv&resourceVersionMatch=Nope",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported value: \"Nope\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
            ),
            list(
                "two mistakes at once",
                "?resourceVersionMatch=Nope",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, resourceVersionMatch: Unsupported value: \"Nope\": supported values: \"Exact\", \"NotOlderThan\", \"\"]",
            ),
            list(
                "a match and a page",
                "?limit=1&resourceVersion=$rv&resourceVersionMatch=Exact&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJvbmVcdTAwMDAifQ",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
            ),
            list(
                "a revision and a page",
                "?limit=1&resourceVersion=5&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJvbmVcdTAwMDAifQ",
                "400 BadRequest: specifying resource version is not allowed when using continue",
            ),
            list(
                "what belongs to a watch",
                "?sendInitialEvents=true",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
            ),
            list(
                "what belongs to a watch, also declined",
                "?sendInitialEvents=false",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
            ),
            list(
                "bookmarks and times mean nothing to it",
                "?allowWatchBookmarks=true&timeoutSeconds=-5",
                ONE,
            ),
        ],
    );
}

#[test]
fn a_list_has_pages_and_an_end() {
    check(
        "list-pages",
        &[
            list("time", "?timeout=10s", ONE),
            list("more time than there is", "?timeout=1h", ONE),
            list("no time is as much as there is", "?timeout=0s", ONE),
            list("a time below nothing", "?timeout=-1s", ONE),
            list("an empty time", "?timeout=", ONE),
            list(
                "a time that is none",
                "?timeout=bad",
                "400 BadRequest: invalid timeout specified in the request URL - time: invalid duration \"bad\"",
            ),
            list(
                "a time without a unit",
                "?timeout=5",
                "400 BadRequest: invalid timeout specified in the request URL - time: missing unit in duration \"5\"",
            ),
            list(
                "a time in days",
                "?timeout=5d",
                "400 BadRequest: invalid timeout specified in the request URL - time: unknown unit \"d\" in duration \"5d\"",
            ),
            list("no limit", "?limit=0", ONE),
            list("a limit below nothing", "?limit=-1", ONE),
            list(
                "no number",
                "?limit=bad",
                "400 BadRequest: strconv.ParseInt: parsing \"bad\": invalid syntax",
            ),
            list(
                "too large a number",
                "?limit=9999999999999999999",
                "400 BadRequest: strconv.ParseInt: parsing \"9999999999999999999\": value out of range",
            ),
            list("an empty token", "?limit=1&continue=", ONE),
            list(
                "no base64",
                "?limit=1&continue=!!!",
                "400 BadRequest: invalid continue token: continue key is not valid: …",
            ),
            list(
                "no JSON",
                "?limit=1&continue=bm90IGpzb24",
                "400 BadRequest: invalid continue token: continue key is not valid: …",
            ),
            list(
                "nothing in it",
                "?limit=1&continue=e30",
                "400 BadRequest: invalid continue token: continue key is not valid: server does not recognize this encoded version ",
            ),
            list(
                "no revision",
                "?limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ",
                "400 BadRequest: invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ),
            list(
                "another version",
                "?limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjIiLCJydiI6NSwic3RhcnQiOiJhXHUwMDAwIn0",
                "400 BadRequest: invalid continue token: continue key is not valid: server does not recognize this encoded version meta.k8s.io/v2",
            ),
            list(
                "no start",
                "?limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MjMwLCJzdGFydCI6IiJ9",
                "400 BadRequest: invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)",
            ),
            list(
                "a start outside",
                "?limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MjMwLCJzdGFydCI6Ii4uL3hcdTAwMDAifQ",
                "400 BadRequest: invalid continue token: continue key is not valid: ../x\0",
            ),
            // {"v":"meta.k8s.io/v1","rv":-1,"start":"a\u0000"}
            list(
                "going on with what there is now",
                "?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiYVx1MDAwMCJ9",
                ONE,
            ),
            // {"v":"meta.k8s.io/v1","rv":-1,"start":"one\u0000"}
            list(
                "behind the last",
                "?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0Ijoib25lXHUwMDAwIn0",
                r#"200 /items=[] /metadata/continue="""#,
            ),
        ],
    );
}

#[test]
fn a_list_selects() {
    const NONE: &str = r#"200 /items=[] /metadata/continue="""#;
    let given = || row("").given(json!({"metadata": {"labels": {"n": "one", "k.io/x": ""}}}));
    let selects = |what: &'static str, query: &'static str, told: &'static str| {
        let mut row = given().get("$E").query(query).told(told);
        row.what = what;
        row
    };
    check(
        "list-selectors",
        &[
            selects("everything", "?labelSelector=", ONE),
            selects("a value", "?labelSelector=n%3Done", ONE),
            selects("another value", "?labelSelector=n%3Dtwo", NONE),
            selects("not a value", "?labelSelector=n!%3Dtwo", ONE),
            selects("one of some", "?labelSelector=n%20in%20(one,two)", ONE),
            selects("none of some", "?labelSelector=n%20notin%20(one,two)", NONE),
            selects("one of none", "?labelSelector=n%20in%20()", NONE),
            selects("there", "?labelSelector=n", ONE),
            selects("not there", "?labelSelector=!n", NONE),
            selects("an empty value", "?labelSelector=k.io/x%3D", ONE),
            selects("a number", "?labelSelector=n%3E1", NONE),
            selects("several", "?labelSelector=n%3D%3Done,zz!%3D1", ONE),
            selects("spaces", "?labelSelector=%20n%20%3D%20one%20", ONE),
            selects("plus signs are spaces", "?labelSelector=n+in+(one)", ONE),
            selects(
                "nonsense",
                "?labelSelector=bad%20!!",
                "400 BadRequest: unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt",
            ),
            selects(
                "a value that is none",
                "?labelSelector=n%3Dbad%20value",
                "400 BadRequest: found 'value', expected: ',' or 'end of string'",
            ),
            selects(
                "no key",
                "?labelSelector=%3Dx",
                "400 BadRequest: found '=', expected: !, identifier, or 'end of string'",
            ),
            selects(
                "no operator",
                "?labelSelector=x%20y",
                "400 BadRequest: unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt",
            ),
            selects(
                "no list",
                "?labelSelector=n%20in%20two",
                "400 BadRequest: unable to parse requirement: found 'two' expected: '('",
            ),
            selects("a name", "?fieldSelector=metadata.name%3Done", ONE),
            selects("another name", "?fieldSelector=metadata.name%3Dtwo", NONE),
            selects("no name", "?fieldSelector=metadata.name%3D", NONE),
            selects("not a name", "?fieldSelector=metadata.name!%3Dtwo", ONE),
            selects("a name that is no name", "?fieldSelector=metadata.name%3Da/b", NONE),
            selects("two names", "?fieldSelector=metadata.name%3Done,metadata.name%3Dtwo", NONE),
            selects(
                "a field that is not there",
                "?fieldSelector=spec.a%3D1",
                "400 BadRequest: field label not supported: spec.a",
            ),
            selects(
                "a field of another scope",
                "?fieldSelector=metadata.namespace%3Dx",
                "400 BadRequest: field label not supported: metadata.namespace",
            ),
            selects(
                "a uid",
                "?fieldSelector=metadata.uid%3D1",
                "400 BadRequest: field label not supported: metadata.uid",
            ),
            selects(
                "no selector",
                "?fieldSelector=bad",
                "400 BadRequest: invalid selector: 'bad'; can't understand 'bad'",
            ),
            row("a namespace")
                .of(ROLES)
                .given(json!({}))
                .get("$C/apis/rbac.authorization.k8s.io/v1/roles")
                .query("?fieldSelector=metadata.namespace%3Ddefault")
                .told(r#"200 /items/*/metadata/namespace=["default"]"#),
            row("another namespace")
                .of(ROLES)
                .given(json!({}))
                .get("$E")
                .query("?fieldSelector=metadata.namespace%3Dother")
                .told("200 /items=[]"),
            row("a field of a namespaced type that is not there")
                .of(ROLES)
                .given(json!({}))
                .get("$E")
                .query("?fieldSelector=metadata.x%3Dother")
                .told("400 BadRequest: field label not supported: metadata.x"),
            row("names are found through a wildcard, too")
                .get("/services/cache/shards/amber/clusters/*/apis/apis.kcp.io/v1alpha1/apiexports")
                .query("?fieldSelector=metadata.name%3Dnobody-has-this-name")
                .told("200 /items=[]"),
        ],
    );
}

#[test]
fn a_read_has_the_form_that_is_wanted() {
    const NOT_ACCEPTABLE: &str = "406 NotAcceptable: only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    const NOT_ACCEPTABLE_HERE: &str = "406 NotAcceptable: only the following media types are accepted: application/json, application/yaml";
    let wants = |what: &'static str, target: &'static str, accept: &'static str| {
        row(what).get(target).header("Accept", accept)
    };
    check(
        "forms",
        &[
            wants("anything", "$E", "*/*").told(ONE),
            wants("any application", "$E", "application/*").told(ONE),
            wants("nothing", "$E", "").told(ONE),
            wants("JSON with a weight", "$E", "application/json;q=0").told(ONE),
            wants("protobuf, or JSON", "$E", "application/vnd.kubernetes.protobuf,application/json").told(ONE),
            wants("protobuf, or JSON, of a type of Kubernetes", "$E", "application/vnd.kubernetes.protobuf,application/json")
                .of(CLUSTER_ROLES)
                .given(json!({}))
                .told(r#"200 /kind="ClusterRoleList" /header/content-type="application/json""#),
            wants("a page of the web", "$E", "text/html").told(NOT_ACCEPTABLE).here(NOT_ACCEPTABLE_HERE, NO_PROTOBUF),
            wants("CBOR", "$E", "application/cbor").told(NOT_ACCEPTABLE).here(NOT_ACCEPTABLE_HERE, NO_PROTOBUF),
            wants("protobuf alone", "$E", "application/vnd.kubernetes.protobuf").told("406").here(NOT_ACCEPTABLE_HERE, NO_PROTOBUF),
            wants("a table", "$E", TABLE).told(r#"200 /kind="Table" /apiVersion="meta.k8s.io/v1" /columnDefinitions/*/name=["Name","Age","Ready"] /rows/*/object/metadata/name=["one"] /metadata/continue=-"#),
            wants("a table of the version before", "$E", "application/json;as=Table;v=v1beta1;g=meta.k8s.io").told(r#"200 /kind="Table" /apiVersion="meta.k8s.io/v1beta1""#),
            wants("a table of one", "$E/one", TABLE).told(r#"200 /kind="Table" /metadata={"resourceVersion":"$rv"} /rows/*/object/kind=["PartialObjectMetadata"]"#),
            wants("a table without objects", "$E/one", TABLE).query("?includeObject=None").told("200 /rows/*/object=[null]"),
            wants("a table with whole objects", "$E/one", TABLE).query("?includeObject=Object").told("200 /rows/*/object/spec/a=[1]"),
            wants("a table with who knows what", "$E/one", TABLE).query("?includeObject=Bad").told("400 BadRequest: Unable to convert to Table as requested: includeObject: Invalid value: \"Bad\": must be 'Metadata', 'Object', 'None', or empty"),
            wants("a table of a version that there is not", "$E", "application/json;as=Table;v=v2;g=meta.k8s.io").told(NOT_ACCEPTABLE).here(NOT_ACCEPTABLE_HERE, NO_PROTOBUF),
            wants("a table of no group", "$E", "application/json;as=Table;v=v1").told(NOT_ACCEPTABLE).here(NOT_ACCEPTABLE_HERE, NO_PROTOBUF),
            wants("what there is not", "$E", "application/json;as=Nope;v=v1;g=meta.k8s.io").told(NOT_ACCEPTABLE).here(NOT_ACCEPTABLE_HERE, NO_PROTOBUF),
            wants("what there is not, or JSON", "$E", "application/json;as=Nope;v=v1;g=meta.k8s.io,application/json").told(ONE),
            wants("metadata of a list", "$E", PARTIAL_LIST).told(r#"200 /kind="PartialObjectMetadataList" /apiVersion="meta.k8s.io/v1" /items/*/kind=["PartialObjectMetadata"] /items/*/spec=[null] /items/*/metadata/uid=["$uid"]"#),
            wants("metadata of one", "$E/one", PARTIAL).told(r#"200 /kind="PartialObjectMetadata" /apiVersion="meta.k8s.io/v1" /spec=- /metadata/uid="$uid" /metadata/resourceVersion="$rv""#),
            wants("metadata of one, of a list", "$E", PARTIAL).told("406"),
            wants("metadata of a list, of one", "$E/one", PARTIAL_LIST).told("500").here(NOT_ACCEPTABLE_HERE, "it cannot be had, which is no error of the server"),
            wants("YAML of a watch", "$E", "application/yaml").query("?watch=true").told("406"),
            row("fields of objects that were asked for by a person are on lines of their own")
                .get("$E/two")
                .header("User-Agent", "curl/8")
                .told(r#"404 /reason="NotFound" /details/kind="apiexports""#),
        ],
    );
}

#[test]
fn a_watch_that_cannot_begin_is_refused_at_once() {
    let watches = |what: &'static str, query: &'static str, told: &'static str| {
        row(what).get("$E").query(query).told(told)
    };
    check(
        "no-watches",
        &[
            watches(
                "initial events, and no match",
                "?watch=true&sendInitialEvents=true",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ),
            watches(
                "initial events, and another match",
                "?watch=true&sendInitialEvents=true&resourceVersionMatch=Exact",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"]",
            ),
            watches(
                "no initial events, and no match",
                "?watch=true&sendInitialEvents=false",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ),
            watches(
                "a match, and no initial events",
                "?watch=true&resourceVersionMatch=NotOlderThan",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ),
            watches(
                "another match, and no initial events",
                "?watch=true&resourceVersionMatch=Exact&resourceVersion=5",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided, resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"]",
            ),
            watches(
                "a revision that is no number",
                "?watch=true&resourceVersion=bad",
                "500 : resourceVersion: Invalid value: \"bad\": strconv.ParseUint: parsing \"bad\": invalid syntax",
            ),
            watches(
                "a revision below nothing",
                "?watch=true&resourceVersion=-1",
                "500 : resourceVersion: Invalid value: \"-1\": strconv.ParseUint: parsing \"-1\": invalid syntax",
            ),
            watches(
                "a revision that is too large a number",
                "?watch=true&resourceVersion=99999999999999999999",
                "500 : resourceVersion: Invalid value: \"99999999999999999999\": strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
            ),
            watches(
                "a time that is no number",
                "?watch=true&timeoutSeconds=bad",
                "400 BadRequest: strconv.ParseInt: parsing \"bad\": invalid syntax",
            ),
            watches(
                "a selector that means nothing",
                "?watch=true&labelSelector=bad%20!!",
                "400 BadRequest: unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt",
            ),
            watches(
                "a field that is not there",
                "?watch=true&fieldSelector=spec.x%3D1",
                "400 BadRequest: field label not supported: spec.x",
            ),
            watches(
                "a page",
                "?watch=true&continue=x",
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
            ),
            watches("a time below nothing is over at once", "?watch=true&timeoutSeconds=-1", "200"),
            watches("a flag that says no", "?watch=false", ONE),
            watches("a flag that says nothing of it", "?watch=0", ONE),
            row("a type that is not there")
                .get("$C/apis/apis.kcp.io/v1alpha1/things")
                .query("?watch=true")
                .told("404 text: 404 page not found\n"),
            row("in the old form, a type that is not there")
                .get("$C/apis/apis.kcp.io/v1alpha1/watch/things")
                .told("404 text: 404 page not found\n"),
        ],
    );
}
