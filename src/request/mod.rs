//! What is known of a request once it is admitted.

mod head;

pub use head::{ClientInfo, RequestHead, RequestHeadParts};
