//! Either store: which one a server has is known when it starts.

use futures::{Stream, StreamExt as _};

use super::{Backend, Change, Conflict, Embedded, Error, Etcd, Forget, Loaded, News, Write};
use crate::model::Revision;

/// The store that a server was told to use.
#[derive(Debug)]
pub enum AnyBackend {
    /// A log in a directory of its own.
    Embedded(Box<Embedded>),
    /// An etcd elsewhere.
    Etcd(Box<Etcd>),
}

impl AnyBackend {
    /// Why writes are refused at present; none if they are not. May wait for a disk.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Embedded(store) => store.trouble(),
            Self::Etcd(store) => store.trouble(),
        }
    }

    /// How many bytes it takes on disk, as far as that is known. May wait for a disk.
    pub fn disk_bytes(&self) -> Option<u64> {
        match self {
            Self::Embedded(store) => store.disk_bytes().ok(),
            Self::Etcd(store) => Some(store.disk_bytes()),
        }
    }
}

impl Backend for AnyBackend {
    fn is_shared(&self) -> bool {
        match self {
            Self::Embedded(store) => store.is_shared(),
            Self::Etcd(store) => store.is_shared(),
        }
    }

    async fn load(&self, each: &mut (dyn FnMut(Change) + Send)) -> Result<Loaded, Error> {
        match self {
            Self::Embedded(store) => store.load(each).await,
            Self::Etcd(store) => store.load(each).await,
        }
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Result<Revision, Conflict>>, Error> {
        match self {
            Self::Embedded(store) => store.commit(batch).await,
            Self::Etcd(store) => store.commit(batch).await,
        }
    }

    fn follow(&self, after: Revision) -> impl Stream<Item = News> + Send {
        match self {
            Self::Embedded(store) => store.follow(after).left_stream(),
            Self::Etcd(store) => store.follow(after).right_stream(),
        }
    }

    async fn reload(&self, each: &mut (dyn FnMut(Change) + Send)) -> Result<Loaded, Error> {
        match self {
            Self::Embedded(store) => store.reload(each).await,
            Self::Etcd(store) => store.reload(each).await,
        }
    }

    async fn newest(&self) -> Result<Revision, Error> {
        match self {
            Self::Embedded(store) => store.newest().await,
            Self::Etcd(store) => store.newest().await,
        }
    }

    fn hurry(&self) {
        match self {
            Self::Embedded(store) => store.hurry(),
            Self::Etcd(store) => store.hurry(),
        }
    }

    async fn forget(&self, forget: Forget) -> Result<(), Error> {
        match self {
            Self::Embedded(store) => store.forget(forget).await,
            Self::Etcd(store) => store.forget(forget).await,
        }
    }
}
