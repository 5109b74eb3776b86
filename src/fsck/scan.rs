//! One pass over all pairs, and what only all of them together tell.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::key::{self, Verdict};
use super::{Code, Finding, Report, Young};
use crate::model::Revision;
use crate::model::shards::{SHARD_GROUP, SHARD_RESOURCE, Shards, Standing, Times, not_before};
use crate::store::{Keyspace, Origin, Place, TypeKey};
use crate::view::{Entry, Serve, Unreadable, read_stored};

/// What a value begins with that is CBOR, which Go's servers can be made to write.
const CBOR: &[u8] = b"\xd9\xd9\xf7";

/// What the clusters begin with that every shard has of its own.
const SYSTEM: &str = "system:";

/// A judgement that is being made.
#[derive(Debug)]
pub struct Scan {
    keys: Keyspace,
    home: (&'static str, &'static str),
    serve: Serve,
    shard_kind: TypeKey,
    pairs: usize,
    findings: Vec<Finding>,
    shards: Shards,
    /// What lies on each shard.
    holdings: BTreeMap<String, Holding>,
    /// The copies of each object, by everything but the shard.
    copies: HashMap<(TypeKey, Origin, Box<str>), Vec<Copied>>,
}

/// What one shard has.
#[derive(Debug, Default)]
struct Holding {
    /// When something of it changed last, in milliseconds since 1970.
    newest: u64,
    keys: Vec<(Bytes, Revision)>,
}

/// One of the places of an object.
#[derive(Debug)]
struct Copied {
    shard: Box<str>,
    key: Bytes,
    revision: Revision,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
}

impl Scan {
    /// Nothing seen yet. `home` is the shard and the cluster of the definitions, and `serve`
    /// makes what is served of a stored value.
    pub fn new(keys: Keyspace, home: (&'static str, &'static str), serve: Serve) -> Self {
        Self {
            keys,
            home,
            serve,
            shard_kind: TypeKey::new(SHARD_GROUP, SHARD_RESOURCE),
            pairs: 0,
            findings: Vec::new(),
            shards: Shards::default(),
            holdings: BTreeMap::new(),
            copies: HashMap::new(),
        }
    }

    /// Looks at one pair. `at_millis` is when it was written, if the store knows that.
    pub fn add(&mut self, key: &Bytes, revision: Revision, value: &Bytes, at_millis: Option<u64>) {
        self.pairs += 1;
        let mut found = |code, removable, detail: String| {
            self.findings.push(Finding { code, key: key.clone(), revision, detail, removable });
        };
        let place = match key::judge(&self.keys, key, self.home) {
            Verdict::Place(place) => place,
            Verdict::Poisoned(why) => return found(Code::PoisonedKey, true, why),
            Verdict::Strange(why) => return found(Code::StrangeKey, false, why),
        };
        if value.starts_with(CBOR) {
            let why = "it is CBOR, which this version cannot read";
            return found(Code::EncodedValue, false, why.to_owned());
        }
        let entry = match read_stored(&place, value, revision, self.serve) {
            Ok(entry) => entry,
            Err(error @ Unreadable::Encrypted) => {
                return found(Code::EncodedValue, false, error.to_string());
            }
            Err(Unreadable::Malformed(why)) => {
                // Without its definition a Go server does not know a type.
                return found(Code::UnreadableValue, !place.kind.is_definitions(), why);
            }
        };
        let Ok(names) = serde_json::from_slice::<Names<'_>>(entry.metadata()) else {
            let why = "its name or its namespace is no text";
            return found(Code::UnreadableValue, !place.kind.is_definitions(), why.to_owned());
        };
        let (shard, cluster, namespace, name) = place.parts();
        let namespace = namespace.unwrap_or_default();
        if names.name != name || names.namespace != namespace {
            // Where the shard or the cluster is left out, the namespace takes its place.
            let shifted = namespace.is_empty() && names.namespace == cluster;
            return if shifted && names.name == name && !names.namespace.is_empty() {
                let why = "the shard or the cluster is missing before the namespace";
                found(Code::PoisonedKey, true, why.to_owned());
            } else {
                let said = path(&names.namespace, &names.name);
                let why = format!("the object says that it is `{said}`");
                found(Code::NameMismatch, false, why);
            };
        }
        if place.kind.is_definitions() {
            return;
        }
        if place.kind == self.shard_kind && place.origin == Origin::BuiltIn {
            self.shards.register(shard, name);
        }
        let holding = self.holdings.entry(shard.to_owned()).or_default();
        holding.newest = holding.newest.max(changed(&entry, at_millis));
        holding.keys.push((key.clone(), revision));
        // Each shard has clusters of these names, with objects of the same names.
        if !cluster.starts_with(SYSTEM) {
            let shard: Box<str> = shard.into();
            let rest = place.path[shard.len()..].into();
            let Place { kind, origin, .. } = place;
            let copies = self.copies.entry((kind, origin, rest)).or_default();
            copies.push(Copied { shard, key: key.clone(), revision });
        }
    }

    /// What all pairs come to. A shard of which something changed less than `patience`
    /// before `now_millis`, in milliseconds since 1970, is not judged yet.
    pub fn finish(self, now_millis: u64, patience: Duration) -> Report {
        let Self { pairs, mut findings, shards, holdings, copies, .. } = self;
        for copies in copies.values().filter(|it| it.len() > 1) {
            for copy in copies {
                let others = copies.iter().filter(|it| it.key != copy.key);
                let others: Vec<String> = others.map(|it| format!("`{}`", it.shard)).collect();
                findings.push(Finding {
                    code: Code::TwoShards,
                    key: copy.key.clone(),
                    revision: copy.revision,
                    detail: format!("it is also on shard {}", others.join(", ")),
                    removable: false,
                });
            }
        }
        let mut young = Vec::new();
        let mut unjudged = false;
        for (shard, Holding { newest, keys }) in holdings {
            match shards.standing(&shard) {
                Standing::There => continue,
                Standing::Unknown => {
                    unjudged = true;
                    continue;
                }
                Standing::Gone => {}
            }
            let age = Duration::from_millis(now_millis.saturating_sub(newest));
            if age < patience {
                young.push(Young { shard, objects: keys.len(), age });
                continue;
            }
            findings.extend(keys.into_iter().map(|(key, revision)| Finding {
                code: Code::OrphanedShard,
                key,
                revision,
                detail: format!("no Shard object is called `{shard}`"),
                removable: true,
            }));
        }
        findings.sort_by(|a, b| (a.code, &a.key).cmp(&(b.code, &b.key)));
        Report { pairs, findings, young, unjudged }
    }
}

/// When an object changed last, as far as anything says, in milliseconds since 1970.
fn changed(entry: &Entry, at_millis: Option<u64>) -> u64 {
    let times: Times<'_> = serde_json::from_slice(entry.metadata()).unwrap_or_default();
    let known = [times.newest(), at_millis, not_before(entry.revision())];
    known.into_iter().flatten().max().unwrap_or_default()
}

fn path(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}
