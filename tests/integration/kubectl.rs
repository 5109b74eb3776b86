//! A real kubectl against the cache of one cluster of one shard.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, CommandOutput, Kubectl, Request, Server, annotated, api_export, at, eventually,
};

/// The manifest of a shard, which has columns of its own.
fn shard(name: &str, region: &str) -> String {
    json!({
        "apiVersion": "core.kcp.io/v1alpha1",
        "kind": "Shard",
        "metadata": {"name": name, "labels": {"region": region}},
        "spec": {
            "baseURL": format!("https://{name}.example.com:6443"),
            "externalURL": "https://kcp.example.com:443",
        },
    })
    .to_string()
}

/// A table as rows of words: kubectl decides on the spaces.
fn words(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn kubectl_creates_shows_replaces_and_deletes() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-life");
    let file = server.env().write("life.json", shard("amber", "eu"));
    let file = file.to_str().unwrap();
    assert_eq!(kubectl.run(["create", "-f", file]).success(), "shard.core.kcp.io/amber created\n");
    let again = kubectl.run(["create", "-f", file]);
    assert_eq!(again.code, Some(1), "{again}");
    assert!(again.stderr.contains("(AlreadyExists)"), "{again}");

    let table = kubectl.run(["get", "shards"]).success();
    let rows = words(&table);
    assert_eq!(rows[0], ["NAME", "REGION", "URL", "EXTERNAL", "URL", "AGE"]);
    assert_eq!(
        rows[1][..4],
        ["amber", "eu", "https://amber.example.com:6443", "https://kcp.example.com:443"]
    );
    assert_eq!(rows.len(), 2);
    let name = kubectl.run(["get", "shards.core.kcp.io", "amber", "-o", "name"]).success();
    assert_eq!(name, "shard.core.kcp.io/amber\n");

    let whole = kubectl.run(["get", "shard", "amber", "-o", "json"]).success();
    let mut whole: Value = serde_json::from_str(&whole).unwrap();
    whole["metadata"]["labels"]["region"] = json!("us");
    let changed = server.env().write("life-changed.json", whole.to_string());
    let replaced = kubectl.run(["replace", "-f", changed.to_str().unwrap()]).success();
    assert_eq!(replaced, "shard.core.kcp.io/amber replaced\n");
    let region = "jsonpath={.metadata.labels.region}";
    assert_eq!(kubectl.run(["get", "shard", "amber", "-o", region]).success(), "us");
    // The revision in that file is of the past now.
    let stale = kubectl.run(["replace", "-f", changed.to_str().unwrap()]);
    assert_eq!(stale.code, Some(1), "{stale}");
    assert!(stale.stderr.contains("the object has been modified"), "{stale}");

    let deleted = kubectl.run(["delete", "shard", "amber"]).success();
    assert!(deleted.starts_with("shard.core.kcp.io \"amber\" deleted"), "{deleted}");
    let gone = kubectl.run(["get", "shard", "amber"]);
    assert_eq!(
        gone.to_string(),
        "--- stderr\nError from server (NotFound): shards.core.kcp.io \"amber\" not found\n--- exit 1\n"
    );
}

#[test]
fn kubectl_says_what_a_manifest_has_wrong() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-wrong");
    let mut object = api_export("wrong");
    object["metadata"]["lables"] = json!({});
    let file = server.env().write("wrong.json", object.to_string());
    let refused = kubectl.run(["create", "-f", file.to_str().unwrap()]);
    // One that validates nothing itself, and asks nobody to, is warned by the server.
    let code = i32::from(kubectl.validates());
    assert_eq!(refused.code, Some(code), "{refused}");
    assert!(refused.stderr.contains(r#"unknown field "metadata.lables""#), "{refused}");
}

#[test]
fn kubectl_watches() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-watch");
    let client = server.admin();
    let shards =
        "/services/cache/shards/root/clusters/kubectl-watch/apis/core.kcp.io/v1alpha1/shards";
    let create = |name: &str| {
        let object: Value = serde_json::from_str(&shard(name, "eu")).unwrap();
        client.post(shards, &object).object(201);
    };
    create("first");
    let mut watching = kubectl.spawn(["get", "shards", "-w"]);
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("NAME "));
    assert!(next().starts_with("first "));
    create("second");
    assert!(next().starts_with("second "));
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn kubectl_describes() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-describe");
    let exports = "/services/cache/shards/root/clusters/kubectl-describe/apis/apis.kcp.io/v1alpha1/apiexports";
    server.admin().post(exports, &annotated(api_export("described"))).object(201);
    let said = kubectl.run(["describe", "apiexport", "described"]).success();
    for line in ["Name:         described", "API Version:  apis.kcp.io/", "Kind:         APIExport"]
    {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("today.widgets.example.com"), "{said}");
}

