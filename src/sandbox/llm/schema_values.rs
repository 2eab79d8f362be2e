//! Generates a value that satisfies the caller's schema.
//!
//! Traverses the schema, and takes the content of the fields from [`AnswerText`]. `generate` returns only valid values;
//! `broken` returns invalid ones on purpose.

use serde_json::{Map, Number, Value, json};

use super::answer_text::AnswerText;
use super::schema_check::{resolve, validate};

/// Maximum nesting of a value.
const MAX_DEPTH: usize = 24;
/// Beyond this depth only required parts are generated, so that generation from a recursive schema terminates.
const REQUIRED_ONLY_DEPTH: usize = 5;
/// Maximum number of subschemas that are visited.
const MAX_STEPS: usize = 5_000;

/// Returns a value that satisfies `schema`, or `None` if none was found.
pub(super) fn generate(schema: &Value, source: &AnswerText) -> Option<Value> {
    let mut generator = Generator {
        root: schema,
        source,
        steps: 0,
    };
    let value = generator.generate(schema, Position::default())?;
    match validate(schema, schema, &value) {
        Ok(()) => Some(value),
        Err(why) => {
            tracing::debug!(why, "sandbox: the generated value does not satisfy the schema");
            None
        }
    }
}

/// Returns a value similar to `value` that does not satisfy `schema`, or null if every candidate satisfies it.
pub(super) fn broken(schema: &Value, value: &Value) -> Value {
    let without = |fields: &Map<String, Value>| {
        fields.keys().next().map(|first| {
            let mut fields = fields.clone();
            fields.remove(first);
            Value::Object(fields)
        })
    };
    let candidates = [
        value.as_object().and_then(without),
        Some(json!({ "answer": value })),
        Some(json!([value])),
        Some(json!(0)),
        Some(json!("not what was asked for")),
    ];
    let mut invalid = candidates
        .into_iter()
        .flatten()
        .filter(|candidate| validate(schema, schema, candidate).is_err());
    invalid.next().unwrap_or(Value::Null)
}

/// The position in the generated value.
#[derive(Clone, Copy, Default)]
struct Position<'a> {
    name: &'a str,
    description: &'a str,
    depth: usize,
    /// The zero-based index in the innermost enclosing array, or 0 outside of arrays.
    nth: usize,
}

struct Generator<'a> {
    root: &'a Value,
    source: &'a AnswerText,
    steps: usize,
}

