//! Writes a table: head, rows, tail.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

use super::age::age;
use super::json_path::{JsonPath, member};
use crate::model::{Column, ColumnKind};

/// How to show the objects of one version of a type.
#[derive(Clone, Debug)]
pub struct Table {
    /// The column definitions, as JSON.
    definitions: String,
    cells: Vec<Cell>,
}

#[derive(Clone, Debug)]
struct Cell {
    kind: ColumnKind,
    /// Absent where the column's path is none: the cell is then always empty.
    path: Option<JsonPath>,
    /// Where the second value of a pair lies.
    second: Option<JsonPath>,
}

/// The version of `meta.k8s.io` that a client asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MetaVersion {
    /// Spoken by all of today's clients.
    V1,
    /// Spoken by those before Kubernetes 1.15.
    V1Beta1,
}

/// How much of an object goes with its row.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

/// The bytes are not a JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected the bytes of a JSON object")]
pub struct NotAnObject;

impl FromStr for MetaVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "v1" => Ok(Self::V1),
            "v1beta1" => Ok(Self::V1Beta1),
            _ => Err(()),
        }
    }
}

impl FromStr for IncludeObject {
    type Err = ();

    /// Reads the value of `includeObject`; an empty one stands for the default.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::None),
            "Object" => Ok(Self::Object),
            _ => Err(()),
        }
    }
}

impl MetaVersion {
    /// The version as an `apiVersion` writes it.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

impl Table {
    /// A table of the name and `columns`, or of name and age if there are none.
    pub fn new(columns: &[Column]) -> Self {
        let default = [Column {
            name: "Age".to_owned(),
            kind: ColumnKind::Date,
            json_path: ".metadata.creationTimestamp".to_owned(),
            description: "How long ago the object was made".to_owned(),
            priority: 0,
        }];
        let columns = if columns.is_empty() { &default } else { columns };
        let mut definitions = vec![json!({
            "name": "Name",
            "type": "string",
            "format": "name",
            "description": "The object's name, unique among its kind where it lives",
            "priority": 0,
        })];
        definitions.extend(columns.iter().map(|it| {
            let description = if it.description.is_empty() {
                format!("The value at {}", it.json_path)
            } else {
                it.description.clone()
            };
            json!({
                "name": it.name,
                "type": it.kind.as_str(),
                "format": "",
                "description": description,
                "priority": it.priority,
            })
        }));
        let cell = |it: &Column| {
            let (path, second) = match it.kind {
                ColumnKind::Pair => it.json_path.split_once('/').unwrap_or((&it.json_path, "")),
                _ => (it.json_path.as_str(), ""),
            };
            let parse = |path| JsonPath::parse(path).ok();
            let second = Some(second).filter(|it| !it.is_empty()).and_then(parse);
            Cell { kind: it.kind, path: parse(path), second }
        };
        Self {
            definitions: serde_json::Value::from(definitions).to_string(),
            cells: columns.iter().map(cell).collect(),
        }
    }

