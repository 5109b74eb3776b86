//! Reads that nobody can call old: what a store shared with others held after the reader
//! came.
//!
//! All who wait at a moment share one question to the store for its newest revision, and
//! then wait until the view has reached that. Whoever comes while a question is under
//! way waits for the next one: the answer may be from before they came.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::model::Revision;
use crate::store::Backend;

use super::commit::chain;

/// How long a view may be behind before a read gives up. Longer than the election of a
/// leader and a watch that is begun again.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// How often the store is asked to say how far it has told.
const HURRY_INTERVAL: Duration = Duration::from_millis(100);

/// How many readers may wait to be asked for.
const QUEUE: usize = 1024;

/// It is not known whether what is here is the newest.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stale(Arc<str>);

type Waiter = oneshot::Sender<Result<(), Stale>>;

/// Where readers of a shared store ask.
#[derive(Clone, Debug)]
pub(super) struct Freshness(mpsc::Sender<Waiter>);

impl Freshness {
    /// Asks `backend` for as long as anybody may want to know. `reached` is how far the
    /// view has come.
    pub(super) fn start<B: Backend>(backend: Arc<B>, reached: watch::Receiver<Revision>) -> Self {
        let (ask, asked) = mpsc::channel(QUEUE);
        tokio::spawn(answer(backend, reached, asked));
        Self(ask)
    }

    /// Waits until everything that was written before this call is in the view.
    pub(super) async fn wait(&self) -> Result<(), Stale> {
        let closed = || Stale("the server is shutting down".into());
        let (waiter, answer) = oneshot::channel();
        self.0.send(waiter).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

async fn answer<B: Backend>(
    backend: Arc<B>,
    reached: watch::Receiver<Revision>,
    mut asked: mpsc::Receiver<Waiter>,
) {
    while let Some(first) = asked.recv().await {
        let mut waiters = vec![first];
        while let Ok(next) = asked.try_recv() {
            waiters.push(next);
        }
        let before = *reached.borrow();
        match backend.newest().await {
            Ok(newest) if newest < before => {
                let why = format!(
                    "the store is at revision {newest}, and was at {before} before: an older state \
                     was put back, which is being read"
                );
                tell(waiters, &Err(Stale(why.into())));
            }
            Err(error) => tell(waiters, &Err(Stale(chain(&error).into()))),
            Ok(newest) if *reached.borrow() >= newest => tell(waiters, &Ok(())),
            Ok(newest) => {
                let (backend, reached) = (Arc::clone(&backend), reached.clone());
                tokio::spawn(async move {
                    tell(waiters, &catch_up(&*backend, reached, newest).await);
                });
            }
        }
    }
}

async fn catch_up<B: Backend>(
    backend: &B,
    mut reached: watch::Receiver<Revision>,
    newest: Revision,
) -> Result<(), Stale> {
    let give_up = Instant::now() + BEHIND_MAX;
    loop {
        backend.hurry();
        let until = give_up.min(Instant::now() + HURRY_INTERVAL);
        let there = async { reached.wait_for(|it| *it >= newest).await.map(drop) };
        match tokio::time::timeout_at(until, there).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => return Err(Stale("the server is shutting down".into())),
            Err(_) if Instant::now() < give_up => {}
            Err(_) => {
                let here = reached.borrow().0;
                let why = format!(
                    "the store is at revision {newest}, and has told no more than {here} for {} s",
                    BEHIND_MAX.as_secs()
                );
                return Err(Stale(why.into()));
            }
        }
    }
}

fn tell(waiters: Vec<Waiter>, answer: &Result<(), Stale>) {
    for waiter in waiters {
        let _ = waiter.send(answer.clone());
    }
}
