//! Reading a folder of manifests again and again, and telling what became of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::folder::{self, Snapshot};
use super::plan::{Plan, PlanError, plan};
use crate::cli::cache::serve::data_dir::{Clock, DataDir, DataDirError};
use crate::error::{CliError, Kind};
use crate::model::ShardName;

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often the files of the shards are looked at while nothing is due.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// A folder of manifests, and the shards that have access because of it.
#[derive(Debug)]
pub(crate) struct Manifests {
    folder: PathBuf,
    name: Option<String>,
    dir: Arc<DataDir>,
    snapshot: Snapshot,
    shards: BTreeMap<ShardName, String>,
    due: SystemTime,
    /// What was told already: a problem is told once, until it changes.
    told: Vec<String>,
}

/// What happened, for the user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum News {
    /// A shard has access now.
    Shard {
        /// Its object, such as `RootShard/kcp`.
        object: String,
        /// The flags of `kcp start` that use it.
        flags: Vec<String>,
    },
    /// A shard is no longer described; its files stay, and are not renewed.
    Gone {
        /// Its object.
        object: String,
        /// Where its files are.
        folder: PathBuf,
    },
    /// Files were renewed.
    Renewed {
        /// Which.
        files: Vec<PathBuf>,
    },
    /// Something could not be read or understood; what was there before stays in use.
    Problem(String),
}

/// A start that cannot succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestsError {
    /// The folder cannot be read.
    #[error("failed to read the manifests in `{}`", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The objects leave open what to do.
    #[error("cannot use the manifests in `{}`", folder.display())]
    Plan {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: PlanError,
    },
    /// Nobody here can sign certificates for shards.
    #[error("the certificates of shards cannot be signed: the key of the client CA is not here")]
    NoKey,
    /// The files of a shard cannot be written.
    #[error("cannot give the shard `{shard}` access")]
    Write {
        /// Which.
        shard: String,
        /// Why.
        source: DataDirError,
    },
}

impl From<ManifestsError> for CliError {
    fn from(error: ManifestsError) -> Self {
        let hint = match &error {
            ManifestsError::Folder { .. } => "name a folder of manifests with `--manifests`",
            ManifestsError::Plan { source, .. } => source.hint(),
            ManifestsError::NoKey => "leave `--client-ca-file` out, or `--manifests`",
            ManifestsError::Write { .. } => {
                "the user who runs the server must be able to write the data directory"
            }
        };
        Self::new(Kind::Config, error).hint(hint)
    }
}

impl Manifests {
    /// Reads the folder for the first time. The URL of the server must be known to `dir`.
    ///
    /// A file that is broken is news; a folder that cannot be read, or that leaves
    /// open which cache server this is, is an error.
    pub(crate) fn open(
        folder: &Path,
        name: Option<String>,
        dir: Arc<DataDir>,
        now: SystemTime,
    ) -> Result<(Self, Vec<News>), ManifestsError> {
        if !dir.can_sign() {
            return Err(ManifestsError::NoKey);
        }
        let snapshot = folder::read(folder)
            .map_err(|source| ManifestsError::Folder { folder: folder.to_owned(), source })?;
        let mut this = Self {
            folder: folder.to_owned(),
            name,
            dir,
            snapshot: Snapshot::default(),
            shards: BTreeMap::new(),
            due: now,
            told: Vec::new(),
        };
        let (documents, problems) = snapshot.documents();
        let planned = plan(&documents, this.name.as_deref());
        // Without a cache server the folder may be on its way; all else is a mistake.
        let planned = match planned {
            Err(source) if !matches!(source, PlanError::NoCache { .. }) => {
                return Err(ManifestsError::Plan { folder: this.folder, source });
            }
            other => other,
        };
        let mut news = this.adopt(snapshot, planned, problems);
        this.keep(now, &mut news)?;
        Ok((this, news))
    }

