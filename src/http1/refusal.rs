//! Why a message was refused.

use super::SeenHead;
use crate::error::Code;

/// A message that was not taken. Nothing of it may be forwarded and its
/// connection cannot be used further: where it ends is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Refusal {
    /// What was wrong.
    pub kind: RefusalKind,
    /// What could be read of a refused request's head, for the log and to
    /// choose the answer's form. `None` for responses and inside bodies.
    pub seen: Option<Box<SeenHead>>,
}

impl From<RefusalKind> for Refusal {
    fn from(kind: RefusalKind) -> Self {
        Self { kind, seen: None }
    }
}

/// What was wrong with a message; `Display` says it in one plain sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalKind {
    /// RFC 9110 section 9.1: a method is a token.
    #[error("the method is not a token")]
    MethodNotToken,
    /// Longer than [`super::MAX_METHOD_BYTES`].
    #[error("the method is longer than any that is in use")]
    MethodTooLong,
    /// RFC 9112 section 3: `method SP request-target SP HTTP-version`.
    #[error("the request line is not a method, a target and a version with one space between each")]
    RequestLineMalformed,
    /// RFC 9112 section 2.3: `HTTP/` DIGIT `.` DIGIT.
    #[error("the request line does not end with an HTTP version")]
    VersionMalformed,
    /// A well-formed version other than HTTP/1.x.
    #[error("the request is of another HTTP version than 1.0 or 1.1")]
    VersionUnsupported,
    /// The answer begins with something else than `HTTP/1.`.
    #[error("the answer is not HTTP/1")]
    NotHttp,
    /// RFC 9112 section 4: `HTTP-version SP status-code SP [reason]`.
    #[error("the status line is not a version, a status code of three digits and a reason")]
    StatusLineMalformed,
    /// RFC 9110 section 5.5: NUL and other control bytes are dangerous.
    #[error("a control byte stands in the head")]
    ControlByte,
    /// RFC 9112 section 2.2: a bare CR is not a line end.
    #[error("a CR stands without its LF")]
    BareCr,
    /// RFC 9112 section 2.2: a bare LF may be taken for a line end by some.
    #[error("an LF stands without its CR")]
    BareLf,
    /// RFC 9112 section 5: a field line is `name: value`.
    #[error("a field line has no colon")]
    FieldWithoutColon,
    /// RFC 9110 section 5.1: a name has at least one byte.
    #[error("a field line has no name")]
    FieldNameEmpty,
    /// RFC 9110 section 5.1: a field name is a token.
    #[error("a field name is not a token")]
    FieldNameNotToken,
    /// RFC 9112 section 5.1. In a response only before the colon of a field that
    /// frames it; elsewhere the space is removed.
    #[error("a space stands before the colon of a field line")]
    SpaceBeforeColon,
    /// RFC 9112 section 5.2, and 2.2 for the first line.
    #[error("a field line begins with a space: folded lines are obsolete")]
    FoldedField,
    /// The request line alone is over the limit of bytes.
    #[error("the request line is longer than the limit for a head")]
    RequestLineTooLong,
    /// The head is over the limit of bytes.
    #[error("the head is longer than its limit")]
    HeadTooLong,
    /// The head is over the limit of field lines.
    #[error("the head has more field lines than its limit")]
    TooManyFields,
    /// RFC 9110 section 8.6: one line only, though repeating the same value
    /// could be repaired.
    #[error("Content-Length stands in more than one line")]
    ContentLengthRepeated,
    /// RFC 9110 section 8.6: digits only; lists and signs are refused.
    #[error("Content-Length is not one decimal number")]
    ContentLengthMalformed,
    /// RFC 9110 section 8.6: beware of overflow.
    #[error("Content-Length is larger than can be counted")]
    ContentLengthTooLarge,
    /// RFC 9112 section 6.1.
    #[error("Transfer-Encoding stands in more than one line")]
    TransferEncodingRepeated,
    /// RFC 9112 section 6.1: the single coding `chunked` is understood.
    #[error("Transfer-Encoding is not the single coding chunked")]
    TransferEncodingUnknown,
    /// RFC 9112 section 6.1: treat its framing as faulty.
    #[error("Transfer-Encoding stands in a message of HTTP/1.0")]
    TransferEncodingInHttp10,
    /// RFC 9112 section 6.3: ought to be handled as an error.
    #[error("Content-Length and Transfer-Encoding stand in one head")]
    LengthAndTransferEncoding,
    /// RFC 9110 section 10.1.1: only `100-continue` is known.
    #[error("the request expects something else than 100-continue")]
    ExpectationUnknown,
    /// RFC 9112 section 7.1: hexadecimal digits come first.
    #[error("a chunk does not begin with its size in hexadecimal digits")]
    ChunkSizeMalformed,
    /// RFC 9112 section 7.1: beware of overflow.
    #[error("the size of a chunk has more than 16 digits")]
    ChunkSizeTooLarge,
    /// RFC 9112 section 7.1.1: a quoted string that was never closed, or a
    /// forbidden byte.
    #[error("a chunk extension is malformed")]
    ChunkExtensionMalformed,
    /// RFC 9112 section 7.1.1: a recipient limits chunk extensions.
    #[error("the chunk extensions are longer than their limit")]
    ChunkExtensionsTooLong,
    /// RFC 9112 section 7.1: `chunk-data CRLF`.
    #[error("the data of a chunk are not followed by CRLF")]
    ChunkDataNotEnded,
    /// The trailer section is over a limit of bytes or field lines.
    #[error("the trailer section is larger than its limit")]
    TrailersTooLarge,
    /// RFC 9110 section 6.5.1: framing comes before the content.
    #[error("Content-Length or Transfer-Encoding stands in the trailer section")]
    FramingInTrailers,
    /// RFC 9112 section 8: an incomplete message.
    #[error("the connection ended before the message did")]
    Truncated,
}

