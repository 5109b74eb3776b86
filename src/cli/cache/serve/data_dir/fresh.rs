//! The task that renews while the server runs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{DataDir, Pass};

/// How often the files are looked at, at least: the clock may jump, files may vanish.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often the files are looked at, at most.
const LOOK_PAUSE_MIN: Duration = Duration::from_secs(1);

/// What tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Keeps the certificates of `dir` fresh until `stop` ends.
///
/// A pass that fails is logged and tried again: what was good stays in use.
pub(crate) async fn keep_fresh(dir: Arc<DataDir>, clock: Clock, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let mut said = None;
    loop {
        let (pass_dir, now) = (Arc::clone(&dir), clock());
        let result = tokio::task::spawn_blocking(move || pass_dir.pass(now)).await;
        let wait = match result {
            Ok(Ok(Pass { written, next })) => {
                for path in written {
                    tracing::info!(path = %path.display(), "renewed");
                }
                said = None;
                next.duration_since(clock()).unwrap_or_default()
            }
            Ok(Err(error)) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                if said.as_ref() != Some(&error) {
                    tracing::error!("failed to renew certificates, trying again: {error}");
                    said = Some(error);
                }
                LOOK_EVERY
            }
            Err(_) => return, // the runtime is on its way out
        };
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(wait.clamp(LOOK_PAUSE_MIN, LOOK_EVERY)) => {}
        }
    }
}
