//! Watches: everything that a loop has to know, as one stream of news.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};

use super::kinds::Watched;
use super::live::Live;

/// What has become of the objects of a type.
#[derive(Debug)]
pub(super) enum News {
    /// These are all.
    All(Vec<Live>),
    /// One is there, as it is now.
    Is(Live),
    /// One has gone. This is how it was.
    Gone(Live),
}

type Told = (Watched, Result<Event<DynamicObject>, watcher::Error>);

/// The watches of a loop.
pub(super) struct Watches {
    told: BoxStream<'static, Told>,
    types: usize,
    /// Lists that are under way.
    initial: BTreeMap<Watched, Vec<Live>>,
    /// Which types are known, if only as not there.
    known: BTreeSet<Watched>,
    /// Which of them are not there, or not for us to see.
    absent: BTreeSet<Watched>,
    /// What was last said of a watch that fails.
    complaints: BTreeMap<Watched, String>,
}

impl Watches {
    /// Watches types, in one namespace or in all. A watch that breaks is begun again, later
    /// each time; one whose revision is gone begins with a new list.
    pub(super) fn of(client: &Client, namespace: Option<&str>, types: &[Watched]) -> Self {
        let watches = types.iter().map(|&watched| {
            let stream = watcher(api(client, watched, namespace), watcher::Config::default());
            stream.default_backoff().map(move |told| (watched, told)).boxed()
        });
        Self {
            told: select_all(watches).boxed(),
            types: types.len(),
            initial: BTreeMap::new(),
            known: BTreeSet::new(),
            absent: BTreeSet::new(),
            complaints: BTreeMap::new(),
        }
    }

    /// Whether all types are known.
    pub(super) fn is_synced(&self) -> bool {
        self.known.len() == self.types
    }

    /// The next news, and of which type. Nothing is lost if nobody waits to the end.
    pub(super) async fn next(&mut self) -> (Watched, News) {
        loop {
            let Some((watched, told)) = self.told.next().await else {
                return std::future::pending().await;
            };
            if let Some(news) = self.hear(watched, told) {
                return (watched, news);
            }
        }
    }

    fn hear(
        &mut self,
        watched: Watched,
        told: Result<Event<DynamicObject>, watcher::Error>,
    ) -> Option<News> {
        match told {
            Ok(Event::Init) => {
                self.initial.insert(watched, Vec::new());
                None
            }
            Ok(Event::InitApply(object)) => {
                self.initial.entry(watched).or_default().push(Live::of(watched, object));
                None
            }
            Ok(Event::InitDone) => {
                if self.complaints.remove(&watched).is_some() {
                    tracing::info!(kind = watched.kind(), "the watch is back");
                }
                self.absent.remove(&watched);
                self.known.insert(watched);
                Some(News::All(self.initial.remove(&watched).unwrap_or_default()))
            }
            Ok(Event::Apply(object)) => Some(News::Is(Live::of(watched, object))),
            Ok(Event::Delete(object)) => Some(News::Gone(Live::of(watched, object))),
            Err(error) => {
                let text = error.to_string();
                if self.complaints.get(&watched) != Some(&text) {
                    tracing::warn!(%error, kind = watched.kind(), "the watch failed, and is begun again");
                    self.complaints.insert(watched, text);
                }
                // cert-manager may be installed later, and who looks after one namespace may
                // not see what has none.
                let is_absent = match code(&error) {
                    Some(404) => watched.is_made(),
                    Some(403) => watched == Watched::ClusterIssuer,
                    _ => false,
                };
                if !is_absent || !self.absent.insert(watched) {
                    return None;
                }
                self.known.insert(watched);
                Some(News::All(Vec::new()))
            }
        }
    }
}

/// The objects of a type, in one namespace or in all.
pub(super) fn api(
    client: &Client,
    watched: Watched,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let resource = watched.resource();
    match namespace.filter(|_| watched != Watched::ClusterIssuer) {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error;
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn refused(code: u16) -> watcher::Error {
        watcher::Error::WatchError(Box::new(kube::core::Status {
            code,
            ..kube::core::Status::default()
        }))
    }

    #[test]
    fn what_is_absent_is_told_once_each_time() {
        let mut watches = Watches {
            told: stream::pending().boxed(),
            types: 2,
            initial: BTreeMap::new(),
            known: BTreeSet::new(),
            absent: BTreeSet::new(),
            complaints: BTreeMap::new(),
        };
        let nothing = |news: Option<News>| matches!(news, Some(News::All(all)) if all.is_empty());
        // Made of nothing, or of one namespace only.
        for (watched, code) in [(Watched::Certificate, 404), (Watched::ClusterIssuer, 403)] {
            assert!(nothing(watches.hear(watched, Err(refused(code)))));
            assert!(watches.hear(watched, Err(refused(code))).is_none());
        }
        assert!(watches.is_synced());
        // It comes, and goes again.
        assert!(watches.hear(Watched::Certificate, Ok(Event::Init)).is_none());
        assert!(nothing(watches.hear(Watched::Certificate, Ok(Event::InitDone))));
        assert!(nothing(watches.hear(Watched::Certificate, Err(refused(404)))));
        // Whoever may not look does not know, and sources must be there.
        let source = Watched::Source(crate::api::Kind::Shard);
        for (watched, code) in [(Watched::Secret, 403), (source, 404), (Watched::Issuer, 500)] {
            assert!(watches.hear(watched, Err(refused(code))).is_none(), "{watched:?} {code}");
        }
    }
}
