//! PURE: roles that a Kubeconfig is given inside of kcp: what to do next, and the bindings.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::KubeconfigSpec;

/// What holds a Kubeconfig up until its roles are taken back.
pub const FINALIZER: &str = "operator.kcp.io/cleanup-rbac";
/// The label by which the bindings of a Kubeconfig are found; its value is the uid.
pub const LABEL: &str = "operator.kcp.io/kubeconfig";
/// The API group of roles.
const RBAC: &str = "rbac.authorization.k8s.io";
/// The workspace unless another is named.
const ROOT: &str = "root";

/// Where a Kubeconfig stands.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// Whether it is on its way out.
    pub deleting: bool,
    /// Whether it has the [`FINALIZER`].
    pub finalizer: bool,
    /// The workspace in which bindings were made, by its status.
    pub provisioned: Option<&'a str>,
    /// The workspace in which they should be.
    pub wanted: Option<&'a str>,
}

/// The next step; after each the state is looked at anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step<'a> {
    /// There is nothing to do.
    Nothing,
    /// Delete all bindings in that workspace, then forget it.
    Revoke(&'a str),
    /// Let the object go.
    RemoveFinalizer,
    /// Hold the object.
    AddFinalizer,
    /// Write down where bindings will be, before there are any.
    Remember(&'a str),
    /// Make the bindings in that workspace what they should be.
    Bind(&'a str),
}

/// Decides the next step.
pub fn next(state: State<'_>) -> Step<'_> {
    let provisioned = state.provisioned.filter(|it| !it.is_empty());
    match (state.deleting, provisioned, state.wanted) {
        (true, _, _) if !state.finalizer => Step::Nothing,
        (true, Some(old), _) => Step::Revoke(old),
        (true, None, _) => Step::RemoveFinalizer,
        (false, Some(old), wanted) if wanted != Some(old) => Step::Revoke(old),
        (false, _, None) if state.finalizer => Step::RemoveFinalizer,
        (false, _, None) => Step::Nothing,
        (false, _, Some(_)) if !state.finalizer => Step::AddFinalizer,
        (false, None, Some(wanted)) => Step::Remember(wanted),
        (false, Some(_), Some(wanted)) => Step::Bind(wanted),
    }
}

/// The workspace in which roles should be bound, if any.
pub fn workspace(spec: &KubeconfigSpec) -> Option<&str> {
    let bindings = &spec.authorization.as_ref()?.cluster_role_bindings;
    let named = [&spec.target_workspace, &bindings.cluster];
    let named = named.into_iter().filter_map(|it| it.as_deref()).find(|it| !it.is_empty());
    Some(named.unwrap_or(ROOT))
}

/// What to change about bindings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The names of those to delete.
    pub delete: Vec<String>,
    /// Those to make, or to make so.
    pub apply: Vec<ClusterRoleBinding>,
}

/// The binding of one role.
fn binding(uid: &str, name: &str, role: &str) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: ObjectMeta {
            name: Some(format!("{uid}:{role}")),
            labels: Some([(LABEL.to_owned(), uid.to_owned())].into()),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: Some(RBAC.to_owned()),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            api_group: Some(RBAC.to_owned()),
            kind: "Group".to_owned(),
            name: format!("kubeconfig:{name}"),
            namespace: None,
        }]),
    }
}

/// Compares the bindings that there are with the roles that are wanted.
///
/// A binding's role cannot be changed, so one of another role is made anew.
pub fn changes(uid: &str, name: &str, roles: &[String], there: &[ClusterRoleBinding]) -> Changes {
    let wanted: BTreeSet<&str> =
        roles.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    let wanted: Vec<_> = wanted.into_iter().map(|role| binding(uid, name, role)).collect();
    let mut changes = Changes::default();
    for old in there {
        let fits = |it: &&ClusterRoleBinding| {
            it.metadata.name == old.metadata.name && it.role_ref == old.role_ref
        };
        if !wanted.iter().any(|it| fits(&it)) {
            changes.delete.extend(old.metadata.name.clone());
        }
    }
    let is_there = |it: &ClusterRoleBinding| {
        there.iter().any(|old| {
            old.metadata.name == it.metadata.name
                && old.role_ref == it.role_ref
                && old.subjects == it.subjects
        })
    };
    changes.apply = wanted.into_iter().filter(|it| !is_there(it)).collect();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_one_next_step() {
        let state = |deleting, finalizer, provisioned, wanted| State {
            deleting,
            finalizer,
            provisioned,
            wanted,
        };
        for (state, step) in [
            (state(true, false, Some("a"), Some("a")), Step::Nothing),
            (state(true, true, Some("a"), Some("a")), Step::Revoke("a")),
            (state(true, true, None, Some("a")), Step::RemoveFinalizer),
            (state(true, true, Some(""), None), Step::RemoveFinalizer),
            (state(false, false, None, None), Step::Nothing),
            (state(false, true, None, None), Step::RemoveFinalizer),
            (state(false, true, Some("a"), None), Step::Revoke("a")),
            (state(false, false, Some("a"), Some("b")), Step::Revoke("a")),
            (state(false, false, None, Some("a")), Step::AddFinalizer),
            (state(false, false, Some("a"), Some("a")), Step::AddFinalizer),
            (state(false, true, None, Some("a")), Step::Remember("a")),
            (state(false, true, Some("a"), Some("a")), Step::Bind("a")),
        ] {
            assert_eq!(next(state), step, "{state:?}");
        }
    }

    #[test]
    fn roles_are_bound_where_the_kubeconfig_leads_or_where_it_used_to_say() {
        let spec = |target: Option<&str>, cluster: Option<&str>| -> KubeconfigSpec {
            serde_json::from_value(serde_json::json!({
                "target": {}, "username": "u", "validity": "24h", "secretRef": { "name": "s" },
                "targetWorkspace": target,
                "authorization": { "clusterRoleBindings": { "cluster": cluster, "clusterRoles": [] } },
            }))
            .expect("a spec")
        };
        assert_eq!(workspace(&spec(Some("root:a"), None)), Some("root:a"));
        assert_eq!(workspace(&spec(None, Some("root:b"))), Some("root:b"));
        assert_eq!(workspace(&spec(None, None)), Some("root"));
        assert_eq!(workspace(&KubeconfigSpec::default()), None);
    }

    #[test]
    fn bindings_follow_the_roles() {
        let roles = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let first = changes("u", "a", &roles(&["admin", "view", "admin"]), &[]);
        let names: Vec<_> =
            first.apply.iter().filter_map(|it| it.metadata.name.as_deref()).collect();
        assert_eq!((names, first.delete.len()), (vec!["u:admin", "u:view"], 0));
        assert_eq!(changes("u", "a", &roles(&["view", "admin"]), &first.apply), Changes::default());

        let fewer = changes("u", "a", &roles(&["view"]), &first.apply);
        assert_eq!((fewer.delete, fewer.apply.len()), (vec!["u:admin".to_owned()], 0));

        let mut turned = first.apply.clone();
        turned[0].role_ref.name = "cluster-admin".to_owned();
        turned[1].subjects = None;
        let mended = changes("u", "a", &roles(&["admin", "view"]), &turned);
        assert_eq!((mended.delete, mended.apply.len()), (vec!["u:admin".to_owned()], 2));
    }
}
