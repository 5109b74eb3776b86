//! Adding a kubeconfig's entries to another one, which stays what it is.
//!
//! The other file is a tree, not a type: fields and entries that nobody here knows
//! go out as they came in. Only comments are lost, as with kubectl, and a file
//! that needs no change is not written at all.

use serde_yaml::{Mapping, Value};

use super::document::Kubeconfig;
use crate::model::yaml;

/// The lists of a kubeconfig and what the body of their entries is called.
const LISTS: [(&str, &str); 3] =
    [("clusters", "cluster"), ("contexts", "context"), ("users", "user")];

/// How to merge.
#[derive(Clone, Debug, Default)]
pub struct MergeOptions {
    /// Replace entries of the same name.
    pub force: bool,
    /// The name for what the current context of the new kubeconfig consists of;
    /// its other entries get this name and a dash before their own.
    pub rename: Option<String>,
    /// Make the new kubeconfig's current context the current one.
    pub set_current: bool,
}

/// What a merge comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Merged {
    /// The whole file; the same text if nothing changed.
    pub text: String,
    /// The context that leads to what was added.
    pub context: String,
    /// Entries that are new, such as ``context `ci` ``.
    pub added: Vec<String>,
    /// Entries that were replaced.
    pub replaced: Vec<String>,
}

/// A merge that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The file is not YAML.
    #[error("not a kubeconfig")]
    Yaml(#[source] serde_yaml::Error),
    /// The file is of another shape.
    #[error("not a kubeconfig: {0}")]
    Shape(String),
    /// Entries of the same name say something else.
    #[error("already has a different {}", entries.join(", "))]
    Conflict {
        /// The entries.
        entries: Vec<String>,
    },
}

/// Adds the entries of `new` to the kubeconfig `existing`, which may be empty.
pub fn merge(
    existing: &str,
    new: &Kubeconfig,
    options: &MergeOptions,
) -> Result<Merged, MergeError> {
    let new = match &options.rename {
        Some(name) => renamed(new, name),
        None => new.clone(),
    };
    let context = new.current_context.clone();
    let mut target = parse(existing)?;
    let is_new = target.is_empty();
    let source = new.to_value();
    let (mut added, mut replaced, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
    for (list, body) in LISTS {
        let entries = list_of(&mut target, list)?;
        for entry in source.get(list).and_then(Value::as_sequence).into_iter().flatten() {
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
            let label = format!("{body} `{name}`");
            let present =
                entries.iter_mut().find(|it| it.get("name").and_then(Value::as_str) == Some(name));
            match present {
                None => {
                    entries.push(entry.clone());
                    added.push(label);
                }
                Some(present) if present.get(body) == entry.get(body) => {}
                Some(present) if options.force => {
                    *present = entry.clone();
                    replaced.push(label);
                }
                Some(_) => conflicts.push(label),
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(MergeError::Conflict { entries: conflicts });
    }
    let switches = (options.set_current || is_new)
        && target.get("current-context").and_then(Value::as_str) != Some(&context);
    if switches {
        target.insert("current-context".into(), context.as_str().into());
    }
    for (key, value) in [("apiVersion", "v1"), ("kind", "Config")] {
        if is_new {
            target.insert(key.into(), value.into());
        }
    }
    let changed = switches || !added.is_empty() || !replaced.is_empty();
    let text = match (changed, is_new) {
        (false, _) => existing.to_owned(),
        (true, true) => new.to_yaml(),
        (true, false) => yaml::render(&Value::Mapping(target)),
    };
    Ok(Merged { text, context, added, replaced })
}

fn parse(text: &str) -> Result<Mapping, MergeError> {
    let mut value: Value = serde_yaml::from_str(text).map_err(MergeError::Yaml)?;
    // `<<` and anchors are taken apart: they cannot be written back as they were.
    value.apply_merge().map_err(MergeError::Yaml)?;
    let shape = |message: &str| MergeError::Shape(message.to_owned());
    let map = match value {
        Value::Null => return Ok(Mapping::new()),
        Value::Mapping(map) => map,
        _ => return Err(shape("it is not a map of fields")),
    };
    if let Some(kind) = map.get("kind").filter(|kind| kind.as_str() != Some("Config")) {
        let kind = kind.as_str().unwrap_or("not a text");
        return Err(MergeError::Shape(format!("its kind is `{kind}`, not `Config`")));
    }
    let known = ["kind", "clusters", "contexts", "users"].iter().any(|key| map.contains_key(key));
    if !map.is_empty() && !known {
        return Err(shape("it has neither a kind nor clusters, contexts or users"));
    }
    Ok(map)
}

/// The list called `name`, made if it is missing. kubectl writes an empty one as `null`.
fn list_of<'a>(map: &'a mut Mapping, name: &str) -> Result<&'a mut Vec<Value>, MergeError> {
    let value = map.entry(name.into()).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Sequence(Vec::new());
    }
    let shape = || MergeError::Shape(format!("`{name}` is not a list of named entries"));
    let Value::Sequence(entries) = value else { return Err(shape()) };
    if entries.iter().any(|entry| entry.get("name").and_then(Value::as_str).is_none()) {
        return Err(shape());
    }
    Ok(entries)
}

