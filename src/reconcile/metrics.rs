//! Numbers about the loop, under the names that the original gives its own.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde_json::Value;

use super::kinds::Watched;
use super::live::World;
use super::look::End;
use crate::api::Kind;

/// Seconds that a look may take, from one that changes nothing to one at a slow server.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Looked {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Failed {
    controller: &'static str,
    error_type: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Counted {
    phase: String,
    namespace: String,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Stands {
    resource_type: &'static str,
    resource_name: String,
    namespace: String,
    condition_type: String,
}

/// What is counted as it happens.
pub(super) struct Metrics {
    duration: Family<Looked, Histogram, fn() -> Histogram>,
    errors: Family<Failed, Counter>,
    waiting: Gauge,
    /// One scrape at a time.
    scrape: Mutex<()>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            errors: Family::default(),
            waiting: Gauge::default(),
            scrape: Mutex::default(),
        }
    }
}

const fn controller(kind: Kind) -> &'static str {
    match kind {
        Kind::CacheServer => "cacheserver",
        Kind::RootShard => "rootshard",
        Kind::Shard => "shard",
        Kind::FrontProxy => "frontproxy",
        Kind::VirtualWorkspace => "virtualworkspace",
        Kind::Kubeconfig => "kubeconfig",
    }
}

impl Metrics {
    /// A look took so long.
    pub(super) fn looked(&self, kind: Kind, took: Duration, failed: bool) {
        self.observe(controller(kind), took, failed);
    }

    /// A look of the built-in issuer took so long.
    pub(super) fn issued(&self, is_certificate: bool, took: Duration, end: &End) {
        let controller = if is_certificate { "certificate" } else { "issuer" };
        self.observe(controller, took, matches!(end, End::Failed(_)));
    }

    fn observe(&self, controller: &'static str, took: Duration, failed: bool) {
        let result = if failed { "error" } else { "success" };
        self.duration.get_or_create(&Looked { controller, result }).observe(took.as_secs_f64());
        if failed {
            let error_type = "reconcile_error";
            self.errors.get_or_create(&Failed { controller, error_type }).inc();
        }
    }

