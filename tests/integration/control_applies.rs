//! Server-side apply to the kinds of the control plane, held against what a real API server made of
//! the same: who owns what, who is in whose way, and what is written at all.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Client, Request, Server};

const CASES: &str = include_str!("../golden/apply/kinds/cases.yaml");
const ANSWERS: &str = include_str!("../golden/apply/kinds/answers.json");

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    kind: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    by: String,
    apply: Option<Value>,
    force: Option<Value>,
    update: Option<Value>,
    sub: Option<String>,
}

/// The version of a kind, and where its objects are.
fn place(kind: &str) -> (&'static str, String) {
    let (version, plural) = match kind {
        "Namespace" => return ("v1", "/api/v1/namespaces".to_owned()),
        "ConfigMap" => ("v1", "configmaps"),
        "Secret" => ("v1", "secrets"),
        "Service" => ("v1", "services"),
        "Deployment" => ("apps/v1", "deployments"),
        "PodDisruptionBudget" => ("policy/v1", "poddisruptionbudgets"),
        "Lease" => ("coordination.k8s.io/v1", "leases"),
        "Certificate" => ("cert-manager.io/v1", "certificates"),
        "Issuer" => ("cert-manager.io/v1", "issuers"),
        "RootShard" => ("operator.kcp.io/v1alpha1", "rootshards"),
        "CacheServer" => ("operator.kcp.io/v1alpha1", "cacheservers"),
        other => panic!("no case is about {other}"),
    };
    let root = if version.contains('/') { "apis" } else { "api" };
    (version, format!("/{root}/{version}/namespaces/demo/{plural}"))
}

fn namespace(client: &Client) {
    let demo = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "demo" } });
    assert_eq!(client.post("/api/v1/namespaces", &demo).status, 201);
}

/// What became of a step, as the answers have it.
fn take(client: &Client, kind: &str, name: &str, step: &Step) -> Value {
    let (api_version, collection) = place(kind);
    let path = format!("{collection}/{name}");
    let before = client.get(&path).json()["metadata"]["resourceVersion"].clone();
    let sub = step.sub.as_ref().map(|it| format!("/{it}")).unwrap_or_default();
    let by = &step.by;
    let request = if let Some(changes) = &step.update {
        Request::new("PATCH", format!("{path}{sub}?fieldManager={by}"))
            .json(changes)
            .header("content-type", "application/merge-patch+json")
    } else {
        let mut object = step.apply.as_ref().or(step.force.as_ref()).unwrap().clone();
        object["apiVersion"] = api_version.into();
        object["kind"] = kind.into();
        object["metadata"]["name"] = name.into();
        let force = step.force.is_some();
        Request::new("PATCH", format!("{path}{sub}?fieldManager={by}&force={force}"))
            .json(&object)
            .header("content-type", "application/apply-patch+yaml")
    };
    let answer = client.send(&request);
    let said = answer.json();
    let mut told = json!({ "status": answer.status });
    if said["kind"] == "Status" {
        let causes = said["details"]["causes"].as_array();
        let cause = |it: &Value| json!([it["reason"], it["message"], it["field"]]);
        let mut causes: Vec<Value> = causes.into_iter().flatten().map(cause).collect();
        causes.sort_by_key(Value::to_string);
        if !causes.is_empty() {
            told["causes"] = causes.into();
        }
        return told;
    }
    let managers = said["metadata"]["managedFields"].as_array();
    let owned = |it: &Value| {
        let sub = it["subresource"].as_str().unwrap_or_default();
        json!([it["manager"], it["operation"], sub, it["fieldsV1"]])
    };
    let mut owned: Vec<Value> = managers.into_iter().flatten().map(owned).collect();
    owned.sort_by_key(Value::to_string);
    told["managed"] = owned.into();
    told["written"] = (said["metadata"]["resourceVersion"] != before).into();
    told
}

#[test]
fn fields_are_owned_as_a_real_api_server_has_them_owned() {
    let cases: Vec<Case> = serde_yaml::from_str(CASES).unwrap();
    let answers: BTreeMap<String, Vec<Value>> = serde_json::from_str(ANSWERS).unwrap();
    assert_eq!(cases.len(), answers.len());
    let server = Server::start();
    let client = server.admin();
    namespace(&client);
    for (number, case) in cases.iter().enumerate() {
        let answers = &answers[&case.name];
        assert_eq!(case.steps.len(), answers.len(), "{}", case.name);
        for (at, (step, answer)) in case.steps.iter().zip(answers).enumerate() {
            let mut wanted = answer.clone();
            if let Some(owned) = wanted.get_mut("managed").and_then(Value::as_array_mut) {
                owned.sort_by_key(Value::to_string);
            }
            let told = take(&client, &case.kind, &format!("thing-{number}"), step);
            assert_eq!(told, wanted, "{}, step {at}", case.name);
        }
    }
}

#[test]
fn what_says_that_it_does_not_change_does_not() {
    let server = Server::start();
    let client = server.admin();
    namespace(&client);
    let secrets = "/api/v1/namespaces/demo/secrets";
    let secret = |type_: &str, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" },
            "type": type_, "data": data, "immutable": true,
        })
    };
    let (code, _, said) = client.post(secrets, &secret("kubernetes.io/tls", json!({}))).refusal();
    assert_eq!(code, 422, "{said}");
    assert!(
        said.contains("data[tls.crt]: Required value, data[tls.key]: Required value"),
        "{said}"
    );
    let data = json!({ "a": "YQ==" });
    assert_eq!(client.post(secrets, &secret("Opaque", data.clone())).status, 201);
    let path = format!("{secrets}/a");
    let mut mutable = secret("Opaque", data.clone());
    mutable["immutable"] = false.into();
    for (changed, says) in [
        (secret("other", data.clone()), "type: Invalid value: \"other\": field is immutable"),
        (
            secret("Opaque", json!({ "a": "Yg==" })),
            "data: Forbidden: field is immutable when `immutable` is set",
        ),
        (mutable, "immutable: Forbidden: field is immutable when `immutable` is set"),
    ] {
        let (code, _, said) = client.put(&path, &changed).refusal();
        assert_eq!(code, 422, "{said}");
        assert!(said.contains(says), "{said}");
    }
    let mut labelled = secret("Opaque", data);
    labelled["metadata"]["labels"] = json!({ "a": "b" });
    assert_eq!(client.put(&path, &labelled).status, 200);
    assert_eq!(client.delete(&path).status, 200);
}
