//! The admin side as an OpenAPI document.
//!
//! Written by hand, since it is a promise and not a by-product; tests hold it
//! against what is served.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// The document of this build.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    #[allow(unused_mut, reason = "only what a build lacks is taken out")]
    let mut document: Value =
        serde_json::from_str(include_str!("openapi.json")).unwrap_or_default();
    #[cfg(not(feature = "profiling"))]
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| !path.starts_with("/debug/pprof/"));
    }
    document.to_string()
});

/// The document.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
