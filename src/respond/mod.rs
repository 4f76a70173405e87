//! What goes back to the client.

mod fields;

pub use fields::{ResponsePolicy, informational_fields, response_fields, response_trailers};
