//! `metadata.managedFields`: who owns which fields of an object.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::FieldSet;
use super::v1::FieldsError;

/// Who owns fields: a manager, by one way of writing.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Manager {
    /// Its name.
    pub name: String,
    /// How it wrote.
    pub operation: Operation,
    /// The version in which it spoke. Whoever applies is the same in every version, so
    /// that this is empty then.
    pub api_version: String,
    /// The subresource through which it wrote, if any.
    pub subresource: String,
}

/// A way of writing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    /// Server-side apply: what is no longer said is removed.
    Apply,
    /// Everything else.
    Update,
}

/// What a manager owns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owned {
    /// The version of the API in which the fields are named.
    pub api_version: String,
    /// The fields.
    pub fields: FieldSet,
    /// When it last changed something, if that is known: RFC 3339, in seconds of UTC.
    pub time: Option<String>,
}

/// The managers of an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Managers(pub BTreeMap<Manager, Owned>);

/// The value is no `managedFields`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ManagedFieldsError {
    /// Neither a list of objects nor nothing.
    #[error("it is no list of objects")]
    NotAList,
    /// A member of another type than it must have.
    #[error("`{0}` of an entry must be a string")]
    NotText(&'static str),
    /// An operation that nobody knows.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// An entry without a version.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// An entry that does not say in which form its fields are.
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    /// A form of fields that nobody knows.
    #[error("invalid fieldsType {1} in managed fields entry {0}")]
    FieldsType(usize, Value),
    /// A time that is none.
    #[error("the time {0} of an entry is none")]
    Time(Value),
    /// Fields that cannot be read.
    #[error("the fields of {0:?} cannot be read")]
    Fields(String, #[source] FieldsError),
}

impl Manager {
    /// Whoever applies under `name`.
    pub fn applier(name: &str, subresource: &str) -> Self {
        Self {
            name: name.to_owned(),
            operation: Operation::Apply,
            api_version: String::new(),
            subresource: subresource.to_owned(),
        }
    }

    /// Whoever writes otherwise under `name`, speaking in `api_version`.
    pub fn updater(name: &str, api_version: &str, subresource: &str) -> Self {
        Self {
            name: name.to_owned(),
            operation: Operation::Update,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }
}

/// As conflicts name it.
impl std::fmt::Display for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Value::from(self.name.as_str()))?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {}", Value::from(self.subresource.as_str()))?;
        }
        if self.operation == Operation::Update {
            write!(f, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

impl Managers {
    /// Whether nobody owns anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `metadata.managedFields`, which may be missing.
    pub fn decode(value: Option<&Value>) -> Result<Self, ManagedFieldsError> {
        let entries = match value {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(ManagedFieldsError::NotAList),
        };
        let mut managers = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            let Value::Object(entry) = entry else { return Err(ManagedFieldsError::NotAList) };
            let (manager, owned) = decode_entry(at, entry)?;
            managers.0.insert(manager, owned);
        }
        Ok(managers)
    }

    /// The value of `metadata.managedFields`; none if nobody owns anything.
    ///
    /// The entries stand in the order of operation, time, name, version and subresource.
    pub fn encode(&self) -> Option<Value> {
        if self.0.is_empty() {
            return None;
        }
        let mut entries: Vec<(&Manager, &Owned)> = self.0.iter().collect();
        entries.sort_by_key(|(manager, owned)| {
            (
                manager.operation,
                owned.time.as_deref().unwrap_or_default(),
                &manager.name,
                &owned.api_version,
                &manager.subresource,
            )
        });
        Some(entries.into_iter().map(|(manager, owned)| encode_entry(manager, owned)).collect())
    }
}

fn decode_entry(
    at: usize,
    entry: &Map<String, Value>,
) -> Result<(Manager, Owned), ManagedFieldsError> {
    let text = |key: &'static str| match entry.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(ManagedFieldsError::NotText(key)),
    };
    let operation = match text("operation")? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err(ManagedFieldsError::Operation),
    };
    let api_version = text("apiVersion")?;
    if api_version.is_empty() {
        return Err(ManagedFieldsError::ApiVersion);
    }
    match text("fieldsType")? {
        "FieldsV1" => {}
        "" => return Err(ManagedFieldsError::NoFieldsType(at)),
        other => return Err(ManagedFieldsError::FieldsType(at, other.into())),
    }
    let (name, subresource) = (text("manager")?, text("subresource")?);
    let manager = match operation {
        Operation::Apply => Manager::applier(name, subresource),
        Operation::Update => Manager::updater(name, api_version, subresource),
    };
    let time = match entry.get("time") {
        None | Some(Value::Null) => None,
        Some(time) => {
            Some(normal_time(time).ok_or_else(|| ManagedFieldsError::Time(time.clone()))?)
        }
    };
    let fields = match entry.get("fieldsV1") {
        None => FieldSet::default(),
        Some(fields) => FieldSet::from_v1(fields)
            .map_err(|error| ManagedFieldsError::Fields(name.to_owned(), error))?,
    };
    Ok((manager, Owned { api_version: api_version.to_owned(), fields, time }))
}

