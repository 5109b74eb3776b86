//! What the values of a type are made of, as far as owning fields is concerned.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::model::fields::PathElement;

/// What a value may be: a map, a scalar, a list, or several of these.
///
/// One is [deduced](Structure::deduced) from the values themselves, or deduced but for the
/// [metadata of objects](Structure::any_object), or read from a
/// [schema](Structure::from_schema).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Structure {
    pub(super) map: Option<MapOf>,
    pub(super) scalar: Option<Scalar>,
    pub(super) list: Option<ListOf>,
}

/// A map and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MapOf {
    /// The members that have names.
    pub(super) fields: BTreeMap<String, Field>,
    /// All other members.
    pub(super) others: Inner,
    /// Whether it is owned as a whole.
    pub(super) atomic: bool,
}

/// A member that has a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) structure: Structure,
    /// The value that it has if nobody gives one.
    pub(super) default: Option<Value>,
}

/// A list and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListOf {
    pub(super) items: Inner,
    pub(super) elements: Elements,
}

/// How the elements of a list are told apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Elements {
    /// Not at all: the list is owned as a whole.
    Atomic,
    /// By their values.
    Set,
    /// By the values of these members.
    Keys(Vec<String>),
}

/// What lies in a map or a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inner {
    /// Nothing.
    Nothing,
    /// Whatever there is.
    Deduced,
    /// Values of one structure.
    Of(Box<Structure>),
}

/// A scalar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scalar {
    Any,
    Number,
    Text,
    Boolean,
}

/// What a value is taken for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    Map(&'a MapOf),
    Scalar(Scalar),
    List(&'a ListOf),
}

/// A value is not what it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Flaw {
    /// Where it stands.
    pub path: Vec<PathElement>,
    /// What is wrong with it.
    pub why: String,
}

static DEDUCED: LazyLock<Structure> = LazyLock::new(|| Structure {
    map: Some(MapOf { fields: BTreeMap::new(), others: Inner::Deduced, atomic: false }),
    scalar: Some(Scalar::Any),
    list: Some(ListOf { items: Inner::Deduced, elements: Elements::Atomic }),
});

impl Structure {
    /// The structure of a type without a schema: each member of a map is a field of its
    /// own, and a list is one.
    pub fn deduced() -> &'static Self {
        &DEDUCED
    }

    /// What `value` is taken for: what it is, if it may be that, else the first that it
    /// may be. Nothing says anything about null, which may be all of them.
    pub(super) fn form(&self, value: &Value) -> Option<Form<'_>> {
        let narrow = match value {
            Value::Object(_) => self.map.as_ref().map(Form::Map),
            Value::Array(_) => self.list.as_ref().map(Form::List),
            Value::Null => None,
            _ => self.scalar.map(Form::Scalar),
        };
        narrow.or_else(|| self.first_form())
    }

    /// The first form that a value may have.
    pub(super) fn first_form(&self) -> Option<Form<'_>> {
        let map = self.map.as_ref().map(Form::Map);
        map.or_else(|| self.scalar.map(Form::Scalar)).or_else(|| self.list.as_ref().map(Form::List))
    }

    /// Which forms are left when it is known that the value is `value`, as bits.
    pub(super) fn forms_left(&self, value: &Value) -> u8 {
        let (map, scalar, list) = (self.map.is_some(), self.scalar.is_some(), self.list.is_some());
        match value {
            Value::Object(_) if map => 1,
            Value::Array(_) if list => 4,
            Value::Object(_) | Value::Array(_) | Value::Null => {
                u8::from(map) | u8::from(scalar) << 1 | u8::from(list) << 2
            }
            _ if scalar => 2,
            _ => u8::from(map) | u8::from(list) << 2,
        }
    }
}

impl Inner {
    pub(super) fn structure(&self) -> Option<&Structure> {
        match self {
            Self::Nothing => None,
            Self::Deduced => Some(&DEDUCED),
            Self::Of(structure) => Some(structure),
        }
    }
}

impl MapOf {
    /// What the member called `name` is made of; none if there is no such member.
    pub(super) fn member(&self, name: &str) -> Option<&Structure> {
        match self.fields.get(name) {
            Some(field) => Some(&field.structure),
            None => self.others.structure(),
        }
    }

    /// Whether its members are scalars or whatever there is, so that nothing about it is
    /// said by a schema.
    pub(super) fn says_nothing(&self) -> bool {
        let any_scalar = matches!(&self.others, Inner::Of(it) if it.scalar == Some(Scalar::Any) && it.map.is_none());
        self.fields.is_empty() && (self.others == Inner::Deduced || any_scalar)
    }
}

impl ListOf {
    pub(super) fn is_atomic(&self) -> bool {
        self.elements == Elements::Atomic
    }

    /// How `item` is told apart from the other elements.
    pub(super) fn element(&self, item: &Value) -> Result<PathElement, String> {
        match &self.elements {
            Elements::Atomic => Err("the elements of an atomic list are not told apart".to_owned()),
            Elements::Set => match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".to_owned())
                }
                Value::Array(_) => {
                    Err("not supported: associative list with lists as elements".to_owned())
                }
                Value::Null => {
                    Err("associative list without keys has an element that's an explicit null"
                        .to_owned())
                }
                scalar => Ok(PathElement::Value(scalar.clone())),
            },
            Elements::Keys(keys) => self.keyed(keys, item),
        }
    }

    fn keyed(&self, keys: &[String], item: &Value) -> Result<PathElement, String> {
        let Value::Object(members) = item else {
            let what = if item.is_null() { "a null element" } else { "non-map elements" };
            return Err(format!("associative list with keys may not have {what}"));
        };
        let fields = self.items.structure().and_then(|it| it.map.as_ref());
        let default = |key| fields?.fields.get(key)?.default.as_ref();
        let found: Vec<(String, Value)> = keys
            .iter()
            .filter_map(|key| {
                let value = members.get(key).or_else(|| default(key.as_str()))?;
                Some((key.clone(), value.clone()))
            })
            .collect();
        if found.is_empty() {
            let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                keys.join(" ")
            ));
        }
        Ok(PathElement::key(found))
    }
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", crate::model::fields::shown_path(&self.path))?;
        }
        f.write_str(&self.why)
    }
}

/// Several flaws as one message.
pub(super) fn all_flaws(flaws: &[Flaw]) -> String {
    match flaws {
        [one] => one.to_string(),
        several => {
            several.iter().fold("errors:".to_owned(), |text, flaw| format!("{text}\n  {flaw}"))
        }
    }
}
