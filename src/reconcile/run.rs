//! The loop itself: watches in, looks out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::Client;
use kube::api::ListParams;
use parking_lot::Mutex;
use tokio::sync::watch as channel;

use super::cluster::{Cluster, patiently};
use super::events::Events;
use super::kcp::Kcp;
use super::kinds::Watched;
use super::live::{Live, Put, World};
use super::look::{Changed, Did, End, Report, Worker};
use super::metrics::Metrics;
use super::queue::Queue;
use super::source::SourceKey;
use super::watch::{self, News, Watches};
use super::{Contender, ReconcileError, Settings, issuer, listen, operator};
use crate::api::Kind;
use crate::shutdown::Shutdown;

/// How many sources are looked at at a time: an API server serves them in turn anyway.
const LOOKS_MAX: usize = 4;
/// How often everything is looked at though nothing has changed, unless somebody says: kcp
/// itself is not watched.
const RESYNC: Duration = Duration::from_secs(600);
/// How long looks that were begun may take when the process ends.
const DRAIN: Duration = Duration::from_secs(10);
/// How often `--once` goes over everything, as long as that changes something.
const PASSES_MAX: usize = 8;
/// How many objects a list brings at a time.
const PAGE: u32 = 500;

/// What others may look at: everything that is known, and how the loop does.
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) synced: AtomicBool,
}

/// What one look at one source did.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The source.
    pub key: SourceKey,
    /// What was done.
    pub did: Vec<Did>,
    /// How it ended.
    pub end: End,
}

fn worker(client: &Client, settings: &Settings) -> Worker {
    let cluster = Cluster::new(client.clone(), settings.dry_run);
    let kcp = Kcp::new(settings.kcp_url.clone());
    Worker::new(cluster, kcp, Events::new(client.clone()), settings)
}

/// Goes over every source, again as long as that changes something, and ends.
///
/// `tell` hears of each look that did something, and of the last one at each source.
pub async fn once(
    client: Client,
    settings: &Settings,
    mut tell: impl FnMut(&Looked),
) -> Result<Vec<Looked>, ReconcileError> {
    operator::refuse(&client, settings).await?;
    let worker = worker(&client, settings);
    let mut last: BTreeMap<SourceKey, Looked> = BTreeMap::new();
    for _ in 0..PASSES_MAX {
        let mut world = list(&client, settings.namespace.as_deref()).await?;
        let mut changed = false;
        let mut keys: Vec<SourceKey> = world.keys().cloned().collect();
        keys.sort_by_key(|it| it.kind);
        for key in keys {
            let report = worker.look(world.clone(), &key).await;
            let Report { did, end, changed: objects } = report;
            for object in objects {
                take(&mut world, object);
            }
            changed |= !did.is_empty();
            let told = Looked { key: key.clone(), did, end };
            if !told.did.is_empty() {
                tell(&told);
            }
            last.insert(key, told);
        }
        // What was only tried will not be there in the next pass.
        if !changed || settings.dry_run {
            break;
        }
    }
    Ok(last.into_values().collect())
}

async fn list(client: &Client, namespace: Option<&str>) -> Result<World, ReconcileError> {
    let mut world = World::default();
    for watched in Watched::ALL {
        let api = watch::api(client, watched, namespace);
        let mut params = ListParams::default().limit(PAGE);
        let mut lives = Vec::new();
        loop {
            match patiently(api.list(&params)).await {
                Ok(page) => {
                    lives.extend(page.items.into_iter().map(|it| Live::of(watched, it)));
                    params.continue_token = page.metadata.continue_.filter(|it| !it.is_empty());
                    if params.continue_token.is_none() {
                        break;
                    }
                }
                Err(failure) if failure.code() == Some(410) && params.continue_token.is_some() => {
                    params.continue_token = None;
                    lives.clear();
                }
                // Whether cert-manager is needed is seen when something of it is applied.
                Err(failure) if failure.code() == Some(404) && watched.is_made() => break,
                Err(failure) => return Err(ReconcileError::of_list(watched, &failure)),
            }
        }
        world.replace(watched, lives);
    }
    Ok(world)
}

fn take(world: &mut World, changed: Changed) {
    match changed {
        Changed::Put(watched, live) => {
            world.wrote(watched, *live);
        }
        Changed::Gone(watched, live) => world.remove(watched, &live),
    }
}

