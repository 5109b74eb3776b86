//! What has to be done again and again while the server runs: renewing certificates,
//! and reading the manifests.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinSet;

use super::data_dir::{Clock, DataDir, keep_fresh};
use super::manifests::{self, Manifests, News};
use super::settings::Settings;
use super::talk::Talk;
use crate::error::CliError;
use crate::shutdown::Shutdown;

/// The tasks that run beside the server. They end at the drain.
pub(super) struct Upkeep(JoinSet<()>);

impl Upkeep {
    /// Does everything once, then again and again; also what there is to tell of the
    /// first time. The URL of the server must be known to `dir`.
    pub(super) fn start(
        settings: &Settings,
        dir: Option<&Arc<DataDir>>,
        shutdown: &Shutdown,
    ) -> Result<(Self, Vec<News>), CliError> {
        let mut tasks = JoinSet::new();
        let mut first = Vec::new();
        let Some(dir) = dir else { return Ok((Self(tasks), first)) };
        let clock: Clock = Arc::new(SystemTime::now);
        let stop = || {
            let shutdown = shutdown.clone();
            async move { shutdown.draining().await }
        };
        if let Some(super::settings::Manifests { dir: folder, name }) = &settings.manifests {
            let now = SystemTime::now();
            let (manifests, news) = Manifests::open(folder, name.clone(), Arc::clone(dir), now)?;
            first = news;
            let talk = Talk::of(settings);
            let tell = move |news| talk.news(news);
            tasks.spawn(manifests::follow(manifests, clock.clone(), stop(), tell));
        }
        tasks.spawn(keep_fresh(Arc::clone(dir), clock, stop()));
        Ok((Self(tasks), first))
    }

    /// Waits until nothing is half done.
    pub(super) async fn ended(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}