/// The same kubeconfig with other names for its entries.
fn renamed(kubeconfig: &Kubeconfig, name: &str) -> Kubeconfig {
    let mut new = kubeconfig.clone();
    let main = kubeconfig.current_context.as_str();
    let other = |old: &str| if old == main { name.to_owned() } else { format!("{name}-{old}") };
    for cluster in &mut new.clusters {
        cluster.name = other(&cluster.name);
    }
    for context in &mut new.contexts {
        context.name = other(&context.name);
        context.cluster = other(&context.cluster);
        name.clone_into(&mut context.user);
    }
    for user in &mut new.users {
        name.clone_into(&mut user.name);
    }
    new.current_context = other(main);
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeconfig::{Cluster, Context, Credential, User};

    fn kubeconfig(server: &str) -> Kubeconfig {
        let pem = || Credential::Inline("PEM".to_owned());
        let cluster =
            |name: &str| Cluster { name: name.to_owned(), server: server.to_owned(), ca: pem() };
        let context = |name: &str| Context {
            name: name.to_owned(),
            cluster: name.to_owned(),
            user: "alice".to_owned(),
        };
        Kubeconfig {
            clusters: vec![cluster("default"), cluster("base")],
            contexts: vec![context("default"), context("base")],
            current_context: "default".to_owned(),
            users: vec![User { name: "alice".to_owned(), cert: pem(), key: pem() }],
        }
    }

    const EXISTING: &str = "\
# a comment
apiVersion: v1
kind: Config
current-context: work
preferences: {colors: true}
clusters:
- name: work
  cluster: {server: 'https://work', proxy-url: 'socks5://p', tls-server-name: \"no\"}
contexts: [{name: work, context: {cluster: work, user: bob, namespace: '1e3'}}]
users:
- name: bob
  user:
    exec: {command: login, args: ['yes', '12:30'], env: null}
extensions: [{name: x, extension: {last-update: 2024-01-01}}]
";

    fn tree(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn what_was_there_stays() {
        let merged = merge(EXISTING, &kubeconfig("https://new"), &MergeOptions::default()).unwrap();
        assert_eq!(
            merged.added,
            [
                "cluster `default`",
                "cluster `base`",
                "context `default`",
                "context `base`",
                "user `alice`"
            ]
        );
        let (before, after) = (tree(EXISTING), tree(&merged.text));
        for key in ["apiVersion", "kind", "current-context", "preferences", "extensions"] {
            assert_eq!(after[key], before[key], "{key}");
        }
        for (list, _) in LISTS {
            assert_eq!(after[list][0], before[list][0], "{list}");
        }
        // For a reader of YAML 1.1, too.
        for quoted in ["\"no\"", "\"1e3\"", "\"yes\"", "\"12:30\""] {
            assert!(merged.text.contains(quoted), "{}", merged.text);
        }
        // Again: nothing to do, and not a byte changes.
        let again =
            merge(&merged.text, &kubeconfig("https://new"), &MergeOptions::default()).unwrap();
        assert_eq!((again.added.len(), &again.text), (0, &merged.text));
    }

    #[test]
    fn a_different_entry_of_the_same_name_is_replaced_only_when_told_so() {
        let first = merge("", &kubeconfig("https://one"), &MergeOptions::default()).unwrap().text;
        assert_eq!(first, kubeconfig("https://one").to_yaml());
        let other = kubeconfig("https://two");
        let conflict = merge(&first, &other, &MergeOptions::default()).unwrap_err();
        assert_eq!(
            conflict.to_string(),
            "already has a different cluster `default`, cluster `base`"
        );
        let force = MergeOptions { force: true, ..MergeOptions::default() };
        let forced = merge(&first, &other, &force).unwrap();
        assert_eq!(forced.replaced, ["cluster `default`", "cluster `base`"]);
        assert_eq!(forced.text, other.to_yaml());
        let rename = MergeOptions { rename: Some("kcp".to_owned()), ..MergeOptions::default() };
        let renamed = merge(&first, &other, &rename).unwrap();
        assert_eq!(
            renamed.added,
            [
                "cluster `kcp`",
                "cluster `kcp-base`",
                "context `kcp`",
                "context `kcp-base`",
                "user `kcp`"
            ]
        );
        assert_eq!(tree(&renamed.text)["current-context"], "default");
        let switch = MergeOptions { set_current: true, ..rename };
        let switched = merge(&first, &other, &switch).unwrap();
        assert_eq!(tree(&switched.text)["current-context"], "kcp");
        assert_eq!(switched.context, "kcp");
    }

    #[test]
    fn empty_lists_anchors_and_strangers() {
        let new = kubeconfig("https://new");
        let options = MergeOptions::default();
        let nulls = "kind: Config\nclusters: null\ncontexts: null\nusers: null\n";
        assert_eq!(merge(nulls, &new, &options).unwrap().added.len(), 5);
        let anchors = "users: [{name: a, user: &u {token: t}}, {name: b, user: {<<: *u, x: y}}]";
        let merged = tree(&merge(anchors, &new, &options).unwrap().text);
        assert_eq!(merged["users"][1]["user"]["token"], "t");
        for (text, says) in [
            ("kind: Pod", "not a kubeconfig: its kind is `Pod`, not `Config`"),
            ("a: b", "not a kubeconfig: it has neither a kind nor clusters, contexts or users"),
            ("- a", "not a kubeconfig: it is not a map of fields"),
            ("users: {a: b}", "not a kubeconfig: `users` is not a list of named entries"),
            ("users: [{user: b}]", "not a kubeconfig: `users` is not a list of named entries"),
            ("users: [", "not a kubeconfig"),
            ("kind: Config\nkind: Config", "not a kubeconfig"),
        ] {
            assert_eq!(merge(text, &new, &options).unwrap_err().to_string(), says, "{text}");
        }
    }
}
