//! What is alive, for whoever looks for a leak.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::lifecycle::TaskKind;

use super::guard::AdminState;
use super::lists;
use super::pages::bad_query;
use super::problem::Problem;
use super::views::TaskView;

/// Which tasks are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TaskQuery {
    kind: Option<String>,
    older_than: Option<String>,
    limit: Option<usize>,
}

/// How many tasks of each kind are alive, and the oldest of those asked for.
pub(super) async fn tasks(
    State(state): State<AdminState>,
    query: Result<Query<TaskQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| bad_query(error.body_text()))?;
    let (kind, limit) = (query.kind()?, lists::limit(query.limit)?);
    let older_than = lists::older_than(query.older_than.as_deref())?;
    let mut tasks = state.control().tasks();
    let counts = json!(counts(&tasks));
    tasks.retain(|task| {
        kind.is_none_or(|kind| kind.as_str() == task.kind)
            && Duration::from_millis(task.age_ms) >= older_than
    });
    tasks.sort_unstable_by(|a, b| {
        let key = |task: &TaskView| std::cmp::Reverse(task.age_ms);
        (key(a), &a.kind, &a.subject).cmp(&(key(b), &b.kind, &b.subject))
    });
    let left_out = tasks.len().saturating_sub(limit);
    tasks.truncate(limit);
    Ok(Json(json!({ "counts": counts, "tasks": tasks, "left_out": left_out })).into_response())
}

/// Every kind, those without a task too.
fn counts(tasks: &[TaskView]) -> BTreeMap<&str, u64> {
    let mut counts: BTreeMap<&str, u64> =
        TaskKind::ALL.iter().map(|kind| (kind.as_str(), 0)).collect();
    for task in tasks {
        *counts.entry(&task.kind).or_default() += 1;
    }
    counts
}

impl TaskQuery {
    fn kind(&self) -> Result<Option<TaskKind>, Problem> {
        let Some(name) = &self.kind else { return Ok(None) };
        let known = TaskKind::ALL.into_iter().find(|kind| kind.as_str() == name);
        let wrong = || {
            let names: Vec<&str> = TaskKind::ALL.iter().map(|kind| kind.as_str()).collect();
            bad_query(format!("`kind` is one of {}", names.join(", ")))
        };
        known.map(Some).ok_or_else(wrong)
    }
}
