//! What holds for every plan, whatever is sent and whatever is stored.

use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::model::json::{scan, tree};
use crate::model::{Revision, builtin};
use crate::view::Entry;

const NOW: &str = "2026-01-01T00:00:00Z";
const FRESH: &str = "a-fresh-uid";
const KEY: &str = "/cache/apis.kcp.io/apiexports/customresources/root/acme/one";

/// What a client says of an object called `one`.
#[derive(Clone, Debug)]
struct Sent {
    is_copy: bool,
    uid: Option<&'static str>,
    created: Option<&'static str>,
    generation: Option<i64>,
    finalizers: bool,
    spec: i8,
}

prop_compose! {
    fn sent()(
        is_copy in any::<bool>(),
        uid in option::of(prop_oneof![Just("one-uid"), Just("another-uid")]),
        created in option::of(prop_oneof![
            Just("2020-01-02T03:04:05Z"),
            Just("2021-01-02T03:04:05Z"),
        ]),
        generation in option::of(0..5_i64),
        finalizers in any::<bool>(),
        spec in 0..3_i8,
    ) -> Sent {
        Sent { is_copy, uid, created, generation, finalizers, spec }
    }
}

impl Sent {
    fn object(&self, revision: Option<Revision>) -> Json {
        let mut metadata = Map::new();
        let mut set = |key: &str, value: Option<Json>| {
            metadata.extend(value.map(|value| (key.to_owned(), value)));
        };
        set("name", Some("one".into()));
        set("annotations", self.is_copy.then(|| json!({"kcp.io/shard": "anything"})));
        set("uid", self.uid.map(Json::from));
        set("creationTimestamp", self.created.map(Json::from));
        set("generation", self.generation.map(Json::from));
        set("finalizers", self.finalizers.then(|| json!(["example.com/hold"])));
        set("resourceVersion", revision.map(|it| it.to_string().into()));
        json!({
            "apiVersion": "apis.kcp.io/v1alpha2",
            "kind": "APIExport",
            "metadata": metadata,
            "spec": {"value": self.spec},
        })
    }
}

fn with_subject<T>(run: impl FnOnce(&Subject<'_>) -> T) -> T {
    let (shard, cluster) = ("root".parse().unwrap(), "acme".parse().unwrap());
    let kind = builtin::find("apis.kcp.io", "apiexports").unwrap();
    run(&Subject {
        structure: None,
        kind,
        version: "v1alpha2",
        shard: &shard,
        cluster: &cluster,
        namespace: "",
        says_place: true,
    })
}

fn read(subject: &Subject<'_>, object: &Json) -> Incoming {
    Incoming::read(tree::to_vec(object).into(), subject, FieldValidation::Warn).unwrap()
}

/// What is stored once `sent` was created, at a revision; none if it is refused.
fn created(subject: &Subject<'_>, sent: &Sent) -> Option<(Entry, Bytes)> {
    let incoming = read(subject, &sent.object(None));
    let value = create(subject, &incoming, NOW, FRESH, "x4x4x").ok()?.value;
    Some((value.served.finish(Revision(7)), value.stored))
}

fn metadata(entry: &Entry) -> Json {
    serde_json::from_slice::<Json>(entry.line()).unwrap()["metadata"].take()
}

proptest! {
    #[test]
    fn a_create_keeps_the_identity_of_a_copy_and_makes_that_of_a_new_object(sent in sent()) {
        with_subject(|subject| {
            let Some((entry, stored)) = created(subject, &sent) else {
                prop_assert!(sent.is_copy && sent.uid.is_none() && sent.created.is_none());
                return Ok(());
            };
            prop_assert!(scan::scan(&stored).is_ok());
            let metadata = metadata(&entry);
            let text = |key: &str| metadata[key].as_str();
            if sent.is_copy {
                prop_assert_eq!(text("uid"), sent.uid);
                prop_assert_eq!(text("creationTimestamp"), sent.created);
                // None and nothing are read as 1.
                let generation = sent.generation.filter(|it| *it > 0).unwrap_or(1);
                prop_assert_eq!(metadata["generation"].as_i64(), Some(generation));
            } else {
                prop_assert_eq!(text("uid"), Some(FRESH));
                prop_assert_eq!(text("creationTimestamp"), Some(NOW));
                prop_assert_eq!(metadata["generation"].as_i64(), Some(1));
            }
            Ok(())
        })?;
    }

    #[test]
    fn an_update_changes_neither_uid_nor_time_and_only_raises_the_generation(
        old in sent(),
        new in sent(),
    ) {
        with_subject(|subject| {
            let Some((entry, _)) = created(subject, &old) else { return Ok(()) };
            let before = metadata(&entry);
            let incoming = read(subject, &new.object(Some(entry.revision())));
            let planned = update(subject, &incoming, "one", &entry, KEY);
            let other_uid = new.uid.is_some_and(|uid| before["uid"].as_str() != Some(uid));
            let had = if old.is_copy { old.generation.unwrap_or(0) } else { 1 };
            let lowers = new.generation.is_some_and(|it| it != 0 && it < had);
            let after = match planned {
                Err(error) => {
                    let code = if other_uid { 409 } else { 422 };
                    prop_assert!(other_uid || lowers, "{}", error.message());
                    prop_assert_eq!(error.code(), code);
                    return Ok(());
                }
                Ok(Updated::Gone) => return Err(TestCaseError::fail("it was in no deletion")),
                Ok(Updated::Unchanged) => before.clone(),
                Ok(Updated::Changed(value)) => {
                    prop_assert!(scan::scan(&value.stored).is_ok());
                    metadata(&value.served.finish(Revision(8)))
                }
            };
            prop_assert!(!other_uid && !lowers);
            prop_assert_eq!(&after["uid"], &before["uid"]);
            prop_assert_eq!(&after["creationTimestamp"], &before["creationTimestamp"]);
            // A change of the spec raises nothing: who sends none keeps what is stored.
            let wanted = new.generation.filter(|it| *it > 0);
            let kept = before["generation"].as_i64();
            prop_assert_eq!(after["generation"].as_i64(), wanted.or(kept));
            Ok(())
        })?;
    }

    #[test]
    fn what_was_read_and_is_sent_back_is_no_change(sent in sent()) {
        with_subject(|subject| {
            let Some((entry, _)) = created(subject, &sent) else { return Ok(()) };
            // The first may bring home the server's annotations, and a generation of nothing.
            let back: Json = serde_json::from_slice(entry.line()).unwrap();
            let settled = match update(subject, &read(subject, &back), "one", &entry, KEY) {
                Ok(Updated::Changed(value)) => value.served.finish(Revision(8)),
                Ok(Updated::Unchanged) => entry,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            let back: Json = serde_json::from_slice(settled.line()).unwrap();
            let again = update(subject, &read(subject, &back), "one", &settled, KEY);
            prop_assert!(matches!(again, Ok(Updated::Unchanged)), "{again:?}");
            Ok(())
        })?;
    }
}
