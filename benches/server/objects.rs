//! What is stored: API exports as a shard replicates them, all of one size.

use bytes::Bytes;

/// Shards that the objects are spread over.
const SHARDS: usize = 4;

/// Clusters of each shard.
const CLUSTERS: usize = 250;

/// The type, in the version that it is stored in.
pub(crate) const APIEXPORTS: &str = "apis/apis.kcp.io/v1alpha2/apiexports";

/// Makes objects of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Objects {
    /// Bytes of one as JSON.
    pub(crate) size: usize,
}

impl Objects {
    /// The object of this number, as a shard writes it: keys sorted, no spaces, and the
    /// annotations that say where it is, which every read adds. Without them the first
    /// update would add them to what is stored.
    pub(crate) fn body(self, index: usize, name: &str) -> Bytes {
        let object = |filler: &str| {
            let (shard, cluster) = (shard(index), cluster(index));
            format!(
                r#"{{"apiVersion":"apis.kcp.io/v1alpha2","kind":"APIExport","metadata":{{"annotations":{{"bench/filler":"{filler}","kcp.io/cluster":"c{cluster}","kcp.io/shard":"{shard}"}},"creationTimestamp":"2026-01-02T03:04:05Z","generation":3,"labels":{{"team":"t{team}"}},"name":"{name}","uid":"0f9a6f43-6a8f-4ee6-9ccf-{index:012x}"}},"spec":{{"resources":[{{"group":"example.com","name":"widgets","schema":"today.widgets.example.com","storage":{{"crd":{{}}}}}}]}},"status":{{}}}}"#,
                team = index % 10,
            )
        };
        let bare = object("").len();
        Bytes::from(object(&"x".repeat(self.size.saturating_sub(bare))))
    }
}

/// What the object of this number is called.
pub(crate) fn name(index: usize) -> String {
    format!("export-{index:06}")
}

/// Where objects of this number's shard and cluster are.
pub(crate) fn collection(index: usize) -> String {
    let cluster = cluster(index);
    format!("/services/cache/shards/{}/clusters/c{cluster}/{APIEXPORTS}", shard(index))
}

/// The object of this number.
pub(crate) fn path(index: usize) -> String {
    format!("{}/{}", collection(index), name(index))
}

/// All objects.
pub(crate) fn everything() -> String {
    format!("/services/cache/shards/*/clusters/*/{APIEXPORTS}")
}

fn cluster(index: usize) -> usize {
    index / SHARDS % CLUSTERS
}

fn shard(index: usize) -> String {
    format!("shard-{}", index % SHARDS)
}
