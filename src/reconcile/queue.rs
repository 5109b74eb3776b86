//! PURE: which object is looked at next, and when one that failed is looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a change waits for others that come with it.
pub const SETTLE: Duration = Duration::from_millis(50);
/// The wait after a first failure; each next one is twice as long.
const RETRY: Duration = Duration::from_millis(500);
/// The longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Objects that are to be looked at.
#[derive(Debug)]
pub struct Queue<K> {
    due: BTreeMap<K, Instant>,
    running: BTreeSet<K>,
    failures: BTreeMap<K, u32>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), running: BTreeSet::new(), failures: BTreeMap::new() }
    }
}

impl<K: Clone + Ord> Queue<K> {
    /// Something changed: look at it soon, whatever was planned.
    pub fn add(&mut self, key: K, now: Instant) {
        self.add_at(key, now + SETTLE);
    }

    /// Look at it then, or earlier.
    pub fn add_at(&mut self, key: K, at: Instant) {
        let due = self.due.entry(key).or_insert(at);
        *due = (*due).min(at);
    }

    /// The next one whose time has come. Nobody is looked at twice at a time.
    pub fn next(&mut self, now: Instant) -> Option<K> {
        let ready = |it: &(&K, &Instant)| *it.1 <= now && !self.running.contains(it.0);
        let (key, _) = self.due.iter().filter(ready).min_by_key(|it| (*it.1, it.0))?;
        let key = key.clone();
        self.due.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// When the next one comes.
    pub fn wake(&self) -> Option<Instant> {
        self.due.iter().filter(|it| !self.running.contains(it.0)).map(|it| *it.1).min()
    }

    /// It was looked at, and all went well.
    pub fn done(&mut self, key: &K) {
        self.running.remove(key);
        self.failures.remove(key);
    }

    /// It was looked at, and something failed that may go well another time. Says when that is.
    pub fn failed(&mut self, key: &K, now: Instant) -> Duration {
        self.running.remove(key);
        let failures = self.failures.entry(key.clone()).or_default();
        let wait = RETRY.saturating_mul(1 << (*failures).min(16)).min(RETRY_MAX);
        *failures += 1;
        self.add_at(key.clone(), now + wait);
        wait
    }

    /// Nobody is looked at any longer: what was begun was dropped.
    pub fn drop_running(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.running) {
            self.add(key, now);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;
    use crate::reconcile::source::SourceKey;

    fn key(kind: Kind, name: &str) -> SourceKey {
        SourceKey { kind, namespace: "demo".into(), name: name.into() }
    }

    #[test]
    fn a_burst_of_changes_is_one_look_and_caches_come_first() {
        let mut queue = Queue::default();
        let now = Instant::now();
        for _ in 0..3 {
            queue.add(key(Kind::Shard, "a"), now);
        }
        queue.add(key(Kind::CacheServer, "z"), now);
        assert_eq!(queue.next(now), None, "more may come");
        let later = now + SETTLE;
        assert_eq!(queue.next(later), Some(key(Kind::CacheServer, "z")));
        assert_eq!(queue.next(later), Some(key(Kind::Shard, "a")));
        assert_eq!(queue.next(later), None);
    }

    #[test]
    fn a_change_during_a_look_is_seen_by_another_look() {
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.add_at(key(Kind::Shard, "a"), now);
        assert!(queue.next(now).is_some());
        queue.add_at(key(Kind::Shard, "a"), now);
        assert_eq!((queue.next(now), queue.wake()), (None, None), "it is being looked at");
        queue.done(&key(Kind::Shard, "a"));
        assert!(queue.next(now).is_some());
    }

    #[test]
    fn a_failure_waits_longer_each_time_until_a_success() {
        let mut queue = Queue::default();
        let now = Instant::now();
        let one = key(Kind::Shard, "a");
        let waits: Vec<_> = (0..12).map(|_| queue.failed(&one, now)).collect();
        assert_eq!(waits[..3], [RETRY, RETRY * 2, RETRY * 4]);
        assert_eq!(waits[11], RETRY_MAX);
        assert_eq!(queue.wake(), Some(now + RETRY), "the earliest counts");
        queue.done(&one);
        assert_eq!(queue.failed(&one, now), RETRY);
        queue.add(one.clone(), now);
        assert_eq!(queue.wake(), Some(now + SETTLE), "a change does not wait for a retry");
    }
}
