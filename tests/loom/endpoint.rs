//! What cores of `src/endpoint` need of each other.

#[path = "../../src/endpoint/pace.rs"]
pub(crate) mod pace;
