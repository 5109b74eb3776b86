//! Waiting until objects are what they should be, or gone: a line for each object and turn.

use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cli::manifests::Wanted;
use crate::cli::waiting::PAUSE;
use crate::client::cluster::{ClusterClient, Resource};
use crate::error::{CliError, Kind};
use crate::installation::live::{Readiness, Waiting, advice, called, readiness_by, stand_in};
use crate::term;

/// An object that is waited for.
struct Awaited {
    wanted: Wanted,
    /// What was last said of it.
    said: Option<Waiting>,
    ready: bool,
    /// The newest that is known of it.
    object: Value,
}

/// Waits until every object is what it should be.
pub(in crate::cli) async fn until_ready(
    client: &ClusterClient,
    wanted: Vec<Wanted>,
    patience: Duration,
) -> Result<(), CliError> {
    let (begin, end) = (Instant::now(), Instant::now() + patience);
    let mut awaited: Vec<Awaited> = wanted
        .into_iter()
        .map(|it| Awaited { object: it.tree.clone(), wanted: it, said: None, ready: false })
        .collect();
    loop {
        for it in awaited.iter_mut().filter(|it| !it.ready) {
            look(client, it, begin).await?;
        }
        if awaited.iter().all(|it| it.ready) {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(timed_out(&awaited, patience));
        }
        sleep(PAUSE).await;
    }
}

/// Looks at one object, and says what is new.
async fn look(client: &ClusterClient, it: &mut Awaited, begin: Instant) -> Result<(), CliError> {
    let Some(of) = &it.wanted.resource else { return Ok(()) };
    let (namespace, name) = (it.wanted.namespace().to_owned(), it.wanted.name().to_owned());
    let Some(object) = client.get(of, &namespace, &name).await? else {
        let cause = anyhow!("{} in `{namespace}` was deleted by somebody else", it.wanted.called());
        return Err(CliError::new(Kind::Findings, cause).hint("apply it again"));
    };
    let deployment = match stand_in(&object) {
        Some(server) => {
            let deployments = client.resource("apps/v1", "Deployment").await?;
            client.get(&deployments, &namespace, &server).await?
        }
        None => None,
    };
    let state = readiness_by(&object, deployment.as_ref());
    it.object = object;
    let took = term::age(begin.elapsed());
    match state {
        Readiness::Ready(how) => {
            it.ready = true;
            // What has no condition was there at once, and needs no line.
            if !how.is_empty() {
                term::say(&term::clean(&format!(
                    "{}: ready ({how}) after {took}",
                    it.wanted.called()
                )));
            }
        }
        Readiness::Waiting(waiting) if it.said.as_ref() == Some(&waiting) => {}
        Readiness::Waiting(waiting) => {
            term::say(&term::clean(&format!("{}: {waiting}", it.wanted.called())));
            it.said = Some(waiting);
        }
    }
    Ok(())
}

fn timed_out(awaited: &[Awaited], patience: Duration) -> CliError {
    let late: Vec<&Awaited> = awaited.iter().filter(|it| !it.ready).collect();
    let mut causes = Vec::new();
    let mut hints: Vec<String> = Vec::new();
    for it in &late {
        let waiting = it.said.clone().unwrap_or_default();
        causes.push(format!("{}: {waiting}", called(&it.object)));
        let hint = advice(&it.object, &waiting);
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    let cause = match causes.as_slice() {
        [one] => anyhow!("not what it should be after {}: {one}", term::age(patience)),
        many => anyhow!(
            "{} are not what they should be after {}:\n  {}",
            term::count(many.len(), "object"),
            term::age(patience),
            many.join("\n  ")
        ),
    };
    let error = CliError::new(Kind::Findings, cause);
    hints.push("they stay applied; wait longer with `kcpctl status --wait`".to_owned());
    hints.into_iter().fold(error, CliError::hint)
}

/// Waits until objects are gone, and says who holds one up that is not.
pub(in crate::cli) async fn until_gone(
    client: &ClusterClient,
    objects: &[(Resource, Value)],
    end: Instant,
) -> Result<(), CliError> {
    for (of, object) in objects {
        let field = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
        let (namespace, name, uid) = (field("namespace"), field("name"), field("uid"));
        loop {
            let Some(live) = client.get(of, namespace, name).await? else { break };
            if live["metadata"]["uid"] != uid {
                break;
            }
            if Instant::now() >= end {
                let finalizers = live["metadata"]["finalizers"].as_array();
                let held: Vec<&str> =
                    finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
                let cause = anyhow!(
                    "{} is being deleted, and held by {}",
                    called(object),
                    if held.is_empty() {
                        "nothing that it names".to_owned()
                    } else {
                        held.join(", ")
                    }
                );
                let hint = if held.iter().any(|it| it.starts_with("operator.kcp.io/")) {
                    "its finalizer is removed by kcp-operator or `kcpctl reconcile`, which must run and reach kcp"
                } else {
                    "see its finalizers, and wait longer with `--timeout`"
                };
                return Err(CliError::new(Kind::Findings, cause).hint(hint));
            }
            sleep(PAUSE).await;
        }
    }
    Ok(())
}
