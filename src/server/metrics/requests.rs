//! What is counted while requests pass.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use parking_lot::RwLock;
use prometheus_client::encoding::{
    EncodeLabel, EncodeLabelSet, EncodeLabelValue, LabelSetEncoder, LabelValueEncoder,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Versions of types that have series of their own. Ours are some 40; the rest is for
/// types that users bring, and later ones share one label.
const TYPES_MAX: usize = 1000;

/// Upper ends of the buckets in seconds: those of other API servers, and below them
/// some for answers out of memory.
const BUCKETS: [f64; 26] = [
    0.0005, 0.001, 0.0025, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0,
    4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0,
];

/// What is counted of requests.
#[derive(Debug)]
pub struct Requests {
    total: Family<TotalLabels, Counter>,
    duration: Family<RequestLabels, Histogram, fn() -> Histogram>,
    long_running: Family<RequestLabels, Gauge>,
    watch_events: Family<TypeLabels, Counter>,
    in_flight: [Gauge; 3],
    dropped: [Counter; 3],
    types: RwLock<HashMap<[String; 3], TypeLabels>>,
    other: TypeLabels,
    none: TypeLabels,
}

/// What a request does, in the words of dashboards.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verb {
    /// Reads one object, or a document.
    Get,
    /// Reads many.
    List,
    /// Follows changes.
    Watch,
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes in part.
    Patch,
    /// Patches by server-side apply.
    Apply,
    /// Deletes one.
    Delete,
    /// Deletes many.
    DeleteCollection,
    /// Anything else.
    Other,
}

/// How wide a request reaches.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// It is not about objects.
    None,
    /// Many objects, in every namespace or in none.
    Cluster,
    /// Many objects of one namespace.
    Namespace,
    /// One object.
    Resource,
}

/// Which kind a request in flight is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestKind {
    /// It changes nothing.
    ReadOnly,
    /// It may change something.
    Mutating,
    /// It stays.
    Watch,
}

/// The labels of one version of a type. Made once by [`Requests::labels`], so that two
/// are the same if they are the same allocation; a clone costs one counter.
#[derive(Clone, Debug)]
pub struct TypeLabels(Arc<[String; 3]>);

/// Counted for as long as it is held.
#[derive(Debug)]
pub struct InFlight(Gauge);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct RequestLabels {
    kind: TypeLabels,
    verb: Verb,
    scope: Scope,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct TotalLabels {
    request: RequestLabels,
    code: u16,
}

impl Requests {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let duration: fn() -> Histogram = || Histogram::new(BUCKETS);
        let named = |name: &str| TypeLabels(Arc::new([String::new(), String::new(), name.into()]));
        let in_flight = Family::<[(&str, &str); 1], Gauge>::default();
        let dropped = Family::<[(&str, &str); 1], Counter>::default();
        let gauge = |kind| in_flight.get_or_create_owned(&[("request_kind", kind)]);
        let requests = Self {
            total: Family::default(),
            duration: Family::new_with_constructor(duration),
            long_running: Family::default(),
            watch_events: Family::default(),
            // Open watches are shown by type.
            in_flight: [gauge("readOnly"), gauge("mutating"), Gauge::default()],
            dropped: ["readOnly", "mutating", "watch"]
                .map(|kind| dropped.get_or_create_owned(&[("request_kind", kind)])),
            types: RwLock::default(),
            other: named("other"),
            none: named(""),
        };
        // The encoder adds `_total` to counters.
        registry.register(
            "apiserver_request",
            "Requests that were answered",
            requests.total.clone(),
        );
        registry.register(
            "apiserver_request_duration_seconds",
            "Time from a request's head to the end of its answer, without watches",
            requests.duration.clone(),
        );
        registry.register(
            "apiserver_longrunning_requests",
            "Watches that are open",
            requests.long_running.clone(),
        );
        registry.register(
            "apiserver_watch_events",
            "Events that were sent to watches",
            requests.watch_events.clone(),
        );
        registry.register(
            "apiserver_current_inflight_requests",
            "Requests that are being answered, without watches",
            in_flight.clone(),
        );
        registry.register(
            "apiserver_dropped_requests",
            "Requests that were refused since there were too many",
            dropped,
        );
        requests
    }

    /// The labels of one version of a served type. Keep them: this looks them up.
    pub fn labels(&self, group: &str, version: &str, resource: &str) -> TypeLabels {
        let key = [group, version, resource].map(ToOwned::to_owned);
        if let Some(labels) = self.types.read().get(&key) {
            return labels.clone();
        }
        let mut types = self.types.write();
        if types.len() >= TYPES_MAX {
            return self.other.clone();
        }
        types.entry(key).or_insert_with_key(|key| TypeLabels(Arc::new(key.clone()))).clone()
    }

