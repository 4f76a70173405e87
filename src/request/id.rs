//! The id a request goes by.

use bytes::Bytes;
use http::header::HeaderValue;

use crate::http1::FieldValue;

/// The longest id believed from a trusted client.
const MOST_BYTES: usize = 128;

/// A client's own id, if it is one that logs and fields can carry as it is:
/// 1 to 128 visible ASCII characters.
pub fn adopted(value: FieldValue<'_>) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
    let visible = bytes.iter().all(u8::is_ascii_graphic);
    (visible && !bytes.is_empty() && bytes.len() <= MOST_BYTES).then(|| value.to_value())
}

/// A new id: a UUIDv7 (RFC 9562 section 5.7), so that ids sort by time.
pub fn fresh(unix_ms: u64, random: u128) -> HeaderValue {
    let random = random.to_le_bytes();
    let mut bits = [0; 10];
    bits.copy_from_slice(&random[..10]);
    let id = uuid::Builder::from_unix_timestamp_millis(unix_ms, &bits).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    id.hyphenated().encode_lower(&mut text);
    // Text and count of references in one piece of memory.
    HeaderValue::from_maybe_shared(Bytes::from_owner(text))
        .unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_a_uuid_of_version_7_that_carries_the_time() {
        let id = fresh(0x0123_4567_89ab, u128::MAX);
        assert_eq!(id, "01234567-89ab-7fff-bfff-ffffffffffff");
    }

    #[test]
    fn only_plain_ids_are_adopted() {
        let adopt = |text: &str| {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            adopted(FieldValue::Own(&value))
        };
        assert!(adopt("abc-1/2=").is_some());
        for odd in ["", "a b", "a\tb", "é", &"x".repeat(129)] {
            assert!(adopt(odd).is_none(), "{odd:?}");
        }
        assert!(adopt(&"x".repeat(128)).is_some());
    }
}
