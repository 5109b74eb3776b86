//! `kcpctl crds`: the definitions of the operator's kinds, as text for kubectl.

use serde_json::Value;

use crate::support::TestEnv;

const KINDS: [&str; 6] =
    ["CacheServer", "RootShard", "Shard", "FrontProxy", "VirtualWorkspace", "Kubeconfig"];

fn kinds(crds: &[Value]) -> Vec<&str> {
    crds.iter().map(|it| it["spec"]["names"]["kind"].as_str().unwrap()).collect()
}

#[test]
fn all_kinds_are_printed_as_documents_or_as_a_list() {
    let env = TestEnv::new();
    let yaml = env.run(["crds"]).success();
    let documents: Vec<Value> =
        yaml.split("\n---\n").map(|it| serde_yaml::from_str(it).unwrap()).collect();
    assert_eq!(kinds(&documents), KINDS);
    for crd in &documents {
        assert_eq!(crd["apiVersion"], "apiextensions.k8s.io/v1");
        assert_eq!(crd["kind"], "CustomResourceDefinition");
        let names = &crd["spec"]["names"];
        let name = format!("{}.operator.kcp.io", names["plural"].as_str().unwrap());
        assert_eq!(crd["metadata"]["name"], name);
    }
    let list: Value = serde_json::from_str(&env.run(["crds", "-o", "json"]).success()).unwrap();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&"List".into(), &"v1".into()));
    assert_eq!(list["items"].as_array(), Some(&documents));
}

#[test]
fn kinds_are_chosen_by_any_of_their_names() {
    let env = TestEnv::new();
    for name in ["shard", "shards", "Shard"] {
        let one: Value =
            serde_json::from_str(&env.run(["crds", name, "-o=json"]).success()).unwrap();
        assert_eq!(one["spec"]["names"]["kind"], "Shard");
    }
    let yaml = env.run(["crds", "kubeconfigs", "cacheserver"]).success();
    assert_eq!(yaml.matches("kind: CustomResourceDefinition").count(), 2);
    assert_eq!(env.run(["crds", "nothing"]).code, Some(2));
}

/// What the rules of the definitions refuse and let pass, as an API server judged it.
#[test]
fn each_rule_of_the_definitions_is_one_that_validate_knows() {
    let env = TestEnv::new();
    let list: Value = serde_json::from_str(&env.run(["crds", "-o", "json"]).success()).unwrap();
    let mut rules = Vec::new();
    collect(&list, &mut rules);
    rules.sort();
    assert_eq!(
        rules,
        [
            "Cannot set both ExternalHostname (deprecated) and External.hostname. Use \
             External.hostname only.",
            "Cannot set both targetWorkspace and authorization.clusterRoleBindings.cluster. Use \
             targetWorkspace only.",
            "Must specify exactly one of rootShardRef or shardRef",
            "OIDC requires ServiceAccount auth to be enabled.",
            "etcd must be specified when replicas > 1",
        ]
    );
}

fn collect(value: &Value, rules: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for rule in
                map.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten()
            {
                rules.push(rule["message"].as_str().unwrap().to_owned());
            }
            map.values().for_each(|it| collect(it, rules));
        }
        Value::Array(items) => items.iter().for_each(|it| collect(it, rules)),
        _ => {}
    }
}
