//! The taxonomy of what can go wrong.
//!
//! One [`Code`] names one failure, and is the same word in the answer, the
//! access log, the metric label, the trace and `pointsman explain`. Everything
//! else about a failure (status, RFC 9209 type, stage, blame, what to do) is
//! looked up by its code in one table, which is proved complete when it is
//! compiled. So two places cannot say different things about one failure, and
//! `docs/errors.md` is printed from the same rows.
//!
//! A [`RouterError`] is one occurrence: a code, one sentence, and the attempts
//! made before. It is plain owned data. What the client gets is built from it
//! in a fresh field list by [`crate::respond::error_answer`], never by writing
//! into something an attempt holds.

mod blame;
mod catalogue;
mod code;
mod nearest;
mod retry_class;
mod router_error;
mod stage;
mod table;

pub use blame::Blame;
pub use catalogue::catalogue_markdown;
pub use code::{Answer, Code, Explanation};
pub use nearest::UnknownCode;
pub use retry_class::RetryClass;
pub use router_error::{AttemptOutcome, AttemptRecord, RouterError};
pub use stage::Stage;
