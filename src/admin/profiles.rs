//! Profiles on request.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::telemetry::profile::{self, CpuError, HeapError};

use super::guard::AdminState;
use super::pages::bad_query;
use super::problem::Problem;

/// Seconds that are sampled unless `?seconds=` says otherwise.
const DEFAULT_SECONDS: u64 = 30;
/// Seconds that are sampled at most: as long as a connection may last.
const MAX_SECONDS: u64 = 60;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CpuQuery {
    seconds: Option<u64>,
}

/// A CPU profile of the seconds to come.
pub(super) async fn cpu(
    State(state): State<AdminState>,
    query: Result<Query<CpuQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| bad_query(error.body_text()))?;
    let seconds = match query.seconds.unwrap_or(DEFAULT_SECONDS) {
        seconds @ 1..=MAX_SECONDS => seconds,
        _ => return Err(bad_query(format!("`seconds` is a number from 1 to {MAX_SECONDS}"))),
    };
    let _listed = state.control().begin_profile(format!("cpu, {seconds} s"));
    match profile::cpu(Duration::from_secs(seconds)).await {
        Ok(file) => Ok(attachment("cpu.pb", file)),
        Err(error @ CpuError::Running) => Err(problem(StatusCode::CONFLICT, &error)),
        Err(error @ CpuError::Failed(_)) => Err(problem(StatusCode::INTERNAL_SERVER_ERROR, &error)),
    }
}

/// A heap profile of this moment.
pub(super) async fn heap(State(state): State<AdminState>) -> Result<Response, Problem> {
    let _listed = state.control().begin_profile("heap".into());
    match profile::heap().await {
        Ok(file) => Ok(attachment("heap.pb.gz", file)),
        Err(error @ HeapError::Off) => Err(problem(StatusCode::NOT_IMPLEMENTED, &error)),
        Err(error @ HeapError::Failed(_)) => {
            Err(problem(StatusCode::INTERNAL_SERVER_ERROR, &error))
        }
    }
}

fn problem(status: StatusCode, error: &dyn std::error::Error) -> Problem {
    Problem::new(status, error.to_string())
}

fn attachment(name: &str, content: Vec<u8>) -> Response {
    let mut response = content.into_response();
    let disposition = format!("attachment; filename=\"{name}\"");
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}
