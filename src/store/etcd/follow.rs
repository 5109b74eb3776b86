//! The watch over all keys: every change once and in order, over any number of
//! connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use futures::Stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::backend::{Digest, Shared, now_millis, revision, signed};
use super::failure::{Failure, Kind};
use super::version::tells_progress;
use crate::model::Revision;
use crate::store::{Change, News};

/// How many messages wait for the view. Each may hold thousands of changes.
const QUEUE: usize = 16;

/// How long to wait before a watch that failed is begun again, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How long an expensive question waits: what is asked for is mostly on its way already.
const COMPARE_GRACE: Duration = Duration::from_millis(20);

/// How often progress is asked for while nobody waits, so that what lists and bookmarks
/// say does not fall behind the compaction where nothing changes.
const IDLE: Duration = Duration::from_secs(5);

/// The same where etcd must look at every key for it.
const IDLE_EXPENSIVE: Duration = Duration::from_secs(60);

/// How long a member may be silent after it was asked for progress before another one is
/// tried. One that has much to send sends something.
const SILENCE_MAX: Duration = Duration::from_secs(4);

/// How long the beginning of a watch may take.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Tells what happens after `after` for as long as somebody listens.
pub(super) fn follow(shared: Arc<Shared>, after: Revision) -> impl Stream<Item = News> + Send {
    let (news, told) = mpsc::channel(QUEUE);
    let task = Follower { shared, after, news, warned_old: false };
    tokio::spawn(task.run());
    futures::stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) })
}

struct Follower {
    shared: Arc<Shared>,
    /// Everything up to here was told.
    after: Revision,
    news: mpsc::Sender<News>,
    warned_old: bool,
}

/// Why a watch ended.
enum End {
    /// Nobody listens any longer.
    Unwanted,
    /// It cannot go on from where it was.
    Lost,
    /// It may go on with another connection.
    Failed(String),
}

/// How a member tells how far the watch has come.
enum Progress {
    /// It is asked on the watch.
    Truthful,
    /// What there is is compared with what was told: the number of keys, and the last
    /// answer that was not reached yet.
    Compared { count: usize, open: Option<Digest> },
}

