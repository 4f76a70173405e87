//! Where the two codecs may differ, and why ours does as it does.

use std::fmt::Debug;

use pointsman::http1::RefusalKind;

use super::reading::{Message, Reading};

/// A difference that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    // Refused by us, accepted by hyper. hyper may repair what it reads, for it
    // is the message's end; we hand it on to a parser that may repair otherwise.
    /// hyper takes a bare LF for a line end, as RFC 9112 section 2.2 allows; a
    /// server behind us that does not would see other lines.
    BareLf,
    /// hyper drops any number of empty lines before a message. RFC 9112 section
    /// 2.2 speaks of one at least, and of requests only.
    EmptyLinesBefore,
    /// hyper drops a Content-Length beside Transfer-Encoding; RFC 9112 section
    /// 6.3 lets a server refuse it, and a router never gains by guessing.
    LengthAndTransferEncoding,
    /// hyper joins Content-Length lines that agree, and in answers to HEAD and
    /// the like takes any.
    RepeatedLength,
    /// hyper does not look at the value of a Content-Length that does not frame
    /// content (HEAD, 304, beside Transfer-Encoding) and reads odd ones of
    /// other answers as content until close. Others would look.
    UnreadLength,
    /// hyper takes codings before `chunked` and answers with other ones, and
    /// leaves decoding to the program behind it. We would have to pass the
    /// coding on, and could not.
    OtherCoding,
    /// hyper lets Transfer-Encoding stand in several lines.
    RepeatedTransferEncoding,
    /// hyper does not look at Transfer-Encoding in HTTP/1.0 answers without
    /// content.
    TransferEncodingInHttp10,
    /// hyper lets unknown expectations pass; RFC 9110 section 10.1.1 has 417
    /// for them.
    UnknownExpectation,
    /// hyper sets no bound to a method of its own.
    LongMethod,
    /// hyper takes spaces between a chunk's size and its line end, which the
    /// grammar of RFC 9112 section 7.1.1 has before `;` only.
    SpaceAfterChunkSize,
    /// hyper takes any number of leading zeros.
    ChunkSizeDigits,
    /// hyper does not look into chunk extensions: control bytes, open quotes.
    ChunkExtension,
    /// hyper bounds extensions for the whole body only.
    LongChunkExtension,
    /// hyper hands out Content-Length and Transfer-Encoding as trailers.
    FramingInTrailers,
    /// hyper, told to take whitespace before the colons of answers as RFC 9112
    /// section 5.1 wants of proxies, takes it before those of Content-Length
    /// and Transfer-Encoding too, where a reader before us may have seen no
    /// framing at all.
    SpacedFraming,

    // Accepted by us, refused by hyper.
    /// RFC 9110 section 2.5 wants a higher minor version read as the highest
    /// one known.
    HigherMinorVersion,
    /// hyper needs a UTF-8 `http::Uri`; we forward the bytes and leave the
    /// judgement to admission and to the app.
    TargetIsNoUri,
    /// hyper keeps the two greatest lengths for its own use.
    GreatestLengths,
    /// hyper makes a tunnel of the connection after CONNECT; we read on, and
    /// admission answers 405.
    BehindConnect,
    /// hyper removes whitespace before a colon from heads only, we from the
    /// trailer sections of answers too.
    SpacedTrailer,

    // Accepted by both, read differently.
    /// We drop trailers that could steer a recipient that merges them into the
    /// head (RFC 9110 section 6.5.1).
    SteeringTrailer,
    /// hyper overlooks a `close` in a Connection line that holds bytes above
    /// 0x7f; closing then is always safe.
    CloseBesideObsText,
}

/// Fields that RFC 9110 section 6.5.1 and the like keep out of trailers, besides
/// [`STEERING_PREFIXES`].
const STEERING: &[&str] = &[
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-real-ip",
];

/// How others begin: conditions, and what proxies say of a request's origin.
const STEERING_PREFIXES: &[&str] = &["if-", "x-forwarded-"];

impl Difference {
    pub(crate) const ALL: [Self; 23] = [
        Self::BareLf,
        Self::EmptyLinesBefore,
        Self::LengthAndTransferEncoding,
        Self::RepeatedLength,
        Self::UnreadLength,
        Self::OtherCoding,
        Self::RepeatedTransferEncoding,
        Self::TransferEncodingInHttp10,
        Self::UnknownExpectation,
        Self::LongMethod,
        Self::SpaceAfterChunkSize,
        Self::ChunkSizeDigits,
        Self::ChunkExtension,
        Self::LongChunkExtension,
        Self::FramingInTrailers,
        Self::SpacedFraming,
        Self::HigherMinorVersion,
        Self::TargetIsNoUri,
        Self::GreatestLengths,
        Self::BehindConnect,
        Self::SpacedTrailer,
        Self::SteeringTrailer,
        Self::CloseBesideObsText,
    ];

