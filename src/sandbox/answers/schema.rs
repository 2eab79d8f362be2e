//! A value that satisfies the caller's schema, filled with what there is to say.
//!
//! Owns the way through the schema; what a field says comes from a [`Source`]. A value is returned only
//! when `check` finds nothing wrong with it.

use serde_json::{Map, Number, Value, json};

use super::check::{check, resolve};

/// Deepest nesting of a value.
const MOST_DEPTH: usize = 24;
/// From here on only what is required is made, so that a schema that contains itself comes to an end.
const SPARE_DEPTH: usize = 5;
/// Most parts of a value that are tried.
const MOST_STEPS: usize = 5_000;

/// What there is to say about a field, by its name and description.
pub(super) trait Source {
    fn text(&self, name: &str, about: &str) -> String;
    /// At least one.
    fn list(&self, name: &str, about: &str) -> Vec<String>;
    fn number(&self, name: &str, about: &str) -> Option<f64>;
    fn truth(&self, name: &str, about: &str) -> bool;
}

/// A value that satisfies `schema`, or None where none was found.
pub(super) fn generate(schema: &Value, source: &dyn Source) -> Option<Value> {
    let mut maker = Maker {
        root: schema,
        source,
        steps: 0,
    };
    let value = maker.make(schema, Place::default())?;
    match check(schema, schema, &value) {
        Ok(()) => Some(value),
        Err(why) => {
            tracing::debug!(why, "sandbox: no value for a schema");
            None
        }
    }
}

/// A value near `value` that does not satisfy `schema`.
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
    let mut wrong = candidates
        .into_iter()
        .flatten()
        .filter(|candidate| check(schema, schema, candidate).is_err());
    wrong.next().unwrap_or(Value::Null)
}

/// Where in a value we are.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    name: &'a str,
    about: &'a str,
    depth: usize,
    /// Which of several equal items this is.
    nth: usize,
}

struct Maker<'a> {
    root: &'a Value,
    source: &'a dyn Source,
    steps: usize,
}