impl RefusalKind {
    /// The code for a refused request.
    pub const fn code(self) -> Code {
        match self {
            Self::MethodNotToken
            | Self::MethodTooLong
            | Self::RequestLineMalformed
            | Self::VersionMalformed
            | Self::NotHttp
            | Self::StatusLineMalformed
            | Self::ControlByte
            | Self::FieldWithoutColon
            | Self::FieldNameEmpty
            | Self::FieldNameNotToken => Code::BadRequest,
            Self::VersionUnsupported => Code::VersionNotSupported,
            Self::RequestLineTooLong => Code::UriTooLong,
            Self::HeadTooLong | Self::TooManyFields | Self::TrailersTooLarge => {
                Code::RequestHeadTooLarge
            }
            Self::ExpectationUnknown => Code::ExpectationFailed,
            Self::Truncated => Code::ClientClosed,
            Self::BareCr
            | Self::BareLf
            | Self::SpaceBeforeColon
            | Self::FoldedField
            | Self::ContentLengthRepeated
            | Self::ContentLengthMalformed
            | Self::ContentLengthTooLarge
            | Self::TransferEncodingRepeated
            | Self::TransferEncodingUnknown
            | Self::TransferEncodingInHttp10
            | Self::LengthAndTransferEncoding
            | Self::ChunkSizeMalformed
            | Self::ChunkSizeTooLarge
            | Self::ChunkExtensionMalformed
            | Self::ChunkExtensionsTooLong
            | Self::ChunkDataNotEnded
            | Self::FramingInTrailers => Code::BadFraming,
        }
    }

    /// The code for a refused response.
    pub const fn response_code(self) -> Code {
        match self {
            Self::RequestLineTooLong
            | Self::HeadTooLong
            | Self::TooManyFields
            | Self::TrailersTooLarge => Code::UpstreamHeadTooLarge,
            Self::Truncated => Code::UpstreamTruncated,
            _ => Code::UpstreamProtocolError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_the_codes_that_are_promised_for_them() {
        let cases = [
            (RefusalKind::MethodNotToken, Code::BadRequest, Code::UpstreamProtocolError),
            (RefusalKind::ControlByte, Code::BadRequest, Code::UpstreamProtocolError),
            (RefusalKind::FieldNameNotToken, Code::BadRequest, Code::UpstreamProtocolError),
            (RefusalKind::BareCr, Code::BadFraming, Code::UpstreamProtocolError),
            (RefusalKind::BareLf, Code::BadFraming, Code::UpstreamProtocolError),
            (RefusalKind::SpaceBeforeColon, Code::BadFraming, Code::UpstreamProtocolError),
            (RefusalKind::FoldedField, Code::BadFraming, Code::UpstreamProtocolError),
            (RefusalKind::ContentLengthRepeated, Code::BadFraming, Code::UpstreamProtocolError),
            (RefusalKind::ChunkSizeMalformed, Code::BadFraming, Code::UpstreamProtocolError),
            (
                RefusalKind::VersionUnsupported,
                Code::VersionNotSupported,
                Code::UpstreamProtocolError,
            ),
            (RefusalKind::ExpectationUnknown, Code::ExpectationFailed, Code::UpstreamProtocolError),
            (RefusalKind::RequestLineTooLong, Code::UriTooLong, Code::UpstreamHeadTooLarge),
            (RefusalKind::HeadTooLong, Code::RequestHeadTooLarge, Code::UpstreamHeadTooLarge),
            (RefusalKind::TooManyFields, Code::RequestHeadTooLarge, Code::UpstreamHeadTooLarge),
            (RefusalKind::TrailersTooLarge, Code::RequestHeadTooLarge, Code::UpstreamHeadTooLarge),
            (RefusalKind::Truncated, Code::ClientClosed, Code::UpstreamTruncated),
        ];
        for (kind, request, response) in cases {
            assert_eq!((kind.code(), kind.response_code()), (request, response), "{kind:?}");
        }
    }

    #[test]
    fn a_refusal_says_its_reason_in_one_sentence() {
        let refusal = Refusal::from(RefusalKind::SpaceBeforeColon);
        assert_eq!(refusal.to_string(), "a space stands before the colon of a field line");
    }
}
