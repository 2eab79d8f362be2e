//! Validates a value against a JSON schema.
//!
//! Owns the part of JSON Schema that structured answers use: types, `enum`, `const`, objects, arrays, bounds, `anyOf`,
//! `oneOf`, `allOf`, `not`, and `$ref` into the schema itself. `pattern` and `format` are not checked.

use std::cell::Cell;
use std::collections::HashSet;

use serde_json::{Map, Value};

/// Maximum number of references that lead from one to the next.
const MAX_REFS: usize = 32;
/// Maximum number of parts that are checked: a schema may contain itself in several branches.
const MAX_STEPS: usize = 50_000;

/// Returns the part of a schema that a reference points to. Only references into the schema itself are supported.
pub(super) fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    root.pointer(pointer)
}

/// Checks that every reference of a schema can be resolved.
pub(super) fn check_references(root: &Value) -> Result<(), String> {
    fn walk(root: &Value, part: &Value, name: Option<&str>) -> Result<(), String> {
        match part {
            Value::Object(fields) => fields.iter().try_for_each(|(key, value)| match value {
                // A property may itself be named `$ref`; its value is then a schema.
                Value::String(reference) if key == "$ref" && name != Some("properties") => {
                    let found = resolve(root, reference).is_some();
                    found
                        .then_some(())
                        .ok_or_else(|| format!("cannot resolve the reference `{reference}`"))
                }
                _ if matches!(key.as_str(), "enum" | "const" | "default" | "examples") => Ok(()),
                _ => walk(root, value, Some(key)),
            }),
            Value::Array(items) => items.iter().try_for_each(|item| walk(root, item, name)),
            _ => Ok(()),
        }
    }
    walk(root, root, None)
}

/// Checks that `value` satisfies `schema`, a part of `root`. The error says why it does not.
pub(super) fn validate(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let steps = Cell::new(0);
    Validator { root, steps }.value(schema, value, 0)
}

struct Validator<'a> {
    root: &'a Value,
    steps: Cell<usize>,
}

impl Validator<'_> {
    fn value(&self, schema: &Value, value: &Value, refs: usize) -> Result<(), String> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MAX_STEPS {
            return Err("the schema has too many branches".to_owned());
        }
        let rules = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Object(rules) => rules,
            _ => return Err("nothing is allowed here".to_owned()),
        };
        if let Some(Value::String(reference)) = rules.get("$ref") {
            if refs >= MAX_REFS {
                return Err("the references do not end".to_owned());
            }
            let target = resolve(self.root, reference).ok_or("cannot resolve a reference")?;
            self.value(target, value, refs + 1)?;
        }
        if let Some(kinds) = rules.get("type") {
            let one = |kind: &Value| kind.as_str().is_some_and(|kind| is_type(kind, value));
            let fits = match kinds {
                Value::Array(kinds) => kinds.iter().any(one),
                kind => one(kind),
            };
            ensure(fits, || format!("{value} is not of type {kinds}"))?;
        }
        if let Some(constant) = rules.get("const") {
            ensure(is_equal(constant, value), || format!("{value} is not {constant}"))?;
        }
        if let Some(Value::Array(allowed)) = rules.get("enum") {
            let fits = allowed.iter().any(|allowed| is_equal(allowed, value));
            ensure(fits, || format!("{value} is none of the allowed values"))?;
        }
        let branches = |key: &str| rules.get(key).and_then(Value::as_array);
        let fitting = |all: &[Value]| {
            all.iter()
                .filter(|branch| self.value(branch, value, refs).is_ok())
                .count()
        };
        if let Some(any) = branches("anyOf") {
            ensure(fitting(any) > 0, || format!("{value} fits no branch of anyOf"))?;
        }
        if let Some(one) = branches("oneOf") {
            let count = fitting(one);
            ensure(count == 1, || format!("{value} fits {count} branches of oneOf"))?;
        }
        for branch in branches("allOf").into_iter().flatten() {
            self.value(branch, value, refs)?;
        }
        if let Some(not) = rules.get("not") {
            let fits = self.value(not, value, refs).is_ok();
            ensure(!fits, || format!("{value} is what it must not be"))?;
        }
        match value {
            Value::Object(fields) => self.object(rules, fields),
            Value::Array(items) => self.array(rules, items),
            Value::String(text) => check_length(rules, "minLength", "maxLength", text.chars().count()),
            Value::Number(_) => check_number(rules, value),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn object(&self, rules: &Map<String, Value>, fields: &Map<String, Value>) -> Result<(), String> {
        for name in rules
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = name.as_str().unwrap_or_default();
            ensure(fields.contains_key(name), || format!("`{name}` is missing"))?;
        }
        check_length(rules, "minProperties", "maxProperties", fields.len())?;
        let known = rules.get("properties").and_then(Value::as_object);
        for (name, value) in fields {
            let own = known.and_then(|known| known.get(name));
            if let Some(schema) = own.or_else(|| rules.get("additionalProperties")) {
                self.value(schema, value, 0).map_err(|e| format!("{name}: {e}"))?;
            }
        }
        Ok(())
    }

    fn array(&self, rules: &Map<String, Value>, items: &[Value]) -> Result<(), String> {
        check_length(rules, "minItems", "maxItems", items.len())?;
        let first = rules.get("prefixItems").and_then(Value::as_array);
        for (at, item) in items.iter().enumerate() {
            let own = first.and_then(|first| first.get(at));
            if let Some(schema) = own.or_else(|| rules.get("items")) {
                self.value(schema, item, 0)
                    .map_err(|e| format!("item {at}: {e}"))?;
            }
        }
        if rules.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut seen = HashSet::new();
            let unique = items.iter().all(|item| seen.insert(item.to_string()));
            ensure(unique, || "two items are equal".to_owned())?;
        }
        Ok(())
    }
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn is_type(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => false,
    }
}

