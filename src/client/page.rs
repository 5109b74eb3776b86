//! One page of a list, parsed as far as a reader of it needs.
//!
//! Objects stay the text that came; of a table's rows only cells and metadata are
//! read. Everything a server may leave out is optional here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The annotation that says on which shard an object lies.
const SHARD: &str = "kcp.io/shard";

/// The annotation that says in which logical cluster an object lies.
const CLUSTER: &str = "kcp.io/cluster";

/// The annotation with the resourceVersion on the object's own shard.
const ORIGINAL_REVISION: &str = "cache.kcp.io/original-resource-version";

/// The annotation with the uid on the object's own shard.
const ORIGINAL_UID: &str = "cache.kcp.io/original-resource-UID";

/// A page: objects, or the rows of a table, whichever the server sent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The list's own metadata.
    #[serde(default)]
    pub metadata: ListMeta,
    /// The objects, if it is not a table.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub items: Vec<Box<RawValue>>,
    /// The table's columns.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub column_definitions: Vec<ColumnDefinition>,
    /// The table's rows.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub rows: Vec<Row>,
    /// Whether the server had forgotten the list's revision, so that this page
    /// and the later ones show a later state than the pages before.
    #[serde(skip)]
    pub resumed: bool,
}

/// The metadata of a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListMeta {
    /// The state that the list shows.
    #[serde(default)]
    pub resource_version: String,
    /// Where the next page begins; absent on the last.
    #[serde(rename = "continue", default)]
    pub continue_token: Option<String>,
    /// How many objects follow, if the server knows.
    #[serde(default)]
    pub remaining_item_count: Option<u64>,
}

/// A column of a table.
#[derive(Clone, Debug, Deserialize)]
pub struct ColumnDefinition {
    /// The heading.
    pub name: String,
    /// 0 is always shown, higher ones in a wide table.
    #[serde(default)]
    pub priority: i32,
}

/// A row of a table.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// One value a column.
    #[serde(default)]
    pub cells: Vec<Value>,
    /// The object's metadata.
    #[serde(default)]
    pub object: Partial,
}

/// What every object has.
#[derive(Debug, Default, Deserialize)]
pub struct Partial {
    /// The metadata.
    #[serde(default)]
    pub metadata: Meta,
}

/// An object's metadata, as far as a list shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The namespace; empty if the type has none.
    #[serde(default)]
    pub namespace: String,
    /// The revision of the last change, in the cache.
    #[serde(default)]
    pub resource_version: String,
    /// When the object was made, as RFC 3339 text.
    #[serde(default)]
    pub creation_timestamp: Option<String>,
    /// Its annotations.
    #[serde(default, deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Meta {
    /// The shard it lies on; empty if the server does not say.
    pub fn shard(&self) -> &str {
        self.annotation(SHARD)
    }

    /// The logical cluster it lies in; empty if the server does not say.
    pub fn cluster(&self) -> &str {
        self.annotation(CLUSTER)
    }

    /// The resourceVersion on the object's own shard; empty if its writer did not say.
    pub fn original_revision(&self) -> &str {
        self.annotation(ORIGINAL_REVISION)
    }

    /// The uid on the object's own shard; empty if its writer did not say.
    pub fn original_uid(&self) -> &str {
        self.annotation(ORIGINAL_UID)
    }

    fn annotation(&self, key: &str) -> &str {
        self.annotations.get(key).map_or("", String::as_str)
    }
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_a_list_are_both_pages() {
        let table: Page = serde_json::from_str(
            r#"{"kind":"Table","metadata":{"resourceVersion":"7","continue":"x","remainingItemCount":3},
                "columnDefinitions":[{"name":"Name","priority":0,"type":"string"}],
                "rows":[{"cells":["a"],"object":{"metadata":{"name":"a",
                  "annotations":{"kcp.io/shard":"amber","kcp.io/cluster":"root"}}}}]}"#,
        )
        .unwrap();
        assert_eq!(table.metadata.continue_token.as_deref(), Some("x"));
        let meta = &table.rows[0].object.metadata;
        assert_eq!((meta.shard(), meta.cluster(), meta.original_uid()), ("amber", "root", ""));

        let list: Page =
            serde_json::from_str(r#"{"metadata":{"resourceVersion":"7"},"items":[{"a":1.50}]}"#)
                .unwrap();
        assert_eq!(list.items[0].get(), r#"{"a":1.50}"#);
        let empty: Page = serde_json::from_str(r#"{"metadata":{},"items":null}"#).unwrap();
        assert!(empty.items.is_empty());
    }
}
