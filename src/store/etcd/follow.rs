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
use super::life::Life;
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

/// How long nothing may come on a watch, after what there is was found to be what it had
/// told, until it is believed that nothing has come and gone in between. etcd tells what is
/// due ten times a second.
const SILENT_FOR: Duration = Duration::from_secs(5);

/// How long the beginning of a watch may take.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Tells what happens after `after` for as long as somebody listens.
pub(super) fn follow(shared: Arc<Shared>, after: Revision) -> impl Stream<Item = News> + Send {
    let (news, told) = mpsc::channel(QUEUE);
    let life = std::mem::take(&mut *shared.loaded.lock());
    let task = Follower { shared, after, life, news, warned_old: false };
    tokio::spawn(task.run());
    futures::stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) })
}

struct Follower {
    shared: Arc<Shared>,
    /// Everything up to here was told.
    after: Revision,
    /// What is known of the etcd that told it.
    life: Life,
    news: mpsc::Sender<News>,
    warned_old: bool,
}

/// Why a watch ended.
enum End {
    /// Nobody listens any longer.
    Unwanted,
    /// It cannot go on from where it was.
    Lost,
    /// It goes on with another beginning.
    Again,
    /// It may go on with another connection.
    Failed(String),
}

/// What came of a message whose last part did not come yet.
#[derive(Default)]
struct Parts {
    changes: Vec<Change>,
    /// How many more keys there are after them.
    more: isize,
}

/// How a member tells how far the watch has come.
enum Progress {
    /// It is asked on the watch.
    Truthful,
    /// What there is is compared with what was told.
    Compared(Comparison),
}

