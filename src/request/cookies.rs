//! Reading one cookie out of a request.

use http::header::COOKIE;

use crate::http1::FieldLines;

/// The values of every cookie of this name, in their order (RFC 6265 section
/// 4.2.1), as they are written. HTTP/2 clients may spread cookies over several
/// field lines (RFC 9113 section 8.2.3).
pub(crate) fn cookies<'a>(fields: &'a FieldLines, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = fields.all(&COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let (key, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        (key == name.as_bytes()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use http::header::HeaderValue;

    #[test]
    fn a_cookie_is_found_whole_by_its_exact_name() {
        let lines = ["a=1; id=x=y;ID=2 ;xid=3", "id; id= 4", "id=\"q\""];
        let fields: FieldLines =
            lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line))).collect();
        let found: Vec<_> = cookies(&fields, "id").collect();
        assert_eq!(found, [&b"x=y"[..], b"4", b"\"q\""]);
        assert_eq!(cookies(&fields, "b").count(), 0);
    }
}
