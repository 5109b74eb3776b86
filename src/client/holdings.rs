//! What a cache server holds, counted by the server itself.

use serde::{Deserialize, Serialize};

/// The answer of a kcpctl server to the question what it holds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holdings {
    /// The state that was counted.
    pub resource_version: String,
    /// One entry a type, shard and cluster.
    #[serde(default)]
    pub items: Vec<Holding>,
}

/// The objects of one type in one logical cluster of one shard.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The plural name.
    pub resource: String,
    /// `customresources`, or the identity of the export that defines the type.
    #[serde(default)]
    pub origin: String,
    /// The shard.
    pub shard: String,
    /// The logical cluster.
    pub cluster: String,
    /// How many objects.
    pub count: u64,
    /// How many bytes of JSON they are; absent if nobody measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The revision of the newest of them.
    #[serde(default)]
    pub resource_version: String,
}
