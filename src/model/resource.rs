//! What a server must know of a type to serve it.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

/// One served type: its names, its scope, its versions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourceType {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name, as it stands in a path.
    pub resource: String,
    /// The kind of one object.
    pub kind: String,
    /// The kind of a list of them.
    pub list_kind: String,
    /// The singular name.
    pub singular: String,
    /// Short names for a command line.
    pub short_names: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What an object may be called.
    pub name_rule: NameRule,
    /// Names of groups of types that it belongs to, such as `kcp`.
    pub categories: Vec<String>,
    /// Every served version; the first is the one that clients should prefer.
    pub versions: Vec<Version>,
    /// The version in which objects are stored; one of `versions`.
    pub storage_version: String,
    /// What an object of it is for, in a sentence.
    pub description: String,
    /// Annotations that its `CustomResourceDefinition` carries, sorted by key.
    pub annotations: Vec<(String, String)>,
    /// Whether clients may change its objects.
    pub access: Access,
    /// Whether `status` is read and written apart from the rest.
    pub has_status: bool,
}

/// Whether clients may change the objects of a type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Clients read and write.
    ReadWrite,
    /// Clients read; the server itself makes the objects.
    ReadOnly,
}

/// One version of a type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Version {
    /// Such as `v1alpha1`.
    pub name: String,
    /// What a table shows after the name. Empty stands for the age alone.
    pub columns: Vec<Column>,
    /// The schema of an object, if it is known.
    pub schema: Option<Arc<Value>>,
}

/// A printer column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// How a cell is shown.
    pub kind: ColumnKind,
    /// Where the cell's value lies in the object, such as `.spec.baseURL`.
    pub json_path: String,
    /// What the column means.
    pub description: String,
    /// 0 is always shown; higher ones only by `-o wide`.
    pub priority: i32,
}

/// How a printer column shows its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ColumnKind {
    /// As text.
    String,
    /// As a whole number.
    Integer,
    /// As a number.
    Number,
    /// As `true` or `false`.
    Boolean,
    /// As the time that has passed since.
    Date,
    /// As the time itself. No definition can ask for it: it is how definitions are shown.
    Timestamp,
    /// As the number of members that it has. No definition can ask for it either.
    Count,
    /// As two values with a slash between, at two paths with a slash between; 0 stands for
    /// one that is missing. No definition can ask for it either.
    Pair,
}

/// What an object of a type may be called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NameRule {
    /// A DNS-1123 subdomain.
    Subdomain,
    /// Anything that can stand between two slashes, such as `system:admin`.
    PathSegment,
}

/// Orders version names by how much clients should prefer them: the most preferred is the least.
///
/// Stable before beta before alpha, a higher number before a lower one (`v2`, `v1`,
/// `v1beta1`, `v1alpha2`), and every other name after those, by its bytes.
pub fn by_preference(a: &str, b: &str) -> Ordering {
    match (rank(a), rank(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Stability, major and minor number of a version name that has them.
fn rank(name: &str) -> Option<(u8, u64, u64)> {
    let number = |text: &str| -> Option<u64> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        if plain { text.parse().ok() } else { None }
    };
    let rest = name.strip_prefix('v')?;
    for (stability, word) in [(1, "beta"), (0, "alpha")] {
        if let Some((major, minor)) = rest.split_once(word) {
            return Some((stability, number(major)?, number(minor)?));
        }
    }
    Some((2, number(rest)?, 0))
}

impl ColumnKind {
    /// The kind as a column definition writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String | Self::Pair => "string",
            Self::Integer | Self::Count => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date | Self::Timestamp => "date",
        }
    }
}

impl ResourceType {
    /// `resource.group`, or the bare resource for the core group.
    pub fn qualified_name(&self) -> String {
        if self.group.is_empty() {
            self.resource.clone()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }

    /// The verbs that clients may use, sorted.
    pub const fn verbs(&self) -> &'static [&'static str] {
        match self.access {
            Access::ReadWrite => {
                &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
            }
            Access::ReadOnly => &["get", "list", "watch"],
        }
    }

    /// The version called `name`, if it is served.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// What `apiVersion` says of an object in `version`.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first_and_odd_names_last() {
        let mut names = ["foo1", "v1alpha2", "v1", "v11alpha2", "v1beta1", "v2", "v01", "v1beta10"];
        names.sort_by(|a, b| by_preference(a, b));
        assert_eq!(
            names,
            ["v2", "v1", "v1beta10", "v1beta1", "v11alpha2", "v1alpha2", "foo1", "v01"]
        );
    }
}
