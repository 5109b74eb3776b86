//! The built-in issuer: `Issuer`, `ClusterIssuer` and `Certificate` objects become Secrets, as
//! they do where cert-manager runs.
//!
//! ```text
//! Certificate, Secret, Issuer, time ──► judge (pure) ──► nothing until then
//!                                                   ├──► pki: key, chain, root ──► Secret
//!                                                   └──► conditions, events
//! ```
//!
//! It has a queue and a world of its own: what it looks after is not what the loop looks
//! after, and each does its work where the other is not needed. It shares with the loop how
//! objects are watched, known, queued and written.
//!
//! # What is absent on purpose
//!
//! No `CertificateRequest`: nobody approves or signs elsewhere. No memory that a restart would
//! need: whether a certificate is right is read from its Secret.

mod judge;
mod look;
mod signers;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::Client;
use serde_json::Value;
use tokio::sync::watch as channel;

use super::kinds::Watched;
use super::live::{Live, Put, World};
use super::look::End;
use super::metrics::Metrics;
use super::queue::Queue;
use super::watch::{News, Watches};
use crate::api::ObjectReference;
use crate::shutdown::Shutdown;
use look::{Looked, Worker};

/// Where the Secrets of cluster-wide issuers are, where all namespaces are looked after.
/// Where one namespace is, they are in that one.
pub const CLUSTER_NAMESPACE: &str = "kcpctl";

/// The name under which Secrets and statuses are written.
const FIELD_MANAGER: &str = "kcpctl-issuer";
/// How many objects are looked at at a time: each may have to make a large key.
const LOOKS_MAX: usize = 4;
/// The longest sleep before a renewal: the clock may have been set meanwhile, or the machine
/// may have slept.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// How long looks that were begun may take when the process ends.
const DRAIN: Duration = Duration::from_secs(10);

const TYPES: [Watched; 4] =
    [Watched::Secret, Watched::Issuer, Watched::ClusterIssuer, Watched::Certificate];

const TLS_CRT: &str = "tls.crt";
const TLS_KEY: &str = "tls.key";
const CA_CRT: &str = "ca.crt";

const CERTIFICATE_NAME: &str = "cert-manager.io/certificate-name";
const ISSUER_NAME: &str = "cert-manager.io/issuer-name";
const ISSUER_KIND: &str = "cert-manager.io/issuer-kind";
const ISSUER_GROUP: &str = "cert-manager.io/issuer-group";
/// The label of every Secret that cert-manager looks after.
const PART_OF: &str = "controller.cert-manager.io/fao";

/// What is looked at. Issuers come first: certificates need them.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Key {
    ClusterIssuer(String),
    Issuer(String, String),
    Certificate(String, String),
}

impl Key {
    fn place(&self) -> (Watched, &str, &str) {
        match self {
            Self::ClusterIssuer(name) => (Watched::ClusterIssuer, "", name),
            Self::Issuer(namespace, name) => (Watched::Issuer, namespace, name),
            Self::Certificate(namespace, name) => (Watched::Certificate, namespace, name),
        }
    }

    fn of(watched: Watched, live: &Live) -> Option<Self> {
        let namespace = live.metadata.namespace.clone().unwrap_or_default();
        let name = live.name().to_owned();
        match watched {
            Watched::ClusterIssuer => Some(Self::ClusterIssuer(name)),
            Watched::Issuer => Some(Self::Issuer(namespace, name)),
            Watched::Certificate => Some(Self::Certificate(namespace, name)),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (watched, namespace, name) = self.place();
        let slash = if namespace.is_empty() { "" } else { "/" };
        write!(f, "{} {namespace}{slash}{name}", watched.kind())
    }
}

/// Signs what the Certificates of one namespace, or of all, ask for, as long as we
/// lead, until the process should end.
pub(super) async fn run_while(
    client: Client,
    namespace: Option<String>,
    metrics: Arc<Metrics>,
    leading: channel::Receiver<bool>,
    shutdown: Shutdown,
) {
    let this = Loop {
        worker: Worker::new(client.clone(), namespace.clone()),
        namespace,
        metrics,
        state: State::default(),
    };
    this.turn(&client, leading, &shutdown).await;
}

struct Loop {
    worker: Worker,
    namespace: Option<String>,
    metrics: Arc<Metrics>,
    state: State,
}

#[derive(Default)]
struct State {
    world: World,
    queue: Queue<Key>,
}

impl Loop {
    async fn turn(
        self,
        client: &Client,
        mut leading: channel::Receiver<bool>,
        shutdown: &Shutdown,
    ) {
        let Self { worker, namespace, metrics, mut state } = self;
        let mut watches = Watches::of(client, namespace.as_deref(), &TYPES);
        let mut looks = FuturesUnordered::new();
        loop {
            let leads = *leading.borrow();
            if !leads && !looks.is_empty() {
                // Whoever leads now must not meet us.
                looks.clear();
                state.queue.drop_running(Instant::now());
            }
            let works = leads && watches.is_synced();
            while works
                && looks.len() < LOOKS_MAX
                && let Some(key) = state.queue.next(Instant::now())
            {
                let (world, worker) = (state.world.clone(), &worker);
                looks.push(async move {
                    let begun = Instant::now();
                    let looked = worker.look(world, &key).await;
                    (key, begun.elapsed(), looked)
                });
            }
            let wake = state.queue.wake().filter(|_| works && looks.len() < LOOKS_MAX);
            let wake = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.draining() => break,
                (kind, news) = watches.next() => {
                    state.hear(kind, news, &worker, namespace.as_deref());
                }
                Some((key, took, looked)) = looks.next() => {
                    metrics.issued(matches!(key, Key::Certificate(..)), took, &looked.end);
                    state.finish(&key, looked, namespace.as_deref());
                }
                () = wake => {}
                Ok(()) = leading.changed() => {}
            }
        }
        let drain = async { while looks.next().await.is_some() {} };
        tokio::select! {
            _ = tokio::time::timeout(DRAIN, drain) => {}
            () = shutdown.aborting() => {}
        }
    }
}

