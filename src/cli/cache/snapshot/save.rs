//! `kcpctl cache snapshot save`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use serde_json::Value;

use super::{is_standard, quoted, refused};
use crate::cli::args::ConnectionArgs;
use crate::cli::cache::stored::{Location, StoreArgs, copy_of, place_of_copy};
use crate::cli::files;
use crate::cli::runtime::block_on;
use crate::client::{
    CacheClient, Catalog, Form, FoundType, ListQuery, Meta, Pager, Partial, Scope,
};
use crate::error::{CliError, Kind};
use crate::fsck::reachable;
use crate::model::Revision;
use crate::model::json::tree;
use crate::server::bootstrap;
use crate::store::{Origin, Place, SnapshotError, SnapshotHeader, SnapshotWriter, TypeKey};
use crate::term::{self, Progress};
use crate::view::{Unreadable, read_stored};

/// How often a snapshot is begun anew when the server forgets its revision meanwhile.
const ATTEMPTS: usize = 3;

const EXAMPLES: &str = "\
Examples:
  # Of the server that a kubeconfig leads to, of any make
  kcpctl cache snapshot save cache.snapshot --kubeconfig cache.kubeconfig

  # Of a server that is stopped
  kcpctl cache snapshot save cache.snapshot --data-dir .kcpctl

  # Of an etcd, whoever uses it meanwhile
  kcpctl cache snapshot save cache.snapshot --etcd-servers http://localhost:2379

  # To another machine
  kcpctl cache snapshot save - | ssh backup 'cat > cache.snapshot'";

/// Take a snapshot of a running server, of a stopped one's data, or of an etcd
///
/// The file shows all objects at one revision. It is compressed, and has a checksum
/// over everything.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SaveArgs {
    /// File to write, or `-` for stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Overwrite the file if it is there
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(super) fn run(args: SaveArgs) -> Result<(), CliError> {
    let SaveArgs { file, force, store, connection } = args;
    if !is_standard(&file) && !force && file.symlink_metadata().is_ok() {
        let cause = anyhow!("{} is there already", quoted(&file));
        return Err(CliError::new(Kind::Config, cause)
            .hint("choose another name, or overwrite it with `--force`"));
    }
    let taken = match store.location()? {
        Some(location) => {
            if connection.kubeconfig.is_some() || connection.context.is_some() {
                let cause = anyhow!("a snapshot is of a server or of a store, not of both");
                return Err(CliError::new(Kind::Usage, cause).hint(
                    "give `--data-dir` or `--etcd-servers`, or else `--kubeconfig` and \
                     `--context`",
                ));
            }
            block_on(of_store(location, &file))?
        }
        None => block_on(async { of_server(&connection.client().await?, &file).await })?,
    };
    let header = taken.write(&file)?;
    term::say(&format!(
        "saved {} ({}) of resourceVersion {}",
        term::count(usize::try_from(header.objects).unwrap_or(usize::MAX), "object"),
        term::bytes(header.bytes),
        header.revision
    ));
    Ok(())
}

/// A snapshot that lacks only its file.
struct Taken {
    writer: SnapshotWriter,
    source: String,
    revision: Revision,
}

impl Taken {
    fn write(self, file: &Path) -> Result<SnapshotHeader, CliError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let what = (now, self.source, self.revision);
        if is_standard(file) {
            let mut out = std::io::stdout().lock();
            return self.writer.finish(what, &mut out).map_err(|error| refused(file, error));
        }
        files::write_with(file, files::PRIVATE, |out| {
            self.writer.finish(what, out).map_err(|error| match error {
                SnapshotError::Io { source, .. } => source,
                error => std::io::Error::other(error),
            })
        })
        .map_err(|error| CliError::new(Kind::Config, error).hint("the file is as it was"))
    }
}

async fn of_store(location: Location, file: &Path) -> Result<Taken, CliError> {
    let mut progress = Progress::start("taking a snapshot");
    let store = location.open().await?;
    let (pairs, revision) = progress.during(store.pairs()).await?;
    let mut writer = SnapshotWriter::new().map_err(|error| refused(file, error))?;
    let mut left_out = 0;
    for (key, pair) in &pairs {
        let Some(place) = reachable(&store.keys, key) else {
            // Definitions are no loss: every server makes its own.
            let defines = store.keys.parse(key).is_ok_and(|it| it.kind.is_definitions());
            left_out += usize::from(!defines);
            continue;
        };
        match read_stored(&place, &pair.value, pair.revision, bootstrap::serve) {
            Ok(_) => {}
            Err(error @ Unreadable::Encrypted) => {
                let key = String::from_utf8_lossy(key).into_owned();
                let cause = anyhow::Error::new(error).context(format!("failed to copy `{key}`"));
                return Err(CliError::new(Kind::Config, cause)
                    .hint("take the snapshot of a server that can read it, with `--kubeconfig`"));
            }
            Err(Unreadable::Malformed(_)) => {
                left_out += 1;
                continue;
            }
        }
        let added = writer.add(&copy_of(&place), pair.revision, &pair.value);
        added.map_err(|error| refused(file, error))?;
    }
    warn_of(left_out);
    Ok(Taken { writer, source: format!("the store in {}", store.name), revision })
}

fn warn_of(left_out: usize) {
    if left_out > 0 {
        let what = term::count(left_out, "key");
        term::warn(&format!(
            "left out {what} that no request leads to, or whose value is no object: see `kcpctl cache fsck`"
        ));
    }
}