    /// So many sources wait for a look.
    pub(super) fn waiting(&self, count: usize) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Everything, as text.
    pub(super) fn text(&self, world: &World) -> Result<String, std::fmt::Error> {
        let _one = self.scrape.lock();
        let mut registry = Registry::with_prefix("kcp_operator");
        registry.register(
            "reconciliation_duration_seconds",
            "How long a look at an object took",
            self.duration.clone(),
        );
        registry.register("reconciliation_errors", "Looks that failed", self.errors.clone());
        registry.register("queue_length", "Objects that wait for a look", self.waiting.clone());
        let standing: Family<Stands, Gauge> = Family::default();
        for (kind, counts) in count(world, &standing) {
            let family: Family<Counted, Gauge> = Family::default();
            for (counted, number) in counts {
                family.get_or_create(&counted).set(number);
            }
            registry.register(
                format!("{}_count", controller(kind)),
                format!("{} objects by phase", kind.as_str()),
                family,
            );
        }
        registry.register(
            "condition_status",
            "Conditions of objects: 1 holds, 0 does not, -1 unknown",
            standing,
        );
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

type Counts = BTreeMap<Kind, Vec<(Counted, i64)>>;

fn count(world: &World, standing: &Family<Stands, Gauge>) -> Counts {
    let mut counts: Counts = Kind::ALL.into_iter().map(|it| (it, Vec::new())).collect();
    for key in world.keys() {
        let live = world.get(Watched::Source(key.kind), &key.namespace, &key.name);
        let Some(live) = live else { continue };
        let phase = live.at("/status/phase").and_then(Value::as_str).unwrap_or("Unknown");
        let counted = Counted { phase: phase.to_owned(), namespace: key.namespace.clone() };
        let all = counts.entry(key.kind).or_default();
        match all.iter_mut().find(|it| it.0 == counted) {
            Some(known) => known.1 += 1,
            None => all.push((counted, 1)),
        }
        let conditions = live.at("/status/conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten() {
            let stands = Stands {
                resource_type: controller(key.kind),
                resource_name: key.name.clone(),
                namespace: key.namespace.clone(),
                condition_type: condition["type"].as_str().unwrap_or_default().to_owned(),
            };
            let value = match condition["status"].as_str() {
                Some("True") => 1,
                Some("False") => 0,
                _ => -1,
            };
            standing.get_or_create(&stands).set(value);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reconcile::live::Live;

    #[test]
    fn looks_are_counted_by_how_long_they_took_and_how_they_ended() {
        let metrics = Metrics::default();
        metrics.looked(Kind::Shard, Duration::from_millis(30), false);
        metrics.looked(Kind::Shard, Duration::from_millis(40), false);
        metrics.looked(Kind::Shard, Duration::from_secs(20), true);
        metrics.looked(Kind::VirtualWorkspace, Duration::from_secs(1), false);
        metrics.issued(true, Duration::ZERO, &End::Settled);
        metrics.issued(true, Duration::ZERO, &End::Waiting("for its issuer".to_owned()));
        metrics.issued(false, Duration::ZERO, &End::Failed("no answer".to_owned()));
        metrics.waiting(7);
        let text = metrics.text(&World::default()).expect("a text");
        let duration = "kcp_operator_reconciliation_duration_seconds";
        for line in [
            r#"_bucket{le="0.025",controller="shard",result="success"} 0"#,
            r#"_bucket{le="0.05",controller="shard",result="success"} 2"#,
            r#"_sum{controller="shard",result="success"} 0.07"#,
            r#"_count{controller="shard",result="success"} 2"#,
            r#"_bucket{le="10.0",controller="shard",result="error"} 0"#,
            r#"_count{controller="shard",result="error"} 1"#,
            r#"_count{controller="virtualworkspace",result="success"} 1"#,
            r#"_count{controller="certificate",result="success"} 2"#,
            r#"_count{controller="issuer",result="error"} 1"#,
        ] {
            assert!(text.contains(&format!("\n{duration}{line}\n")), "no {line} in {text}");
        }
        for line in [
            r#"kcp_operator_reconciliation_errors_total{controller="shard",error_type="reconcile_error"} 1"#,
            r#"kcp_operator_reconciliation_errors_total{controller="issuer",error_type="reconcile_error"} 1"#,
            "kcp_operator_queue_length 7",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "no {line} in {text}");
        }
        assert_eq!(text.matches("\nkcp_operator_reconciliation_errors_total").count(), 2, "{text}");
    }

    #[test]
    fn objects_are_counted_by_phase_and_each_condition_has_a_number() {
        let mut world = World::default();
        let mut put = |kind: Kind, namespace: &str, name: &str, status: Value| {
            let tree = json!({
                "metadata": { "name": name, "namespace": namespace, "uid": name }, "status": status,
            });
            let watched = Watched::Source(kind);
            let object = serde_json::from_value(tree).expect("an object");
            world.put(watched, Live::of(watched, object));
        };
        let is = |type_: &str, status: &str| json!({ "type": type_, "status": status });
        let running = json!({
            "phase": "Running",
            "conditions": [is("Available", "True"), is("Reconciled", "False"), is("Mine", "Unknown")],
        });
        put(Kind::Shard, "demo", "one", running);
        put(Kind::Shard, "demo", "two", json!({ "phase": "Running" }));
        put(Kind::Shard, "demo", "new", json!(null));
        put(Kind::Shard, "other", "one", json!({ "phase": "Deleting" }));
        let provisioning =
            json!({ "phase": "Provisioning", "conditions": [is("Available", "False")] });
        put(Kind::RootShard, "demo", "root", provisioning);
        put(Kind::Kubeconfig, "demo", "dev", json!({ "phase": "Failed" }));
        let text = Metrics::default().text(&world).expect("a text");
        let mut told: Vec<&str> = text.lines().filter(|it| !it.starts_with('#')).collect();
        told.sort_unstable();
        let condition = |of: [&str; 2], type_: &str, value: i64| {
            format!(
                "kcp_operator_condition_status{{resource_type={:?},resource_name={:?},\
                 namespace=\"demo\",condition_type={type_:?}}} {value}",
                of[0], of[1]
            )
        };
        let one = ["shard", "one"];
        assert_eq!(
            told,
            [
                condition(["rootshard", "root"], "Available", 0).as_str(),
                &condition(one, "Available", 1),
                &condition(one, "Mine", -1),
                &condition(one, "Reconciled", 0),
                r#"kcp_operator_kubeconfig_count{phase="Failed",namespace="demo"} 1"#,
                "kcp_operator_queue_length 0",
                r#"kcp_operator_rootshard_count{phase="Provisioning",namespace="demo"} 1"#,
                r#"kcp_operator_shard_count{phase="Deleting",namespace="other"} 1"#,
                r#"kcp_operator_shard_count{phase="Running",namespace="demo"} 2"#,
                r#"kcp_operator_shard_count{phase="Unknown",namespace="demo"} 1"#,
            ]
        );
    }
}