impl Generator<'_> {
    fn generate(&mut self, schema: &Value, mut position: Position<'_>) -> Option<Value> {
        self.steps += 1;
        if position.depth > MAX_DEPTH || self.steps > MAX_STEPS {
            return None;
        }
        position.depth += 1;
        let rules = match schema {
            Value::Bool(true) => return Some(json!(self.source.text(position.name, position.description))),
            Value::Object(rules) => rules,
            _ => return None,
        };
        let description = rules.get("description").and_then(Value::as_str);
        let owned = description.unwrap_or(position.description).to_owned();
        let position = Position {
            description: &owned,
            ..position
        };
        if let Some(constant) = rules.get("const") {
            return Some(constant.clone());
        }
        if let Some(Value::Array(allowed)) = rules.get("enum") {
            return self.choose(schema, allowed, position);
        }
        if let Some(Value::String(reference)) = rules.get("$ref") {
            let target = resolve(self.root, reference)?.clone();
            return self.generate(&merge(&target, rules, "$ref"), position);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = rules.get(key) {
                return branches.iter().find_map(|branch| {
                    let whole = merge(branch, rules, key);
                    let value = self.generate(&whole, position)?;
                    validate(self.root, schema, &value).is_ok().then_some(value)
                });
            }
        }
        if let Some(Value::Array(parts)) = rules.get("allOf") {
            let mut merged = Value::Object(rules.clone());
            merged.as_object_mut()?.remove("allOf");
            for part in parts {
                let part = match part.get("$ref").and_then(Value::as_str) {
                    Some(reference) => resolve(self.root, reference)?,
                    None => part,
                };
                merged = merge(part, merged.as_object()?, "allOf");
            }
            return self.generate(&merged, position);
        }
        let kinds: Vec<&str> = match rules.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => vec![implied_type(rules)],
        };
        // A nullable field is null only beyond `REQUIRED_ONLY_DEPTH`.
        let prefers_null = position.depth > REQUIRED_ONLY_DEPTH && kinds.contains(&"null");
        let kind = kinds
            .iter()
            .find(|kind| (**kind == "null") == prefers_null)
            .or(kinds.first())?;
        match *kind {
            "object" => self.object(rules, position),
            "array" => self.array(rules, position),
            "string" => Some(Value::String(self.string(rules, position))),
            "integer" | "number" => self.number(rules, position, *kind == "integer"),
            "boolean" => Some(json!(self.source.boolean(position.name, position.description))),
            "null" => Some(Value::Null),
            _ => None,
        }
    }

    /// Chooses one of the allowed values that satisfy `schema`. In order of preference: the value that the text for
    /// this field mentions first, the value that equals the number for this field, the value at the index of the array
    /// item, the first value.
    fn choose(&self, schema: &Value, allowed: &[Value], position: Position<'_>) -> Option<Value> {
        let text = self
            .source
            .text(position.name, position.description)
            .to_lowercase();
        let mention = |value: &Value| {
            let word = value.as_str()?.to_lowercase();
            let at = text.find(&word)?;
            let neighbors = [
                text[..at].chars().next_back(),
                text[at + word.len()..].chars().next(),
            ];
            let is_whole_word = !neighbors.into_iter().flatten().any(char::is_alphanumeric);
            (is_whole_word && !word.is_empty()).then_some(at)
        };
        let is_valid = |value: &&Value| validate(self.root, schema, value).is_ok();
        let number = self.source.number(position.name, position.description);
        let equal = |value: &&Value| value.is_number() && value.as_f64() == number;
        let valid = || allowed.iter().filter(is_valid);
        valid()
            .filter_map(|value| mention(value).map(|at| (at, value)))
            .min_by_key(|(at, _)| *at)
            .map(|(_, value)| value)
            .or_else(|| valid().find(equal))
            .or_else(|| valid().nth(position.nth))
            .or_else(|| valid().next())
            .cloned()
    }

    fn object(&mut self, rules: &Map<String, Value>, position: Position<'_>) -> Option<Value> {
        let required: Vec<&str> = rules
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let empty = Map::new();
        let known = rules
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let mut fields = Map::new();
        let max = bound(rules, "maxProperties").unwrap_or(usize::MAX);
        for (name, schema) in known {
            let is_required = required.contains(&name.as_str());
            let is_omittable = position.depth > REQUIRED_ONLY_DEPTH || fields.len() >= max;
            if !is_required && is_omittable {
                continue;
            }
            let position = Position { name, ..position };
            match self.generate(schema, position) {
                Some(value) => {
                    fields.insert(name.clone(), value);
                }
                None if is_required => return None,
                None => {}
            }
        }
        let additional = rules.get("additionalProperties").unwrap_or(&Value::Bool(true));
        for name in required {
            if !fields.contains_key(name) {
                let value = self.generate(additional, Position { name, ..position })?;
                fields.insert(name.to_owned(), value);
            }
        }
        for number in 1.. {
            if fields.len() >= bound(rules, "minProperties").unwrap_or(0) {
                break;
            }
            let name = format!("note_{number}");
            let value = self.generate(
                additional,
                Position {
                    name: &name,
                    ..position
                },
            )?;
            fields.insert(name, value);
        }
        Some(Value::Object(fields))
    }

    fn array(&mut self, rules: &Map<String, Value>, position: Position<'_>) -> Option<Value> {
        let min = bound(rules, "minItems").unwrap_or(0);
        let max = bound(rules, "maxItems").unwrap_or(usize::MAX);
        let first = rules.get("prefixItems").and_then(Value::as_array);
        let first: &[Value] = first.map_or(&[], Vec::as_slice);
        let rest = rules.get("items").unwrap_or(&Value::Bool(true));
        let texts = self.source.list(position.name, position.description);
        let is_plain = rest.get("type") == Some(&json!("string")) && rest.get("enum").is_none();
        let is_unique = rules.get("uniqueItems") == Some(&Value::Bool(true));
        let count = if is_plain {
            texts.len().max(min)
        } else if position.depth > REQUIRED_ONLY_DEPTH {
            min.max(first.len())
        } else {
            min.max(first.len()).max(1)
        };
        let mut items: Vec<Value> = Vec::new();
        for nth in 0..count.min(max).min(1_000) {
            let schema = first.get(nth).unwrap_or(rest);
            if schema == &Value::Bool(false) {
                break;
            }
            let item = match texts.get(nth) {
                Some(text) if is_plain && first.get(nth).is_none() => {
                    Value::String(fit_length(text, rest.as_object()?))
                }
                _ => match self.generate(schema, Position { nth, ..position }) {
                    Some(item) => item,
                    None if items.len() >= min => break,
                    None => return None,
                },
            };
            let item = match &item {
                Value::String(text) if is_unique && items.contains(&item) => {
                    let cut: String = text
                        .chars()
                        .take(text.chars().count().saturating_sub(4))
                        .collect();
                    Value::String(format!("{cut} {}", nth + 1))
                }
                Value::Number(number) if is_unique && items.contains(&item) => {
                    json!(number.as_i64().unwrap_or(0) + i64::try_from(nth).unwrap_or(0))
                }
                _ => item,
            };
            items.push(item);
        }
        Some(Value::Array(items))
    }

    fn string(&self, rules: &Map<String, Value>, position: Position<'_>) -> String {
        match rules.get("format").and_then(Value::as_str) {
            Some("date-time") => "2026-10-17T12:00:00Z".to_owned(),
            Some("date") => "2026-10-17".to_owned(),
            Some("time") => "12:00:00Z".to_owned(),
            Some("uuid") => "00000000-0000-4000-8000-000000000001".to_owned(),
            Some("uri" | "url") => "https://example.com/".to_owned(),
            Some("email") => "someone@example.com".to_owned(),
            _ => {
                let text = self.source.text(position.name, position.description);
                let text = if position.nth > 0 {
                    format!("{}: {text}", position.nth + 1)
                } else {
                    text
                };
                fit_length(&text, rules)
            }
        }
    }

    fn number(&self, rules: &Map<String, Value>, position: Position<'_>, is_integer: bool) -> Option<Value> {
        let number_bound = |key: &str| rules.get(key).and_then(Value::as_f64);
        let step = number_bound("multipleOf").unwrap_or(if is_integer { 1.0 } else { 0.0 });
        let exclusive_step = if step > 0.0 { step } else { 1e-6 };
        let min = number_bound("minimum")
            .or_else(|| number_bound("exclusiveMinimum").map(|min| min + exclusive_step));
        let max = number_bound("maximum")
            .or_else(|| number_bound("exclusiveMaximum").map(|max| max - exclusive_step));
        let wanted = self
            .source
            .number(position.name, position.description)
            .unwrap_or(1.0);
        let mut number = wanted.max(min.unwrap_or(f64::MIN)).min(max.unwrap_or(f64::MAX));
        if step > 0.0 {
            number = (number / step).round() * step;
            if max.is_some_and(|max| number > max) {
                number -= step;
            }
            if min.is_some_and(|min| number < min) {
                number += step;
            }
        }
        if number.fract() == 0.0 && number.abs() < 9e15 {
            Some(json!(number as i64))
        } else {
            Number::from_f64(number).map(Value::Number)
        }
    }
}

