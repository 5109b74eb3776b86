//! A sign of life on stderr for whoever waits longer than a second.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, sleep_until};

/// How long a wait may be before it needs an explanation.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the sign moves.
const TICK: Duration = Duration::from_millis(120);

/// A spinner with a message, shown on a terminal only and after a second only.
///
/// Wrap what takes time in [`Progress::during`]; while something else prints,
/// [`Progress::suspend`].
pub struct Progress {
    bar: ProgressBar,
    due: Option<Instant>,
}

impl Progress {
    /// A progress that starts now and is not shown yet.
    pub fn start(message: impl Into<String>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        bar.set_message(message.into());
        let due = io::stderr().is_terminal().then(|| Instant::now() + PATIENCE);
        Self { bar, due }
    }

    /// Says what is being done now.
    pub fn message(&self, message: impl Into<String>) {
        self.bar.set_message(message.into());
    }

    /// Waits for `work`, and shows the progress once the second is over.
    pub async fn during<F: Future>(&mut self, work: F) -> F::Output {
        tokio::pin!(work);
        if let Some(due) = self.due {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep_until(due) => self.show(),
            }
        }
        work.await
    }

    /// Runs `print` with the progress out of the way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    fn show(&mut self) {
        self.due = None;
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(TICK);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
