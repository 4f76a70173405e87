//! As much of JSON Schema as the document uses.

use serde_json::Value;

/// Everything about `value` that is not as `schema` has it, by its place.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, value, "", &mut faults);
    faults
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        return check(document, resolve(document, reference), value, at, faults);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |choice: &&Value| {
            let mut found = Vec::new();
            check(document, choice, value, at, &mut found);
            found.is_empty()
        };
        if choices.iter().filter(fits).count() != 1 {
            faults.push(format!("{at}: not one of its choices: {value}"));
        }
        return;
    }
    if let Some(choices) = schema["anyOf"].as_array()
        && choices.iter().all(|choice| !self::faults(document, choice, value).is_empty())
    {
        faults.push(format!("{at}: none of its choices: {value}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !types.is_empty() && !types.iter().any(|name| is(value, name)) {
        return faults.push(format!("{at}: no {types:?}: {value}"));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        faults.push(format!("{at}: not in {allowed:?}: {value}"));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        faults.push(format!("{at}: under {least}"));
    }
    if let (Some(items), true) = (value.as_array(), schema["items"].is_object()) {
        for (index, item) in items.iter().enumerate() {
            check(document, &schema["items"], item, &format!("{at}[{index}]"), faults);
        }
    }
    let Some(fields) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            faults.push(format!("{at}.{name}: missing"));
        }
    }
    for (name, field) in fields {
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (known @ Value::Object(_), _) => {
                check(document, known, field, &format!("{at}.{name}"), faults);
            }
            (_, Value::Bool(false)) => faults.push(format!("{at}.{name}: not documented")),
            (_, more @ Value::Object(_)) => {
                check(document, more, field, &format!("{at}.{name}"), faults);
            }
            _ => {}
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}

pub(crate) fn resolve<'d>(document: &'d Value, reference: &str) -> &'d Value {
    let pointer = reference.strip_prefix('#').expect("references are to the document itself");
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

#[test]
fn what_does_not_fit_is_found() {
    let document = serde_json::json!({ "s": { "type": "object", "additionalProperties": false,
        "required": ["a"], "properties": {
            "a": { "type": ["integer", "null"], "minimum": 0 },
            "b": { "type": "array", "items": { "enum": ["x"] } },
            "c": { "oneOf": [{ "$ref": "#/s" }, { "type": "null" }] } } } });
    let of = |value: Value| faults(&document, &document["s"], &value).len();
    use serde_json::json;
    assert_eq!(of(json!({ "a": 1, "b": ["x"], "c": null })), 0);
    assert_eq!(of(json!({ "a": null, "c": { "a": 2 } })), 0);
    for wrong in [
        json!({}),
        json!([]),
        json!({ "a": -1 }),
        json!({ "a": 1.5 }),
        json!({ "a": 1, "d": 1 }),
        json!({ "a": 1, "b": ["y"] }),
        json!({ "a": 1, "c": {} }),
    ] {
        assert_eq!(of(wrong.clone()), 1, "{wrong}");
    }
}
