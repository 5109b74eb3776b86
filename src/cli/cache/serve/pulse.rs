//! The pulse of the store: how it was when it was last asked.
//!
//! Asking a store waits for whatever it does at that moment, which on a failing disk
//! takes for ever. So one thread asks, again and again, and whoever wants to know reads
//! its last answer; that it is overdue is an answer too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::store::AnyBackend;

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long an answer may take. Longer than any sync of a disk that works.
const OVERDUE: Duration = Duration::from_secs(15);

/// The last answer of a store. A clone reads the same.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Mutex<Beat>>);

#[derive(Debug)]
struct Beat {
    at: Instant,
    trouble: Option<String>,
    disk_bytes: u64,
}

impl Pulse {
    /// Asks `store` for as long as the runtime lives.
    pub(super) fn start(store: Arc<AnyBackend>) -> Self {
        let pulse =
            Self(Arc::new(Mutex::new(Beat { at: Instant::now(), trouble: None, disk_bytes: 0 })));
        let this = pulse.clone();
        tokio::spawn(async move {
            loop {
                let (asked, store) = (this.clone(), Arc::clone(&store));
                if tokio::task::spawn_blocking(move || asked.ask(&store)).await.is_err() {
                    return; // the runtime is on its way out
                }
                tokio::time::sleep(INTERVAL).await;
            }
        });
        pulse
    }

    /// What ails the store, if anything does.
    pub(super) fn trouble(&self) -> Option<String> {
        let beat = self.0.lock();
        let silent = beat.at.elapsed();
        if silent > OVERDUE {
            return Some(format!("the store has not answered for {} s", silent.as_secs()));
        }
        beat.trouble.clone()
    }

    /// How many bytes the store has on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.0.lock().disk_bytes
    }

    fn ask(&self, store: &AnyBackend) {
        let trouble = store.trouble();
        let disk_bytes = store.disk_bytes();
        let mut beat = self.0.lock();
        beat.at = Instant::now();
        if beat.trouble != trouble {
            if let Some(why) = &trouble {
                tracing::error!(why, "the store is not well");
            } else {
                tracing::info!("the store is well again");
            }
        }
        beat.trouble = trouble;
        beat.disk_bytes = disk_bytes.unwrap_or(beat.disk_bytes);
    }
}
