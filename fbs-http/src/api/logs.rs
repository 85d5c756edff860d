//! Logs of jobs.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;

use crate::app::App;
use crate::auth::Caller;
use crate::files::{self, State as FileState};
use crate::follow::{self, Cursor};
use crate::logs::WholeLog;
use crate::problem::Problem;
use crate::sse;

const TEXT: &str = "text/plain; charset=utf-8";

/// The log of a job, as far as there is one
///
/// `Range: bytes=1000-` gives what comes from that byte on.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/log", tag = "logs", params(("id" = String, Path, description = "The job's id")),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 206, description = "The part that was asked for", body = String, content_type = "text/plain"),
        (status = 304, description = "It is the one that `If-None-Match` names"),
        (status = 404, description = "No such job, or it has no log", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not the one that `If-Match` names", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "There is no such part; `Content-Range` has the length", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    request: Parts,
) -> Result<Response, Problem> {
    let job = app.job(&caller, &id).await?;
    match app.whole_log(&job).await? {
        WholeLog::File(path) => files::file(&path, TEXT, FileState::Growing, &request).await,
        WholeLog::Text(text) => Ok(files::text(text, TEXT, &request).await),
    }
}

/// Where somebody has read to who cannot say so with a header.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadQuery {
    after: Option<String>,
}

/// The log of a job while it grows
///
/// Events `run` when a worker begins with the job, `log` with whole lines of its log, `progress` with how far the running
/// stage is, of one stage at most once a second, and `end` when nothing more comes.
/// The id of `log` is `RUN:BYTE`, the place behind the lines; with it as `Last-Event-ID` nothing comes twice and
/// nothing is missed. A plain number is that byte of the run that counts. `after` says the same where no header can be sent, as
/// with a new `EventSource`; the header goes before it, since a browser that comes again sends both.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/log/events", tag = "logs",
    params(
        ("id" = String, Path, description = "The job's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was read"),
        ("after" = Option<String>, Query, description = "The same, for who cannot send that header"),
    ),
    responses(
        (status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"),
        (status = 400, description = "No id of an event", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many follow something already", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn follow(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let job = app.job(&caller, &id).await?;
    let header = headers.get("last-event-id");
    let header = header.map(|text| text.to_str().unwrap_or_default());
    let cursor = match header.or(query.after.as_deref()) {
        None => Cursor::default(),
        Some(text) => Cursor::parse(text)
            .ok_or_else(|| Problem::bad_request("the id of the last event is none of ours"))?,
    };
    sse::stream(&app, caller, |app, events| {
        follow::follow(app, job.id, cursor, events)
    })
}
