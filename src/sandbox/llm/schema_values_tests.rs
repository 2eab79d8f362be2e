//! Generates values for schemas and validates each.

use serde_json::json;

use super::super::picture_stats::PictureStats;
use super::*;

fn answer_text() -> AnswerText {
    let picture = PictureStats::measure(4, 4, &[20, 160, 60].repeat(16));
    let text = "Duration: 6 s\nUser prompt: a heron says \"wait\" by the water";
    AnswerText::new(text, vec![picture.clone(), picture], None)
}

fn generated(schema: &Value) -> Value {
    generate(schema, &answer_text()).unwrap_or_else(|| panic!("no value for {schema}"))
}

#[test]
fn an_analysis_is_filled_from_pixels_and_words() {
    let text = json!({ "type": "string" });
    let value = generated(&json!({
        "type": "object",
        "properties": {
            "prompt": text, "palette": { "type": "array", "items": text }, "motion": text,
            "recreation_prompt": text, "has_dialogue": { "type": "boolean" },
            "duration_seconds": { "type": "integer", "minimum": 1, "maximum": 15 },
            "brightness": { "type": "number", "minimum": 0, "maximum": 1 },
            "light": { "type": "string", "enum": ["bright", "medium", "dim", "dark"] },
        },
        "required": ["prompt", "palette", "motion", "recreation_prompt"],
        "additionalProperties": false,
    }));
    assert!(
        value["prompt"]
            .as_str()
            .unwrap()
            .contains("a heron says \"wait\" by the water")
    );
    assert_eq!(value["palette"], json!(["green"]));
    assert_eq!(value["motion"], "nothing visible changes");
    assert!(value["recreation_prompt"].as_str().unwrap().contains("green"));
    assert_eq!(value["has_dialogue"], true);
    assert_eq!(value["duration_seconds"], 6);
    assert_eq!(value["brightness"], 0.48);
    assert_eq!(value["light"], "medium");
}

#[test]
fn difficult_schemas_have_values() {
    for schema in [
        json!({}),
        json!({ "type": "string", "minLength": 5000 }),
        json!({ "type": "string", "maxLength": 12 }),
        json!({ "type": "string", "minLength": 10, "maxLength": 10 }),
        json!({ "type": "array", "items": { "type": "string" }, "minItems": 4, "maxItems": 4, "uniqueItems": true }),
        json!({ "type": "array", "items": { "enum": ["a", "b", "c"] }, "minItems": 3, "uniqueItems": true }),
        json!({ "type": "array", "items": { "type": "integer" }, "minItems": 3, "uniqueItems": true }),
        json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "const": 4 }], "items": false, "minItems": 2 }),
        json!({ "type": "array", "maxItems": 0 }),
        json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5 }),
        json!({ "type": "integer", "minimum": 7, "multipleOf": 5 }),
        json!({ "type": "integer", "maximum": -3 }),
        json!({ "anyOf": [{ "type": "array", "minItems": 1, "items": false }, { "type": "null" }] }),
        json!({ "oneOf": [{ "type": "boolean" }, { "type": "number" }], "multipleOf": 0.5 }),
        json!({ "type": ["null", "string"] }),
        json!({ "type": "object", "required": ["a"], "additionalProperties": { "type": "boolean" } }),
        json!({ "type": "object", "minProperties": 2 }),
        json!({ "type": "object", "properties": { "a": { "type": "string" } }, "maxProperties": 0 }),
        json!({ "allOf": [
            { "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] },
            { "$ref": "#/$defs/b" },
        ], "$defs": { "b": { "properties": { "b": { "type": "integer" } }, "required": ["b"] } } }),
        json!({ "$ref": "#/$defs/tree", "$defs": { "tree": {
            "type": "object", "required": ["name", "children"], "additionalProperties": false,
            "properties": { "name": { "type": "string" },
                "children": { "type": "array", "items": { "$ref": "#/$defs/tree" } } } } } }),
        json!({ "$ref": "#/$defs/list", "$defs": { "list": { "type": "object", "required": ["next"], "properties": {
            "next": { "anyOf": [{ "$ref": "#/$defs/list" }, { "type": "null" }] } } } } }),
        json!({ "properties": { "when": { "type": "string", "format": "date-time" } }, "required": ["when"] }),
        json!({ "type": "array", "minItems": 2, "items": { "type": "object", "required": ["t", "text"],
            "properties": { "t": { "type": "number", "minimum": 0 }, "text": { "type": "string" } } } }),
        json!({ "const": { "deep": [1, null] } }),
    ] {
        let value = generated(&schema);
        assert_eq!(validate(&schema, &schema, &value), Ok(()), "{schema} {value}");
        assert_eq!(generated(&schema), value, "the same every time");
        let wrong = broken(&schema, &value);
        if schema != json!({}) {
            assert!(validate(&schema, &schema, &wrong).is_err(), "{schema} {wrong}");
        }
    }
}

#[test]
fn an_unsatisfiable_schema_has_no_value() {
    for schema in [
        json!({ "enum": [] }),
        json!({ "type": "integer", "minimum": 3, "maximum": 2 }),
        json!({ "$ref": "#" }),
        json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }, { "$ref": "#" }] }),
        json!({ "type": "object", "required": ["self"], "properties": { "self": { "$ref": "#" } } }),
        json!({ "type": "object", "required": ["a"], "additionalProperties": false }),
    ] {
        assert_eq!(generate(&schema, &answer_text()), None, "{schema}");
    }
}

/// Generates random schemas with numbers that are the same on every machine.
#[test]
fn random_schemas_are_satisfied() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..2_000 {
        let schema = random_schema(&mut next, 0);
        let value = generated(&schema);
        assert_eq!(validate(&schema, &schema, &value), Ok(()), "{schema} {value}");
    }
}

fn random_schema(next: &mut impl FnMut(u64) -> u64, depth: u64) -> Value {
    const NAMES: [&str; 8] = [
        "prompt",
        "palette",
        "motion",
        "duration_seconds",
        "x",
        "is_loop",
        "mood",
        "shots",
    ];
    match next(if depth > 3 { 5 } else { 9 }) {
        0 => json!({ "type": "string", "maxLength": next(40) + 3, "minLength": next(4) }),
        1 => {
            let least = next(20);
            json!({ "type": "integer", "minimum": least, "maximum": least + next(9) })
        }
        2 => json!({ "type": "boolean" }),
        3 => json!({ "enum": [NAMES[next(8) as usize], next(5), null] }),
        4 => json!({ "type": ["number", "null"], "minimum": 0.5 }),
        5 => {
            let least = next(3);
            json!({ "type": "array", "minItems": least, "maxItems": least + next(3), "items": random_schema(next, depth + 1) })
        }
        6 => json!({ "anyOf": [random_schema(next, depth + 1), random_schema(next, depth + 1)] }),
        _ => {
            let mut properties = Map::new();
            for _ in 0..next(5) {
                properties.insert(NAMES[next(8) as usize].to_owned(), random_schema(next, depth + 1));
            }
            let required: Vec<_> = properties.keys().filter(|_| next(2) == 0).cloned().collect();
            json!({
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": next(2) == 0,
            })
        }
    }
}