    /// The labels of a type that is not served: the client made up the name.
    pub fn unknown(&self) -> &TypeLabels {
        &self.other
    }

    /// The labels of a request that is not about objects.
    pub fn no_type(&self) -> &TypeLabels {
        &self.none
    }

    /// Counts a request that was answered.
    pub fn observe(
        &self,
        kind: &TypeLabels,
        verb: Verb,
        scope: Scope,
        code: StatusCode,
        took: Duration,
    ) {
        let request = RequestLabels { kind: kind.clone(), verb, scope };
        if verb != Verb::Watch {
            self.duration.get_or_create(&request).observe(took.as_secs_f64());
        }
        self.total.get_or_create(&TotalLabels { request, code: code.as_u16() }).inc();
    }

    /// Counts a request that stays open, until the answer is dropped.
    pub fn long_running(&self, kind: &TypeLabels, verb: Verb, scope: Scope) -> InFlight {
        let labels = RequestLabels { kind: kind.clone(), verb, scope };
        InFlight::new(self.long_running.get_or_create_owned(&labels))
    }

    /// Counts a request that is being answered, until the answer is dropped. None if
    /// there are `ceiling` of its kind already, which is counted too.
    pub fn in_flight(&self, kind: RequestKind, ceiling: usize) -> Option<InFlight> {
        let gauge = &self.in_flight[kind as usize];
        let ceiling = i64::try_from(ceiling).unwrap_or(i64::MAX);
        let more = |open| (open < ceiling).then_some(open + 1);
        if gauge.inner().fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            self.dropped[kind as usize].inc();
            return None;
        }
        Some(InFlight(gauge.clone()))
    }

    /// The counter of events that watches of a type were sent. Keep it while sending.
    pub fn watch_events(&self, kind: &TypeLabels) -> Counter {
        self.watch_events.get_or_create_owned(kind)
    }
}

impl InFlight {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl PartialEq for TypeLabels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TypeLabels {}

impl Hash for TypeLabels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl EncodeLabelSet for TypeLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let [group, version, resource] = &*self.0;
        EncodeLabel::encode(&("group", group.as_str()), encoder.encode_label())?;
        EncodeLabel::encode(&("version", version.as_str()), encoder.encode_label())?;
        EncodeLabel::encode(&("resource", resource.as_str()), encoder.encode_label())
    }
}

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        EncodeLabel::encode(&("verb", self.verb), encoder.encode_label())?;
        self.kind.encode(encoder)?;
        EncodeLabel::encode(&("scope", self.scope), encoder.encode_label())
    }
}

impl EncodeLabelSet for TotalLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.request.encode(encoder)?;
        EncodeLabel::encode(&("code", u32::from(self.code)), encoder.encode_label())
    }
}

impl EncodeLabelValue for Verb {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Get => "GET",
            Self::List => "LIST",
            Self::Watch => "WATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Apply => "APPLY",
            Self::Delete => "DELETE",
            Self::DeleteCollection => "DELETECOLLECTION",
            Self::Other => "OTHER",
        }
        .encode(encoder)
    }
}

impl EncodeLabelValue for Scope {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::None => "",
            Self::Cluster => "cluster",
            Self::Namespace => "namespace",
            Self::Resource => "resource",
        }
        .encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_one_type_are_the_same_and_their_number_is_bounded() {
        let requests = Requests::new(&mut Registry::default());
        let first = requests.labels("g", "v1", "a");
        assert_eq!(first, requests.labels("g", "v1", "a"));
        assert_ne!(first, requests.labels("g", "v2", "a"));
        for n in 0..TYPES_MAX {
            requests.labels("g", "v1", &n.to_string());
        }
        assert_eq!(requests.labels("g", "v1", "one-too-many"), *requests.unknown());
        assert_eq!(first, requests.labels("g", "v1", "a"));
    }

    #[test]
    fn what_is_in_flight_is_counted_until_it_is_dropped() {
        let requests = Requests::new(&mut Registry::default());
        let first = requests.in_flight(RequestKind::ReadOnly, 2);
        let second = requests.in_flight(RequestKind::ReadOnly, 2);
        assert_eq!(requests.in_flight[0].get(), 2);
        assert!(requests.in_flight(RequestKind::ReadOnly, 2).is_none());
        assert!(requests.in_flight(RequestKind::Mutating, 2).is_some());
        assert_eq!(requests.dropped[0].get(), 1);
        drop((first, second));
        assert_eq!(requests.in_flight[0].get(), 0);
        assert!(requests.in_flight(RequestKind::ReadOnly, 2).is_some());
    }
}
