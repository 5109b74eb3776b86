//! The slow road: any JSON, read into a tree and written canonically.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{number, string};

/// Reads `bytes`, noting the path of each key that stands twice in its object.
/// As in Go, the later value wins.
pub fn read(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = read_from(&mut deserializer)?;
    deserializer.end()?;
    Ok(read)
}

/// Reads one value of any format that has those of JSON, as [`read`] does.
pub fn read_from<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Value, Vec<String>), D::Error> {
    let mut duplicates = Vec::new();
    let node = Node { path: &mut String::new(), duplicates: &mut duplicates };
    let value = node.deserialize(deserializer)?;
    Ok((value, duplicates))
}

/// Writes `value` canonically.
pub fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(value) => match value.as_i64() {
            Some(_) => number::write_canonical(out, &value.to_string()),
            None => number::write_float(out, value.as_f64().unwrap_or(0.0)),
        },
        Value::String(text) => string::write(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            // `Map` is sorted by its keys' bytes.
            for (at, (key, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                string::write(out, key);
                out.push(b':');
                write(out, member);
            }
            out.push(b'}');
        }
    }
}

/// `value`, written canonically.
pub fn to_vec(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(&mut out, value);
    out
}

/// One value to be read, and where it stands.
struct Node<'a> {
    path: &'a mut String,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        let length = self.path.len();
        loop {
            let _ = write!(self.path, "[{}]", array.len());
            let node = Node { path: self.path, duplicates: self.duplicates };
            let item = items.next_element_seed(node);
            self.path.truncate(length);
            match item? {
                Some(item) => array.push(item),
                None => return Ok(Value::Array(array)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let length = self.path.len();
        while let Some(key) = members.next_key::<String>()? {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            if object.contains_key(&key) {
                self.duplicates.push(self.path.clone());
            }
            let node = Node { path: self.path, duplicates: self.duplicates };
            let value = members.next_value_seed(node);
            self.path.truncate(length);
            object.insert(key, value?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_becomes_canonical() {
        let (value, duplicates) =
            read(br#" { "b" : [ 1.0, {"x":1,"x":2} ], "a":"<" , "b2":{"c":1,"c":{}} } "#).unwrap();
        assert_eq!(
            String::from_utf8(to_vec(&value)).unwrap(),
            r#"{"a":"\u003c","b":[1,{"x":2}],"b2":{"c":{}}}"#
        );
        assert_eq!(duplicates, ["b[1].x", "b2.c"]);
        assert!(crate::model::json::scan::scan(&to_vec(&value)).is_ok());
    }

    #[test]
    fn a_float_keeps_its_last_digit() {
        for text in ["-1.9676776014806563e+239", "1.1111111111111111e+21", "0.1234567890123456"] {
            let (value, _) = read(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(to_vec(&value)).unwrap(), text);
        }
    }

    #[test]
    fn a_flaw_is_told_with_its_place() {
        let error = read(b"{\n  \"a\": x}").unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 8));
    }
}
