//! One loop at a time: a Lease that whoever looks after the objects holds.
//!
//! Who holds it is decided by the clock of each contender alone: a holder whose lease did not
//! change for its whole duration, as seen from here, is gone. A holder that could not renew in
//! time stops by itself, before anybody else begins.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::LeaseSettings;

/// The name of the Lease.
pub const NAME: &str = "reconcile.kcpctl.io";
/// How long a holder may be silent.
const DURATION: Duration = Duration::from_secs(15);
/// When a holder that cannot renew stops.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often it is renewed, or looked at.
const PAUSE: Duration = Duration::from_secs(2);

/// What is known of the Lease.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What it said, and when it first said so.
    last: Option<(LeaseSpec, Instant)>,
}

/// What to do about the Lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// Write this: it is ours, or nobody's.
    Take(Box<LeaseSpec>),
    /// Somebody else holds it.
    Wait,
}

impl Seen {
    /// PURE: decides by what the Lease says now. `at` is our clock.
    pub fn judge(
        &mut self,
        me: &str,
        spec: Option<&LeaseSpec>,
        at: Instant,
        now: Timestamp,
    ) -> Move {
        let take = |transitions: i32, acquired: Option<MicroTime>| {
            Move::Take(Box::new(LeaseSpec {
                holder_identity: Some(me.to_owned()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: acquired.or(Some(MicroTime(now))),
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }))
        };
        let Some(spec) = spec else { return take(0, None) };
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let transitions = spec.lease_transitions.unwrap_or(0);
        if holder == me {
            return take(transitions, spec.acquire_time.clone());
        }
        let since = match &self.last {
            Some((known, since)) if known == spec => *since,
            _ => {
                self.last = Some((spec.clone(), at));
                at
            }
        };
        let lasts = spec.lease_duration_seconds.and_then(|it| u64::try_from(it).ok());
        let lasts = lasts.map_or(DURATION, Duration::from_secs);
        if holder.is_empty() || at.duration_since(since) > lasts {
            return take(transitions + 1, None);
        }
        Move::Wait
    }
}

/// Who contends for the Lease, and may hold it.
#[derive(Debug)]
pub struct Contender {
    leading: watch::Receiver<bool>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Contender {
    /// Begins to contend.
    pub fn begin(client: Client, settings: &LeaseSettings) -> Self {
        let (leading, leads) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let LeaseSettings { namespace, identity } = settings.clone();
        let task = tokio::spawn(contend(client, namespace, identity, leading, ended));
        Self { leading: leads, end, task }
    }

    /// Tells whether we hold it.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.clone()
    }

    /// Gives it back. Only who does nothing any more may.
    pub async fn end(self) {
        let _ = self.end.send(());
        let _ = self.task.await;
    }
}

/// A name for us among those who contend: the pod, if this is one, and this life.
pub fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "kcpctl".to_owned());
    format!("{host}_{}", uuid::Uuid::new_v4())
}

/// Contends for the Lease until the end, and says whether we hold it.
async fn contend(
    client: Client,
    namespace: String,
    me: String,
    leading: watch::Sender<bool>,
    mut ended: oneshot::Receiver<()>,
) {
    let leases: Api<Lease> = Api::namespaced(client, &namespace);
    let mut seen = Seen::default();
    let mut renewed = Instant::now();
    loop {
        let begun = Instant::now();
        let round = timeout(DEADLINE / 2, attempt(&leases, &mut seen, &me)).await;
        match round {
            Ok(Ok(true)) => {
                renewed = begun;
                if turn(&leading, true) {
                    tracing::info!(lease = NAME, namespace, "this loop leads");
                }
            }
            Ok(Ok(false)) => {
                if turn(&leading, false) {
                    tracing::warn!(lease = NAME, namespace, "another loop leads now");
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, lease = NAME, "the lease was not renewed"),
            Err(_) => tracing::warn!(lease = NAME, "the lease was not renewed: no answer"),
        }
        if renewed.elapsed() > DEADLINE && turn(&leading, false) {
            tracing::warn!(lease = NAME, "the lease is lost: nothing is changed until it is back");
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = &mut ended => break,
        }
    }
    if *leading.borrow() {
        release(&leases, &me).await;
    }
}

/// Says whether we lead, and answers whether that is news.
fn turn(leading: &watch::Sender<bool>, leads: bool) -> bool {
    leading.send_if_modified(|it| std::mem::replace(it, leads) != leads)
}

async fn attempt(leases: &Api<Lease>, seen: &mut Seen, me: &str) -> Result<bool, kube::Error> {
    let lease = leases.get_opt(NAME).await?;
    let spec = lease.as_ref().map(|it| it.spec.clone().unwrap_or_default());
    let Move::Take(spec) = seen.judge(me, spec.as_ref(), Instant::now(), Timestamp::now()) else {
        return Ok(false);
    };
    let params = PostParams::default();
    let written = if let Some(mut lease) = lease {
        lease.spec = Some(*spec);
        // With its revision: of two who try, one fails.
        leases.replace(NAME, &params, &lease).await
    } else {
        let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
        leases.create(&params, &Lease { metadata, spec: Some(*spec) }).await
    };
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets the next one begin at once.
async fn release(leases: &Api<Lease>, me: &str) {
    let give_back = async {
        let Some(mut lease) = leases.get_opt(NAME).await? else { return Ok(()) };
        let Some(spec) = lease.spec.as_mut().filter(|it| it.holder_identity.as_deref() == Some(me))
        else {
            return Ok(());
        };
        spec.holder_identity = None;
        leases.replace(NAME, &PostParams::default(), &lease).await.map(|_| ())
    };
    match timeout(PAUSE, give_back).await {
        Ok(Ok::<_, kube::Error>(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the lease was not given back"),
        Err(_) => tracing::warn!("the lease was not given back: no answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(by: &str, renewed: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(by.to_owned()),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            renew_time: Some(MicroTime(renewed.parse().expect("a time"))),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_is_taken_from_nobody_or_from_who_was_silent_for_its_duration() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut seen = Seen::default();
        let transitions = |it: Move| match it {
            Move::Take(spec) => spec.lease_transitions,
            Move::Wait => None,
        };
        assert_eq!(transitions(seen.judge("me", None, at(0), now)), Some(0));
        // Its own clock may be anything: what counts is that it does not move.
        let old = held("other", "2020-01-01T00:00:00Z");
        assert_eq!(seen.judge("me", Some(&old), at(0), now), Move::Wait);
        assert_eq!(seen.judge("me", Some(&old), at(15), now), Move::Wait);
        let renewed = held("other", "2020-01-01T00:00:14Z");
        assert_eq!(seen.judge("me", Some(&renewed), at(16), now), Move::Wait);
        assert_eq!(seen.judge("me", Some(&renewed), at(31), now), Move::Wait);
        assert_eq!(transitions(seen.judge("me", Some(&renewed), at(32), now)), Some(4));
        assert_eq!(
            transitions(seen.judge("me", Some(&held("", "2020-01-01T00:00:00Z")), at(0), now)),
            Some(4)
        );
        assert_eq!(
            transitions(seen.judge("me", Some(&held("me", "2020-01-01T00:00:00Z")), at(0), now)),
            Some(3)
        );
    }
}
