//! The framing suite without hosts and forms of target that no certificate is
//! for: under TLS those are `misdirected`.

#[path = "../../e2e/framing/case.rs"]
mod case;
#[path = "../../e2e/framing/chunks.rs"]
mod chunks;
#[path = "../../e2e/framing/connections.rs"]
mod connections;
#[path = "../../e2e/framing/content_length.rs"]
mod content_length;
#[path = "../../e2e/framing/field_lines.rs"]
mod field_lines;
#[path = "../../e2e/framing/limits.rs"]
mod limits;
#[path = "../../e2e/framing/paths.rs"]
mod paths;
#[path = "../../e2e/framing/pipelining.rs"]
mod pipelining;
#[path = "../../e2e/framing/request_line.rs"]
mod request_line;
#[path = "../../e2e/framing/response_case.rs"]
mod response_case;
#[path = "../../e2e/framing/response_chunks.rs"]
mod response_chunks;
#[path = "../../e2e/framing/responses.rs"]
mod responses;
#[path = "../../e2e/framing/trailers.rs"]
mod trailers;
#[path = "../../e2e/framing/transfer_encoding.rs"]
mod transfer_encoding;
