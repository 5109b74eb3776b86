//! PURE: which files there should be, by what the control plane holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use super::pod;
use crate::cli::files::{PRIVATE, PUBLIC};
use crate::kubeconfig::{Credential, KUBECONFIG_KEY, Kubeconfig};

/// Namespace and name.
type Place = (String, String);

/// What a Secret or a `ConfigMap` holds.
pub(super) type Content = BTreeMap<String, Vec<u8>>;

/// The objects that become files.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) secrets: BTreeMap<Place, Content>,
    pub(super) config_maps: BTreeMap<Place, Content>,
    pub(super) kubeconfigs: Vec<Value>,
    pub(super) deployments: Vec<Value>,
}

/// A file that there should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct File {
    pub(super) content: Vec<u8>,
    pub(super) mode: u32,
}

/// The files of one folder, by their paths in it.
pub(super) type Files = BTreeMap<PathBuf, File>;

/// All files that there should be.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Wanted {
    /// By folder, such as `demo/secrets/root-ca`.
    pub(super) folders: BTreeMap<PathBuf, Files>,
    /// Folders in which everything stays as it is: what they are made of is on its way.
    pub(super) kept: BTreeSet<PathBuf>,
    /// What cannot be a file.
    pub(super) problems: Vec<String>,
}

impl Objects {
    /// Reads objects. What cannot be understood is left out.
    pub(super) fn of(
        secrets: &[Value],
        config_maps: &[Value],
        kubeconfigs: Vec<Value>,
        deployments: Vec<Value>,
    ) -> Self {
        let decoded = |text: &str| BASE64_STANDARD.decode(text).ok();
        let plain = |text: &str| Some(text.as_bytes().to_vec());
        let secrets = secrets.iter().map(|it| (place(it), content(&it["data"], decoded)));
        let config_maps = config_maps.iter().map(|it| {
            let mut all = content(&it["data"], plain);
            all.extend(content(&it["binaryData"], decoded));
            (place(it), all)
        });
        Self {
            secrets: secrets.collect(),
            config_maps: config_maps.collect(),
            kubeconfigs,
            deployments,
        }
    }
}

fn content(data: &Value, read: impl Fn(&str) -> Option<Vec<u8>>) -> Content {
    let entries = data.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), read(value.as_str()?)?))).collect()
}

