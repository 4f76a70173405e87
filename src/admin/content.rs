//! The content of a request that changes something: a bounded piece of JSON.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::config::checks::Mistake;

use super::problem::{KeyMistake, Problem};

/// Bytes of a content at most: some ten thousand registrations.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// Of a content that is too long, so much is still taken and dropped, and after
/// a pause of so long nothing more.
const MAX_DISCARDED: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads a content to its end.
///
/// Its media type is not looked at: a page that could send a wrong one is
/// refused by its `Origin`, and `curl -d` says it is a form.
pub(super) async fn bytes(fields: &HeaderMap, body: Body) -> Result<bytes::Bytes, Problem> {
    let coding = fields.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "send the content as it is: no Content-Encoding is understood here";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    if fields.contains_key(header::CONTENT_RANGE) {
        // To take a part for the whole would be worse (RFC 9110 section 14.5).
        let detail = "send the content whole: no Content-Range is understood here";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let length = fields.get(header::CONTENT_LENGTH).and_then(|field| field.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BYTES as u64) && fields.contains_key(header::EXPECT)
    {
        // Nothing is sent by who waits to be told so.
        return Err(too_long());
    }
    whole(body).await
}

async fn whole(mut body: Body) -> Result<bytes::Bytes, Problem> {
    let mut kept = bytes::BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let detail = format!("the content did not arrive whole: {error}");
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if kept.len() + data.len() > MAX_BYTES {
            drop(kept);
            // A connection that is closed with input unread is reset, and the
            // answer lost with it.
            discard(body).await;
            return Err(too_long());
        }
        kept.extend_from_slice(&data);
    }
    Ok(kept.freeze())
}

/// Takes what still comes; the connection's own clock ends it too.
async fn discard(mut body: Body) {
    let mut left = MAX_DISCARDED;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(PATIENCE, body.frame()).await {
        let bytes = frame.into_data().map_or(0, |data| data.len());
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn too_long() -> Problem {
    let detail = format!("the content is longer than {MAX_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// A write takes no query, and one that has one expects something of it.
pub(super) fn no_query(uri: &Uri) -> Result<(), Problem> {
    if uri.query().is_none() {
        return Ok(());
    }
    let detail = "a write takes no query: what is wanted stands in the content";
    Err(Problem::new(StatusCode::BAD_REQUEST, detail))
}

/// Reads a content as JSON in which no key stands twice.
pub(super) fn json(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice::<Once>(bytes).map(|Once(value)| value).map_err(|error| {
        let mistake = Mistake { reason: format!("not JSON: {error}"), help: None };
        Problem::wrong_content(vec![KeyMistake { key: String::new(), mistake }])
    })
}

/// A value in which a key that stands twice is an error: which one was meant
/// is anybody's guess.
struct Once(Value);

impl<'de> serde::Deserialize<'de> for Once {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Self)
    }
}

struct OnceVisitor;

impl<'de> serde::de::Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Once(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let Once(value) = map.next_value()?;
            if values.contains_key(&key) {
                return Err(serde::de::Error::custom(format!("the key {key:?} stands here twice")));
            }
            values.insert(key, value);
        }
        Ok(values.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        let read = |text: &str| serde_json::from_str::<Once>(text).map(|Once(value)| value);
        for text in
            ["{\"a\":1,\"a\":1}", "[{\"b\":0,\"a\":{\"c\":1,\"c\":2}}]", "{\"a\":1,\"\\u0061\":2}"]
        {
            let refused = read(text).unwrap_err().to_string();
            assert!(refused.contains("stands here twice"), "{refused}");
        }
        let good = "{\"a\":[{\"b\":1},{\"b\":null}],\"b\":{\"b\":-1.5,\"c\":true}}";
        assert_eq!(read(good).unwrap().to_string(), good);
    }
}
