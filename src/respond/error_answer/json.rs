//! JSON strings and members (RFC 8259), for a core that builds without serde.

use std::fmt::Write as _;

/// Appends `text` as a JSON string, quotes included.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Appends `"name":"text",` for a name that needs no escaping.
pub(super) fn push_member(out: &mut String, name: &'static str, text: &str) {
    push_name(out, name);
    push_string(out, text);
    out.push(',');
}

/// Appends `"name":` for a name that needs no escaping.
pub(super) fn push_name(out: &mut String, name: &'static str) {
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ascii_character_reads_back() {
        let text: String = (0..=0x7f_u8).map(char::from).chain(['é', '\u{2028}', '🚂']).collect();
        let mut json = String::new();
        push_string(&mut json, &text);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert!(!json.bytes().any(|b| b.is_ascii_control()));
    }

    #[test]
    fn what_has_a_short_escape_is_written_with_it() {
        let mut json = String::new();
        push_string(&mut json, "\n\r\t\u{1}");
        assert_eq!(json, r#""\n\r\t\u0001""#);
    }
}
