//! Logs of jobs.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::artifacts::serve;
use crate::app::App;
use crate::auth::Caller;
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
        (status = 404, description = "No such job, or it has no log", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "There is no such part"),
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let job = app.job(&caller, &id).await?;
    match app.whole_log(&job).await? {
        WholeLog::File(path) => serve(&path, TEXT, request).await,
        WholeLog::Text(text) => Ok(part(request.headers(), text.into_bytes())),
    }
}

/// The bytes that were asked for.
fn part(headers: &HeaderMap, bytes: Vec<u8>) -> Response {
    let range = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    let length = bytes.len();
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(TEXT));
    let accepts = (header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let whole =
        |bytes: Vec<u8>| ([kind.clone(), accepts.clone()], Body::from(bytes)).into_response();
    // Several parts at once may be answered with the whole.
    let Some((first, last)) = range.and_then(|range| one_range(range, length)) else {
        return whole(bytes);
    };
    if first >= length || last < first {
        let unsatisfied = format!("bytes */{length}");
        return (
            StatusCode::RANGE_NOT_SATISFIABLE,
            [(header::CONTENT_RANGE, unsatisfied)],
        )
            .into_response();
    }
    let range = format!("bytes {first}-{last}/{length}");
    let bytes = bytes.get(first..=last).unwrap_or_default().to_vec();
    (
        StatusCode::PARTIAL_CONTENT,
        [(header::CONTENT_RANGE, range)],
        whole(bytes),
    )
        .into_response()
}

/// The first and the last byte of `bytes=0-99`, `bytes=100-` or `bytes=-100`.
fn one_range(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.saturating_sub(1);
    match (first.trim(), last.trim()) {
        ("", last) => Some((length.saturating_sub(last.parse().ok()?), end)),
        (first, "") => Some((first.parse().ok()?, end)),
        (first, last) => Some((first.parse().ok()?, last.parse::<usize>().ok()?.min(end))),
    }
}

/// The log of a job while it grows
///
/// Events `run` when a worker begins with the job, `log` with whole lines of its log, and `end` when nothing more comes.
/// The id of `log` is `RUN:BYTE`, the place behind the lines; with it as `Last-Event-ID` nothing comes twice and
/// nothing is missed. A plain number is that byte of the run that counts.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/log/events", tag = "logs",
    params(
        ("id" = String, Path, description = "The job's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was read"),
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
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = app.job(&caller, &id).await?;
    let cursor = match headers.get("last-event-id") {
        None => Cursor::default(),
        Some(text) => {
            let text = text.to_str().ok().filter(|text| !text.is_empty());
            let cursor = text.and_then(Cursor::parse);
            cursor.ok_or_else(|| Problem::bad_request("the Last-Event-ID is none of ours"))?
        }
    };
    sse::stream(&app, caller, |app, events| {
        follow::follow(app, job.id, cursor, events)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_rfc_9110_has_them() {
        for (range, expected) in [
            ("bytes=0-4", Some((0, 4))),
            ("bytes=5-", Some((5, 9))),
            ("bytes=-3", Some((7, 9))),
            ("bytes=-30", Some((0, 9))),
            ("bytes=8-100", Some((8, 9))),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(one_range(range, 10), expected, "{range}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=10-"));
        let answer = part(&headers, b"0123456789".to_vec());
        assert_eq!(answer.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=2-3"));
        let answer = part(&headers, b"0123456789".to_vec());
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.headers()[header::CONTENT_RANGE], "bytes 2-3/10");
    }
}
