//! PURE: a Deployment as a process of this machine: what its pods mount, and a script that starts
//! the server with the same flags.
//!
//! What a pod finds at `/etc/kcp/tls/server` lies in the folder of the Deployment at that path.
//! Flags, and the kubeconfigs and mappings that are mounted, name it there: each path below a mount
//! is led into the folder.
//!
//! # What is absent on purpose
//!
//! Only the first container, its command, arguments, plain variables and mounts. Ports, probes,
//! resources and whatever else a cluster gives to a pod are the business of whoever starts it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, KeyToPath, Volume};
use serde_json::Value;

use super::wanted::{Content, File, Files, is_file_name};
use crate::cli::files::PRIVATE;

/// The script that starts the process.
const START: &str = "start";

/// The mode of a script that its owner may run.
const SCRIPT: u32 = 0o700;

/// Where mounts come from.
pub(super) struct Sources<'a> {
    /// What a Secret holds.
    pub(super) secret: &'a dyn Fn(&str) -> Option<Content>,
    /// What a `ConfigMap` holds.
    pub(super) config_map: &'a dyn Fn(&str) -> Option<Content>,
}

/// Something that is mounted is not there.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Missing;

/// The files of a Deployment in `folder`, an absolute path.
pub(super) fn files(
    deployment: &Value,
    title: &str,
    sources: &Sources<'_>,
    folder: &str,
) -> Result<Files, Missing> {
    let mut files = Files::new();
    let Ok(deployment) = serde_json::from_value::<Deployment>(deployment.clone()) else {
        return Ok(files);
    };
    let Some(pod) = deployment.spec.template.spec else { return Ok(files) };
    let Some(container) = pod.containers.first() else { return Ok(files) };
    let volumes: BTreeMap<&str, &Volume> =
        pod.volumes.iter().flatten().map(|it| (it.name.as_str(), it)).collect();
    let mounts = container.volume_mounts.iter().flatten();
    // What is mounted within another mount lies on top of it.
    let mut mounts: Vec<_> = mounts.filter(|it| inside(&it.mount_path).is_some()).collect();
    mounts.sort_by(|a, b| a.mount_path.cmp(&b.mount_path));
    let roads = Roads {
        folder,
        mounts: mounts.iter().map(|it| it.mount_path.trim_end_matches('/')).collect(),
    };
    for mount in &mounts {
        let Some(volume) = volumes.get(mount.name.as_str()) else { return Err(Missing) };
        let Some(content) = mounted(volume, sources)? else { continue };
        let Some(at) = inside(&mount.mount_path) else { continue };
        for (path, value) in content {
            let place = match mount.sub_path.as_deref().filter(|it| !it.is_empty()) {
                None => at.join(&path),
                Some(only) if path.as_os_str() == only => at.clone(),
                Some(_) => continue,
            };
            files.insert(place, File { content: roads.lead_file(value), mode: PRIVATE });
        }
    }
    if let Some(script) = script(container, title, &roads) {
        files.insert(START.into(), File { content: script.into_bytes(), mode: SCRIPT });
    }
    Ok(files)
}

/// What a volume holds, by path; nothing if it begins empty.
fn mounted(
    volume: &Volume,
    sources: &Sources<'_>,
) -> Result<Option<BTreeMap<PathBuf, Vec<u8>>>, Missing> {
    let (content, items, optional) = if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        ((sources.secret)(name), &secret.items, secret.optional)
    } else if let Some(map) = &volume.config_map {
        ((sources.config_map)(&map.name), &map.items, map.optional)
    } else {
        return Ok(None);
    };
    let content = match content {
        Some(content) => content,
        None if optional == Some(true) => return Ok(None),
        None => return Err(Missing),
    };
    let path = |key: &str| match items.as_deref().filter(|it| !it.is_empty()) {
        None => is_file_name(key).then(|| PathBuf::from(key)),
        Some(items) => {
            let item: &KeyToPath = items.iter().find(|it| it.key == key)?;
            inside(&format!("/{}", item.path))
        }
    };
    Ok(Some(content.into_iter().filter_map(|(key, it)| Some((path(&key)?, it))).collect()))
}

/// An absolute path as one within a folder.
fn inside(path: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').filter(|it| !it.is_empty()).collect();
    let is_good = !parts.is_empty() && parts.iter().all(|it| is_file_name(it));
    is_good.then(|| parts.iter().collect())
}

/// Where the paths of mounts lead.
struct Roads<'a> {
    folder: &'a str,
    mounts: Vec<&'a str>,
}

impl Roads<'_> {
    /// A text whose paths below mounts lead into the folder.
    fn lead(&self, text: &str) -> String {
        let of_path = |it: char| it.is_ascii_alphanumeric() || "-._/".contains(it);
        let mut led = String::with_capacity(text.len());
        let mut before = None;
        for (at, it) in text.char_indices() {
            let rest = &text[at..];
            let begins = it == '/' && !before.is_some_and(of_path);
            let ends = |mount: &&str| {
                let after = rest.strip_prefix(*mount).map(|it| it.chars().next());
                after.is_some_and(|it| it.is_none_or(|it| it == '/' || !of_path(it)))
            };
            if begins && self.mounts.iter().any(ends) {
                led.push_str(self.folder);
            }
            led.push(it);
            before = Some(it);
        }
        led
    }

    /// The content of a file. Certificates and keys name no paths.
    fn lead_file(&self, content: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(content) {
            Ok(text) if !text.contains("-----BEGIN ") => self.lead(&text).into_bytes(),
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        }
    }
}

