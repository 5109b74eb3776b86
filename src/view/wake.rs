//! Waking those whom a change can concern, and nobody else.
//!
//! A watcher joins the group of its scope. A published batch wakes each group that
//! it touches once, however many of its changes do. A group also knows the newest
//! change of its own that history dropped, so that a watcher who was asleep for
//! long, because nothing concerned it, has missed nothing and goes on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch::{Receiver, Sender};

use crate::model::{Cluster, Revision, Shard};
use crate::store::split_path;

use super::scope::Scope;

/// How many groups there are before those that everybody left are looked for.
const GROUPS_SWEPT_FROM: usize = 64;

/// The watchers of one type, by what they watch.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
}

/// What a group of watchers has in common.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum GroupKey {
    All,
    Shard(Box<str>),
    Cluster(Box<str>),
    /// `shard/cluster`
    Both(Box<str>),
    /// `shard/cluster[/namespace]/name`
    Object(Box<str>),
}

#[derive(Debug)]
struct Group {
    sender: Sender<()>,
    dropped: AtomicU64,
}

/// A watcher's place in its group.
#[derive(Debug)]
pub(super) struct Member {
    group: Arc<Group>,
    receiver: Receiver<()>,
}

impl Wakers {
    /// Joins the group of `scope`. History reaches back to `floor`.
    pub(super) fn join(&self, scope: &Scope, floor: Revision) -> Member {
        let mut groups = self.groups.lock();
        if groups.len() >= GROUPS_SWEPT_FROM && groups.len().is_power_of_two() {
            groups.retain(|_, group| group.sender.receiver_count() > 0);
        }
        let new = || Arc::new(Group { sender: Sender::new(()), dropped: AtomicU64::new(floor.0) });
        let group = groups.entry(GroupKey::of(scope)).or_insert_with(new).clone();
        let receiver = group.sender.subscribe();
        Member { group, receiver }
    }

    /// Wakes every group that a change at one of `paths` can concern.
    pub(super) fn wake<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        let mut groups = self.groups.lock();
        if groups.is_empty() {
            return;
        }
        let touched: HashSet<GroupKey> = paths.flat_map(GroupKey::concerned).collect();
        for key in touched {
            let abandoned = groups.get(&key).is_some_and(|group| group.sender.send(()).is_err());
            if abandoned {
                groups.remove(&key);
            }
        }
    }

    /// Notes that the change of `path` at `revision` is about to be dropped. Called
    /// before it is: a reader looks at the changes first and at this note second.
    pub(super) fn note_dropped(&self, path: &str, revision: Revision) {
        let groups = self.groups.lock();
        if groups.is_empty() {
            return;
        }
        for key in GroupKey::concerned(path) {
            if let Some(group) = groups.get(&key) {
                group.dropped.fetch_max(revision.0, Ordering::SeqCst);
            }
        }
    }
}

impl Wakers {
    /// Lets every group know that it has missed everything, and wakes it.
    pub(super) fn expire(&self) {
        for group in self.groups.lock().values() {
            group.dropped.store(u64::MAX, Ordering::SeqCst);
            let _ = group.sender.send(());
        }
    }
}

impl Member {
    /// The newest change that concerned the group and was dropped.
    pub(super) fn dropped(&self) -> Revision {
        Revision(self.group.dropped.load(Ordering::SeqCst))
    }

    /// Waits until the group is woken; at once if it was since the last time.
    pub(super) async fn woken(&mut self) {
        // The group is held here, and with it the sender.
        let _ = self.receiver.changed().await;
    }
}

impl GroupKey {
    fn of(scope: &Scope) -> Self {
        match (&scope.shard, &scope.cluster, &scope.name) {
            (Shard::Named(_), Cluster::Named(_), Some(name)) => {
                Self::Object(format!("{}{name}", scope.prefix()).into())
            }
            (Shard::Named(shard), Cluster::Named(cluster), None) => {
                Self::Both(format!("{shard}/{cluster}").into())
            }
            (Shard::Named(shard), Cluster::All, _) => Self::Shard(shard.as_str().into()),
            (Shard::All, Cluster::Named(cluster), _) => Self::Cluster(cluster.as_str().into()),
            (Shard::All, Cluster::All, _) => Self::All,
        }
    }

    /// The groups that a change at `path` can concern.
    fn concerned(path: &str) -> [Self; 5] {
        let (shard, cluster, ..) = split_path(path);
        [
            Self::All,
            Self::Shard(shard.into()),
            Self::Cluster(cluster.into()),
            Self::Both(path[..shard.len() + 1 + cluster.len()].into()),
            Self::Object(path.into()),
        ]
    }
}
