//! HTTP/1 without I/O: bytes in, typed heads and body frames out, and back.
//!
//! Nothing here reads a socket, a clock or a configuration. The loops that do
//! stand in `listen` and `upstream`; they own the buffers and ask this module
//! what the bytes mean. So every rule can be tested, fuzzed and proved
//! independent of how the bytes were cut into packets.
//!
//! The codec is strict by RFC 9112, on both sides, because a router stands
//! between two parsers: wherever it would repair a message, the sender and the
//! receiver may disagree about where that message ends, and that is request
//! smuggling. What is not clearly one message is refused with a typed
//! [`RefusalKind`] and the connection is given up; nothing of it is forwarded.
//! Faults are reported in the order of their bytes, so that a head refused in
//! one piece is refused for the same reason when it trickles in.
//!
//! | file | idea |
//! |---|---|
//! | `reader` | [`HeadReader`]: finds the end of a head once, however it arrives |
//! | `scan` | ends of lines; no bare CR, bare LF or control byte passes it |
//! | `request`, `response` | the start lines, and what a whole head means |
//! | `section`, `fields` | field lines, zero-copy and in order |
//! | `meaning` | Content-Length, Transfer-Encoding, Connection, Expect |
//! | `body`, `chunk`, `trailers` | [`BodyDecoder`]: the content after a head |
//! | `encode`, `encode_body` | heads, chunks and trailers, written |
//! | `refusal`, `seen` | what was wrong, and what could be read all the same |

mod body;
mod chunk;
mod encode;
mod encode_body;
mod fields;
mod meaning;
mod message;
mod octets;
mod reader;
mod refusal;
mod request;
mod response;
mod scan;
mod section;
mod seen;
mod trailers;

pub use body::{BodyDecoder, Decoded};
pub use chunk::{MAX_EXTENSION_BYTES_A_BODY, MAX_EXTENSION_BYTES_A_CHUNK};
pub use encode::{encode_informational, encode_request_head, encode_response_head};
pub use encode_body::{CHUNK_TAIL, encode_chunk_head, encode_last_chunk};
pub use fields::{FieldLines, FieldValue, Lines};
pub use message::{Framing, HeadLimits, Version};
pub use reader::HeadReader;
pub use refusal::{Refusal, RefusalKind};
pub use request::{MAX_METHOD_BYTES, ParsedRequest};
pub use response::ParsedResponse;
pub use seen::{MAX_SEEN_TARGET_BYTES, SeenHead};
pub(crate) use trailers::may_trail;