    /// The difference by which hyper may accept what our codec refused so,
    /// with these bytes left in the buffer.
    pub(crate) fn of_refusal(kind: RefusalKind, left: &[u8]) -> Option<Self> {
        match kind {
            RefusalKind::BareLf => Some(Self::BareLf),
            RefusalKind::RequestLineMalformed | RefusalKind::NotHttp
                if left.starts_with(b"\r\n") || left.starts_with(b"\n") =>
            {
                Some(Self::EmptyLinesBefore)
            }
            RefusalKind::LengthAndTransferEncoding => Some(Self::LengthAndTransferEncoding),
            RefusalKind::ContentLengthRepeated => Some(Self::RepeatedLength),
            RefusalKind::ContentLengthMalformed | RefusalKind::ContentLengthTooLarge => {
                Some(Self::UnreadLength)
            }
            RefusalKind::TransferEncodingUnknown => Some(Self::OtherCoding),
            RefusalKind::TransferEncodingRepeated => Some(Self::RepeatedTransferEncoding),
            RefusalKind::TransferEncodingInHttp10 => Some(Self::TransferEncodingInHttp10),
            RefusalKind::ExpectationUnknown => Some(Self::UnknownExpectation),
            RefusalKind::MethodTooLong => Some(Self::LongMethod),
            RefusalKind::ChunkSizeMalformed if left.starts_with(b"\r") => {
                Some(Self::SpaceAfterChunkSize)
            }
            RefusalKind::ChunkSizeTooLarge => Some(Self::ChunkSizeDigits),
            RefusalKind::ChunkExtensionMalformed => Some(Self::ChunkExtension),
            RefusalKind::ChunkExtensionsTooLong => Some(Self::LongChunkExtension),
            RefusalKind::FramingInTrailers => Some(Self::FramingInTrailers),
            RefusalKind::SpaceBeforeColon => Some(Self::SpacedFraming),
            _ => None,
        }
    }
}

/// The first listed difference between the two readings; an error if there is
/// one that is not listed.
pub(crate) fn compare<Head: PartialEq + Debug>(
    ours: &Reading<Head>,
    theirs: &Reading<Head>,
) -> Result<Option<Difference>, String> {
    let mut found = None;
    for at in 0..ours.messages.len().max(theirs.messages.len()) {
        let step = match (ours.messages.get(at), theirs.messages.get(at)) {
            (Some(our), Some(their)) => compare_message(our, their, ours.goes_on),
            (Some(our), None) => our.refused_by_hyper.ok_or("only we accept a head").map(Some),
            (None, _) => ours.goes_on.ok_or("only hyper accepts a head").map(Some),
        };
        let step = step.map_err(|what| format!("{what}\nours: {ours:#?}\ntheirs: {theirs:#?}"))?;
        found = found.or(step);
        // Behind a difference in where a message ends nothing can be compared.
        if found.is_some_and(|found| found != Difference::SteeringTrailer) {
            break;
        }
    }
    Ok(found)
}

fn compare_message<Head: PartialEq>(
    our: &Message<Head>,
    their: &Message<Head>,
    goes_on: Option<Difference>,
) -> Result<Option<Difference>, &'static str> {
    if our.head != their.head {
        return Err("heads are read differently");
    }
    match (our.whole, their.whole) {
        (true, true) if our.data != their.data => Err("data differ"),
        (true, true) => compare_trailers(our, their),
        (false, true) => goes_on.ok_or("only hyper accepts the content").map(Some),
        (true, false) => our.content_refused_by_hyper.ok_or("only we accept the content").map(Some),
        (false, false) => {
            let alike = our.data.starts_with(&their.data) || their.data.starts_with(&our.data);
            if alike { Ok(None) } else { Err("data differ before a fault") }
        }
    }
}

fn compare_trailers<Head>(
    our: &Message<Head>,
    their: &Message<Head>,
) -> Result<Option<Difference>, &'static str> {
    if our.trailers == their.trailers {
        return Ok(None);
    }
    let steers = |name: &str| {
        STEERING.contains(&name) || STEERING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let mut rest = their.trailers.clone();
    for name in their.trailers.keys().filter(|name| steers(name.as_str())) {
        rest.remove(name);
    }
    if our.trailers == rest {
        Ok(Some(Difference::SteeringTrailer))
    } else {
        Err("trailers differ")
    }
}