impl State {
    fn hear(&mut self, watched: Watched, news: News, worker: &Worker, namespace: Option<&str>) {
        match news {
            News::All(lives) => {
                self.world.replace(watched, lives);
                self.add_all();
            }
            News::Is(live) => self.put(watched, live, namespace),
            News::Gone(live) => {
                let place = live.metadata.namespace.clone().unwrap_or_default();
                self.world.gone(watched, &live);
                if watched == Watched::Secret {
                    worker.forget(&place, live.name());
                }
                self.concern(watched, &live, namespace);
            }
        }
    }

    fn add_all(&mut self) {
        let now = Instant::now();
        for watched in [Watched::ClusterIssuer, Watched::Issuer, Watched::Certificate] {
            for live in self.world.all(watched) {
                if let Some(key) = Key::of(watched, live) {
                    self.queue.add(key, now);
                }
            }
        }
    }

    fn put(&mut self, watched: Watched, live: Live, namespace: Option<&str>) {
        let known = live.clone();
        if let Put::New { .. } = self.world.put(watched, live) {
            self.concern(watched, &known, namespace);
        }
    }

    /// Queues whatever an object concerns that changed or went.
    fn concern(&mut self, watched: Watched, live: &Live, namespace: Option<&str>) {
        let now = Instant::now();
        let place = live.metadata.namespace.clone().unwrap_or_default();
        let mut keys: Vec<Key> = Key::of(watched, live).into_iter().collect();
        match watched {
            Watched::Secret => {
                let name = live.name();
                keys.extend(self.certificates(|it| {
                    it.metadata.namespace.as_deref() == Some(&place) && secret_of(it) == Some(name)
                }));
                let cluster = signers::cluster_namespace(namespace) == place;
                for watched in [Watched::Issuer, Watched::ClusterIssuer] {
                    let in_place = |it: &Live| match watched {
                        Watched::Issuer => it.metadata.namespace.as_deref() == Some(&place),
                        _ => cluster,
                    };
                    let issuers: Vec<Live> = self
                        .world
                        .all(watched)
                        .filter(|it| in_place(it) && signers::ca_secret(it) == Some(name))
                        .map(|it| (**it).clone())
                        .collect();
                    for issuer in &issuers {
                        keys.extend(Key::of(watched, issuer));
                        keys.extend(self.signed_by(watched, issuer));
                    }
                }
            }
            Watched::Certificate => {
                if let Some(secret) = secret_of(live) {
                    keys.extend(self.certificates(|it| {
                        it.metadata.namespace.as_deref() == Some(&place)
                            && secret_of(it) == Some(secret)
                    }));
                }
            }
            _ => keys.extend(self.signed_by(watched, live)),
        }
        for key in keys {
            self.queue.add(key, now);
        }
    }

    fn certificates(&self, which: impl Fn(&Live) -> bool) -> Vec<Key> {
        let all = self.world.all(Watched::Certificate).filter(|it| which(it));
        all.filter_map(|it| Key::of(Watched::Certificate, it)).collect()
    }

    /// The certificates that name an issuer.
    fn signed_by(&self, watched: Watched, issuer: &Live) -> Vec<Key> {
        self.certificates(|it| {
            let text = |key: &str| {
                let value = it.at(&format!("/spec/issuerRef/{key}"));
                value.and_then(Value::as_str).map(str::to_owned)
            };
            let reference = ObjectReference {
                name: text("name").unwrap_or_default(),
                kind: text("kind"),
                group: None,
            };
            reference.name == issuer.name()
                && judge::kind_of(&reference) == watched.kind()
                && (watched == Watched::ClusterIssuer
                    || it.metadata.namespace == issuer.metadata.namespace)
        })
    }

    fn finish(&mut self, key: &Key, looked: Looked, namespace: Option<&str>) {
        let Looked { end, changed, again } = looked;
        for (watched, live) in changed {
            let is_own = Key::of(watched, &live).as_ref() == Some(key);
            if is_own {
                // We know what we wrote about it.
                self.world.wrote(watched, live);
            } else {
                let known = live.clone();
                if let Put::New { .. } = self.world.wrote(watched, live) {
                    self.concern(watched, &known, namespace);
                }
            }
        }
        match end {
            End::Failed(why) => {
                let wait = self.queue.failed(key, Instant::now());
                tracing::warn!(object = %key, retry_in = ?wait, "{why}");
                return;
            }
            End::Waiting(why) => tracing::debug!(object = %key, "waiting: {why}"),
            End::Settled => {}
        }
        self.queue.done(key);
        if let Some(again) = again {
            let wait = again.duration_since(SystemTime::now()).unwrap_or_default();
            self.queue.add_at(key.clone(), Instant::now() + wait.min(SLEEP_MAX));
        }
    }
}

fn secret_of(certificate: &Live) -> Option<&str> {
    certificate.at("/spec/secretName").and_then(Value::as_str)
}