impl Follower {
    async fn run(mut self) {
        let mut pause = PAUSE.0;
        let mut number = self.shared.members.current().0;
        loop {
            let before = self.after;
            match self.watch(number).await {
                Ok(never) => match never {},
                Err(End::Unwanted) => return,
                Err(End::Lost) => {
                    let _ = self.news.send(News::Lost).await;
                    return;
                }
                Err(End::Failed(why)) => {
                    if self.news.is_closed() {
                        return;
                    }
                    tracing::debug!(why, "the watch on etcd ended, and is begun again");
                    self.shared.health.watch_ended(&why);
                    pause = if self.after > before { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
                    tokio::time::sleep(pause).await;
                    number += 1;
                }
            }
        }
    }

    /// Watches through one member until that ends.
    async fn watch(&mut self, number: usize) -> Result<std::convert::Infallible, End> {
        let shared = Arc::clone(&self.shared);
        let newest = shared.newest().await.map_err(failed)?;
        if newest < self.after {
            tracing::error!(
                told = self.after.0,
                newest = newest.0,
                "etcd has gone back to an older state; everything is read anew"
            );
            return Err(End::Lost);
        }
        let member = shared.members.member(number);
        let status = tokio::time::timeout(BEGIN_TIMEOUT, member.maintenance().status()).await;
        let status =
            status.map_err(|_| late(&member.url))?.map_err(|error| failed(error.into()))?;
        let mut progress = if tells_progress(status.version()) {
            Progress::Truthful
        } else {
            if !std::mem::replace(&mut self.warned_old, true) {
                tracing::warn!(
                    version = status.version(),
                    "this etcd does not tell truthfully how far a watch has come (3.4.31, 3.5.13 \
                     and 3.6 do): where others write to it too, reads make it look at every key \
                     of the cache"
                );
            }
            let count = match shared.count_at(self.after).await {
                Err(failure) if failure.kind == Kind::Compacted => return Err(End::Lost),
                count => count.map_err(failed)?,
            };
            Progress::Compared { count, open: None }
        };
        let options = WatchOptions::new()
            .with_range(shared.range_end())
            .with_start_revision(signed(self.after.next()))
            .with_fragment();
        let mut client = member.watch();
        let begun = client.watch(shared.prefix.as_str(), Some(options));
        let begun = tokio::time::timeout(BEGIN_TIMEOUT, begun).await;
        let mut stream =
            begun.map_err(|_| late(&member.url))?.map_err(|error| failed(error.into()))?;

        let idle = match progress {
            Progress::Truthful => IDLE,
            Progress::Compared { .. } => IDLE_EXPENSIVE,
        };
        let mut asked: Option<Instant> = None;
        let mut parts = Vec::new();
        // At once, so that whoever waits already is told.
        let mut next_idle = Instant::now();
        loop {
            let silent_until = asked.map_or(next_idle + idle + SILENCE_MAX, |at| at + SILENCE_MAX);
            tokio::select! {
                message = stream.message() => {
                    let message = message.map_err(|error| failed(error.into()))?;
                    let message = message.ok_or_else(|| End::Failed("closed by etcd".to_owned()))?;
                    asked = None;
                    self.told(message, &mut parts, &mut progress).await?;
                }
                () = shared.hurry.notified() => match progress {
                    Progress::Truthful => {
                        self.ask(&mut stream, &mut progress, &mut asked).await?;
                    }
                    Progress::Compared { .. } => {
                        next_idle = next_idle.min(Instant::now() + COMPARE_GRACE);
                    }
                },
                () = tokio::time::sleep_until(next_idle) => {
                    next_idle = Instant::now() + idle;
                    self.ask(&mut stream, &mut progress, &mut asked).await?;
                }
                () = tokio::time::sleep_until(silent_until) => return Err(late(&member.url)),
                () = self.news.closed() => return Err(End::Unwanted),
            }
        }
    }

    /// Asks how far the watch has come.
    async fn ask(
        &mut self,
        stream: &mut WatchStream,
        progress: &mut Progress,
        asked: &mut Option<Instant>,
    ) -> Result<(), End> {
        match progress {
            Progress::Truthful => {
                asked.get_or_insert_with(Instant::now);
                stream.request_progress().await.map_err(|error| failed(error.into()))
            }
            Progress::Compared { open, .. } => {
                let newest = self.shared.newest().await.map_err(failed)?;
                if newest <= self.after {
                    return Ok(());
                }
                *open = Some(self.shared.digest().await.map_err(failed)?);
                self.compare(progress).await
            }
        }
    }

    /// Passes on what a message tells.
    async fn told(
        &mut self,
        mut message: WatchResponse,
        parts: &mut Vec<Change>,
        progress: &mut Progress,
    ) -> Result<(), End> {
        if message.canceled() {
            if message.compact_revision() > 0 {
                tracing::warn!(
                    told = self.after.0,
                    compacted = message.compact_revision(),
                    "etcd was compacted beyond what was told; everything is read anew"
                );
                return Err(End::Lost);
            }
            return Err(End::Failed(message.cancel_reason().to_owned()));
        }
        self.shared.health.watch_lives();
        let at = message.header().map_or(0, etcd_client::ResponseHeader::revision);
        if message.events().is_empty() {
            // The answer to the creation says where etcd is, not how far this watch has come.
            let truthful = matches!(progress, Progress::Truthful) && !message.created();
            // Nothing is half told: the fragments of a message come one after the other.
            if truthful && parts.is_empty() && revision(at) > self.after {
                return self.reached(revision(at)).await;
            }
            return Ok(());
        }
        let at_millis = now_millis();
        for event in std::mem::take(&mut message.0.events) {
            let deleted = event.r#type == EventType::Delete as i32;
            let Some(kv) = event.kv else { continue };
            let change = Change {
                revision: revision(kv.mod_revision),
                key: Bytes::from(kv.key),
                value: (!deleted).then(|| Bytes::from(kv.value)),
                previous: None,
                at_millis,
            };
            // What was told over an earlier connection is not told twice.
            if change.revision <= self.after {
                continue;
            }
            if let Progress::Compared { count, .. } = progress {
                if deleted {
                    *count = count.saturating_sub(1);
                } else if kv.create_revision == kv.mod_revision {
                    *count += 1;
                }
            }
            parts.push(change);
        }
        // The rest of the same revision may follow in the next message.
        if message.0.fragment {
            return Ok(());
        }
        let changes = std::mem::take(parts);
        if let Some(last) = changes.last() {
            self.after = last.revision;
            self.send(News::Changes(changes)).await?;
        }
        self.compare(progress).await
    }

    /// Draws the conclusion from the last answer about what there is, if it can be drawn.
    async fn compare(&mut self, progress: &mut Progress) -> Result<(), End> {
        let Progress::Compared { count, open } = progress else { return Ok(()) };
        let Some(digest) = *open else { return Ok(()) };
        if digest.at <= self.after {
            *open = None;
        } else if digest.newest <= self.after && digest.count == *count {
            *open = None;
            self.reached(digest.at).await?;
        }
        Ok(())
    }

    async fn reached(&mut self, at: Revision) -> Result<(), End> {
        self.after = at;
        self.send(News::Reached(at)).await
    }

    async fn send(&mut self, news: News) -> Result<(), End> {
        self.news.send(news).await.map_err(|_| End::Unwanted)
    }
}

fn failed(failure: Failure) -> End {
    End::Failed(failure.reason)
}

fn late(url: &str) -> End {
    End::Failed(format!("no answer from {url}"))
}
