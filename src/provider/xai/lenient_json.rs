//! Reads the JSON of a reply of which only some fields matter.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Maximum depth at which invalid parts are left out. Fields that matter are at most three levels deep.
const MAX_DEPTH: u32 = 4;

/// Parses a reply. A part that is valid JSON but cannot be represented, such as half of a surrogate pair in an echoed
/// prompt or a number that is too large, becomes null. Returns `None` if the reply is not JSON.
pub(super) fn parse(body: &[u8]) -> Option<Value> {
    // Only copies if the bytes are not UTF-8.
    let text = String::from_utf8_lossy(body);
    let raw: &RawValue = serde_json::from_str(&text).ok()?;
    Some(convert(raw, 0))
}

fn convert(raw: &RawValue, depth: u32) -> Value {
    if let Ok(value) = serde_json::from_str(raw.get()) {
        return value;
    }
    if depth >= MAX_DEPTH {
        return Value::Null;
    }
    if let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) {
        let fields = fields.into_iter();
        return fields
            .map(|(name, raw)| (name, convert(raw, depth + 1)))
            .collect();
    }
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        return items.into_iter().map(|raw| convert(raw, depth + 1)).collect();
    }
    Value::Null
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_invalid_part_does_not_hide_the_rest() {
        let body = br#"{"status":"done","extra":"\ud83d","n":1e999,"video":{"url":"u","prompt":"\ud83d"},"all":[1,"\ud83d"]}"#;
        let expected = json!({
            "status": "done",
            "extra": null,
            "n": null,
            "video": {"url": "u", "prompt": null},
            "all": [1, null],
        });
        assert_eq!(parse(body), Some(expected));
        let body = b"{\"status\":\"done\",\"extra\":\"\xff\"}";
        assert_eq!(parse(body).unwrap()["status"], "done");
        for body in [&b""[..], b"{", b"busy", b"{\"status\":\"done\""] {
            assert_eq!(parse(body), None, "{body:?}");
        }
    }
}