/// What is known of how far the watch has come, where it cannot be asked.
#[derive(Default)]
struct Comparison {
    /// The last answer that was not reached yet.
    open: Option<Digest>,
    /// The last answer that was what had been told, and when it came.
    settled: Option<(Digest, Instant)>,
    /// Such an answer that is not believed yet, and since when nothing was told.
    silent: Option<(Digest, Instant)>,
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
                Err(End::Again) => {}
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
        let head = status.header().ok_or_else(|| late(&member.url))?;
        if revision(head.revision()) < self.after {
            return Err(End::Failed(format!("{} is behind the others", member.url)));
        }
        self.compare_life(head.cluster_id()).await?;
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
            Progress::Compared(Comparison::default())
        };
        let options = WatchOptions::new()
            .with_range(shared.range_end())
            .with_start_revision(signed(self.life.quiet_since.next()))
            .with_fragment();
        let mut client = member.watch();
        let begun = client.watch(shared.prefix.as_str(), Some(options));
        let begun = tokio::time::timeout(BEGIN_TIMEOUT, begun).await;
        let mut stream =
            begun.map_err(|_| late(&member.url))?.map_err(|error| failed(error.into()))?;

        let idle = match progress {
            Progress::Truthful => IDLE,
            Progress::Compared(_) => IDLE_EXPENSIVE,
        };
        let mut asked: Option<Instant> = None;
        let mut parts = Parts::default();
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
                    Progress::Compared(_) => {
                        next_idle = next_idle.min(Instant::now() + COMPARE_GRACE);
                    }
                },
                () = tokio::time::sleep_until(next_idle) => {
                    next_idle = Instant::now() + idle;
                    self.ask(&mut stream, &mut progress, &mut asked).await?;
                }
                () = tokio::time::sleep_until(progress.believed_at().unwrap_or(silent_until)),
                    if progress.believed_at().is_some() =>
                {
                    self.believe(&mut progress).await?;
                }
                () = tokio::time::sleep_until(silent_until) => return Err(late(&member.url)),
                () = self.news.closed() => return Err(End::Unwanted),
            }
        }
    }

    /// Makes sure that this is the etcd that has told everything so far.
    async fn compare_life(&mut self, cluster: u64) -> Result<(), End> {
        let seen = *self.life.cluster.get_or_insert(cluster);
        let look = self.shared.look(self.life.keys(), self.after).await;
        let same = match look {
            Ok((found, count)) => seen == cluster && self.life.is_same(&found, count),
            Err(failure) if failure.kind == Kind::Compacted => {
                tracing::warn!(
                    told = self.after.0,
                    "etcd was compacted beyond what was told; everything is read anew"
                );
                return Err(End::Lost);
            }
            Err(failure) => return Err(failed(failure)),
        };
        if same { Ok(()) } else { Err(self.another_life()) }
    }

    fn another_life(&self) -> End {
        tracing::error!(
            told = self.after.0,
            "etcd has another history than the one that was told: an older state was put back, or \
             another etcd took its place; everything is read anew"
        );
        End::Lost
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
            Progress::Compared(known) => {
                let newest = self.shared.newest().await.map_err(failed)?;
                let settled = known.settled.map_or(self.after, |(digest, _)| digest.at);
                if newest <= settled.max(self.after) {
                    return Ok(());
                }
                known.open = Some(self.shared.digest().await.map_err(failed)?);
                self.compare(progress).await?;
                // There is something that was not told: a member that lives tells it now.
                if matches!(progress, Progress::Compared(Comparison { open: Some(_), .. })) {
                    asked.get_or_insert_with(Instant::now);
                }
                Ok(())
            }
        }
    }

    /// Passes on what a message tells.
    async fn told(
        &mut self,
        mut message: WatchResponse,
        parts: &mut Parts,
        progress: &mut Progress,
    ) -> Result<(), End> {
        if message.canceled() {
            let compacted = revision(message.compact_revision());
            if compacted > self.after.next() {
                tracing::warn!(
                    told = self.after.0,
                    compacted = compacted.0,
                    "etcd was compacted beyond what was told; everything is read anew"
                );
                return Err(End::Lost);
            }
            // The quiet time before what was told can no longer be looked at.
            if compacted > self.life.quiet_since.next() {
                self.life.quiet_since = Revision(compacted.0 - 1);
                return Err(End::Again);
            }
            return Err(End::Failed(message.cancel_reason().to_owned()));
        }
        self.shared.health.watch_lives();
        let at = message.header().map_or(0, etcd_client::ResponseHeader::revision);
        if message.events().is_empty() {
            // The answer to the creation says where etcd is, not how far this watch has come.
            let truthful = matches!(progress, Progress::Truthful) && !message.created();
            // Nothing is half told: the fragments of a message come one after the other.
            if truthful && parts.changes.is_empty() && revision(at) > self.after {
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
            if change.revision <= self.life.quiet_since {
                continue;
            }
            if change.revision <= self.after {
                return Err(self.another_life());
            }
            if deleted {
                parts.more -= 1;
            } else if kv.create_revision == kv.mod_revision {
                parts.more += 1;
            }
            parts.changes.push(change);
        }
        // The rest of the same revision may follow in the next message.
        if message.0.fragment {
            return Ok(());
        }
        let Parts { changes, more } = std::mem::take(parts);
        if let Some(last) = changes.last() {
            self.after = last.revision;
            self.life.tell(&changes, more);
            self.send(News::Changes(changes)).await?;
        }
        if let Progress::Compared(Comparison { settled, silent, .. }) = progress {
            for (_, since) in settled.iter_mut().chain(silent) {
                *since = Instant::now();
            }
        }
        self.compare(progress).await
    }

    /// Draws the conclusion from the last answer about what there is, if it can be drawn.
    async fn compare(&mut self, progress: &mut Progress) -> Result<(), End> {
        let Progress::Compared(known) = progress else { return Ok(()) };
        let Some(digest) = known.open else { return Ok(()) };
        if digest.at <= self.after {
            known.open = None;
        } else if self.told_all_of(&digest) {
            // Not reached yet: what was created and deleted since left no trace in the
            // answer.
            known.open = None;
            known.settled = Some((digest, Instant::now()));
            known.silent = known.silent.or(known.settled);
            self.send(News::Settled(digest.at)).await?;
        }
        Ok(())
    }

    fn told_all_of(&self, digest: &Digest) -> bool {
        digest.newest <= self.after && digest.count == self.life.count
    }

    /// Takes what had settled for reached, since the watch has been silent for long.
    async fn believe(&mut self, progress: &mut Progress) -> Result<(), End> {
        let Progress::Compared(known) = progress else { return Ok(()) };
        let Some((digest, _)) = known.silent.take() else { return Ok(()) };
        // What has settled since comes next.
        known.silent = known.settled.take().filter(|(later, _)| later.at > digest.at);
        if digest.at > self.after && self.told_all_of(&digest) {
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

impl Progress {
    /// When what has settled counts as reached.
    fn believed_at(&self) -> Option<Instant> {
        match self {
            Self::Compared(Comparison { silent: Some((_, since)), .. }) => {
                Some(*since + SILENT_FOR)
            }
            _ => None,
        }
    }
}

fn failed(failure: Failure) -> End {
    End::Failed(failure.reason)
}

fn late(url: &str) -> End {
    End::Failed(format!("no answer from {url}"))
}