async fn of_server(client: &CacheClient, file: &Path) -> Result<Taken, CliError> {
    let mut progress = Progress::start("taking a snapshot");
    for attempt in 1.. {
        match at_one_revision(client, file, &mut progress).await {
            Err(Failure::Overtaken) if attempt < ATTEMPTS => {}
            Err(Failure::Overtaken) => break,
            Err(Failure::Other(error)) => return Err(error),
            Ok(taken) => return Ok(taken),
        }
    }
    let cause = anyhow!("the server forgets its state faster than it can be read");
    Err(CliError::new(Kind::Refused, cause)
        .hint("try again when there are fewer writes, or stop it and use `--data-dir`"))
}

enum Failure {
    /// The server has forgotten the revision that the first pages showed.
    Overtaken,
    Other(CliError),
}

impl<E: Into<CliError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

async fn at_one_revision(
    client: &CacheClient,
    file: &Path,
    progress: &mut Progress,
) -> Result<Taken, Failure> {
    let mut catalog = Catalog::builtin();
    progress.during(catalog.add_published(client)).await?;
    let mut writer = SnapshotWriter::new().map_err(|error| refused(file, error))?;
    let mut at = None;
    let (mut copied, mut left_out) = (0_usize, 0);
    for known in catalog.types() {
        if TypeKey::new(&known.group, &known.resource).is_definitions() {
            continue;
        }
        let Some(found) = known.preferred() else { continue };
        let query = ListQuery::all(Scope::EVERYTHING, found.path(), Form::Objects);
        let mut pager = Pager::new(client, query, None);
        if let Some(revision) = &at {
            pager = pager.at(revision);
        }
        loop {
            let page = match progress.during(pager.next()).await {
                Ok(Some(page)) if page.resumed => return Err(Failure::Overtaken),
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if error.is_gone() => return Err(Failure::Overtaken),
                // A kcp of another time, which has not got this type.
                Err(error) if error.is_not_found() => break,
                Err(error) => return Err(error.into()),
            };
            at.get_or_insert(page.metadata.resource_version);
            for item in &page.items {
                let copy = stored(&found, item.get()).map_err(|what| strange(&found, &what))?;
                // Lists of everything also show what lies under keys of another form.
                let copy = copy.filter(|(key, ..)| place_of_copy(key).is_some());
                let Some((key, revision, value)) = copy else {
                    left_out += 1;
                    continue;
                };
                copied += 1;
                writer.add(&key, revision, &value).map_err(|error| refused(file, error))?;
            }
        }
    }
    let Some(at) = at else {
        let cause = anyhow!("the server serves none of the resources of a cache");
        return Err(CliError::new(Kind::Refused, cause)
            .hint("is it a kcp cache server? Name one with `--kubeconfig` and `--context`")
            .into());
    };
    let revision = at.parse().map(Revision).map_err(|_| {
        CliError::new(Kind::Refused, anyhow!("the server's resourceVersion `{at}` is no number"))
    })?;
    if copied == 0 && left_out > 0 {
        let cause = anyhow!("of no object the server shows the shard and the cluster");
        return Err(CliError::new(Kind::Refused, cause)
            .hint("is it a kcp cache server? Name one with `--kubeconfig` and `--context`")
            .into());
    }
    warn_of(left_out);
    Ok(Taken { writer, source: client.server().to_owned(), revision })
}

/// What stands in a snapshot for one object: its key, its revision and its stored form.
type Copied = (String, Revision, Vec<u8>);

/// The copy of an object as a server showed it; none of one that is in no cluster of a
/// shard.
fn stored(found: &FoundType, text: &str) -> Result<Option<Copied>, String> {
    let meta: Meta = serde_json::from_str::<Partial>(text)
        .map_err(|error| format!("an object that is not one ({error})"))?
        .metadata;
    let missing = |what: &str| format!("`{}` without {what}", meta.name);
    let (shard, cluster) = (meta.shard(), meta.cluster());
    if meta.name.is_empty() {
        return Err("an object without a name".to_owned());
    }
    if shard.is_empty() || cluster.is_empty() {
        return Ok(None);
    }
    let revision =
        meta.resource_version.parse().map(Revision).map_err(|_| missing("a resourceVersion"))?;
    let (mut object, _) = tree::read(text.as_bytes()).map_err(|error| error.to_string())?;
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        // The store numbers objects itself.
        metadata.remove("resourceVersion");
    }
    let mut path = format!("{shard}/{cluster}/");
    if !meta.namespace.is_empty() {
        path.push_str(&meta.namespace);
        path.push('/');
    }
    path.push_str(&meta.name);
    let place = Place {
        kind: TypeKey::new(&found.known.group, &found.known.resource),
        origin: match found.known.identity.as_deref() {
            Some(identity) => Origin::Identity(identity.into()),
            None => Origin::BuiltIn,
        },
        path: path.into(),
    };
    let mut value = tree::to_vec(&object);
    value.push(b'\n');
    Ok(Some((copy_of(&place), revision, value)))
}

fn strange(found: &FoundType, what: &str) -> CliError {
    let name = found.known.qualified_name();
    CliError::new(Kind::Refused, anyhow!("among {name} the server shows {what}"))
        .hint("is it a kcp cache server? Name one with `--kubeconfig` and `--context`")
}