    /// Looks at the folder, and at the files of the shards if they are due.
    pub(crate) fn look(&mut self, now: SystemTime) -> Vec<News> {
        let mut news = Vec::new();
        match folder::read(&self.folder) {
            Ok(snapshot) if snapshot != self.snapshot => {
                let (documents, problems) = snapshot.documents();
                let planned = plan(&documents, self.name.as_deref());
                news = self.adopt(snapshot, planned, problems);
                self.due = now;
            }
            Ok(_) => self.told.retain(|it| !it.starts_with("failed to read the manifests")),
            Err(error) => {
                let problem = format!(
                    "failed to read the manifests in `{}`, keeping what they said: {error}",
                    self.folder.display()
                );
                self.tell(problem, &mut news);
            }
        }
        if self.due <= now
            && let Err(error) = self.keep(now, &mut news)
        {
            self.due = now + CHECK_EVERY;
            self.tell(format!("{:#}", anyhow::Error::new(error)), &mut news);
        }
        news
    }

    /// Takes over what a folder says, as far as it says something clear.
    fn adopt(
        &mut self,
        snapshot: Snapshot,
        planned: Result<Plan, PlanError>,
        problems: Vec<String>,
    ) -> Vec<News> {
        let mut news = Vec::new();
        self.snapshot = snapshot;
        self.told.clear();
        let is_whole = problems.is_empty();
        for problem in problems {
            self.tell(problem, &mut news);
        }
        let shards = match planned {
            Ok(Plan { shards, .. }) => shards,
            Err(error) => {
                let folder = self.folder.display();
                let problem = format!("in `{folder}` {error}: {}", error.hint());
                self.tell(problem, &mut news);
                return news;
            }
        };
        for (shard, object) in &shards {
            if self.shards.get(shard) != Some(object) {
                news.push(News::Shard { object: object.clone(), flags: self.flags(shard) });
            }
        }
        let gone = self.shards.iter().filter(|(shard, _)| !shards.contains_key(*shard));
        let gone: Vec<_> = gone.map(|(shard, object)| (shard.clone(), object.clone())).collect();
        self.shards.extend(shards);
        // A file that cannot be read may be the one that describes the shard.
        for (shard, object) in gone.into_iter().filter(|_| is_whole) {
            self.shards.remove(&shard);
            let mut folder = self.dir.shard_kubeconfig(&shard);
            folder.pop();
            news.push(News::Gone { object, folder });
        }
        news
    }

    /// Makes and renews the files of all shards.
    fn keep(&mut self, now: SystemTime, news: &mut Vec<News>) -> Result<(), ManifestsError> {
        self.due = now + CHECK_EVERY;
        let mut files = Vec::new();
        for shard in self.shards.keys() {
            let pass = self
                .dir
                .keep_shard(shard, now)
                .map_err(|source| ManifestsError::Write { shard: shard.to_string(), source })?;
            files.extend(pass.written);
            // A second at least: a life that is all but over is due at every moment.
            self.due = self.due.min(pass.next.max(now + Duration::from_secs(1)));
        }
        if !files.is_empty() {
            news.push(News::Renewed { files });
        }
        Ok(())
    }

    fn tell(&mut self, problem: String, news: &mut Vec<News>) {
        if !self.told.contains(&problem) {
            self.told.push(problem.clone());
            news.push(News::Problem(problem));
        }
    }

    /// The flags of `kcp start` for a shard.
    fn flags(&self, shard: &ShardName) -> Vec<String> {
        let kubeconfig = self.dir.shard_kubeconfig(shard);
        let kubeconfig = std::path::absolute(&kubeconfig).unwrap_or(kubeconfig);
        vec![
            format!("--shard-name={shard}"),
            format!("--cache-kubeconfig={}", kubeconfig.display()),
        ]
    }
}

/// Follows the folder until `stop` ends, and hands all news to `tell`.
pub(crate) async fn follow(
    mut manifests: Manifests,
    clock: Clock,
    stop: impl Future<Output = ()>,
    tell: impl Fn(News),
) {
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let now = clock();
        let looked = tokio::task::spawn_blocking(move || {
            let news = manifests.look(now);
            (manifests, news)
        });
        let Ok((back, news)) = looked.await else { return }; // the runtime is on its way out
        manifests = back;
        news.into_iter().for_each(&tell);
    }
}