/// Runs the loop until the process should end, where it leads if it has to hold a lease.
pub async fn run(
    client: Client,
    settings: &Settings,
    shutdown: Shutdown,
) -> Result<(), ReconcileError> {
    check(&client, settings).await?;
    let contender = settings.lease.as_ref().map(|it| Contender::begin(client.clone(), it));
    let leading = contender.as_ref().map_or_else(always, Contender::leading);
    let ended = follow(client, settings, leading, shutdown).await;
    if let Some(contender) = contender {
        contender.end().await;
    }
    ended
}

/// The same for whoever knows whether we lead.
pub async fn run_while(
    client: Client,
    settings: &Settings,
    leading: channel::Receiver<bool>,
    shutdown: Shutdown,
) -> Result<(), ReconcileError> {
    check(&client, settings).await?;
    follow(client, settings, leading, shutdown).await
}

/// Says that we lead, where nobody else may.
pub fn always() -> channel::Receiver<bool> {
    channel::channel(true).1
}

/// Refuses what cannot work. A first answer tells more than a watch that is tried again and again.
async fn check(client: &Client, settings: &Settings) -> Result<(), ReconcileError> {
    for kind in Kind::ALL {
        let watched = Watched::Source(kind);
        let api = watch::api(client, watched, settings.namespace.as_deref());
        if let Err(failure) = patiently(api.list(&ListParams::default().limit(1))).await {
            return Err(ReconcileError::of_list(watched, &failure));
        }
    }
    operator::refuse(client, settings).await
}

async fn follow(
    client: Client,
    settings: &Settings,
    leading: channel::Receiver<bool>,
    shutdown: Shutdown,
) -> Result<(), ReconcileError> {
    let shared = Arc::new(Shared {
        world: Mutex::default(),
        metrics: Arc::default(),
        synced: AtomicBool::new(false),
    });
    let listener = match settings.listen {
        Some(address) => Some(listen::start(address, Arc::clone(&shared), shutdown.clone()).await?),
        None => None,
    };
    let issuer = settings.issue_certificates.then(|| {
        let (client, namespace) = (client.clone(), settings.namespace.clone());
        let metrics = Arc::clone(&shared.metrics);
        let (leading, shutdown) = (leading.clone(), shutdown.clone());
        tokio::spawn(issuer::run_while(client, namespace, metrics, leading, shutdown))
    });
    let worker = worker(&client, settings);
    let mut this = Loop { shared, queue: Queue::default() };
    this.turn(&client, settings, &worker, leading, &shutdown).await;
    if let Some(issuer) = issuer {
        let _ = issuer.await;
    }
    drop(listener);
    Ok(())
}

struct Loop {
    shared: Arc<Shared>,
    queue: Queue<SourceKey>,
}

