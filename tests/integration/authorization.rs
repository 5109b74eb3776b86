//! Who may do what: the cases of the contract, and each group of ours.

use crate::support::{APIEXPORTS, Client, Credentials, Request, Server, annotated, api_export, at};

/// Both names of the executable.
fn both() -> [std::sync::Arc<Server>; 2] {
    [Server::shared_cache_server(), Server::shared()]
}

fn list_forbidden(user: &str) -> String {
    format!(
        "403 Forbidden: apiexports.apis.kcp.io is forbidden: User \"{user}\" cannot list resource \
         \"apiexports\" in API group \"apis.kcp.io\" at the cluster scope"
    )
}

#[test]
fn health_needs_no_identity() {
    for server in both() {
        let anonymous = server.client_with(None);
        let stranger = server.client_with(Some(&Credentials::by_a_stranger()));
        for path in [
            "/livez",
            "/readyz",
            "/healthz",
            "/services/cache/readyz",
            "/services/cache/shards/amber/livez",
            "/services/cache/shards/amber/clusters/acme/readyz",
        ] {
            for client in [&anonymous, &stranger] {
                let answer = client.get(path);
                assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{path}");
            }
        }
    }
}

#[test]
fn the_anonymous_are_refused() {
    for server in both() {
        let answer = server.client_with(None).get(at("*", "*", APIEXPORTS));
        assert_eq!(answer.refusal_line(), list_forbidden("system:anonymous"));
    }
}

#[test]
fn a_certificate_of_a_foreign_ca_counts_for_nothing() {
    for server in both() {
        let stranger = server.client_with(Some(&Credentials::by_a_stranger()));
        let answer = stranger.get(at("*", "*", APIEXPORTS));
        assert_eq!(answer.refusal_line(), list_forbidden("system:anonymous"));
    }
}

#[test]
fn a_certificate_without_a_group_that_matters_is_refused_by_name() {
    for server in both() {
        let nobody = server.client("some-user", &["some-group"]);
        let told = |method: &str, path: &str| {
            let target = at("amber", "acme", path);
            nobody.send(&Request::new(method, target).body("{}")).refusal_line()
        };
        assert_eq!(told("GET", APIEXPORTS), list_forbidden("some-user"));
        let refused = |what: &str| format!("403 Forbidden: {what}");
        assert_eq!(
            told("GET", "apis/apis.kcp.io/v1alpha1/apiexports/x"),
            refused(
                "apiexports.apis.kcp.io \"x\" is forbidden: User \"some-user\" cannot get resource \
                 \"apiexports\" in API group \"apis.kcp.io\" at the cluster scope"
            )
        );
        for (method, target, verb) in [
            ("POST", APIEXPORTS, "create"),
            ("DELETE", APIEXPORTS, "deletecollection"),
            ("GET", "apis/apis.kcp.io/v1alpha1/apiexports?watch=true", "watch"),
        ] {
            assert_eq!(told(method, target), list_forbidden("some-user").replace("list", verb));
        }
        assert_eq!(
            told("GET", "apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"),
            refused(
                "roles.rbac.authorization.k8s.io is forbidden: User \"some-user\" cannot list \
                 resource \"roles\" in API group \"rbac.authorization.k8s.io\" in the namespace \
                 \"default\""
            )
        );
        assert_eq!(
            told("GET", "apis/apis.kcp.io"),
            refused("forbidden: User \"some-user\" cannot get path \"/apis/apis.kcp.io\"")
        );
        assert_eq!(
            nobody.get("/services/cache/metrics").refusal_line(),
            refused("forbidden: User \"some-user\" cannot get path \"/metrics\"")
        );
    }
}

#[test]
fn masters_may_do_everything() {
    for server in both() {
        let admin = server.admin();
        assert_eq!(admin.get(at("*", "*", APIEXPORTS)).status, 200);
        assert_eq!(admin.get("/services/cache/metrics").status, 200);
        assert_eq!(admin.get("/services/cache/shards/amber/version").status, 200);
    }
}

