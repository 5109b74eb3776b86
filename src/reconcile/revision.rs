//! PURE: as which revision a mounted object counts.
//!
//! Pods carry the revisions of what they mount, so that they roll when one of them changes. To
//! take an object over is to change it, though not what is mounted. So it keeps in an annotation
//! the revision that it had, together with its content, and counts as of that revision as long
//! as it has that content.

use kube::core::ObjectMeta;
use serde_json::{Value, json};

use super::plan::fingerprint;

/// The annotation: a revision, a space, and the content that it had.
pub(super) const ADOPTED: &str = "kcpctl.io/adopted-revision";

/// What a pod sees of a Secret or a `ConfigMap`.
fn content(body: &Value) -> String {
    format!("{:016x}", fingerprint(&json!([body.get("data"), body.get("binaryData")])))
}

/// The value of the annotation that keeps the present revision.
pub(super) fn keep(metadata: &ObjectMeta, body: &Value) -> String {
    format!("{} {}", of(metadata, body), content(body))
}

/// As which revision an object counts.
pub(super) fn of<'a>(metadata: &'a ObjectMeta, body: &Value) -> &'a str {
    let kept = metadata.annotations.as_ref().and_then(|it| it.get(ADOPTED)?.split_once(' '));
    match kept {
        Some((revision, kept)) if kept == content(body) => revision,
        _ => metadata.resource_version.as_deref().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_counts_as_of_the_revision_at_which_it_was_taken_over_until_its_content_changes() {
        let metadata = |revision: &str, kept: Option<&str>| ObjectMeta {
            resource_version: Some(revision.to_owned()),
            annotations: kept.map(|it| [(ADOPTED.to_owned(), it.to_owned())].into()),
            ..ObjectMeta::default()
        };
        let (one, other) = (json!({ "data": { "a": "MQ==" } }), json!({ "data": { "a": "Mg==" } }));
        assert_eq!(of(&metadata("7", None), &one), "7");
        let kept = keep(&metadata("7", None), &one);
        assert_eq!(of(&metadata("9", Some(&kept)), &one), "7");
        assert_eq!(of(&metadata("9", Some(&kept)), &other), "9");
        assert_eq!(of(&metadata("9", Some(&kept)), &json!({ "binaryData": one["data"] })), "9");
        assert_eq!(of(&metadata("9", Some("7")), &one), "9", "nobody says for which content");
        // Taken over again, as by a life that was killed in between.
        assert_eq!(keep(&metadata("9", Some(&kept)), &one), kept);
        assert_ne!(keep(&metadata("9", Some(&kept)), &other), kept);
    }
}
