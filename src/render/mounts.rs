//! What a Deployment needs before it can start, and what it should roll on.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;

/// What the pods of a Deployment read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mounts {
    /// Secrets, by name.
    pub secrets: BTreeMap<String, Mount>,
    /// `ConfigMap`s, by name.
    pub config_maps: BTreeMap<String, Mount>,
}

/// How pods read an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mount {
    /// Whether they start without it.
    pub optional: bool,
}

/// The Secrets and `ConfigMap`s that the volumes and variables of a Deployment's pods name.
pub fn mounts(deployment: &Deployment) -> Mounts {
    let mut mounts = Mounts::default();
    let Some(pod) = &deployment.spec.template.spec else {
        return mounts;
    };
    for volume in pod.volumes.iter().flatten() {
        if let Some(secret) = &volume.secret
            && let Some(name) = &secret.secret_name
        {
            add(&mut mounts.secrets, name, secret.optional);
        }
        if let Some(map) = &volume.config_map {
            add(&mut mounts.config_maps, &map.name, map.optional);
        }
    }
    for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
        for source in container.env_from.iter().flatten() {
            if let Some(secret) = &source.secret_ref {
                add(&mut mounts.secrets, &secret.name, secret.optional);
            }
            if let Some(map) = &source.config_map_ref {
                add(&mut mounts.config_maps, &map.name, map.optional);
            }
        }
        for source in container.env.iter().flatten().filter_map(|it| it.value_from.as_ref()) {
            if let Some(secret) = &source.secret_key_ref {
                add(&mut mounts.secrets, &secret.name, secret.optional);
            }
            if let Some(map) = &source.config_map_key_ref {
                add(&mut mounts.config_maps, &map.name, map.optional);
            }
        }
    }
    mounts
}

/// Who needs an object once needs it, whoever else could do without.
fn add(among: &mut BTreeMap<String, Mount>, name: &str, optional: Option<bool>) {
    let optional = optional.unwrap_or(false);
    let mount = among.entry(name.to_owned()).or_insert(Mount { optional });
    mount.optional &= optional;
}