impl Maker<'_> {
    fn make(&mut self, schema: &Value, mut place: Place<'_>) -> Option<Value> {
        self.steps += 1;
        if place.depth > MOST_DEPTH || self.steps > MOST_STEPS {
            return None;
        }
        place.depth += 1;
        let rules = match schema {
            Value::Bool(true) => return Some(json!(self.source.text(place.name, place.about))),
            Value::Object(rules) => rules,
            _ => return None,
        };
        let about = rules.get("description").and_then(Value::as_str);
        let owned = about.unwrap_or(place.about).to_owned();
        let place = Place {
            about: &owned,
            ..place
        };
        if let Some(constant) = rules.get("const") {
            return Some(constant.clone());
        }
        if let Some(Value::Array(allowed)) = rules.get("enum") {
            return self.choose(schema, allowed, place);
        }
        if let Some(Value::String(reference)) = rules.get("$ref") {
            let target = resolve(self.root, reference)?.clone();
            return self.make(&merged(&target, rules, "$ref"), place);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = rules.get(key) {
                return branches.iter().find_map(|branch| {
                    let whole = merged(branch, rules, key);
                    let value = self.make(&whole, place)?;
                    check(self.root, schema, &value).is_ok().then_some(value)
                });
            }
        }
        if let Some(Value::Array(parts)) = rules.get("allOf") {
            let mut whole = Value::Object(rules.clone());
            whole.as_object_mut()?.remove("allOf");
            for part in parts {
                let part = match part.get("$ref").and_then(Value::as_str) {
                    Some(reference) => resolve(self.root, reference)?,
                    None => part,
                };
                whole = merged(part, whole.as_object()?, "allOf");
            }
            return self.make(&whole, place);
        }
        let kinds: Vec<&str> = match rules.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => vec![implied(rules)],
        };
        // What may be null says something all the same, unless it would never end.
        let deep = place.depth > SPARE_DEPTH && kinds.contains(&"null");
        let kind = kinds
            .iter()
            .find(|kind| (**kind == "null") == deep)
            .or(kinds.first())?;
        match *kind {
            "object" => self.object(rules, place),
            "array" => self.array(rules, place),
            "string" => Some(Value::String(self.string(rules, place))),
            "integer" | "number" => self.number(rules, place, *kind == "integer"),
            "boolean" => Some(json!(self.source.truth(place.name, place.about))),
            "null" => Some(Value::Null),
            _ => None,
        }
    }

    /// The allowed value that the text about this field names, else the first.
    fn choose(&self, schema: &Value, allowed: &[Value], place: Place<'_>) -> Option<Value> {
        let said = self.source.text(place.name, place.about).to_lowercase();
        let named = |value: &Value| {
            let word = value.as_str()?.to_lowercase();
            let at = said.find(&word)?;
            let beside = [
                said[..at].chars().next_back(),
                said[at + word.len()..].chars().next(),
            ];
            let whole = !beside.into_iter().flatten().any(char::is_alphanumeric);
            (whole && !word.is_empty()).then_some(at)
        };
        let fits = |value: &&Value| check(self.root, schema, value).is_ok();
        let number = self.source.number(place.name, place.about);
        let equal = |value: &&Value| value.is_number() && value.as_f64() == number;
        let fitting = || allowed.iter().filter(fits);
        fitting()
            .filter_map(|value| named(value).map(|at| (at, value)))
            .min_by_key(|(at, _)| *at)
            .map(|(_, value)| value)
            .or_else(|| fitting().find(equal))
            .or_else(|| fitting().nth(place.nth))
            .or_else(|| fitting().next())
            .cloned()
    }

    fn object(&mut self, rules: &Map<String, Value>, place: Place<'_>) -> Option<Value> {
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
        let most = bound(rules, "maxProperties").unwrap_or(usize::MAX);
        for (name, schema) in known {
            let needed = required.contains(&name.as_str());
            let spare = place.depth > SPARE_DEPTH || fields.len() >= most;
            if !needed && spare {
                continue;
            }
            let place = Place { name, ..place };
            match self.make(schema, place) {
                Some(value) => {
                    fields.insert(name.clone(), value);
                }
                None if needed => return None,
                None => {}
            }
        }
        let open = rules.get("additionalProperties").unwrap_or(&Value::Bool(true));
        for name in required {
            if !fields.contains_key(name) {
                let value = self.make(open, Place { name, ..place })?;
                fields.insert(name.to_owned(), value);
            }
        }
        for number in 1.. {
            if fields.len() >= bound(rules, "minProperties").unwrap_or(0) {
                break;
            }
            let name = format!("note_{number}");
            let value = self.make(open, Place { name: &name, ..place })?;
            fields.insert(name, value);
        }
        Some(Value::Object(fields))
    }

    fn array(&mut self, rules: &Map<String, Value>, place: Place<'_>) -> Option<Value> {
        let least = bound(rules, "minItems").unwrap_or(0);
        let most = bound(rules, "maxItems").unwrap_or(usize::MAX);
        let first = rules.get("prefixItems").and_then(Value::as_array);
        let first: &[Value] = first.map_or(&[], Vec::as_slice);
        let rest = rules.get("items").unwrap_or(&Value::Bool(true));
        let said = self.source.list(place.name, place.about);
        let plain = rest.get("type") == Some(&json!("string")) && rest.get("enum").is_none();
        let unique = rules.get("uniqueItems") == Some(&Value::Bool(true));
        let wanted = if plain {
            said.len().max(least)
        } else if place.depth > SPARE_DEPTH {
            least.max(first.len())
        } else {
            least.max(first.len()).max(1)
        };
        let mut items: Vec<Value> = Vec::new();
        for nth in 0..wanted.min(most).min(1_000) {
            let schema = first.get(nth).unwrap_or(rest);
            if schema == &Value::Bool(false) {
                break;
            }
            let item = match said.get(nth) {
                Some(text) if plain && first.get(nth).is_none() => {
                    Value::String(fit(text, rest.as_object()?))
                }
                _ => match self.make(schema, Place { nth, ..place }) {
                    Some(item) => item,
                    None if items.len() >= least => break,
                    None => return None,
                },
            };
            let item = match &item {
                Value::String(text) if unique && items.contains(&item) => {
                    let cut: String = text
                        .chars()
                        .take(text.chars().count().saturating_sub(4))
                        .collect();
                    Value::String(format!("{cut} {}", nth + 1))
                }
                Value::Number(number) if unique && items.contains(&item) => {
                    json!(number.as_i64().unwrap_or(0) + i64::try_from(nth).unwrap_or(0))
                }
                _ => item,
            };
            items.push(item);
        }
        Some(Value::Array(items))
    }

    fn string(&self, rules: &Map<String, Value>, place: Place<'_>) -> String {
        match rules.get("format").and_then(Value::as_str) {
            Some("date-time") => "2026-10-17T12:00:00Z".to_owned(),
            Some("date") => "2026-10-17".to_owned(),
            Some("time") => "12:00:00Z".to_owned(),
            Some("uuid") => "00000000-0000-4000-8000-000000000001".to_owned(),
            Some("uri" | "url") => "https://example.com/".to_owned(),
            Some("email") => "someone@example.com".to_owned(),
            _ => {
                let text = self.source.text(place.name, place.about);
                let text = if place.nth > 0 {
                    format!("{}: {text}", place.nth + 1)
                } else {
                    text
                };
                fit(&text, rules)
            }
        }
    }

    fn number(&self, rules: &Map<String, Value>, place: Place<'_>, whole: bool) -> Option<Value> {
        let bound = |key: &str| rules.get(key).and_then(Value::as_f64);
        let step = bound("multipleOf").unwrap_or(if whole { 1.0 } else { 0.0 });
        let nudge = if step > 0.0 { step } else { 1e-6 };
        let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + nudge));
        let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - nudge));
        let said = self.source.number(place.name, place.about).unwrap_or(1.0);
        let mut number = said.max(least.unwrap_or(f64::MIN)).min(most.unwrap_or(f64::MAX));
        if step > 0.0 {
            number = (number / step).round() * step;
            if most.is_some_and(|most| number > most) {
                number -= step;
            }
            if least.is_some_and(|least| number < least) {
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

/// A part of a schema together with the rules around it; the part's own win, but both lists of what is
/// required and of properties hold.
fn merged(part: &Value, around: &Map<String, Value>, without: &str) -> Value {
    let Value::Object(part) = part else {
        return part.clone();
    };
    let mut whole = around.clone();
    whole.remove(without);
    for (key, value) in part {
        match (whole.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) if key == "properties" => {
                old.extend(new.clone());
            }
            (Some(Value::Array(old)), Value::Array(new)) if key == "required" => old.extend(new.clone()),
            _ => {
                whole.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(whole)
}

/// The type of a schema that does not say.
fn implied(rules: &Map<String, Value>) -> &'static str {
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

/// Cuts or fills a text to its bounds, at the end of a word where there is one.
fn fit(text: &str, rules: &Map<String, Value>) -> String {
    let mut text = text.to_owned();
    if let Some(most) = bound(rules, "maxLength")
        && text.chars().count() > most
    {
        text = text.chars().take(most).collect();
        if let Some((whole, _)) = text.rsplit_once(' ')
            && whole.chars().count() >= bound(rules, "minLength").unwrap_or(0).max(most / 2)
        {
            text = whole.trim_end_matches([',', ';', ' ']).to_owned();
        }
    }
    let least = bound(rules, "minLength").unwrap_or(0).min(1_000_000);
    let missing = least.saturating_sub(text.chars().count());
    text.extend(std::iter::repeat_n('.', missing));
    text
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
