//! What goes back to the client.

pub mod commit;
pub mod error_answer;
pub mod fields;
#[cfg(feature = "router")]
mod reply;

#[cfg(feature = "router")]
pub(crate) use reply::Reply;
#[cfg(feature = "router")]
pub use reply::ReplyBody;
