//! The grammar of paths: a row for each rule, and what the answer says word for word.
//!
//! Each row is asked three times: under the name `cache-server` bare and below
//! `/services/cache`, and as `kcpctl cache serve` below `/services/cache`, where the
//! control plane leaves the bare paths to itself.

use crate::support::{Answer, Client, Request, Server};

/// What stands in for the path of a collection.
const EXPORTS: &str = "/apis/apis.kcp.io/v1alpha1/apiexports";

/// Target (`E` at its end stands for [`EXPORTS`]) and answer: a code alone, or code,
/// reason and message; `text` is the reason of a plain text, `…` an end not compared.
type Row = (&'static str, &'static str);

const NO_SHARD: &str = "400 BadRequest: a shard name is required";
const NOT_FOUND: &str = "404 text: 404 page not found\n";
const NO_CLUSTER: &str = "500 text: cluster path is empty in the request context - RequestInfo: …";

const SHARD_SEGMENT: &[Row] = &[
    ("/", NO_SHARD),
    ("/foo", NO_SHARD),
    ("/apis", NO_SHARD),
    ("/apis/apis.kcp.io", NO_SHARD),
    ("/api", NO_SHARD),
    ("/api/v1", NO_SHARD),
    ("/version", NO_SHARD),
    ("/openapi/v2", NO_SHARD),
    ("/openapi/v3", NO_SHARD),
    ("/debug/pprof", NO_SHARD),
    ("/clusters/acme:E", NO_SHARD),
    ("/shards", NO_SHARD),
    ("/shards//clusters/acme:E", NO_SHARD),
    ("/shards/", "400 BadRequest: unable to parse shard: no `/` found in path "),
    ("/shards/amber", "400 BadRequest: unable to parse shard: no `/` found in path amber"),
    ("/shards/*", "400 BadRequest: unable to parse shard: no `/` found in path *"),
    ("/shards/Amber", "400 BadRequest: unable to parse shard: no `/` found in path Amber"),
    ("/shards/Amber/", r#"400 BadRequest: invalid shard: "Amber" does not match the regex"#),
    ("/shards/am.ber/x", r#"400 BadRequest: invalid shard: "am.ber" does not match the regex"#),
    ("/shards/am_ber/x", r#"400 BadRequest: invalid shard: "am_ber" does not match the regex"#),
    ("/shards/**/x", r#"400 BadRequest: invalid shard: "**" does not match the regex"#),
    ("/shards/a*/x", r#"400 BadRequest: invalid shard: "a*" does not match the regex"#),
    ("/shards/%20/x", r#"400 BadRequest: invalid shard: " " does not match the regex"#),
    ("/shards/%C3%A9/x", r#"400 BadRequest: invalid shard: "é" does not match the regex"#),
    ("/shards/%FF/x", r#"400 BadRequest: invalid shard: "\xff" does not match the regex"#),
    ("/shards/%22/x", r#"400 BadRequest: invalid shard: "\"" does not match the regex"#),
    ("/shards/%00/x", r#"400 BadRequest: invalid shard: "\x00" does not match the regex"#),
    ("/shards/%0A/x", r#"400 BadRequest: invalid shard: "\n" does not match the regex"#),
    ("/shards/%3C/x", r#"400 BadRequest: invalid shard: "<" does not match the regex"#),
    ("/shards/-/clusters/acme:E", "200"),
    ("/shards/:/clusters/acme:E", "200"),
    ("/shards/system:cache:server/clusters/acme:E", "200"),
    (
        "/shards/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1/clusters/acme:E",
        "200",
    ),
    (
        "/shards/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff12/clusters/acme:E",
        r#"400 BadRequest: invalid shard: "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff12" does not match the regex"#,
    ),
];

const CLUSTER_SEGMENT: &[Row] = &[
    ("/shards/amber/clusters/acme:E", "200"),
    ("/shards/amber/clusters/1:E", "200"),
    ("/shards/amber/clusters/system:E", "200"),
    ("/shards/amber/clusters/system:admin:E", "200"),
    ("/shards/amber/clusters/system:a:b:E", "200"),
    (
        "/shards/amber/clusters/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123:E",
        "200",
    ),
    (
        "/shards/amber/clusters/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234:E",
        r#"400 BadRequest: invalid cluster: "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234" does not match the regex"#,
    ),
    (
        "/shards/amber/clusters/root:org:E",
        r#"400 BadRequest: invalid cluster: "root:org" is not a logical cluster name"#,
    ),
    (
        "/shards/amber/clusters/root%3Aorg:E",
        r#"400 BadRequest: invalid cluster: "root:org" is not a logical cluster name"#,
    ),
    (
        "/shards/a/clusters/root:/x",
        r#"400 BadRequest: invalid cluster: "root:" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/system:/x",
        r#"400 BadRequest: invalid cluster: "system:" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/system:A/x",
        r#"400 BadRequest: invalid cluster: "system:A" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/a::b/x",
        r#"400 BadRequest: invalid cluster: "a::b" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/:a/x",
        r#"400 BadRequest: invalid cluster: ":a" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/%3A/x",
        r#"400 BadRequest: invalid cluster: ":" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/Acme/x",
        r#"400 BadRequest: invalid cluster: "Acme" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/Acme",
        r#"400 BadRequest: invalid cluster: "Acme" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/ac.me/x",
        r#"400 BadRequest: invalid cluster: "ac.me" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/ac_me/x",
        r#"400 BadRequest: invalid cluster: "ac_me" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/-acme/x",
        r#"400 BadRequest: invalid cluster: "-acme" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/acme-/x",
        r#"400 BadRequest: invalid cluster: "acme-" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/**/x",
        r#"400 BadRequest: invalid cluster: "**" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/%20/x",
        r#"400 BadRequest: invalid cluster: " " does not match the regex"#,
    ),
    (
        "/shards/a/clusters/%FF/x",
        r#"400 BadRequest: invalid cluster: "\xff" does not match the regex"#,
    ),
    (
        "/shards/a/clusters/../x",
        r#"400 BadRequest: invalid cluster: ".." does not match the regex"#,
    ),
    ("/shards/a/clusters/./x", r#"400 BadRequest: invalid cluster: "." does not match the regex"#),
    // Nothing after the cluster is the root of that cluster, which is not an error.
    ("/shards/amber/clusters/acme", "200"),
    ("/shards/amber/clusters/acme/", "200"),
    ("/shards/amber/clusters/*", "200"),
    ("/shards/amber/", "200"),
    ("/shards/*/", "200"),
    ("/shards/amber/clusters/", "200"),
    ("/shards/amber/clusters", "404"),
    // No cluster at all.
    ("/shards/amber:E", NO_CLUSTER),
    ("/shards/amber/apis/apis.kcp.io/v1alpha1/apiexports/x", NO_CLUSTER),
    ("/shards/amber/clusters//apis/apis.kcp.io/v1alpha1/apiexports", NO_CLUSTER),
    ("/shards/amber/foo", "404"),
    ("/shards/amber/clustersX/acme:E", "404"),
    ("/shards/amber/clusters/acme/clusters/b:E", "404"),
    ("/shards/amber/shards/b/clusters/acme:E", "404"),
    ("/shards/amber/services/cache/clusters/acme:E", "404"),
];

const ENCODING: &[Row] = &[
    ("/shards/*/clusters/*:E", "200"),
    ("/shards/%2A/clusters/%2A:E", "200"),
    ("/shards/%2a/clusters/%2a:E", "200"),
    ("/shards/a%6Dber/clusters/acme:E", "200"),
    ("/shards/amber/clusters/system%3Aadmin:E", "200"),
    ("/shards/amber/clusters/acme/apis/apis.kcp.io/v1alpha1/apiexports%3Aabc", "200"),
    ("/%73hards/amber/clusters/acme:E", "200"),
    ("/shards%2Famber/clusters/acme:E", "200"),
    ("/shards/am%2Fber/clusters/acme:E", "404"),
    ("/shards/amber/clusters/ac%2Fme:E", "404"),
    ("/shards/amber/clusters/acme:E/", "200"),
    ("/shards/amber/clusters/acme:E?", "200"),
    ("/shards/amber/clusters/acme:E?limit=%zz", "200"),
    (
        "/shards/amber/clusters/acme:E/a%2Fb",
        r#"404 NotFound: apiexports.apis.kcp.io "a" not found"#,
    ),
    ("/shards/amber/clusters/acme:E//x", r#"404 NotFound: apiexports.apis.kcp.io "" not found"#),
    (
        "/shards/amber/clusters/acme:E/a%20b",
        r#"404 NotFound: apiexports.apis.kcp.io "a b" not found"#,
    ),
    (
        "/shards/amber/clusters/acme:E/a+b",
        r#"404 NotFound: apiexports.apis.kcp.io "a+b" not found"#,
    ),
    (
        "/shards/amber/clusters/acme:E/%C3%A9",
        r#"404 NotFound: apiexports.apis.kcp.io "é" not found"#,
    ),
    ("/shards/amber/clusters/acme:E/%FF", "404"),
    (
        "/shards/amber/clusters/acme:E/..",
        r#"400 BadRequest: Name parameter invalid: "..": may not be '..'"#,
    ),
    (
        "/shards/amber/clusters/acme:E/%2e%2e",
        r#"400 BadRequest: Name parameter invalid: "..": may not be '..'"#,
    ),
    (
        "/shards/amber/clusters/acme:E/.",
        r#"400 BadRequest: Name parameter invalid: ".": may not be '.'"#,
    ),
    ("/shards/amber/clusters/acme//apis/apis.kcp.io/v1alpha1/apiexports", "404"),
    ("/shards/amber/clusters/acme/apis//apis.kcp.io/v1alpha1/apiexports", "404"),
    ("/shards/amber/clusters/acme/apis/apis.kcp.io/v1alpha1//apiexports", "404"),
    ("/shards/amber/clusters/acme/../acme:E", "404"),
    ("/shards/amber/../amber/clusters/acme:E", "404"),
    // Not an escape at all: refused before anything is looked at.
    ("/shards/amber/clusters/acme:E/%zz", "400"),
    ("/shards/%/clusters/acme:E", "400"),
];

const IDENTITY: &[Row] = &[
    (
        "/shards/amber/clusters/acme:E:",
        r#"500 InternalError: Internal error occurred: invalid resource "apiexports": missing identity"#,
    ),
    (
        "/shards/amber/clusters/acme:E:/x",
        r#"500 InternalError: Internal error occurred: invalid resource "apiexports": missing identity"#,
    ),
    (
        "/shards/amber/clusters/acme/apis/apis.kcp.io/v1alpha1/nothing:",
        r#"500 InternalError: Internal error occurred: invalid resource "nothing": missing identity"#,
    ),
    (
        "/shards/amber/clusters/acme/api/v1/configmaps:",
        r#"500 InternalError: Internal error occurred: invalid resource "configmaps": missing identity"#,
    ),
    (
        "/shards/a/clusters/b/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles:",
        r#"500 InternalError: Internal error occurred: invalid resource "roles": missing identity"#,
    ),
    (
        "/shards/amber:E:",
        r#"500 InternalError: Internal error occurred: invalid resource "apiexports": missing identity"#,
    ),
    ("/shards/amber/clusters/acme:E:abc", "200"),
    ("/shards/amber/clusters/acme:E:a:b", "200"),
    ("/shards/amber/clusters/acme:E::", "200"),
    ("/shards/*/clusters/*:E:abc", "200"),
    (
        "/shards/amber/clusters/acme:E:abc/x",
        r#"404 NotFound: apiexports.apis.kcp.io "x" not found"#,
    ),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha1/nothing:abc", NOT_FOUND),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha1:x/apiexports", NOT_FOUND),
    ("/shards/a/clusters/b/apis/apis.kcp.io:x/v1alpha1/apiexports", NOT_FOUND),
];

const RESOURCES: &[Row] = &[
    ("/shards/a/clusters/b/apis/nope.example.com", NOT_FOUND),
    ("/shards/a/clusters/b/apis/nope.example.com/v1/things", NOT_FOUND),
    ("/shards/a/clusters/b/apis/nope.example.com/v1/things/x", NOT_FOUND),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha1/things", NOT_FOUND),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v9/apiexports", NOT_FOUND),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha2/apiconversions", NOT_FOUND),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha1/APIExports", NOT_FOUND),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha1/apiexport", NOT_FOUND),
    ("/shards/a/clusters/b/api/v1/configmaps", NOT_FOUND),
    ("/shards/a/clusters/b/api/v1/namespaces/default/configmaps", NOT_FOUND),
    ("/shards/a/clusters/b/apis/apps/v1/deployments", NOT_FOUND),
    // A scope that the type does not have.
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha1/namespaces/default/apiexports", NOT_FOUND),
    ("/shards/a/clusters/b/apis/rbac.authorization.k8s.io/v1/roles/x", NOT_FOUND),
    ("/shards/a/clusters/b/apis/rbac.authorization.k8s.io/v1/roles", "200"),
    ("/shards/a/clusters/b/apis/rbac.authorization.k8s.io/v1/namespaces//roles", "200"),
    ("/shards/a/clusters/b/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", "200"),
    // No type has a subresource.
    (
        "/shards/amber/clusters/acme:E/x/status",
        r#"404 NotFound: apiexports.apis.kcp.io "x" not found"#,
    ),
    (
        "/shards/amber/clusters/acme:E/x/scale",
        r#"404 NotFound: apiexports.apis.kcp.io "x" not found"#,
    ),
    (
        "/shards/amber/clusters/acme:E/x/y/z",
        r#"404 NotFound: apiexports.apis.kcp.io "x" not found"#,
    ),
    ("/shards/a/clusters/b/apis/apis.kcp.io", "200"),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha1", "200"),
    ("/shards/a/clusters/b/apis/apis.kcp.io/v1alpha1/", "200"),
    ("/shards/*/clusters/*/apis/apis.kcp.io/v1alpha2", "200"),
];

const SCOPED_METRICS: &str =
    "501 text: shard-level endpoint not available at shard or workspace scope\n";

const ENDPOINTS: &[Row] = &[
    ("/healthz", "200 text: ok"),
    ("/readyz", "200 text: ok"),
    ("/livez", "200 text: ok"),
    ("/shards/x/healthz", "200 text: ok"),
    ("/shards/x/clusters/y/readyz", "200 text: ok"),
    ("/shards/*/clusters/*/livez", "200 text: ok"),
    ("/readyz?verbose", "200 text: [+]ping ok\n…"),
    ("/shards/x/readyz/ping", "200 text: ok"),
    ("/shards/x/clusters/y/livez/ping", "200 text: ok"),
    ("/readyz/ping", NO_SHARD),
    ("/healthz/", NO_SHARD),
    ("/shards/x/healthz/", "404"),
    ("/metrics", "200"),
    ("/metrics/", NO_SHARD),
    ("/shards/x/metrics", SCOPED_METRICS),
    ("/shards/x/clusters/y/metrics", SCOPED_METRICS),
    ("/shards/*/metrics", SCOPED_METRICS),
    ("/shards/x/version", "200"),
    ("/shards/x/clusters/y/version", "200"),
    ("/shards/x/openapi/v3", "200"),
    ("/shards/x/clusters/y/openapi/v3", "200"),
];

const ALL: [(&str, &[Row]); 6] = [
    ("shard segment", SHARD_SEGMENT),
    ("cluster segment", CLUSTER_SEGMENT),
    ("encoding", ENCODING),
    ("identity", IDENTITY),
    ("resources", RESOURCES),
    ("endpoints", ENDPOINTS),
];

#[test]
fn under_the_name_cache_server_bare_paths_are_the_cache() {
    let server = Server::shared_cache_server();
    check(&server.admin(), "");
}

#[test]
fn under_the_name_cache_server_the_service_prefix_changes_nothing() {
    let server = Server::shared_cache_server();
    check(&server.admin(), "/services/cache");
}

#[test]
fn as_kcpctl_the_cache_answers_below_the_service_prefix() {
    let server = Server::shared();
    check(&server.admin(), "/services/cache");
}

#[test]
fn the_service_prefix_is_cut_once_and_only_exactly() {
    let server = Server::shared_cache_server();
    let client = server.admin();
    for target in [
        "/services/cacheX/shards/amber/clusters/acme:E",
        "/services/cache",
        "/services/cache/",
        "/services/cacheshards/amber/clusters/acme:E",
        "/services/cache/services/cache/shards/amber/clusters/acme:E",
        "/services/Cache/shards/amber/clusters/acme:E",
        "//services/cache/shards/amber/clusters/acme:E",
        "/services/cache//shards/amber/clusters/acme:E",
        "/services/cach/shards/amber/clusters/acme:E",
    ] {
        assert_eq!(told(&client.get(expand(target))), NO_SHARD, "GET {target}");
    }
    let encoded = expand("/services%2Fcache/shards/amber/clusters/acme:E");
    assert_eq!(client.get(encoded).status, 200);
}

#[test]
fn a_path_error_is_told_before_anybody_is_asked_who_they_are() {
    let server = Server::shared();
    let anonymous = server.client_with(None);
    let told_anonymous = |target: &str| told(&anonymous.get(expand(target)));
    assert_eq!(told_anonymous("/services/cache/foo"), NO_SHARD);
    assert_eq!(
        told_anonymous("/services/cache/shards/Amber/x"),
        r#"400 BadRequest: invalid shard: "Amber" does not match the regex"#
    );
    assert_eq!(told_anonymous("/services/cache/shards/x/metrics"), SCOPED_METRICS);
    assert_eq!(anonymous.get(expand("/services/cache/shards/a/clusters/b:E")).status, 403);
    // An identity that is missing is found out last, and a refusal repeats what was asked.
    assert_eq!(
        told_anonymous("/services/cache/shards/a/clusters/b:E:"),
        "403 Forbidden: apiexports:.apis.kcp.io is forbidden: User \"system:anonymous\" cannot \
         list resource \"apiexports:\" in API group \"apis.kcp.io\" at the cluster scope"
    );
}

#[test]
fn path_errors_are_the_same_for_every_method() {
    let server = Server::shared();
    let client = server.admin();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "FOO"] {
        let answer = client.send(&Request::new(method, "/services/cache/foo"));
        assert_eq!(told(&answer), NO_SHARD, "{method}");
    }
    let answer = client.send(&Request::new("HEAD", "/services/cache/foo"));
    assert_eq!((answer.status, answer.text().as_str()), (400, ""));
}

#[test]
fn a_path_error_is_a_status_in_json() {
    let server = Server::shared();
    let client = server.admin();
    let refused =
        |accept| client.send(&Request::new("GET", "/services/cache/foo").header("Accept", accept));
    let json = concat!(
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
        r#""message":"a shard name is required","reason":"BadRequest","code":400}"#,
        "\n"
    );
    assert_eq!(refused("application/json").text(), json);
    assert_eq!(refused("*/*").text(), json);
}

/// Asks every row below `prefix` and compares all of them before it complains.
#[track_caller]
fn check(client: &Client, prefix: &str) {
    let mut wrong = Vec::new();
    for (topic, rows) in ALL {
        for (target, expected) in rows {
            let full = format!("{prefix}{}", expand(target));
            let got = match client.try_send(&Request::new("GET", &full)) {
                Ok(answer) if expected.len() == 3 => answer.status.to_string(),
                Ok(answer) => told(&answer),
                Err(error) => error.to_string(),
            };
            let same = match expected.strip_suffix('…') {
                Some(beginning) => got.starts_with(beginning),
                None => got == *expected,
            };
            if !same {
                wrong.push(format!("{topic}: GET {full}\n  wanted {expected}\n  got    {got}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn expand(target: &str) -> String {
    target.replacen(":E", EXPORTS, 1)
}

/// Code, reason and message; of a success the code and what it says as text.
fn told(answer: &Answer) -> String {
    if answer.status >= 400 || answer.header("content-type").is_some_and(is_text) {
        return answer.refusal_line();
    }
    answer.to_string()
}

fn is_text(content_type: &str) -> bool {
    content_type.starts_with("text/plain")
}
