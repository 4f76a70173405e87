//! The trailer section of a chunked body.

use bytes::BytesMut;
use http::header::{self, HeaderName};

use super::scan::LineScan;
use super::section::{BeforeColon, parse_section};
use super::{FieldLines, HeadLimits, RefusalKind};

/// Reads one trailer section (RFC 9112 section 7.1.2), by the same rules as
/// the fields of a head.
#[derive(Debug, Default)]
pub(super) struct TrailerReader {
    scan: LineScan,
    before_colon: BeforeColon,
}

impl TrailerReader {
    /// A reader at the start of a section.
    pub(super) fn new(before_colon: BeforeColon) -> Self {
        Self { scan: LineScan::default(), before_colon }
    }

    /// Takes the section with the empty line that ends the body from the front
    /// of `buf`; `None` if more bytes are needed. Lines that may not be
    /// trailers are left out, those that would frame the message are refused.
    pub(super) fn read(
        &mut self,
        buf: &mut BytesMut,
        limits: &HeadLimits,
    ) -> Result<Option<FieldLines>, RefusalKind> {
        let window = &buf[..buf.len().min(limits.bytes)];
        let end = self.scan.section_end(window, limits.fields).map_err(|kind| match kind {
            RefusalKind::TooManyFields => RefusalKind::TrailersTooLarge,
            other => other,
        })?;
        let Some(end) = end else {
            if buf.len() < limits.bytes {
                return Ok(None);
            }
            return Err(RefusalKind::TrailersTooLarge);
        };
        let section = buf.split_to(end).freeze();
        let lines = self.scan.lines() - 1;
        let mut fields = parse_section(&section, 0, lines, self.before_colon, |name, _| {
            if *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING {
                return Err(RefusalKind::FramingInTrailers);
            }
            Ok(())
        })?;
        fields.retain(|name, _| may_trail(name));
        Ok(Some(fields))
    }
}

/// Whether a field may come after the content. RFC 9110 section 6.5.1 forbids
/// those that a recipient needs before it: for framing and routing, as modifiers
/// of the request, for authentication, to understand the content, to control the
/// answer or the connection. A recipient that merges trailers into the head
/// could be steered with them after the decision was made, so they are dropped;
/// and so are those by which proxies say where a request came from.
pub(crate) fn may_trail(name: &HeaderName) -> bool {
    let name = name.as_str();
    let forbidden = matches!(
        name,
        // framing, routing, this connection
        "content-length"
            | "transfer-encoding"
            | "trailer"
            | "host"
            | "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "upgrade"
            | "http2-settings"
            // modifiers of the request, besides `If-*`
            | "cache-control"
            | "expect"
            | "max-forwards"
            | "pragma"
            | "range"
            // authentication
            | "authorization"
            | "proxy-authorization"
            | "www-authenticate"
            | "proxy-authenticate"
            | "cookie"
            | "set-cookie"
            // control of the answer
            | "age"
            | "date"
            | "expires"
            | "location"
            | "retry-after"
            | "vary"
            | "warning"
            // how content is read
            | "content-encoding"
            | "content-range"
            | "content-type"
            // where a request came from
            | "forwarded"
            | "via"
            | "x-real-ip"
    );
    !(forbidden || name.starts_with("if-") || name.starts_with("x-forwarded-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 64, fields: 2 };

    fn read(section: &str) -> Result<Option<Vec<(String, String)>>, RefusalKind> {
        let fields = TrailerReader::default().read(&mut BytesMut::from(section), &LIMITS)?;
        Ok(fields.map(|fields| {
            fields
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect()
        }))
    }

    #[test]
    fn an_empty_line_is_an_empty_section() {
        assert_eq!(read("\r\n"), Ok(Some(vec![])));
        assert_eq!(read("\r"), Ok(None));
        assert_eq!(read(""), Ok(None));
    }

    #[test]
    fn framing_fields_in_trailers_are_refused() {
        for line in ["Content-Length: 5", "transfer-encoding: chunked"] {
            let refused = read(&format!("{line}\r\n\r\n"));
            assert_eq!(refused, Err(RefusalKind::FramingInTrailers), "{line}");
        }
    }

    #[test]
    fn fields_that_steer_are_dropped_from_trailers_and_others_stay() {
        for name in [
            "Trailer",
            "Host",
            "Connection",
            "Keep-Alive",
            "Proxy-Connection",
            "TE",
            "Upgrade",
            "HTTP2-Settings",
            "Cache-Control",
            "Expect",
            "Max-Forwards",
            "Pragma",
            "Range",
            "If-Match",
            "If-None-Match",
            "Authorization",
            "Proxy-Authorization",
            "WWW-Authenticate",
            "Proxy-Authenticate",
            "Cookie",
            "Set-Cookie",
            "Age",
            "Date",
            "Expires",
            "Location",
            "Retry-After",
            "Vary",
            "Warning",
            "Content-Encoding",
            "Content-Range",
            "Content-Type",
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "Via",
            "X-Real-IP",
        ] {
            let fields = read(&format!("{name}: a\r\ngrpc-status: 0\r\n\r\n"));
            let kept = vec![("grpc-status".to_owned(), "0".to_owned())];
            assert_eq!(fields, Ok(Some(kept)), "{name}");
        }
    }

    #[test]
    fn trailers_are_bounded_in_bytes_and_lines() {
        assert_eq!(read("a: 1\r\nb: 2\r\nc: 3\r\n\r\n"), Err(RefusalKind::TrailersTooLarge));
        let fits = format!("a: {}\r\n\r\n", "x".repeat(64 - 7));
        assert_eq!(fits.len(), 64);
        assert!(read(&fits).is_ok_and(|fields| fields.is_some()));
        let over = format!("a: {}\r\n\r\n", "x".repeat(65 - 7));
        assert_eq!(read(&over), Err(RefusalKind::TrailersTooLarge));
        assert_eq!(read(&over[..64]), Err(RefusalKind::TrailersTooLarge));
        assert_eq!(read(&over[..63]), Ok(None));
    }

    #[test]
    fn trailer_lines_are_as_strict_as_field_lines() {
        assert_eq!(read("a : 1\r\n\r\n"), Err(RefusalKind::SpaceBeforeColon));
        let of_response = |section: &str| {
            TrailerReader::new(BeforeColon::Removed).read(&mut BytesMut::from(section), &LIMITS)
        };
        assert!(of_response("a : 1\r\n\r\n").is_ok_and(|fields| fields.is_some()));
        assert_eq!(of_response("Content-Length : 1\r\n\r\n"), Err(RefusalKind::SpaceBeforeColon));
        assert_eq!(read("a: 1\n\r\n"), Err(RefusalKind::BareLf));
        assert_eq!(read("a: 1\r\n b\r\n\r\n"), Err(RefusalKind::FoldedField));
        assert_eq!(read("a: \0\r\n\r\n"), Err(RefusalKind::ControlByte));
    }
}
