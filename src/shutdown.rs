//! One signal, many listeners.
//!
//! The process has one [`Trigger`]; every task holds a [`Shutdown`], a cheap clone.
//! The first signal asks everything to end in order: listeners stop accepting,
//! requests are answered, watches send their last frame. A second signal means that
//! the user will not wait: what still runs is dropped.
//!
//! # What is absent on purpose
//!
//! Nothing here ends the process, and nothing prints: whoever holds the
//! [`Trigger`] decides what a phase means for the exit code.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How far the process has come on its way out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    /// Nobody asked it to end.
    Running,
    /// Finish what was begun, begin nothing.
    Draining,
    /// Drop everything.
    Aborting,
}

/// The one hand that can end the process. Dropping it drains.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

/// What a task holds to learn that it should end.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

/// The trigger, and the first listener.
pub fn channel() -> (Trigger, Shutdown) {
    let (phase_tx, phase_rx) = watch::channel(Phase::Running);
    (Trigger(phase_tx), Shutdown(phase_rx))
}

impl Trigger {
    /// Moves on to `phase`; never back.
    pub fn reach(&self, phase: Phase) {
        self.0.send_if_modified(|present| {
            let later = phase > *present;
            if later {
                *present = phase;
            }
            later
        });
    }

    /// Turns SIGTERM and SIGINT into phases for as long as it is polled: the first
    /// drains, the second aborts. Ends after the second.
    ///
    /// The handlers are in place when this returns, so that a signal which arrives
    /// before the future is polled is not lost.
    ///
    /// A write that the limit on the size of files refuses (`ulimit -f`, systemd's
    /// `LimitFSIZE=`) comes with a signal that ends a process which does not expect it. To
    /// us that is a disk without room: the write fails, and reads go on.
    pub fn on_signals(self) -> io::Result<impl Future<Output = ()> + Send> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // A handler stays, also when nobody listens any longer.
        let _file_too_large = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
        Ok(async move {
            for phase in [Phase::Draining, Phase::Aborting] {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if phase == Phase::Draining {
                    tracing::info!(signal = name, "ending in order; a second signal aborts");
                } else {
                    tracing::warn!(signal = name, "aborting: what was begun is dropped");
                }
                self.reach(phase);
            }
        })
    }
}

impl Shutdown {
    /// The present phase.
    pub fn phase(&self) -> Phase {
        // A dropped trigger drains: nobody is left who could ask for the end.
        let closed = self.0.has_changed().is_err();
        let phase = *self.0.borrow();
        if closed { phase.max(Phase::Draining) } else { phase }
    }

    /// Whether the process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Waits until the process should end.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Waits until the process should drop everything; for ever if nobody can ask
    /// for that any longer.
    pub async fn aborting(&self) {
        self.reached(Phase::Aborting).await;
    }

    async fn reached(&self, phase: Phase) {
        let mut phase_rx = self.0.clone();
        let closed = phase_rx.wait_for(|present| *present >= phase).await.is_err();
        if closed && phase > Phase::Draining {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_listener_hears_of_the_end_also_one_that_comes_late() {
        let (trigger, early) = channel();
        assert_eq!(early.phase(), Phase::Running);
        trigger.reach(Phase::Draining);
        early.draining().await;
        early.clone().draining().await;
        assert!(early.is_draining());
    }

    #[tokio::test]
    async fn a_phase_is_never_taken_back() {
        let (trigger, shutdown) = channel();
        trigger.reach(Phase::Aborting);
        trigger.reach(Phase::Draining);
        assert_eq!(shutdown.phase(), Phase::Aborting);
        shutdown.aborting().await;
    }

    #[tokio::test]
    async fn a_dropped_trigger_drains_and_does_not_abort() {
        let (trigger, shutdown) = channel();
        drop(trigger);
        shutdown.draining().await;
        assert_eq!(shutdown.phase(), Phase::Draining);
        let aborting = std::pin::pin!(shutdown.aborting());
        assert!(futures::poll!(aborting).is_pending());
    }
}
