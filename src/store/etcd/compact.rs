//! Compaction: etcd forgets what is older than one interval, made to by one server at a
//! time.
//!
//! All servers that share an etcd, of any make, agree on one key. Its version counts the
//! compactions. Each server waits for an interval, then tries to raise the version from
//! what it saw last. Who succeeds compacts to the revision that it saw an interval ago;
//! who does not has been overtaken, notes the new version and waits again. So something
//! happens once an interval however many there are, and everything younger than an
//! interval stays.

use std::sync::Arc;

use etcd_client::{Compare, CompareOp, KeyValue, Txn, TxnOp, TxnOpResponse};

use super::backend::{Shared, revision, signed};
use super::failure::{Failure, Kind};
use crate::model::Revision;

/// The key on which all servers agree. It lies below nobody's prefix.
const KEY: &str = "compact_rev_key";

/// What a server knows of the last turn.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Turn {
    /// The version of the key.
    version: i64,
    /// The newest revision then; none before the first turn.
    newest: Option<Revision>,
}

/// Takes turns for as long as the task lives.
pub(super) async fn in_turns(shared: Arc<Shared>) {
    let interval = shared.members.options().compaction_interval;
    if interval.is_zero() {
        return;
    }
    let mut turn = Turn::default();
    loop {
        tokio::time::sleep(interval).await;
        match take(&shared, turn).await {
            Ok(next) => turn = next,
            Err(failure) => tracing::warn!(reason = failure.reason, "failed to compact etcd"),
        }
    }
}

async fn take(shared: &Shared, last: Turn) -> Result<Turn, Failure> {
    let (number, member) = shared.members.current();
    let noted = last.newest.unwrap_or_default().0.to_string();
    let txn = Txn::new()
        .when([Compare::version(KEY, CompareOp::Equal, last.version)])
        .and_then([TxnOp::put(KEY, noted, None)])
        .or_else([TxnOp::get(KEY, None)]);
    let answer = member.kv().txn(txn).await.map_err(|error| {
        shared.members.leave(number);
        Failure::from(error)
    })?;
    let newest = Some(revision(answer.header().map_or(0, etcd_client::ResponseHeader::revision)));
    if !answer.succeeded() {
        let found = answer.op_responses().into_iter().find_map(|it| match it {
            TxnOpResponse::Get(found) => found.kvs().first().map(KeyValue::version),
            _ => None,
        });
        return Ok(Turn { version: found.unwrap_or_default(), newest });
    }
    let turn = Turn { version: last.version + 1, newest };
    if let Some(upto) = last.newest {
        match member.kv().compact(signed(upto), None).await.map_err(Failure::from) {
            Ok(_) => tracing::debug!(revision = upto.0, "compacted etcd"),
            // Somebody went further, by hand for example.
            Err(failure) if failure.kind == Kind::Compacted => {}
            Err(failure) => tracing::warn!(reason = failure.reason, "failed to compact etcd"),
        }
    }
    Ok(turn)
}
