//! How etcd is, asked again and again, so that nobody who wants to know has to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use etcd_client::{AlarmAction, AlarmType};
use parking_lot::Mutex;

use super::backend::Shared;
use super::failure::Failure;

/// How often etcd is asked whether it answers.
const INTERVAL: Duration = Duration::from_secs(1);

/// Every how many questions alarms, sizes and certificate files are looked at too.
const THOROUGH_EVERY: u32 = 5;

/// How long the watch may be down before that counts as trouble: a member that is
/// restarted costs less.
const WATCH_DOWN_MAX: Duration = Duration::from_secs(5);

/// What is known of etcd.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Why it does not answer.
    silent: Mutex<Option<String>>,
    /// Since when there is no watch, and why.
    watch_down: Mutex<Option<(Instant, String)>>,
    full: AtomicBool,
    corrupt: AtomicBool,
    disk_bytes: AtomicU64,
}

impl Health {
    /// What ails etcd or the way to it, if anything does.
    pub(super) fn trouble(&self) -> Option<String> {
        if let Some(why) = &*self.silent.lock() {
            return Some(format!("etcd does not answer: {why}"));
        }
        if self.corrupt.load(Ordering::Relaxed) {
            return Some("a member of etcd has damaged data (alarm CORRUPT)".to_owned());
        }
        if self.full.load(Ordering::Relaxed) {
            return Some("etcd has no space left (alarm NOSPACE), and refuses writes".to_owned());
        }
        let down = self.watch_down.lock();
        let (since, why) = down.as_ref().filter(|(since, _)| since.elapsed() > WATCH_DOWN_MAX)?;
        let seconds = since.elapsed().as_secs();
        Some(format!("etcd has not told what changes for {seconds} s: {why}"))
    }

    /// Why etcd does not answer, if it does not.
    pub(super) fn silent(&self) -> Option<String> {
        self.silent.lock().clone()
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.disk_bytes.load(Ordering::Relaxed)
    }

    /// A write was refused for want of space.
    pub(super) fn is_full(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// Something came over the watch.
    pub(super) fn watch_lives(&self) {
        let mut down = self.watch_down.lock();
        if down.is_some() {
            *down = None;
        }
    }

    /// The watch has ended.
    pub(super) fn watch_ended(&self, why: &str) {
        let mut down = self.watch_down.lock();
        let since = down.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *down = Some((since, why.to_owned()));
    }
}

/// Asks for as long as the task lives.
pub(super) async fn watch_over(shared: Arc<Shared>) {
    let mut round: u32 = 0;
    loop {
        if round.is_multiple_of(THOROUGH_EVERY) {
            shared.members.reread().await;
            look_closer(&shared).await;
        }
        round = round.wrapping_add(1);
        let timeout = shared.members.options().health_timeout;
        let (number, _) = shared.members.current();
        let answer = tokio::time::timeout(timeout, shared.newest()).await;
        let failure = match answer {
            Ok(Ok(_)) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => {
                // It may be that one member alone which does not answer.
                shared.members.leave(number);
                Some(Failure::late(timeout.as_secs_f32()))
            }
        };
        let why = failure.map(|failure| match shared.members.expired() {
            Some(expired) => format!("{expired}: {}", failure.reason),
            None => failure.reason,
        });
        *shared.health.silent.lock() = why;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Looks at alarms and sizes. What does not answer is noticed elsewhere.
async fn look_closer(shared: &Shared) {
    let timeout = shared.members.options().health_timeout;
    let (_, member) = shared.members.current();
    let mut maintenance = member.maintenance();
    let alarms = maintenance.alarm(AlarmAction::Get, AlarmType::None, None);
    if let Ok(Ok(answer)) = tokio::time::timeout(timeout, alarms).await {
        let raised = |kind: AlarmType| answer.alarms().iter().any(|it| it.alarm() == kind);
        shared.health.full.store(raised(AlarmType::Nospace), Ordering::Relaxed);
        shared.health.corrupt.store(raised(AlarmType::Corrupt), Ordering::Relaxed);
    }
    if let Ok(Ok(status)) = tokio::time::timeout(timeout, maintenance.status()).await {
        let bytes = u64::try_from(status.db_size()).unwrap_or_default();
        shared.health.disk_bytes.store(bytes, Ordering::Relaxed);
    }
}