    /// Writes everything before the first row.
    ///
    /// `list_metadata` is a JSON object: `resourceVersion` and, on a page, the rest.
    pub fn write_head(
        &self,
        out: &mut Vec<u8>,
        version: MetaVersion,
        list_metadata: &[u8],
        definitions: bool,
    ) {
        out.extend_from_slice(br#"{"kind":"Table","apiVersion":""#);
        out.extend_from_slice(version.api_version().as_bytes());
        out.extend_from_slice(br#"","metadata":"#);
        out.extend_from_slice(list_metadata);
        out.extend_from_slice(br#","columnDefinitions":"#);
        let definitions = if definitions { self.definitions.as_str() } else { "null" };
        out.extend_from_slice(definitions.as_bytes());
        out.extend_from_slice(br#","rows":["#);
    }

    /// Writes everything after the last row, but no newline.
    pub fn write_tail(out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}");
    }

    /// Writes the row of one object, without a comma before or after it.
    ///
    /// `object` is in the version that the client asked for. After an error `out` is as it was.
    pub fn write_row(
        &self,
        out: &mut Vec<u8>,
        version: MetaVersion,
        object: &[u8],
        include: IncludeObject,
        now: Timestamp,
    ) -> Result<(), NotAnObject> {
        let members = Members::read(object)?;
        let metadata = members.get("metadata").unwrap_or("{}");
        out.extend_from_slice(br#"{"cells":["#);
        out.extend_from_slice(member(metadata, "name").unwrap_or(r#""""#).as_bytes());
        for cell in &self.cells {
            out.push(b',');
            let find = |path: &Option<JsonPath>| {
                path.as_ref()?.find_in(&members.0).filter(|it| *it != "null")
            };
            match cell.kind {
                ColumnKind::Pair => write_pair(out, [find(&cell.path), find(&cell.second)]),
                kind => write_cell(out, kind, find(&cell.path), now),
            }
        }
        out.extend_from_slice(br#"],"object":"#);
        match include {
            IncludeObject::None => out.extend_from_slice(b"null"),
            IncludeObject::Object => out.extend_from_slice(object.trim_ascii_end()),
            IncludeObject::Metadata => {
                out.extend_from_slice(br#"{"kind":"PartialObjectMetadata","apiVersion":""#);
                out.extend_from_slice(version.api_version().as_bytes());
                out.extend_from_slice(br#"","metadata":"#);
                out.extend_from_slice(metadata.as_bytes());
                out.push(b'}');
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Writes a whole table of one object: what a `get`, or one event of a watch, answers.
    pub fn write_one(
        &self,
        out: &mut Vec<u8>,
        version: MetaVersion,
        object: &[u8],
        include: IncludeObject,
        definitions: bool,
        now: Timestamp,
    ) -> Result<(), NotAnObject> {
        let start = out.len();
        let metadata = Members::read(object)?.get("metadata");
        let revision = metadata.and_then(|it| member(it, "resourceVersion"));
        let list_metadata = match revision {
            Some(revision) => format!(r#"{{"resourceVersion":{revision}}}"#),
            None => "{}".to_owned(),
        };
        self.write_head(out, version, list_metadata.as_bytes(), definitions);
        self.write_row(out, version, object, include, now).inspect_err(|_| out.truncate(start))?;
        Self::write_tail(out);
        Ok(())
    }
}

/// Writes two values as one text.
fn write_pair(out: &mut Vec<u8>, values: [Option<&str>; 2]) {
    let [first, second] = values.map(|it| it.unwrap_or("0").trim_matches('"'));
    out.extend_from_slice(format!("\"{first}/{second}\"").as_bytes());
}

/// Writes one cell; one that cannot be shown as its kind is null, as is a missing one.
fn write_cell(out: &mut Vec<u8>, kind: ColumnKind, found: Option<&str>, now: Timestamp) {
    let Some(raw) = found else {
        out.extend_from_slice(if kind == ColumnKind::Count { b"0" } else { b"null" });
        return;
    };
    let is_text = raw.starts_with('"');
    let is_number = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match kind {
        ColumnKind::String | ColumnKind::Timestamp if is_text => {
            out.extend_from_slice(raw.as_bytes());
        }
        // A value of another type is shown as its JSON.
        ColumnKind::String | ColumnKind::Timestamp => {
            out.extend_from_slice(json!(raw).to_string().as_bytes());
        }
        ColumnKind::Count => {
            let count = Members::read(raw.as_bytes()).map_or(0, |it| it.0.len());
            out.extend_from_slice(count.to_string().as_bytes());
        }
        ColumnKind::Integer if is_number => match (raw.parse::<i64>(), raw.parse::<f64>()) {
            (Ok(_), _) => out.extend_from_slice(raw.as_bytes()),
            #[expect(clippy::cast_possible_truncation, reason = "a cell shows the whole part")]
            (_, Ok(float)) => out.extend_from_slice((float as i64).to_string().as_bytes()),
            _ => out.extend_from_slice(b"null"),
        },
        ColumnKind::Number if is_number => out.extend_from_slice(raw.as_bytes()),
        ColumnKind::Boolean if matches!(raw, "true" | "false") => {
            out.extend_from_slice(raw.as_bytes());
        }
        ColumnKind::Date if is_text => {
            // Times have no escapes, so the quotes can simply be taken off.
            let shown = age(raw.trim_matches('"'), now);
            out.push(b'"');
            out.extend_from_slice(shown.as_deref().unwrap_or("<invalid>").as_bytes());
            out.push(b'"');
        }
        _ => out.extend_from_slice(b"null"),
    }
}

/// The members of an object: keys, and values as they are written.
struct Members<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Members<'a> {
    /// Takes an object apart in one pass over its bytes.
    fn read(object: &'a [u8]) -> Result<Self, NotAnObject> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Vec<(&'de str, &'de str)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::with_capacity(8);
                // Keys come raw, so that one with an escape needs no copy; no column asks for such.
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    found.push((key.get().trim_matches('"'), value.get()));
                }
                Ok(found)
            }
        }

        let mut from = serde_json::Deserializer::from_slice(object);
        from.deserialize_map(Keys).map(Self).map_err(|_| NotAnObject)
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;

    const EXPORT: &[u8] = br#"{"apiVersion":"apis.kcp.io/v1alpha2","kind":"APIExport","metadata":{"creationTimestamp":"2026-01-31T12:00:00Z","name":"a\u0026b","resourceVersion":"7"},"status":{"conditions":[{"status":"True","type":"VirtualWorkspaceURLsReady"}]}}
"#;

    fn now() -> Timestamp {
        "2026-01-31T15:30:00Z".parse().unwrap()
    }

    fn table(group: &str, resource: &str, version: &str) -> Table {
        Table::new(&builtin::find(group, resource).unwrap().version(version).unwrap().columns)
    }

    fn row(table: &Table, object: &[u8], include: IncludeObject) -> String {
        let mut out = Vec::new();
        table.write_row(&mut out, MetaVersion::V1, object, include, now()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_are_counted_and_pairs_are_one_cell() {
        let column = |kind, path: &str| Column {
            name: "It".to_owned(),
            kind,
            json_path: path.to_owned(),
            description: String::new(),
            priority: 0,
        };
        let table = Table::new(&[
            column(ColumnKind::Count, ".data"),
            column(ColumnKind::Count, ".none"),
            column(ColumnKind::Pair, ".status.ready/.spec.replicas"),
            column(ColumnKind::Pair, ".of.kind/.of.name"),
        ]);
        let object = br#"{"metadata":{"name":"a"},"data":{"x":"{","y":null},"spec":{"replicas":3},"of":{"kind":"Shard","name":"one"}}"#;
        let row = row(&table, object, IncludeObject::None);
        assert_eq!(row, r#"{"cells":["a",2,0,"0/3","Shard/one"],"object":null}"#);
    }

    #[test]
    fn a_list_has_a_head_rows_and_a_tail() {
        let table = table("tenancy.kcp.io", "workspacetypes", "v1alpha1");
        let mut out = Vec::new();
        table.write_head(&mut out, MetaVersion::V1, br#"{"resourceVersion":"9"}"#, true);
        table.write_row(&mut out, MetaVersion::V1, EXPORT, IncludeObject::Metadata, now()).unwrap();
        Table::write_tail(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"9"},"#,
                r#""columnDefinitions":["#,
                r#"{"description":"The object's name, unique among its kind where it lives","format":"name","name":"Name","priority":0,"type":"string"},"#,
                r#"{"description":"How long ago the object was made","format":"","name":"Age","priority":0,"type":"date"}],"#,
                r#""rows":[{"cells":["a\u0026b","3h30m"],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","#,
                r#""metadata":{"creationTimestamp":"2026-01-31T12:00:00Z","name":"a\u0026b","resourceVersion":"7"}}}]}"#,
            )
        );
    }

    #[test]
    fn a_later_event_of_a_watch_has_no_definitions() {
        let table = table("apis.kcp.io", "apiexports", "v1alpha1");
        let mut out = Vec::new();
        table
            .write_one(&mut out, MetaVersion::V1Beta1, EXPORT, IncludeObject::None, false, now())
            .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1beta1","metadata":{"resourceVersion":"7"},"columnDefinitions":null,"rows":[{"cells":["a\u0026b","3h30m","True"],"object":null}]}"#
        );
    }

    #[test]
    fn a_whole_object_goes_with_its_row_without_its_newline() {
        let table = table("apis.kcp.io", "apiexports", "v1alpha2");
        let object = std::str::from_utf8(EXPORT).unwrap().trim_end();
        assert_eq!(
            row(&table, EXPORT, IncludeObject::Object),
            format!(r#"{{"cells":["a\u0026b","3h30m"],"object":{object}}}"#)
        );
    }

    #[test]
    fn cells_are_shown_as_their_kind_or_not_at_all() {
        let kinds = [
            ColumnKind::String,
            ColumnKind::Integer,
            ColumnKind::Number,
            ColumnKind::Boolean,
            ColumnKind::Date,
            ColumnKind::Timestamp,
        ];
        let table = Table::new(&kinds.map(|kind| Column {
            name: kind.as_str().to_owned(),
            kind,
            json_path: ".v".to_owned(),
            description: String::new(),
            priority: 0,
        }));
        for (value, cells) in [
            (r#""text""#, r#""text",null,null,null,"<invalid>","text""#),
            ("12", r#""12",12,12,null,null,"12""#),
            ("-1.5e3", r#""-1.5e3",-1500,-1.5e3,null,null,"-1.5e3""#),
            ("true", r#""true",null,null,true,null,"true""#),
            (r#"{"a":"b"}"#, r#""{\"a\":\"b\"}",null,null,null,null,"{\"a\":\"b\"}""#),
            (r#""""#, r#""",null,null,null,"<unknown>","""#),
            (
                r#""2026-01-31T15:29:00Z""#,
                r#""2026-01-31T15:29:00Z",null,null,null,"60s","2026-01-31T15:29:00Z""#,
            ),
            ("null", "null,null,null,null,null,null"),
        ] {
            let object = format!(r#"{{"metadata":{{"name":"n"}},"v":{value}}}"#);
            assert_eq!(
                row(&table, object.as_bytes(), IncludeObject::None),
                format!(r#"{{"cells":["n",{cells}],"object":null}}"#),
                "{value}"
            );
        }
        assert_eq!(
            row(&table, b"{}", IncludeObject::Metadata),
            r#"{"cells":["",null,null,null,null,null,null],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{}}}"#
        );
    }

    #[test]
    fn bytes_that_are_no_object_write_nothing() {
        let table = Table::new(&[]);
        let mut out = b"before".to_vec();
        for object in [&b""[..], b"[]", b"1", b"{", b"\xff", br#"{"metadata":"#] {
            assert_eq!(
                table.write_one(
                    &mut out,
                    MetaVersion::V1,
                    object,
                    IncludeObject::Object,
                    true,
                    now()
                ),
                Err(NotAnObject)
            );
        }
        assert_eq!(out, b"before");
    }

    #[test]
    fn every_column_of_a_built_in_type_has_a_path() {
        let types = builtin::types().iter().chain([builtin::definition_type()]);
        for column in types.flat_map(|it| &it.versions).flat_map(|it| &it.columns) {
            assert!(JsonPath::parse(&column.json_path).is_ok(), "{}", column.json_path);
        }
    }
}
