//! Which shards an installation has, as far as its cache can tell.
//!
//! Every shard is registered by a `Shard` object, and those objects are replicated into the
//! cache as well: all of them by the root shard, or each by the shard itself, depending on
//! kcp's version. A shard whose objects are in the cache while no `Shard` object has its
//! name is *gone*: nobody looks after what it left.
//!
//! A shard that is being added may write before its `Shard` object has arrived, and nothing
//! says since when an object has been missing. So whoever deletes on the ground of this
//! gives a shard time, and looks when anything of it last changed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;

use super::Revision;

/// The group of the `Shard` objects.
pub const SHARD_GROUP: &str = "core.kcp.io";

/// Their plural name.
pub const SHARD_RESOURCE: &str = "shards";

/// What kcp calls the shard that an installation cannot be without, unless it is told
/// otherwise.
const ROOT: &str = "root";

/// What the names of servers' own places begin with.
const SYSTEM: &str = "system:";

/// The year 2020 in microseconds since 1970. A revision below is no time.
const CLOCK_MIN: u64 = 1_577_836_800_000_000;

/// The shards that are registered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Shards {
    named: BTreeSet<String>,
    /// Those in whose part of the cache `Shard` objects lie.
    hosts: BTreeSet<String>,
}

/// How a shard stands whose objects are in the cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is registered, or it is one that is never taken for gone.
    There,
    /// It is not registered, and others are.
    Gone,
    /// No shard is registered: the cache is empty or about to be filled, and tells
    /// nothing.
    Unknown,
}

/// When an object was made and changed, as its metadata tells.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Times<'a> {
    #[serde(borrow)]
    creation_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    managed_fields: Option<Vec<Managed<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Managed<'a> {
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
}

impl Shards {
    /// Notes the `Shard` object `name`, which lies in the part of `host`.
    pub fn register(&mut self, host: &str, name: &str) {
        self.named.insert(name.to_owned());
        self.hosts.insert(host.to_owned());
    }

    /// Whether no shard is registered.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Whether a `Shard` object has this name.
    pub fn has(&self, name: &str) -> bool {
        self.named.contains(name)
    }

    /// How the shard `name` stands. The root shard, those that keep the registrations and
    /// the servers' own places are always there.
    pub fn standing(&self, name: &str) -> Standing {
        let spared = name == ROOT || name.starts_with(SYSTEM) || self.hosts.contains(name);
        if spared || self.has(name) {
            Standing::There
        } else if self.is_empty() {
            Standing::Unknown
        } else {
            Standing::Gone
        }
    }
}

impl Times<'_> {
    /// The latest of them, in milliseconds since 1970. What is no time says nothing.
    pub fn newest(&self) -> Option<u64> {
        let managed = self.managed_fields.iter().flatten().map(|it| &it.time);
        [&self.creation_timestamp]
            .into_iter()
            .chain(managed)
            .flatten()
            .filter_map(|text| text.parse::<jiff::Timestamp>().ok())
            .filter_map(|time| u64::try_from(time.as_millisecond()).ok())
            .max()
    }
}

/// The moment in milliseconds since 1970 before which a revision was certainly not given
/// out. A store of kcpctl counts from the clock; of an etcd's revision nothing is known.
pub fn not_before(revision: Revision) -> Option<u64> {
    (revision.0 >= CLOCK_MIN).then_some(revision.0 / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_gone_when_others_are_registered_and_it_is_not() {
        let mut shards = Shards::default();
        assert_eq!(shards.standing("shard-1"), Standing::Unknown);
        assert_eq!(shards.standing("root"), Standing::There);
        shards.register("hub", "shard-2");
        for (name, standing) in [
            ("shard-1", Standing::Gone),
            ("shard-2", Standing::There),
            ("shard", Standing::Gone),
            ("root", Standing::There),
            // It is not registered, but keeps the registrations of others.
            ("hub", Standing::There),
            ("system:cache:server", Standing::There),
        ] {
            assert_eq!(shards.standing(name), standing, "{name}");
        }
    }

    #[test]
    fn the_newest_time_of_an_object_is_found() {
        let newest = |json: &str| serde_json::from_str::<Times<'_>>(json).unwrap().newest();
        let created = r#""creationTimestamp":"2020-01-02T03:04:05Z""#;
        assert_eq!(newest(&format!("{{{created}}}")), Some(1_577_934_245_000));
        assert_eq!(
            newest(&format!(
                r#"{{{created},"managedFields":[{{"time":"2020-01-02T03:04:06Z"}},{{"time":"x"}},{{}}]}}"#
            )),
            Some(1_577_934_246_000)
        );
        for nothing in ["{}", r#"{"creationTimestamp":null,"managedFields":null}"#] {
            assert_eq!(newest(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_a_revision_that_is_a_time_says_when() {
        assert_eq!(not_before(Revision(4711)), None);
        assert_eq!(not_before(Revision(1_795_272_090_106_781)), Some(1_795_272_090_106));
    }
}
