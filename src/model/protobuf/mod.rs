//! Reading what Go clients send in protobuf, as the JSON that it means.
//!
//! ```text
//! "k8s\0" ─► envelope: apiVersion, kind, raw ─► message of that kind ─► JSON
//! ```
//!
//! `messages` says which number means which field. A number that is not there is of a
//! newer client, and passed over, as everywhere in protobuf.
//!
//! # What is absent on purpose
//!
//! Writing: every client that sends protobuf reads JSON too. And types with pods in them,
//! which have hundreds of fields, for objects that nobody makes from a command line here.

mod messages;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use self::messages::{Field, Form, Message};

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// A body that is no object.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProtobufError {
    /// It is something else.
    #[error("it does not begin as an object of Kubernetes does")]
    Strange,
    /// It ends too early, or contradicts itself.
    #[error("it is broken at byte {0} of a message")]
    Broken(usize),
    /// A field holds something else than it should.
    #[error("{0} is not what it should be")]
    Field(&'static str),
    /// Nobody knows here what its numbers mean.
    #[error("objects of kind {0:?} are not read in protobuf")]
    Kind(String),
}

/// The object that `body` holds.
pub fn to_json(body: &[u8]) -> Result<Value, ProtobufError> {
    let body = body.strip_prefix(MAGIC).ok_or(ProtobufError::Strange)?;
    let types = part(body, messages::TYPE)?;
    let text = |number| Ok(String::from_utf8_lossy(part(types, number)?).into_owned());
    let (api_version, kind) = (text(messages::API_VERSION)?, text(messages::KIND)?);
    let Some(message) = messages::of(&api_version, &kind) else {
        return Err(ProtobufError::Kind(kind));
    };
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    read(message, part(body, messages::OBJECT)?, &mut object)?;
    Ok(Value::Object(object))
}

/// The part of a message with that number; empty if it has none.
fn part(bytes: &[u8], number: u64) -> Result<&[u8], ProtobufError> {
    let mut wire = Wire { bytes, at: 0 };
    let mut found = &[][..];
    while !wire.is_at_end() {
        if let (at, Payload::Bytes(bytes)) = wire.field()?
            && at == number
        {
            found = bytes;
        }
    }
    Ok(found)
}

/// Reads a message into `object`.
fn read(
    message: Message,
    bytes: &[u8],
    object: &mut Map<String, Value>,
) -> Result<(), ProtobufError> {
    let mut wire = Wire { bytes, at: 0 };
    while !wire.is_at_end() {
        let (number, payload) = wire.field()?;
        let Some(field) = message.iter().find(|it| it.number == number) else { continue };
        take(field, payload, object)?;
    }
    Ok(())
}

/// Puts what a field holds where it belongs.
fn take(
    field: &Field,
    payload: Payload<'_>,
    object: &mut Map<String, Value>,
) -> Result<(), ProtobufError> {
    let wrong = ProtobufError::Field(field.name);
    match &field.form {
        Form::List(item) => {
            let item = value(item, payload, None)?.ok_or(wrong)?;
            let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = list.as_array_mut() {
                list.push(item);
            }
        }
        Form::Map(inner) => {
            let pair = payload.bytes().ok_or(wrong.clone())?;
            let key = value(&Form::Text, Payload::Bytes(part(pair, messages::MAP_KEY)?), None)?;
            let inner = value(inner, Payload::Bytes(part(pair, messages::MAP_VALUE)?), None)?;
            let Some(Value::String(key)) = key else { return Err(wrong) };
            let map = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            if let Some(map) = map.as_object_mut() {
                map.insert(key, inner.unwrap_or_default());
            }
        }
        form => {
            let before = object.remove(field.name);
            if let Some(value) = value(form, payload, before).map_err(|error| match error {
                ProtobufError::Field("") => wrong,
                error => error,
            })? && (field.is_pointer || !is_default(&value))
            {
                object.insert(field.name.to_owned(), value);
            }
        }
    }
    Ok(())
}