/// A time in the one form in which texts of times have the order of the times.
fn normal_time(time: &Value) -> Option<String> {
    let time: jiff::Timestamp = time.as_str()?.parse().ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn encode_entry(manager: &Manager, owned: &Owned) -> Value {
    let mut entry = Map::new();
    let mut put = |key: &str, value: &str| {
        if !value.is_empty() {
            entry.insert(key.to_owned(), value.into());
        }
    };
    put("manager", &manager.name);
    put("operation", manager.operation.name());
    put("apiVersion", &owned.api_version);
    put("subresource", &manager.subresource);
    put("time", owned.time.as_deref().unwrap_or_default());
    put("fieldsType", "FieldsV1");
    entry.insert("fieldsV1".to_owned(), owned.fields.to_v1());
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(operation: &str, time: Option<&str>, manager: &str) -> Value {
        let mut entry = json!({"apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:a": {}}}, "manager": manager, "operation": operation});
        if let Some(time) = time {
            entry["time"] = time.into();
        }
        entry
    }

    #[test]
    fn entries_are_sorted_by_operation_time_and_name() {
        let sorted = [
            entry("Apply", None, "z"),
            entry("Apply", Some("2026-01-02T03:04:05Z"), "y"),
            entry("Update", Some("2026-01-02T03:04:04Z"), "x"),
            entry("Update", Some("2026-01-02T03:04:05Z"), "a"),
            entry("Update", Some("2026-01-02T03:04:05Z"), "b"),
        ];
        let mut mixed = sorted.clone();
        mixed.reverse();
        let managers = Managers::decode(Some(&json!(mixed))).unwrap();
        assert_eq!(managers.encode(), Some(json!(sorted)));
    }

    #[test]
    fn whoever_applies_is_the_same_in_every_version() {
        let mut other = entry("Apply", None, "a");
        other["apiVersion"] = "v2".into();
        let managers = Managers::decode(Some(&json!([entry("Apply", None, "a"), other]))).unwrap();
        assert_eq!(managers.encode(), Some(json!([other])));
    }

    #[test]
    fn what_is_no_list_of_entries_is_refused() {
        let with = |key: &str, value: Value| {
            let mut entry = entry("Update", None, "a");
            entry[key] = value;
            Managers::decode(Some(&json!([entry]))).map_err(|error| error.to_string())
        };
        for (key, value, message) in [
            ("operation", json!("Burn"), "operation must be `Apply` or `Update`"),
            ("operation", json!(1), "`operation` of an entry must be a string"),
            ("apiVersion", json!(""), "apiVersion must not be empty"),
            ("fieldsType", json!(null), "missing fieldsType in managed fields entry 0"),
            ("fieldsType", json!("V2"), "invalid fieldsType \"V2\" in managed fields entry 0"),
            ("time", json!("now"), "the time \"now\" of an entry is none"),
            ("fieldsV1", json!({"a": {}}), "the fields of \"a\" cannot be read"),
        ] {
            assert_eq!(with(key, value), Err(message.to_owned()));
        }
        assert!(Managers::decode(Some(&json!("x"))).is_err());
        assert!(Managers::decode(Some(&json!(["x"]))).is_err());
        assert_eq!(Managers::decode(None), Ok(Managers::default()));
    }
}