impl Loop {
    async fn turn(
        &mut self,
        client: &Client,
        settings: &Settings,
        worker: &Worker,
        mut leading: channel::Receiver<bool>,
        shutdown: &Shutdown,
    ) {
        let mut watches = Watches::of(client, settings.namespace.as_deref(), &Watched::ALL);
        let mut looks = FuturesUnordered::new();
        let period = settings.resync.filter(|it| !it.is_zero()).unwrap_or(RESYNC);
        let mut resync = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        loop {
            let leads = *leading.borrow();
            if !leads && !looks.is_empty() {
                // Whoever leads now must not meet us.
                looks.clear();
                self.queue.drop_running(Instant::now());
            }
            let works = leads && watches.is_synced();
            while works
                && looks.len() < LOOKS_MAX
                && let Some(key) = self.queue.next(Instant::now())
            {
                let world = self.shared.world.lock().clone();
                looks.push(look(worker, world, key));
            }
            self.shared.metrics.waiting(self.queue.len());
            let wake = self.queue.wake().filter(|_| works && looks.len() < LOOKS_MAX);
            let wake = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.draining() => break,
                (kind, news) = watches.next() => {
                    self.hear(kind, news, worker);
                    if watches.is_synced() && !self.shared.synced.swap(true, Ordering::Relaxed) {
                        tracing::info!("everything is known: the loop begins");
                    }
                }
                Some((key, took, report)) = looks.next() => self.finish(&key, took, report),
                () = wake => {}
                _ = resync.tick() => self.add_all(|_| true),
                Ok(()) = leading.changed() => {
                    if *leading.borrow() {
                        self.add_all(|_| true);
                    }
                }
            }
        }
        let drain = async { while looks.next().await.is_some() {} };
        tokio::select! {
            _ = tokio::time::timeout(DRAIN, drain) => {}
            () = shutdown.aborting() => {}
        }
    }

    fn add_all(&mut self, which: impl Fn(&SourceKey) -> bool) {
        let now = Instant::now();
        let keys: Vec<_> =
            self.shared.world.lock().keys().filter(|it| which(it)).cloned().collect();
        for key in keys {
            self.queue.add(key, now);
        }
    }

    fn add_namespace(&mut self, namespace: &str) {
        self.add_all(|it| it.namespace == namespace);
    }

    fn hear(&mut self, watched: Watched, news: News, worker: &Worker) {
        match news {
            News::All(lives) => {
                self.shared.world.lock().replace(watched, lives);
                self.add_all(|_| true);
            }
            News::Is(live) => self.changed(watched, live),
            News::Gone(live) => self.gone(watched, &live, worker),
        }
    }

    fn changed(&mut self, watched: Watched, live: Live) {
        let namespace = live.metadata.namespace.clone().unwrap_or_default();
        let name = live.name().to_owned();
        let owner = live.source();
        let facts = about(&live);
        let put = self.shared.world.lock().put(watched, live);
        let Put::New { before } = put else { return };
        match watched {
            Watched::Source(kind) => {
                if before.is_none_or(|it| about(&it) != facts) {
                    // Others refer to it.
                    self.add_namespace(&namespace);
                } else {
                    self.queue.add(SourceKey { kind, namespace, name }, Instant::now());
                }
            }
            // Who reads them is known only to those who do.
            Watched::Secret | Watched::ConfigMap => self.add_namespace(&namespace),
            _ => {
                if let Some(owner) = owner {
                    self.queue.add(owner, Instant::now());
                }
            }
        }
    }

    fn gone(&mut self, watched: Watched, live: &Live, worker: &Worker) {
        let namespace = live.metadata.namespace.clone().unwrap_or_default();
        self.shared.world.lock().gone(watched, live);
        worker.forget(watched, &namespace, live.name());
        match (watched, live.source()) {
            (Watched::Source(_) | Watched::Secret | Watched::ConfigMap, _) | (_, None) => {
                self.add_namespace(&namespace);
            }
            (_, Some(owner)) => self.queue.add(owner, Instant::now()),
        }
    }

    fn finish(&mut self, key: &SourceKey, took: Duration, report: Report) {
        let Report { did, end, changed } = report;
        // The watch tells nothing new of what we write, and others may wait for it.
        let is_read = |it: &Changed| {
            let (Changed::Put(watched, _) | Changed::Gone(watched, ..)) = it;
            matches!(watched, Watched::Secret | Watched::ConfigMap)
        };
        let concerns_others = changed.iter().any(is_read);
        {
            let mut world = self.shared.world.lock();
            for object in changed {
                take(&mut world, object);
            }
        }
        if concerns_others {
            self.add_namespace(&key.namespace);
        }
        for it in &did {
            tracing::info!(source = %key, "{} {}", it.verb, it.what);
        }
        self.shared.metrics.looked(key.kind, took, matches!(end, End::Failed(_)));
        match end {
            End::Failed(why) => {
                let wait = self.queue.failed(key, Instant::now());
                tracing::warn!(source = %key, retry_in = ?wait, "{why}");
            }
            End::Waiting(why) => {
                tracing::debug!(source = %key, "waiting: {why}");
                self.queue.done(key);
            }
            End::Settled => self.queue.done(key),
        }
    }
}

/// What of an object concerns those that refer to it.
fn about(live: &Live) -> impl PartialEq + use<> {
    let metadata = &live.metadata;
    (
        metadata.generation,
        metadata.uid.clone(),
        metadata.deletion_timestamp.is_some(),
        metadata.annotations.clone(),
        metadata.labels.clone(),
    )
}

async fn look(worker: &Worker, world: World, key: SourceKey) -> (SourceKey, Duration, Report) {
    let begun = Instant::now();
    let report = worker.look(world, &key).await;
    (key, begun.elapsed(), report)
}