/// Compares two values. Numbers are equal if their values are: 1 and 1.0 are the same.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}

fn check_length(rules: &Map<String, Value>, min: &str, max: &str, length: usize) -> Result<(), String> {
    let bound = |key: &str| rules.get(key).and_then(Value::as_f64);
    let length = length as f64;
    ensure(bound(min).is_none_or(|min| length >= min), || {
        format!("{length} is below {min}")
    })?;
    ensure(bound(max).is_none_or(|max| length <= max), || {
        format!("{length} is above {max}")
    })
}

fn check_number(rules: &Map<String, Value>, value: &Value) -> Result<(), String> {
    let Some(number) = value.as_f64() else {
        return Ok(());
    };
    let bound = |key: &str| rules.get(key).and_then(Value::as_f64);
    let fits = bound("minimum").is_none_or(|min| number >= min)
        && bound("maximum").is_none_or(|max| number <= max)
        && bound("exclusiveMinimum").is_none_or(|min| number > min)
        && bound("exclusiveMaximum").is_none_or(|max| number < max)
        && bound("multipleOf").is_none_or(|step| {
            let times = number / step;
            (times - times.round()).abs() < 1e-9
        });
    ensure(fits, || format!("{number} is out of its bounds"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(schema: &Value, value: &Value) -> bool {
        validate(schema, schema, value).is_ok()
    }

    #[test]
    fn every_rule_separates_valid_from_invalid_values() {
        let rows = [
            (json!({"type": "integer"}), json!(3), json!(3.5)),
            (json!({"type": ["string", "null"]}), json!(null), json!(1)),
            (json!({"enum": ["a", 2]}), json!(2.0), json!("b")),
            (json!({"const": {"a": 1}}), json!({"a": 1}), json!({"a": 2})),
            (json!({"minLength": 2, "maxLength": 3}), json!("äöü"), json!("a")),
            (json!({"minimum": 1, "exclusiveMaximum": 4}), json!(1), json!(4)),
            (json!({"multipleOf": 0.5}), json!(1.5), json!(1.4)),
            (
                json!({"items": {"type": "string"}, "minItems": 1}),
                json!(["a"]),
                json!([]),
            ),
            (json!({"uniqueItems": true}), json!([1, 2]), json!([1, 1])),
            (
                json!({"prefixItems": [{"type": "string"}], "items": false}),
                json!(["a"]),
                json!(["a", 1]),
            ),
            (json!({"required": ["a"]}), json!({"a": 1}), json!({})),
            (
                json!({"properties": {"a": {}}, "additionalProperties": false}),
                json!({"a": 1}),
                json!({"b": 1}),
            ),
            (
                json!({"additionalProperties": {"type": "number"}}),
                json!({"x": 1}),
                json!({"x": "1"}),
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"minimum": 3}]}),
                json!(3),
                json!(2),
            ),
            (
                json!({"oneOf": [{"type": "integer"}, {"minimum": 3}]}),
                json!(2),
                json!(3),
            ),
            (
                json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}),
                json!(2),
                json!(3),
            ),
            (json!({"not": {"type": "null"}}), json!(1), json!(null)),
            (
                json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}}),
                json!({"next": {"next": {}}}),
                json!({"next": {"next": 1}}),
            ),
            (json!(false), json!(null), json!(1)),
        ];
        for (schema, good, bad) in rows {
            assert_eq!(fits(&schema, &good), schema != json!(false), "{schema} {good}");
            assert!(!fits(&schema, &bad), "{schema} {bad}");
        }
        assert!(!fits(&json!({"$ref": "#"}), &json!(1)));
        assert!(!fits(
            &json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}),
            &json!(1)
        ));
    }

    #[test]
    fn references_must_be_resolvable() {
        assert!(check_references(&json!({"$ref": "#/$defs/a", "$defs": {"a": {}}})).is_ok());
        assert!(check_references(&json!({"items": {"$ref": "#/$defs/a"}})).is_err());
        assert!(check_references(&json!({"$ref": "https://elsewhere.example/schema"})).is_err());
        assert!(check_references(&json!({"enum": [{"$ref": "#/none"}]})).is_ok());
    }
}
