//! Writing objects: server-side apply under our name, and deletes.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::connection::{ClusterClient, named};
use super::error::ClusterError;
use super::types::Resource;

/// The name under which we own fields.
pub const FIELD_MANAGER: &str = "kcpctl";

/// How to apply.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApplyOptions {
    /// Take fields over that another manager owns.
    pub force: bool,
    /// Let the server do everything but remember it.
    pub dry_run: bool,
}

/// Who, if anybody, only tries a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum DryRun {
    /// Send nothing that changes anything
    Client,
    /// Send everything, for the server to check and forget
    Server,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It was not there.
    Created,
    /// It was another.
    Configured,
    /// It was so already.
    Unchanged,
}

/// An applied object.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What became of it.
    pub change: Change,
    /// The object as the server has it now.
    pub object: Value,
    /// What the server warned of.
    pub warnings: Vec<String>,
}

/// What became of a delete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removal {
    /// It was accepted; finalizers may hold the object up.
    Accepted,
    /// The object was gone already.
    WasGone,
    /// Another object has the name now, and was left.
    WasReplaced,
}

impl Change {
    /// The word that follows an object's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

impl ClusterClient {
    /// Applies `tree` over `live`, which is what there was a moment ago.
    pub async fn apply(
        &self,
        of: &Resource,
        namespace: &str,
        tree: &Value,
        live: Option<&Value>,
        options: ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let ApplyOptions { force, dry_run } = options;
        let name = tree["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!(
            "{}?fieldManager={FIELD_MANAGER}&force={force}{}",
            of.object(namespace, name),
            if dry_run { "&dryRun=All" } else { "" }
        );
        let body = Bytes::from(wanted(tree, of.namespaced.then_some(namespace)).to_string());
        let action = format!("apply {}", named(of, namespace, name));
        let content = Some(("application/apply-patch+yaml", body));
        let answer = self.ask(Method::PATCH, &path, content, &action).await?;
        let object: Value = self.parse(&answer.body)?;
        let change = match live {
            None => Change::Created,
            Some(live) if is_same(live, &object) => Change::Unchanged,
            Some(_) => Change::Configured,
        };
        Ok(Applied { change, object, warnings: answer.warnings })
    }

    /// Deletes an object, if it is still the one with that uid.
    pub async fn delete(
        &self,
        of: &Resource,
        namespace: &str,
        name: &str,
        uid: &str,
        dry_run: bool,
    ) -> Result<Removal, ClusterError> {
        let mut options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
        });
        if !uid.is_empty() {
            options["preconditions"] = json!({ "uid": uid });
        }
        if dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let content = Some(("application/json", Bytes::from(options.to_string())));
        let action = format!("delete {}", named(of, namespace, name));
        let path = of.object(namespace, name);
        match self.ask(Method::DELETE, &path, content, &action).await {
            Ok(_) => Ok(Removal::Accepted),
            Err(error) => match error.refusal().map(|it| it.code) {
                Some(404) => Ok(Removal::WasGone),
                Some(409) => Ok(Removal::WasReplaced),
                _ => Err(error),
            },
        }
    }
}

/// What of `tree` is a wish: neither its status nor what servers write.
fn wanted(tree: &Value, namespace: Option<&str>) -> Value {
    let mut tree = tree.clone();
    if let Some(map) = tree.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = tree["metadata"].as_object_mut() {
        for name in [
            "creationTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "selfLink",
            "uid",
        ] {
            metadata.remove(name);
        }
        if let Some(namespace) = namespace {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
    }
    tree
}

/// Whether nothing that anybody would notice has changed.
fn is_same(before: &Value, after: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|name, _| {
                !["managedFields", "resourceVersion", "generation"].contains(&name.as_str())
            });
        }
        // A status is not what an apply changes.
        object.as_object_mut().map(|map| map.remove("status"));
        object
    };
    bare(before) == bare(after)
}

/// Whether our name stands among the owners of an object's fields by apply.
pub fn is_ours(object: &Value) -> bool {
    let owners = object["metadata"]["managedFields"].as_array();
    owners.into_iter().flatten().any(|it: &Value| {
        it["manager"] == FIELD_MANAGER && it["operation"] == "Apply" && it["subresource"].is_null()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn only_wishes_are_sent() {
        let tree = json!({
            "apiVersion": "v1", "kind": "Secret", "status": {},
            "metadata": { "name": "a", "uid": "x", "managedFields": [], "labels": { "b": "c" } },
        });
        let sent = wanted(&tree, Some("demo"));
        let metadata: Vec<&String> =
            sent["metadata"].as_object().map(Map::keys).into_iter().flatten().collect();
        assert_eq!(metadata, ["labels", "name", "namespace"]);
        assert_eq!(sent.get("status"), None);
    }

    #[test]
    fn an_object_is_ours_if_we_applied_it() {
        let by = |manager: &str, operation: &str| {
            is_ours(&json!({ "metadata": { "managedFields": [
                { "manager": manager, "operation": operation },
            ] } }))
        };
        assert!(by("kcpctl", "Apply"));
        assert!(!by("kcpctl", "Update") && !by("kubectl", "Apply"));
    }
}
