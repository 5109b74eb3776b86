//! Watches: everything that the loop has to know, as one stream of events.

use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};

use super::kinds::Watched;

/// What a watch tells: an event, or why there is none at the moment.
pub(super) type Told = (Watched, Result<Event<DynamicObject>, watcher::Error>);

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

/// Watches types. A watch that breaks is begun again, later each time; one whose revision
/// is gone begins with a new list.
pub(super) fn of(
    client: &Client,
    namespace: Option<&str>,
    types: &[Watched],
) -> BoxStream<'static, Told> {
    let watches = types.iter().map(|&watched| {
        let stream = watcher(api(client, watched, namespace), watcher::Config::default());
        stream.default_backoff().map(move |told| (watched, told)).boxed()
    });
    select_all(watches).boxed()
}

/// Whether a watch has failed since the cluster has no such type.
pub(super) fn is_unknown_type(error: &watcher::Error) -> bool {
    code(error) == Some(404)
}

/// Whether a watch has failed since we may not see its objects.
pub(super) fn is_refused(error: &watcher::Error) -> bool {
    code(error) == Some(403)
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