/// Merges a subschema into the keywords of its parent, except for the keyword `without`. The subschema takes
/// precedence; `required` and `properties` are combined.
fn merge(part: &Value, parent: &Map<String, Value>, without: &str) -> Value {
    let Value::Object(part) = part else {
        return part.clone();
    };
    let mut merged = parent.clone();
    merged.remove(without);
    for (key, value) in part {
        match (merged.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) if key == "properties" => {
                old.extend(new.clone());
            }
            (Some(Value::Array(old)), Value::Array(new)) if key == "required" => old.extend(new.clone()),
            _ => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(merged)
}

/// Returns the type that a schema without `type` implies.
fn implied_type(rules: &Map<String, Value>) -> &'static str {
    let has = |keys: &[&str]| keys.iter().any(|key| rules.contains_key(*key));
    if has(&["properties", "required", "additionalProperties"]) {
        "object"
    } else if has(&["items", "prefixItems", "minItems"]) {
        "array"
    } else if has(&["minimum", "maximum", "multipleOf"]) {
        "number"
    } else {
        "string"
    }
}

fn bound(rules: &Map<String, Value>, key: &str) -> Option<usize> {
    rules.get(key)?.as_f64().map(|bound| bound.max(0.0) as usize)
}

/// Truncates a text, if possible at the end of a word, or pads it, to satisfy `minLength` and `maxLength`.
fn fit_length(text: &str, rules: &Map<String, Value>) -> String {
    let mut text = text.to_owned();
    if let Some(max) = bound(rules, "maxLength")
        && text.chars().count() > max
    {
        text = text.chars().take(max).collect();
        if let Some((words, _)) = text.rsplit_once(' ')
            && words.chars().count() >= bound(rules, "minLength").unwrap_or(0).max(max / 2)
        {
            text = words.trim_end_matches([',', ';', ' ']).to_owned();
        }
    }
    let min = bound(rules, "minLength").unwrap_or(0).min(1_000_000);
    let missing = min.saturating_sub(text.chars().count());
    text.extend(std::iter::repeat_n('.', missing));
    text
}

#[cfg(test)]
#[path = "schema_values_tests.rs"]
mod tests;
