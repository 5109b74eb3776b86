//! Making an object fit its structure: what the type does not know goes, and what nobody
//! gave gets its default.

use serde_json::Value;

use super::check;
use super::structure::{Flaw, Structure};

impl Structure {
    /// Takes out of an object what its type does not know, and names that, such as
    /// `spec.ports[0].nmae`. Of metadata the reader of metadata knows more.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        let (Some(map), Value::Object(members)) = (&self.map, object) else { return unknown };
        members.retain(|name, member| {
            let Some(structure) = map.member(name) else {
                unknown.push(name.clone());
                return false;
            };
            if name != "metadata" {
                structure.prune_at(member, name, &mut unknown);
            }
            true
        });
        unknown
    }

    fn prune_at(&self, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                let Some(map) = &self.map else { return };
                members.retain(|name, member| {
                    let path = format!("{path}.{name}");
                    let Some(structure) = map.member(name) else {
                        unknown.push(path);
                        return false;
                    };
                    structure.prune_at(member, &path, unknown);
                    true
                });
            }
            Value::Array(items) => {
                let structure = self.list.as_ref().and_then(|it| it.items.structure());
                let Some(structure) = structure else { return };
                for (at, item) in items.iter_mut().enumerate() {
                    structure.prune_at(item, &format!("{path}[{at}]"), unknown);
                }
            }
            _ => {}
        }
    }

    /// Gives an object the values that fields have by default where nobody gave one.
    pub fn fill(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                let Some(map) = &self.map else { return };
                for (name, field) in &map.fields {
                    let Some(default) = &field.default else { continue };
                    let member = members.entry(name).or_insert(Value::Null);
                    if member.is_null() {
                        *member = default.clone();
                    }
                }
                for (name, member) in members {
                    if let Some(structure) = map.member(name) {
                        structure.fill(member);
                    }
                }
            }
            Value::Array(items) => {
                let structure = self.list.as_ref().and_then(|it| it.items.structure());
                let Some(structure) = structure else { return };
                for item in items {
                    structure.fill(item);
                }
            }
            _ => {}
        }
    }

    /// What is not what the type says, such as a text that should be a number.
    pub fn flaws(&self, object: &Value) -> Vec<Flaw> {
        check::flaws(self, object, true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn structure() -> Structure {
        let port = json!({"type": "object", "properties": {
            "name": {"type": "string"},
            "protocol": {"type": "string", "default": "TCP"},
        }});
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "ports": {"type": "array", "items": port},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "port": {"default": {}, "type": "object", "properties": {
                "number": {"type": "integer", "default": 6443},
            }},
        }}}});
        Structure::from_schema(&schema).unwrap()
    }

    #[test]
    fn what_is_unknown_goes_and_is_named() {
        let known = json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a", "odd": 1},
            "spec": {"ports": [{"name": "a"}], "labels": {"any": "thing"}, "free": {"a": [{}]}}});
        let mut object = known.clone();
        assert_eq!(structure().prune(&mut object), [""; 0]);
        assert_eq!(object, known);
        object["sepc"] = json!({});
        object["spec"]["ports"][0]["nmae"] = json!(null);
        object["spec"]["port"] = json!({"numbre": {"deep": true}});
        let unknown = structure().prune(&mut object);
        assert_eq!(unknown, ["sepc", "spec.port.numbre", "spec.ports[0].nmae"]);
        let mut left = known;
        left["spec"]["port"] = json!({});
        assert_eq!(object, left);
    }

    #[test]
    fn defaults_come_where_nothing_was_given() {
        let mut object = json!({"spec": {"ports": [{"name": "a"}, {"protocol": "UDP"}]}});
        structure().fill(&mut object);
        assert_eq!(
            object,
            json!({"spec": {
                "ports": [{"name": "a", "protocol": "TCP"}, {"protocol": "UDP"}],
                "port": {"number": 6443},
            }})
        );
        let mut object = json!({"spec": {"port": {"number": null}}});
        structure().fill(&mut object);
        assert_eq!(object, json!({"spec": {"port": {"number": 6443}}}));
        // Only what is there gets members.
        let mut object = json!({"metadata": {}});
        structure().fill(&mut object);
        assert_eq!(object, json!({"metadata": {}}));
    }

    #[test]
    fn what_has_another_type_is_a_flaw() {
        let flaws =
            structure().flaws(&json!({"spec": {"ports": "none", "port": {"number": "6443"}}}));
        let told: Vec<String> = flaws.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("spec.port.number: expected numeric"), "{told:?}");
        assert!(told[1].contains("spec.ports: expected list"), "{told:?}");
    }
}