/// A script that starts the process; none for an image that says itself what it runs.
fn script(container: &Container, title: &str, roads: &Roads<'_>) -> Option<String> {
    let mut words = container.command.iter().flatten().chain(container.args.iter().flatten());
    let program = words.next()?;
    let program = program.rsplit('/').next().unwrap_or(program);
    let mut script = format!("#!/bin/sh\n# Deployment {title} as a process: written by kcpctl.\n");
    for variable in container.env.iter().flatten() {
        let is_name = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
        if let Some(value) = &variable.value
            && variable.name.bytes().all(is_name)
        {
            let value = quoted(&roads.lead(value));
            script.extend(["export ", &variable.name, "=", &value, "\n"]);
        }
    }
    script.extend(["exec ", &quoted(program)]);
    for word in words {
        // Subcommands stand beside the program, flags below it.
        let gap = if word.starts_with('-') { " \\\n  " } else { " " };
        script.push_str(gap);
        script.push_str(&quoted(&roads.lead(word)));
    }
    script.push_str(" \\\n  \"$@\"\n");
    Some(script)
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&it);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(entries: &[(&str, &str)]) -> Content {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    fn made(deployment: &Value) -> Result<BTreeMap<String, String>, Missing> {
        let secret = |name: &str| match name {
            "root-ca" => Some(content(&[("tls.crt", "-----BEGIN CA /etc/kcp/tls/ca\n")])),
            "users-ca" => Some(content(&[("tls.crt", "users")])),
            "access" => Some(content(&[
                ("kubeconfig", "ca: /etc/kcp/tls/ca/tls.crt\nother: /etc/kcp/tls/cab\n"),
                ("more", "x"),
            ])),
            _ => None,
        };
        let sources = Sources { secret: &secret, config_map: &|_| None };
        let files = files(deployment, "demo/root-kcp", &sources, "/a b/root-kcp")?;
        let text = |it: File| String::from_utf8(it.content).unwrap();
        Ok(files.into_iter().map(|(path, it)| (path.display().to_string(), text(it))).collect())
    }

    fn deployment(volumes: &Value, mounts: &Value) -> Value {
        json!({
            "metadata": { "name": "root-kcp" },
            "spec": {
                "selector": {},
                "template": { "spec": {
                    "volumes": volumes,
                    "containers": [{
                        "name": "kcp", "command": ["/kcp", "start"],
                        "args": ["--ca=/etc/kcp/tls/ca/tls.crt", "--name=it's", "--root-directory="],
                        "env": [{ "name": "A", "value": "b c" }, { "name": "B", "valueFrom": {} }],
                        "volumeMounts": mounts,
                    }],
                } },
            },
        })
    }

    #[test]
    fn mounts_lie_at_their_paths_and_everything_leads_there() {
        let volumes = json!([
            { "name": "ca", "secret": { "secretName": "root-ca" } },
            { "name": "users", "secret": { "secretName": "users-ca" } },
            { "name": "access", "secret": {
                "secretName": "access", "items": [{ "key": "kubeconfig", "path": "sub/k" }],
            } },
            { "name": "maybe", "secret": { "secretName": "none", "optional": true } },
            { "name": "scratch", "emptyDir": {} },
        ]);
        let mounts = json!([
            { "name": "users", "mountPath": "/etc/kcp/tls/ca/users" },
            { "name": "ca", "mountPath": "/etc/kcp/tls/ca" },
            { "name": "access", "mountPath": "/access/" },
            { "name": "maybe", "mountPath": "/maybe" },
            { "name": "scratch", "mountPath": "/scratch" },
            { "name": "ca", "mountPath": "/etc/../../up" },
        ]);
        let made = made(&deployment(&volumes, &mounts)).unwrap();
        let names: Vec<&str> = made.keys().map(String::as_str).collect();
        let expected =
            ["access/sub/k", "etc/kcp/tls/ca/tls.crt", "etc/kcp/tls/ca/users/tls.crt", "start"];
        assert_eq!(names, expected);
        assert_eq!(
            made["access/sub/k"],
            "ca: /a b/root-kcp/etc/kcp/tls/ca/tls.crt\nother: /etc/kcp/tls/cab\n"
        );
        assert_eq!(made["etc/kcp/tls/ca/tls.crt"], "-----BEGIN CA /etc/kcp/tls/ca\n");
        assert_eq!(
            made["start"],
            "\
#!/bin/sh
# Deployment demo/root-kcp as a process: written by kcpctl.
export A='b c'
exec kcp start \\
  '--ca=/a b/root-kcp/etc/kcp/tls/ca/tls.crt' \\
  '--name=it'\\''s' \\
  --root-directory= \\
  \"$@\"
"
        );
    }

    #[test]
    fn one_key_can_be_mounted_as_a_file() {
        let volumes = json!([{ "name": "access", "secret": { "secretName": "access" } }]);
        let mounts =
            json!([{ "name": "access", "mountPath": "/etc/it.yaml", "subPath": "kubeconfig" }]);
        let made = made(&deployment(&volumes, &mounts)).unwrap();
        let names: Vec<&str> = made.keys().map(String::as_str).collect();
        assert_eq!(names, ["etc/it.yaml", "start"]);
    }

    #[test]
    fn nothing_is_half_there() {
        let volumes = json!([{ "name": "ca", "secret": { "secretName": "none" } }]);
        let mounts = json!([{ "name": "ca", "mountPath": "/ca" }]);
        assert_eq!(made(&deployment(&volumes, &mounts)), Err(Missing));
        assert_eq!(made(&deployment(&json!([]), &mounts)), Err(Missing));
        assert_eq!(made(&json!({ "spec": 7 })), Ok(BTreeMap::new()));
    }
}