#[test]
fn kubectl_explains() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-explain");
    let said = kubectl.run(["explain", "shards"]);
    if !kubectl.validates() {
        assert!(said.stderr.contains("(NotFound)"), "{said}");
        return;
    }
    let said = said.success();
    assert!(
        said.contains("GROUP:      core.kcp.io\nKIND:       Shard\nVERSION:    v1alpha1\n"),
        "{said}"
    );
    let said =
        kubectl.run(["explain", "clusterroles", "--api-version=rbac.authorization.k8s.io/v1"]);
    assert!(said.success().contains("KIND:       ClusterRole\n"));
}

#[test]
fn kubectl_lists_what_can_be_asked_for() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-resources");
    let table = kubectl.run(["api-resources", "-o", "name"]).success();
    let mut names: Vec<&str> = table.lines().collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "apiconversions.apis.kcp.io",
            "apiexportendpointslices.apis.kcp.io",
            "apiexports.apis.kcp.io",
            "apiresourceschemas.apis.kcp.io",
            "cachedobjects.cache.kcp.io",
            "cachedresourceendpointslices.cache.kcp.io",
            "cachedresources.cache.kcp.io",
            "clustercachedresourceendpointslices.cache.kcp.io",
            "clustercachedresources.cache.kcp.io",
            "clusterrolebindings.rbac.authorization.k8s.io",
            "clusterroles.rbac.authorization.k8s.io",
            "customresourcedefinitions.apiextensions.k8s.io",
            "logicalclustermigrations.migration.kcp.io",
            "logicalclusters.core.kcp.io",
            "mutatingadmissionpolicies.admissionregistration.k8s.io",
            "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
            "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            "rolebindings.rbac.authorization.k8s.io",
            "roles.rbac.authorization.k8s.io",
            "shards.core.kcp.io",
            "validatingadmissionpolicies.admissionregistration.k8s.io",
            "validatingadmissionpolicybindings.admissionregistration.k8s.io",
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
            "workspacetypes.tenancy.kcp.io",
        ]
    );
}

#[test]
fn kubectl_works_with_the_kubeconfig_that_the_server_wrote() {
    let server = Server::shared();
    let get = |path: &str| {
        let mut kubectl = server.env().command("kubectl");
        kubectl.arg("--kubeconfig").arg(server.data_dir().join("admin.kubeconfig"));
        CommandOutput::of(kubectl.args(["get", "--raw", path])).success()
    };
    assert_eq!(get("/readyz"), "ok");
    let list: Value = serde_json::from_str(&get(&at("*", "*", APIEXPORTS))).unwrap();
    assert_eq!(list["kind"], "APIExportList");
}

#[test]
fn kubectl_patches() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-patch");
    let file = server.env().write("patch.json", shard("amber", "eu"));
    kubectl.run(["create", "-f", file.to_str().unwrap()]).success();
    let patched = |kind: &str, patch: &str| {
        kubectl.run(["patch", "shard", "amber", &format!("--type={kind}"), "-p", patch])
    };
    let url = || kubectl.run(["get", "shard", "amber", "-o", "jsonpath={.spec.baseURL}"]).success();
    let merge = r#"{"spec":{"baseURL":"https://merged"}}"#;
    assert_eq!(patched("merge", merge).success(), "shard.core.kcp.io/amber patched\n");
    assert_eq!(url(), "https://merged");
    assert_eq!(patched("merge", merge).success(), "shard.core.kcp.io/amber patched (no change)\n");
    let json = r#"[{"op":"test","path":"/spec/baseURL","value":"https://merged"},
                   {"op":"replace","path":"/spec/baseURL","value":"https://json"}]"#;
    patched("json", json).success();
    assert_eq!(url(), "https://json");
    // The test in it fails now.
    let refused = patched("json", json);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("invalid"), "{refused}");
    assert_eq!(url(), "https://json");
    let strategic = patched("strategic", merge);
    assert_eq!(strategic.code, Some(1), "{strategic}");
    assert!(strategic.stderr.contains("application/merge-patch+json"), "{strategic}");
    let labelled = kubectl.run(["label", "shard", "amber", "tier=gold"]).success();
    assert_eq!(labelled, "shard.core.kcp.io/amber labeled\n");
    let selected = kubectl.run(["get", "shards", "-l", "tier=gold", "-o", "name"]).success();
    assert_eq!(selected, "shard.core.kcp.io/amber\n");
}