#[test]
fn metrics_of_a_scope_are_not_there_for_anybody() {
    for server in both() {
        for client in [server.admin(), server.client_with(None)] {
            let answer = client.get("/services/cache/shards/amber/clusters/acme/metrics");
            assert_eq!(
                answer.refusal_line(),
                "501 text: shard-level endpoint not available at shard or workspace scope\n"
            );
        }
    }
}

#[test]
fn a_shard_reads_everything_and_writes_its_own() {
    let server = Server::shared();
    let shard = server.client("amber", &["kcpctl:shard:amber"]);
    let export = annotated(api_export("own"));
    let own = at("amber", "own", APIEXPORTS);
    let created = shard.post(&own, &export).object(201);
    assert_eq!(shard.put(format!("{own}/own"), &created).status, 200);
    assert_eq!(shard.get(at("*", "*", APIEXPORTS)).status, 200);
    assert_eq!(shard.get(at("basalt", "own", APIEXPORTS)).status, 200);
    assert_eq!(shard.delete(format!("{own}/own")).status, 200);
}

#[test]
fn a_shard_does_not_write_where_another_one_lives() {
    let server = Server::shared();
    let admin = server.admin();
    let shard = server.client("amber", &["kcpctl:shard:amber"]);
    let export = annotated(api_export("theirs"));
    let theirs = at("basalt", "theirs", APIEXPORTS);
    let created = admin.post(&theirs, &export).object(201);
    let name = format!("{theirs}/theirs");
    refused(&shard, "POST", &theirs);
    refused(&shard, "DELETE", &theirs);
    refused(&shard, "PUT", &name);
    refused(&shard, "DELETE", &name);
    // Not by a wildcard either, and not through the control plane.
    refused(&shard, "POST", &at("*", "theirs", APIEXPORTS));
    refused(&shard, "DELETE", &at("*", "*", APIEXPORTS));
    refused(&shard, "GET", "/api/v1/secrets");
    // A longer name is another shard.
    refused(&shard, "POST", &at("amber-2", "theirs", APIEXPORTS));
    assert_eq!(admin.get(&name).object(200), created);
}

#[test]
fn a_reader_reads_the_cache_and_nothing_else() {
    let server = Server::shared();
    let reader = server.client("auditor", &["kcpctl:reader"]);
    assert_eq!(reader.get(at("*", "*", APIEXPORTS)).status, 200);
    assert_eq!(reader.get("/services/cache/shards/amber/clusters/a/apis/apis.kcp.io").status, 200);
    refused(&reader, "POST", &at("amber", "reader", APIEXPORTS));
    refused(&reader, "DELETE", &at("amber", "reader", APIEXPORTS));
    refused(&reader, "GET", "/metrics");
    refused(&reader, "GET", "/api/v1/secrets");
}

#[test]
fn a_metrics_reader_reads_metrics_and_nothing_else() {
    let server = Server::shared();
    let prometheus = server.client("prometheus", &["kcpctl:metrics"]);
    let answer = prometheus.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("# TYPE apiserver_request_total counter"), "{answer}");
    refused(&prometheus, "GET", &at("*", "*", APIEXPORTS));
    refused(&prometheus, "POST", &at("amber", "metrics", APIEXPORTS));
}

#[test]
fn several_groups_add_up() {
    let server = Server::shared();
    let both = server.client("sre", &["kcpctl:metrics", "some-group", "kcpctl:reader"]);
    assert_eq!(both.get("/metrics").status, 200);
    assert_eq!(both.get(at("*", "*", APIEXPORTS)).status, 200);
}

#[track_caller]
fn refused(client: &Client, method: &str, target: &str) {
    let body = serde_json::to_vec(&api_export("x")).unwrap();
    let request = Request::new(method, target);
    let answer = client.send(&if method == "GET" { request } else { request.body(body) });
    assert_eq!(answer.status, 403, "{method} {target}: {answer}");
    assert_eq!(answer.refusal().1, "Forbidden", "{method} {target}: {answer}");
}
