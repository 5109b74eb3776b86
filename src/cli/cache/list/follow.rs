//! What happens after a list, until the user has seen enough.

use std::time::Duration;

use tokio::time::sleep;

use super::objects::{Sieve, list};
use super::show::Show;
use crate::client::{CacheClient, ClientError, EventKind, Watch};
use crate::error::CliError;
use crate::term::{self, Progress};

/// How often in a row a connection may fail before we give up.
const FAILURES_MAX: u32 = 6;

/// The first wait after a failure, and after a watch that brought nothing; it doubles.
const WAIT_FIRST: Duration = Duration::from_millis(500);

/// Shows every change after the state `since`; ends in an error alone.
///
/// A server ends its watches now and then, and forgets old changes: the first is
/// resumed where it ended, after the second the list is read again.
pub(super) async fn follow(
    client: &CacheClient,
    sieve: &Sieve,
    chunk_size: u32,
    show: &mut Show,
    mut since: String,
) -> Result<(), CliError> {
    let mut failures = 0;
    loop {
        let before = since.clone();
        let end = watch_once(client, sieve, show, &mut since).await?;
        if since != before {
            failures = 0;
        }
        match end {
            End::Closed => sleep(WAIT_FIRST).await,
            End::Gone => {
                term::warn(&format!(
                    "the server no longer knows what changed since resourceVersion {since}: \
                     listing again"
                ));
                let mut progress = Progress::start("listing again");
                since = list(client, sieve, chunk_size, show, &mut progress).await?;
                show.flush()?;
            }
            End::Broken(error) if failures == FAILURES_MAX => return Err(error.into()),
            End::Broken(error) => {
                if failures == 0 {
                    term::warn(&format!("{error}; trying again"));
                }
                sleep(WAIT_FIRST * 2_u32.pow(failures)).await;
                failures += 1;
            }
        }
    }
}

/// Why a watch ended.
enum End {
    /// The server closed it, as servers do after a while.
    Closed,
    /// The server has forgotten the state that we know.
    Gone,
    /// The connection did not come about, or broke.
    Broken(ClientError),
}

impl End {
    fn of(error: ClientError) -> Result<Self, CliError> {
        match error {
            error if error.is_gone() => Ok(Self::Gone),
            ClientError::Connect { .. } | ClientError::Silent { .. } => Ok(Self::Broken(error)),
            error => Err(error.into()),
        }
    }
}

async fn watch_once(
    client: &CacheClient,
    sieve: &Sieve,
    show: &mut Show,
    since: &mut String,
) -> Result<End, CliError> {
    let mut watch = match Watch::open(client, &sieve.query, since).await {
        Ok(watch) => watch,
        Err(error) => return End::of(error),
    };
    loop {
        match watch.next().await {
            Ok(None) => return Ok(End::Closed),
            Err(error) => return End::of(error),
            Ok(Some(event)) => {
                if event.kind != EventKind::Bookmark {
                    show.event(&event, sieve)?;
                }
                if let Some(revision) = event.resource_version() {
                    *since = revision;
                }
            }
        }
    }
}
