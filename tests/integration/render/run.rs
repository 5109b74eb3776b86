//! Runs `kcpctl render`, and reads what it prints.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize as _;
use serde_json::Value;

use super::differ::plain;
use crate::support::{CommandOutput, TestEnv};

/// What was printed.
pub struct Rendered {
    /// The objects by `Kind/name`. The data of Secrets and `ConfigMap`s are decoded, YAML in
    /// them too.
    pub objects: BTreeMap<String, Value>,
    /// `Kind/name` of the objects, in the order in which they were printed.
    pub order: Vec<String>,
    /// The talk.
    pub stderr: String,
}

impl Rendered {
    /// Renders manifests that are given as text.
    pub fn of(manifests: &[String]) -> Self {
        let env = TestEnv::new();
        env.write("all.yaml", manifests.join("---\n"));
        Self::read(env.run(["render", "-f", "all.yaml", "-o", "json"]))
    }

    /// Reads the answer: one document after the other, or Lists of them.
    #[track_caller]
    pub fn read(said: CommandOutput) -> Self {
        assert_eq!(said.code, Some(0), "{said}");
        let mut it = Self { objects: BTreeMap::new(), order: Vec::new(), stderr: said.stderr };
        for document in serde_json::Deserializer::from_str(&said.stdout).into_iter::<Value>() {
            it.add(document.unwrap());
        }
        it
    }

    /// The same, for YAML.
    #[track_caller]
    pub fn read_yaml(said: CommandOutput) -> Self {
        assert_eq!(said.code, Some(0), "{said}");
        let mut it = Self { objects: BTreeMap::new(), order: Vec::new(), stderr: said.stderr };
        for document in serde_yaml::Deserializer::from_str(&said.stdout) {
            it.add(Value::deserialize(document).unwrap());
        }
        it
    }

    fn add(&mut self, mut object: Value) {
        if object["kind"] == "List" {
            object["items"].as_array_mut().unwrap().drain(..).for_each(|it| self.add(it));
            return;
        }
        decode(&mut object);
        plain(&mut object);
        let key = format!(
            "{}/{}",
            object["kind"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap()
        );
        self.order.push(key.clone());
        assert!(self.objects.insert(key.clone(), object).is_none(), "{key} is there twice");
    }

    /// An object, by `Kind/name`.
    #[track_caller]
    pub fn get(&self, key: &str) -> &Value {
        self.objects.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", self.order))
    }

    /// The pod of a Deployment.
    #[track_caller]
    pub fn pod(&self, deployment: &str) -> &Value {
        &self.get(&format!("Deployment/{deployment}"))["spec"]["template"]["spec"]
    }

    /// The one container of a Deployment that is no init container.
    #[track_caller]
    pub fn server(&self, deployment: &str) -> &Value {
        let containers = self.pod(deployment)["containers"].as_array().unwrap();
        let [server] = &containers[..] else { panic!("{deployment}: one container") };
        server
    }

    /// The arguments of that container.
    #[track_caller]
    pub fn args(&self, deployment: &str) -> Vec<&str> {
        strings(&self.server(deployment)["args"])
    }

    /// The values that a flag has there.
    #[track_caller]
    pub fn flag(&self, deployment: &str, flag: &str) -> Vec<&str> {
        let args = self.args(deployment).into_iter();
        args.filter_map(|it| it.strip_prefix(flag)?.strip_prefix('=')).collect()
    }

    /// What a container of a pod mounts: the Secret or `ConfigMap` by path; of other volumes
    /// their name.
    #[track_caller]
    pub fn mounts(&self, deployment: &str, container: &Value) -> BTreeMap<String, String> {
        let volumes = items(&self.pod(deployment)["volumes"]);
        let source = |name: &Value| {
            let volume = volumes.iter().find(|it| it["name"] == *name);
            let volume = volume.unwrap_or_else(|| panic!("{deployment}: no volume {name}"));
            let source = [&volume["secret"]["secretName"], &volume["configMap"]["name"], name];
            source.iter().find_map(|it| it.as_str()).unwrap().to_owned()
        };
        let mounts = items(&container["volumeMounts"]).iter();
        mounts
            .map(|it| (it["mountPath"].as_str().unwrap().to_owned(), source(&it["name"])))
            .collect()
    }

    /// What the server of a Deployment mounts.
    #[track_caller]
    pub fn server_mounts(&self, deployment: &str) -> BTreeMap<String, String> {
        self.mounts(deployment, self.server(deployment))
    }

    /// The DNS names of a Certificate.
    #[track_caller]
    pub fn dns_names(&self, certificate: &str) -> Vec<&str> {
        strings(&self.get(&format!("Certificate/{certificate}"))["spec"]["dnsNames"])
    }
}

/// The items of a list that may be absent.
pub fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list that may be absent.
pub fn strings(list: &Value) -> Vec<&str> {
    items(list).iter().map(|it| it.as_str().unwrap()).collect()
}

fn decode(object: &mut Value) {
    let (is_secret, is_config) = (object["kind"] == "Secret", object["kind"] == "ConfigMap");
    if !is_secret && !is_config {
        return;
    }
    let mut data = object["data"].take().as_object().cloned().unwrap_or_default();
    for value in data.values_mut().filter(|_| is_secret) {
        let bytes = BASE64.decode(value.as_str().unwrap()).unwrap();
        *value = Value::String(String::from_utf8(bytes).unwrap());
    }
    if let Some(Value::Object(more)) = object.as_object_mut().unwrap().remove("stringData") {
        data.extend(more);
    }
    for (key, value) in &mut data {
        if key == "kubeconfig" || key == "path-mapping.yaml" {
            *value = serde_yaml::from_str(value.as_str().unwrap()).unwrap();
        }
    }
    object["data"] = Value::Object(data);
}
