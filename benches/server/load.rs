//! The same thing many times, some at once: how many a second, and how long each took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::{Client, Target};

/// Longer than anything takes, in nanoseconds.
const TIME_MAX: u64 = 600_000_000_000;

/// Connections that share the requests.
pub(crate) struct Clients(Vec<Client>);

/// How hard to try, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Requests that are open at once.
    pub(crate) in_flight: usize,
    /// How long one figure may take.
    pub(crate) patience: Duration,
}

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// How often it was done.
    pub(crate) count: usize,
    /// In which time.
    pub(crate) took: Duration,
    /// How long each took, in nanoseconds.
    pub(crate) times: Histogram<u64>,
}

impl Clients {
    pub(crate) async fn connect(target: &Target, connections: usize) -> anyhow::Result<Self> {
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections.max(1) {
            clients.push(Client::connect(target).await?);
        }
        Ok(Self(clients))
    }

    /// The connection of this number, counted round.
    pub(crate) fn get(&self, index: usize) -> &Client {
        &self.0[index % self.0.len()]
    }

    /// Does `work` with the numbers from `range`, each once, until all are done or the
    /// time is up. A number that was begun is finished.
    pub(crate) async fn each<F, W>(
        &self,
        range: std::ops::Range<usize>,
        pace: Pace,
        work: W,
    ) -> anyhow::Result<Figure>
    where
        W: Fn(Client, usize) -> F,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
        W: Clone + Send + 'static,
    {
        let next = Arc::new(AtomicUsize::new(range.start));
        let begun = Instant::now();
        let mut workers = Vec::with_capacity(pace.in_flight);
        for worker in 0..pace.in_flight {
            let (client, next, work) = (self.get(worker).clone(), Arc::clone(&next), work.clone());
            workers.push(tokio::spawn(async move {
                let mut times = histogram();
                while begun.elapsed() < pace.patience {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= range.end {
                        break;
                    }
                    let start = Instant::now();
                    work(client.clone(), index).await?;
                    record(&mut times, start.elapsed());
                }
                anyhow::Ok(times)
            }));
        }
        let mut times = histogram();
        for worker in workers {
            times.add(worker.await??)?;
        }
        let took = begun.elapsed();
        Ok(Figure { count: usize::try_from(times.len())?, took, times })
    }
}

impl Pace {
    /// One after the other.
    pub(crate) fn one_by_one(self) -> Self {
        Self { in_flight: 1, ..self }
    }
}

impl Figure {
    /// How many a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64()
    }
}

/// A histogram of times, exact to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, TIME_MAX, 3).expect("bounds that are in order, three digits")
}

/// Counts one time.
pub(crate) fn record(times: &mut Histogram<u64>, time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(TIME_MAX);
    times.saturating_record(nanos.clamp(1, TIME_MAX));
}
