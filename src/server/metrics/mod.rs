//! What the server counts, under the names that dashboards of API servers use.
//!
//! * `requests` counts while requests pass: a series is found by hashing four small
//!   values, and nothing is allocated once it exists.
//! * `facts` are read when somebody asks: objects, revision, store.
//! * `process` is the process itself, out of `/proc`.
//! * `exposition` is the text, in the format that the scraper wants.
//!
//! # What is absent on purpose
//!
//! No label carries the name of a cluster, a shard, a user or an object, and types
//! beyond a bound fold into one: a client cannot make series.

mod exposition;
mod facts;
mod process;
mod requests;

use std::fmt;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::server::conn::ConnectionMetrics;

pub use exposition::Exposition;
pub use facts::{Facts, StoreFacts};
pub use requests::{InFlight, RequestKind, Requests, Scope, TypeLabels, Verb};

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// What is counted of requests.
    pub requests: Requests,
    /// What is counted of connections.
    pub connections: ConnectionMetrics,
    /// Objects of gone shards that were deleted.
    pub pruned: Counter,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Requests::new(&mut registry);
        let connections = ConnectionMetrics::default();
        registry.register(
            "kcpctl_connections",
            "Connections that are open",
            connections.open.clone(),
        );
        registry.register(
            "kcpctl_connections_accepted",
            "Connections that were accepted",
            connections.accepted.clone(),
        );
        registry.register(
            "kcpctl_tls_handshakes_failed",
            "Connections that ended before TLS was agreed",
            connections.handshakes_failed.clone(),
        );
        registry.register(
            "kcpctl_connections_stalled",
            "Connections that were closed since the client did not read",
            connections.stalled.clone(),
        );
        registry.register(
            "kcpctl_answers_abandoned",
            "Answers that were given up since the client did not read them",
            connections.abandoned.clone(),
        );
        let pruned = Counter::default();
        registry.register(
            "kcpctl_pruned_objects",
            "Objects that were deleted since their shard is gone",
            pruned.clone(),
        );
        Self { registry, requests, connections, pruned }
    }

    /// All metrics as text; `accept` is the header of the request, if it has one.
    pub fn render(&self, facts: &Facts, accept: Option<&str>) -> Exposition {
        let mut text = String::with_capacity(64 << 10);
        // A string takes every write.
        let _: fmt::Result = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &facts.registry()))
            .and_then(|()| encode_registry(&mut text, &process::registry()));
        Exposition::new(text, accept)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::model::Revision;

    #[test]
    fn names_are_those_that_dashboards_ask_for() {
        let metrics = Metrics::new();
        let exports = metrics.requests.labels("apis.kcp.io", "v1alpha2", "apiexports");
        let took = Duration::from_millis(3);
        metrics.requests.observe(&exports, Verb::List, Scope::Cluster, StatusCode::OK, took);
        metrics.requests.watch_events(&exports).inc();
        let _watch = metrics.requests.long_running(&exports, Verb::Watch, Scope::Cluster);
        let _write = metrics.requests.in_flight(RequestKind::Mutating, 1);
        let facts = Facts {
            objects: vec![("apiexports.apis.kcp.io".to_owned(), 7)],
            revision: Revision(42),
            ..Facts::default()
        };
        let text = metrics.render(&facts, None).text;
        let labels = r#"verb="LIST",group="apis.kcp.io",version="v1alpha2",resource="apiexports",scope="cluster""#;
        let watch = labels.replace("LIST", "WATCH");
        for line in [
            format!(r#"apiserver_request_total{{{labels},code="200"}} 1"#),
            format!(r#"apiserver_request_duration_seconds_bucket{{le="0.005",{labels}}} 1"#),
            format!("apiserver_request_duration_seconds_count{{{labels}}} 1"),
            format!("apiserver_longrunning_requests{{{watch}}} 1"),
            r#"apiserver_watch_events_total{group="apis.kcp.io",version="v1alpha2",resource="apiexports"} 1"#.to_owned(),
            r#"apiserver_storage_objects{resource="apiexports.apis.kcp.io"} 7"#.to_owned(),
            r#"apiserver_current_inflight_requests{request_kind="mutating"} 1"#.to_owned(),
            r#"apiserver_current_inflight_requests{request_kind="readOnly"} 0"#.to_owned(),
            r#"apiserver_dropped_requests_total{request_kind="watch"} 0"#.to_owned(),
            "kcpctl_revision 42".to_owned(),
            "kcpctl_connections 0".to_owned(),
            "kcpctl_store_writes_total 0".to_owned(),
            "# TYPE apiserver_request_total counter".to_owned(),
            "# TYPE apiserver_request_duration_seconds histogram".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_start_time_seconds ",
        ] {
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            assert!(value.is_some_and(|value| value.parse::<f64>().is_ok()), "{name}: {value:?}");
        }
        assert!(!text.contains("_total_total") && !text.contains("EOF"));
    }
}
