//! Where a message begins and ends, and what it says: every way two readers
//! could disagree about it, each refused with its code or forwarded as the
//! one reading the router took.
//!
//! Each case stands beside the requirement it comes from. A case sends its
//! bytes on a connection of its own, to one router and one endpoint for all;
//! nothing it sends may reach the endpoint in any other form than the case
//! says, and what reaches the endpoint is read by a strict reader of the
//! harness, which writes down every violation.

mod case;
mod chunks;
mod connections;
mod content_length;
mod desync;
mod field_lines;
mod hosts;
mod limits;
mod paths;
mod pipelining;
mod request_line;
mod response_case;
mod response_chunks;
mod responses;
mod target_forms;
mod trailers;
mod transfer_encoding;
