//! What is read when somebody asks, instead of being counted all along.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::model::Revision;
use crate::server::orphans;
use crate::view::View;

/// Types whose objects have a series of their own; the objects of later ones are added
/// up in one.
const TYPES_MAX: usize = 1000;

/// The state of a server at one moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How many objects there are of each `resource.group`.
    pub objects: Vec<(String, usize)>,
    /// Bytes of all objects as JSON.
    pub object_bytes: usize,
    /// The newest revision.
    pub revision: Revision,
    /// Bytes that history costs.
    pub history_bytes: usize,
    /// Changes that left history before their time since it was full.
    pub history_cut_short: u64,
    /// Bytes that objects cost with what is kept beside them, and history may.
    pub memory_used: usize,
    /// The most that they may cost; zero is no limit.
    pub memory_limit: usize,
    /// Writes that were refused since there was no room.
    pub memory_refusals: u64,
    /// Stored objects that are left out since they cannot be understood.
    pub strange: usize,
    /// Objects of shards that are gone.
    pub orphaned: usize,
    /// What the store did.
    pub store: StoreFacts,
}

/// How a store is, and what it did since it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreFacts {
    /// Whether it takes writes.
    pub is_well: bool,
    /// Changes that were written.
    pub writes: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Syncs that were waited for.
    pub syncs: u64,
    /// Batches that failed.
    pub failures: u64,
    /// Bytes that it has on disk.
    pub disk_bytes: u64,
}

impl Facts {
    /// What is known of a view.
    pub fn of(view: &View, store: StoreFacts) -> Self {
        let root = view.root();
        let mut facts = Self {
            revision: root.revision(),
            history_bytes: view.stats().history_bytes(),
            history_cut_short: view.stats().history_cut_short(),
            memory_used: view.stats().memory_used(),
            memory_limit: view.memory_limit().unwrap_or(0),
            memory_refusals: view.stats().memory_refusals(),
            strange: view.stats().strange(),
            orphaned: orphans::count(&root),
            store,
            ..Self::default()
        };
        for (key, kind) in root.kinds() {
            let (group, resource) = key.parts();
            let name =
                if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
            facts.object_bytes += kind.bytes();
            facts.objects.push((name, kind.count()));
        }
        facts.objects.sort_unstable();
        if facts.objects.len() > TYPES_MAX {
            let rest = facts.objects.drain(TYPES_MAX..).map(|(_, count)| count).sum();
            facts.objects.push(("other".to_owned(), rest));
        }
        facts
    }

    pub(super) fn registry(&self) -> Registry {
        let Self {
            objects,
            object_bytes,
            revision,
            history_bytes,
            history_cut_short,
            memory_used,
            memory_limit,
            memory_refusals,
            strange,
            orphaned,
            store,
        } = self;
        let StoreFacts { is_well, writes, bytes, syncs, failures, disk_bytes } = *store;
        let mut registry = Registry::default();
        let by_type = Family::<[(&str, String); 1], Gauge>::default();
        for (resource, count) in objects {
            by_type.get_or_create(&[("resource", resource.clone())]).set(signed(*count as u64));
        }
        registry.register("apiserver_storage_objects", "Objects that are held", by_type);
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(signed(value));
            registry.register(name, help, gauge);
        };
        gauge("kcpctl_object_bytes", "Bytes of all objects as JSON", *object_bytes as u64);
        gauge("kcpctl_revision", "The newest revision", revision.0);
        gauge("kcpctl_history_bytes", "Bytes that recent changes cost", *history_bytes as u64);
        gauge(
            "kcpctl_memory_used_bytes",
            "Bytes that objects cost with what is kept beside them, and the most that history may",
            *memory_used as u64,
        );
        gauge(
            "kcpctl_memory_limit_bytes",
            "The most that they may cost, or 0 for no limit",
            *memory_limit as u64,
        );
        gauge("kcpctl_store_disk_bytes", "Bytes that the store has on disk", disk_bytes);
        gauge(
            "kcpctl_store_strange_objects",
            "Stored objects that are left out since they cannot be understood",
            *strange as u64,
        );
        gauge(
            "kcpctl_orphaned_objects",
            "Objects of shards of whose name there is no Shard object",
            *orphaned as u64,
        );
        gauge("kcpctl_store_up", "Whether the store takes writes", u64::from(is_well));
        let mut counter = |name: &str, help: &str, value: u64| {
            let counter = Counter::<u64>::default();
            counter.inc_by(value);
            registry.register(name, help, counter);
        };
        counter(
            "kcpctl_history_cut_short",
            "Changes that left history before their time since it was full",
            *history_cut_short,
        );
        counter(
            "kcpctl_memory_refused_writes",
            "Writes that were refused since there was no room",
            *memory_refusals,
        );
        counter("kcpctl_store_writes", "Changes that were made durable", writes);
        counter("kcpctl_store_bytes", "Bytes that were written to the store", bytes);
        counter("kcpctl_store_syncs", "Syncs that writes waited for", syncs);
        counter("kcpctl_store_failures", "Batches that the store could not write", failures);
        registry
    }
}

/// A gauge is signed; what does not fit is as good as infinite.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