/// What Go leaves out of JSON unless it stands behind a pointer.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// What a payload means; none for a time that is not set. A message that comes in several
/// parts is one.
fn value(
    form: &Form,
    payload: Payload<'_>,
    before: Option<Value>,
) -> Result<Option<Value>, ProtobufError> {
    const WRONG: ProtobufError = ProtobufError::Field("");
    Ok(Some(match form {
        Form::Bool => (payload.number().ok_or(WRONG)? != 0).into(),
        Form::Number => payload.number().ok_or(WRONG)?.into(),
        Form::Text => {
            let text = std::str::from_utf8(payload.bytes().ok_or(WRONG)?);
            text.map_err(|_| WRONG)?.into()
        }
        Form::Bytes => BASE64_STANDARD.encode(payload.bytes().ok_or(WRONG)?).into(),
        Form::Json => {
            let raw = part(payload.bytes().ok_or(WRONG)?, messages::JSON)?;
            serde_json::from_slice(raw).map_err(|_| WRONG)?
        }
        Form::Time | Form::MicroTime => {
            let mut time = Map::new();
            read(messages::TIME, payload.bytes().ok_or(WRONG)?, &mut time)?;
            let part = |name: &str| time.get(name).and_then(Value::as_i64);
            let Some(seconds) = part("seconds") else { return Ok(None) };
            let nanos = i32::try_from(part("nanos").unwrap_or(0)).map_err(|_| WRONG)?;
            let time = Timestamp::new(seconds, nanos).map_err(|_| WRONG)?;
            let micros = matches!(form, Form::MicroTime);
            let shape = if micros { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
            time.strftime(shape).to_string().into()
        }
        Form::IntOrString => {
            let mut either = Map::new();
            read(messages::INT_OR_STRING, payload.bytes().ok_or(WRONG)?, &mut either)?;
            match either.get("type").and_then(Value::as_i64) {
                Some(1) => either.remove("strVal").unwrap_or_else(|| "".into()),
                _ => either.remove("intVal").unwrap_or_else(|| 0.into()),
            }
        }
        Form::Message(message) => {
            let mut object = match before {
                Some(Value::Object(object)) => object,
                _ => Map::new(),
            };
            read(message, payload.bytes().ok_or(WRONG)?, &mut object)?;
            Value::Object(object)
        }
        Form::List(_) | Form::Map(_) => return Err(WRONG),
    }))
}

/// The bytes of a message.
struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What stands behind the number of a field.
#[derive(Clone, Copy)]
enum Payload<'a> {
    Number(i64),
    Bytes(&'a [u8]),
    /// Of a type that no field here has.
    Other,
}

impl<'a> Payload<'a> {
    fn number(self) -> Option<i64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

impl<'a> Wire<'a> {
    fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next field: its number, and what stands behind it.
    fn field(&mut self) -> Result<(u64, Payload<'a>), ProtobufError> {
        let start = self.at;
        let key = self.varint()?;
        let payload = match key & 7 {
            0 => Payload::Number(self.varint()?.cast_signed()),
            1 => self.slice(8).map(|_| Payload::Other)?,
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| ProtobufError::Broken(start))?;
                Payload::Bytes(self.slice(length)?)
            }
            5 => self.slice(4).map(|_| Payload::Other)?,
            _ => return Err(ProtobufError::Broken(start)),
        };
        Ok((key >> 3, payload))
    }

    fn varint(&mut self) -> Result<u64, ProtobufError> {
        let start = self.at;
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(ProtobufError::Broken(start))?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ProtobufError::Broken(start))
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], ProtobufError> {
        let end = self.at.checked_add(length).filter(|it| *it <= self.bytes.len());
        let end = end.ok_or(ProtobufError::Broken(self.at))?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }
}

#[cfg(test)]
mod tests;