#[test]
fn kubectl_applies_on_the_server() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-server-side");
    let apply = |name: &str, manifest: &Value, more: &[&str]| {
        let file = server.env().write(name, manifest.to_string());
        let all = ["apply", "--server-side", "-f", file.to_str().unwrap()];
        kubectl.run(all.iter().chain(more))
    };
    let shard = |spec: Value| json!({"apiVersion": "core.kcp.io/v1alpha1", "kind": "Shard", "metadata": {"name": "amber"}, "spec": spec});
    let spec = || kubectl.run(["get", "shard", "amber", "-o", "jsonpath={.spec}"]).success();
    let applied = "shard.core.kcp.io/amber serverside-applied\n";
    let both = shard(json!({"baseURL": "https://a", "externalURL": "https://e"}));
    assert_eq!(apply("ssa-1.json", &both, &[]).success(), applied);
    assert_eq!(apply("ssa-1.json", &both, &[]).success(), applied);

    // Somebody else wants another value, and is told whose it is.
    let other = shard(json!({"baseURL": "https://b"}));
    let refused = apply("ssa-2.json", &other, &["--field-manager=other"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("conflict with \"kubectl\": .spec.baseURL"), "{refused}");
    // An old one asks version 2 of OpenAPI whether a dry run is possible.
    if kubectl.validates() {
        let more = ["--field-manager=other", "--dry-run=server", "--force-conflicts"];
        apply("ssa-2.json", &other, &more).success();
    }
    assert_eq!(spec(), r#"{"baseURL":"https://a","externalURL":"https://e"}"#);
    let more = ["--field-manager=other", "--force-conflicts"];
    assert_eq!(apply("ssa-2.json", &other, &more).success(), applied);
    assert_eq!(spec(), r#"{"baseURL":"https://b","externalURL":"https://e"}"#);

    // What kubectl no longer says goes, and what is the other's stays.
    assert_eq!(apply("ssa-3.json", &shard(json!({})), &[]).success(), applied);
    assert_eq!(spec(), r#"{"baseURL":"https://b"}"#);

    // What was applied from kubectl's own side before is kubectl's.
    let mine = |url: &str| {
        let mut mine = shard(json!({"baseURL": url}));
        mine["metadata"]["name"] = "beryl".into();
        mine
    };
    let file = server.env().write("csa.json", mine("https://a").to_string());
    kubectl.run(["apply", "-f", file.to_str().unwrap()]).success();
    let moved = apply("ssa-4.json", &mine("https://c"), &[]).success();
    assert_eq!(moved, "shard.core.kcp.io/beryl serverside-applied\n");
    let url = kubectl.run(["get", "shard", "beryl", "-o", "jsonpath={.spec.baseURL}"]).success();
    assert_eq!(url, "https://c");
    // And back again.
    kubectl.run(["apply", "-f", file.to_str().unwrap()]).success();
    let url = kubectl.run(["get", "shard", "beryl", "-o", "jsonpath={.spec.baseURL}"]).success();
    assert_eq!(url, "https://a");
}

#[test]
fn kubectl_edits() {
    let server = Server::shared();
    let kubectl = Kubectl::new(&server, "root", "kubectl-edit");
    let file = server.env().write("edit.json", shard("amber", "eu"));
    kubectl.run(["create", "-f", file.to_str().unwrap()]).success();
    let edit = |editor: &str| {
        CommandOutput::of(kubectl.command(["edit", "shard", "amber"]).env("KUBE_EDITOR", editor))
    };
    let edited = edit("sed -i s,https://amber.example.com:6443,https://edited,");
    assert_eq!(edited.success(), "shard.core.kcp.io/amber edited\n");
    let url = kubectl.run(["get", "shard", "amber", "-o", "jsonpath={.spec.baseURL}"]).success();
    assert_eq!(url, "https://edited");
    let unchanged = edit("true");
    assert_eq!(unchanged.code, Some(0), "{unchanged}");
    assert!(unchanged.stderr.contains("no changes made"), "{unchanged}");
}

#[test]
fn kubectl_waits() {
    // Of one's own: its watches are counted.
    let server = Server::start();
    let kubectl = Kubectl::new(&server, "root", "kubectl-wait");
    let client = server.admin();
    let shards =
        "/services/cache/shards/root/clusters/kubectl-wait/apis/core.kcp.io/v1alpha1/shards";
    let object: Value = serde_json::from_str(&shard("amber", "eu")).unwrap();
    client.post(shards, &object).object(201);
    let wait = |condition: &str| {
        kubectl.spawn(["wait", "shard/amber", &format!("--for={condition}"), "--timeout=60s"])
    };
    let ends = |mut waiting: std::process::Child| {
        assert!(waiting.wait().unwrap().success(), "it waited in vain");
    };
    let watches = |count: f64| {
        let watches = || server.metric("apiserver_longrunning_requests");
        eventually("kubectl to watch", || ((watches() - count).abs() < 0.5).then_some(()));
    };
    let ready = wait("condition=Ready");
    watches(1.0);
    let change = |changes: &Value| {
        let merge = "application/merge-patch+json";
        let request = Request::new("PATCH", format!("{shards}/amber"));
        client.send(&request.header("Content-Type", merge).json(changes)).object(200);
    };
    change(&json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
    ends(ready);
    change(&json!({"spec": {"phase": "done"}}));
    if kubectl.waits_for_values() {
        ends(wait("jsonpath={.spec.phase}=done"));
    }
    watches(0.0);
    let gone = wait("delete");
    watches(1.0);
    client.delete(format!("{shards}/amber")).object(200);
    ends(gone);
}