fn text(tree: &Value, pointer: &str) -> String {
    tree.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn place(tree: &Value) -> Place {
    (text(tree, "/metadata/namespace"), text(tree, "/metadata/name"))
}

/// Whether a file can have that name: the rule that Kubernetes has for the keys of Secrets.
pub(super) fn is_file_name(name: &str) -> bool {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"-._".contains(&it);
    !name.is_empty() && name != "." && !name.starts_with("..") && name.bytes().all(allowed)
}

/// The files below `root`, which is an absolute path.
pub(super) fn wanted(objects: &Objects, root: &Path) -> Wanted {
    let mut wanted = Wanted::default();
    for ((namespace, name), content) in &objects.secrets {
        let mut files = Files::new();
        for (key, value) in content {
            if is_file_name(key) {
                files.insert(key.into(), File { content: value.clone(), mode: PRIVATE });
            } else {
                let key: String = key.chars().take(100).collect();
                wanted.problems.push(format!(
                    "the key {key:?} of Secret/{name} in `{namespace}` cannot be the name of a file"
                ));
            }
        }
        wanted.folders.insert(folder(namespace, "secrets", name), files);
    }
    for kubeconfig in &objects.kubeconfigs {
        let (namespace, name) = place(kubeconfig);
        let folder = folder(&namespace, "kubeconfigs", &name);
        let secret = text(kubeconfig, "/spec/secretRef/name");
        let secret = objects.secrets.get(&(namespace, secret));
        let document = secret.and_then(|it| it.get(KUBECONFIG_KEY));
        let document = document.and_then(|it| std::str::from_utf8(it).ok());
        match document {
            Some(text) => {
                let files = access(text, &root.join(&folder));
                wanted.folders.insert(folder, files);
            }
            None => drop(wanted.kept.insert(folder)),
        }
    }
    for deployment in &objects.deployments {
        let (namespace, name) = place(deployment);
        let folder = folder(&namespace, "deployments", &name);
        let of = |all: &BTreeMap<Place, Content>, name: &str| {
            all.get(&(namespace.clone(), name.to_owned())).cloned()
        };
        let sources = pod::Sources {
            secret: &|name| of(&objects.secrets, name),
            config_map: &|name| of(&objects.config_maps, name),
        };
        let title = format!("{namespace}/{name}");
        match root.join(&folder).to_str().map(|it| pod::files(deployment, &title, &sources, it)) {
            Some(Ok(files)) => drop(wanted.folders.insert(folder, files)),
            Some(Err(pod::Missing)) => drop(wanted.kept.insert(folder)),
            None => {
                let root = root.display();
                wanted.problems.push(format!("`{root}` cannot stand in a script: it is not UTF-8"));
            }
        }
    }
    // Names are checked where objects are made; a path that leads elsewhere must not depend on that.
    let leads_here = |path: &PathBuf| {
        let names = path.iter().filter(|it| it.to_str().is_some_and(is_file_name));
        names.count() == 3 && path.iter().count() == 3
    };
    wanted.folders.retain(|path, _| leads_here(path));
    wanted.kept.retain(leads_here);
    wanted
}

fn folder(namespace: &str, kind: &str, name: &str) -> PathBuf {
    [namespace, kind, name].iter().collect()
}

/// A kubeconfig beside the files that it names. One of another shape, with several users or
/// several CAs, stays as it is.
fn access(text: &str, folder: &Path) -> Files {
    let private = |content: String| File { content: content.into_bytes(), mode: PRIVATE };
    let whole = || Files::from([(KUBECONFIG_KEY.into(), private(text.to_owned()))]);
    let (Ok(mut document), Some(folder)) = (Kubeconfig::from_yaml(text), folder.to_str()) else {
        return whole();
    };
    let cas: BTreeSet<Option<String>> = document.clusters.iter().map(|it| inline(&it.ca)).collect();
    let ([user], [Some(ca)]) = (&mut document.users[..], &Vec::from_iter(cas)[..]) else {
        return whole();
    };
    let (Some(cert), Some(key)) = (inline(&user.cert), inline(&user.key)) else { return whole() };
    let file = |name: &str| Credential::File(format!("{folder}/{name}"));
    (user.cert, user.key) = (file("client.crt"), file("client.key"));
    for cluster in &mut document.clusters {
        cluster.ca = file("ca.crt");
    }
    let public = |content: &str| File { content: content.as_bytes().to_vec(), mode: PUBLIC };
    Files::from([
        ("ca.crt".into(), public(ca)),
        ("client.crt".into(), public(&cert)),
        ("client.key".into(), private(key)),
        (KUBECONFIG_KEY.into(), private(document.to_yaml())),
    ])
}

fn inline(credential: &Credential) -> Option<String> {
    match credential {
        Credential::Inline(pem) => Some(pem.clone()),
        Credential::File(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(name: &str, data: &[(&str, &str)]) -> Value {
        let data: BTreeMap<&str, String> =
            data.iter().map(|(key, value)| (*key, BASE64_STANDARD.encode(value))).collect();
        json!({ "metadata": { "name": name, "namespace": "demo" }, "data": data })
    }

    fn kubeconfig(name: &str, secret: &str) -> Value {
        json!({
            "metadata": { "name": name, "namespace": "demo" },
            "spec": { "secretRef": { "name": secret } },
        })
    }

    fn texts(wanted: &Wanted, folder: &str) -> Vec<(String, String, u32)> {
        let files = wanted.folders.get(Path::new(folder)).into_iter().flatten();
        let text = |it: &File| String::from_utf8(it.content.clone()).unwrap();
        files.map(|(path, it)| (path.display().to_string(), text(it), it.mode)).collect()
    }

    const DOCUMENT: &str = "\
clusters: [
  {name: base, cluster: {server: 'https://a', certificate-authority-data: Q0E=}},
  {name: default, cluster: {server: 'https://a/clusters/root', certificate-authority-data: Q0E=}}]
contexts: [{name: default, context: {cluster: default, user: me}}]
current-context: default
users: [{name: me, user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}}]
";

    #[test]
    fn the_keys_of_a_secret_are_files_that_only_the_owner_reads() {
        let secrets = [secret("a", &[("tls.crt", "one"), ("../../up", "two"), ("..", "three")])];
        let wanted = wanted(&Objects::of(&secrets, &[], vec![], vec![]), Path::new("/data"));
        let one = ("tls.crt".to_owned(), "one".to_owned(), PRIVATE);
        assert_eq!(texts(&wanted, "demo/secrets/a"), [one]);
        assert_eq!(wanted.problems.len(), 2, "{:?}", wanted.problems);
        assert!(wanted.problems[1].contains("../../up"), "{:?}", wanted.problems);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_no_folder() {
        let mut odd = secret("a", &[("key", "value")]);
        odd["metadata"]["namespace"] = "..".into();
        let mut objects = Objects::of(&[odd], &[], vec![kubeconfig("../b", "none")], vec![]);
        objects.kubeconfigs.push(kubeconfig("", "none"));
        let wanted = wanted(&objects, Path::new("/data"));
        assert!(wanted.folders.is_empty() && wanted.kept.is_empty(), "{wanted:?}");
    }

    #[test]
    fn a_kubeconfig_names_files_beside_it() {
        let secrets = [secret("a", &[("kubeconfig", DOCUMENT)])];
        let objects = Objects::of(&secrets, &[], vec![kubeconfig("admin", "a")], vec![]);
        let files = texts(&wanted(&objects, Path::new("/data")), "demo/kubeconfigs/admin");
        let short: Vec<_> =
            files.iter().map(|(path, text, mode)| (&**path, &**text, *mode)).collect();
        assert_eq!(
            short[..3],
            [
                ("ca.crt", "CA", PUBLIC),
                ("client.crt", "CERT", PUBLIC),
                ("client.key", "KEY", PRIVATE)
            ]
        );
        let ("kubeconfig", document, PRIVATE) = short[3] else { panic!("{short:?}") };
        let document = Kubeconfig::from_yaml(document).unwrap();
        let file = |name: &str| Credential::File(format!("/data/demo/kubeconfigs/admin/{name}"));
        assert_eq!(document.users[0].cert, file("client.crt"));
        assert_eq!(document.users[0].key, file("client.key"));
        assert_eq!(document.cluster("default").unwrap().ca, file("ca.crt"));
    }

    #[test]
    fn a_kubeconfig_of_another_shape_stays_as_it_is() {
        let other_ca = DOCUMENT.replacen("Q0E=", "Q0Ey", 1);
        let files = DOCUMENT.replace("client-key-data: S0VZ", "client-key: /a/key");
        for text in [&*other_ca, &*files, "no kubeconfig", "users: []"] {
            let secrets = [secret("a", &[("kubeconfig", text)])];
            let objects = Objects::of(&secrets, &[], vec![kubeconfig("admin", "a")], vec![]);
            let files = texts(&wanted(&objects, Path::new("/data")), "demo/kubeconfigs/admin");
            assert_eq!(files, [("kubeconfig".to_owned(), text.to_owned(), PRIVATE)]);
        }
    }

    #[test]
    fn the_files_of_a_kubeconfig_stay_while_its_secret_is_on_its_way() {
        let objects = Objects::of(&[], &[], vec![kubeconfig("admin", "a")], vec![]);
        let wanted = wanted(&objects, Path::new("/data"));
        assert!(wanted.folders.is_empty());
        assert!(wanted.kept.contains(Path::new("demo/kubeconfigs/admin")));
    }
}
