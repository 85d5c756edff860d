//! What was delivered of a job.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use image_builder::delivery::{Delivered, REPORT};
use image_builder::jobs::Job;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::artifacts::content_type;
use crate::auth::Caller;
use crate::changes::Changes;
use crate::files::{self, State as FileState};
use crate::images::{ImagesView, RemovalView};
use crate::problem::Problem;

/// What was delivered of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Artifacts {
    /// The files that can be had here.
    files: Vec<Artifact>,
    /// Everywhere that it was delivered to.
    places: Vec<String>,
    /// How long the images among them stay, if there are or were any here.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<ImagesView>,
}

/// A file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Artifact {
    /// Its name.
    name: String,
    /// Its size in bytes.
    size: u64,
    /// Its SHA-256, as hex; of log and report, which are written last, there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Its address.
    href: String,
}

/// The address of a file of a job.
pub(crate) fn href(job: &str, name: &str) -> String {
    let mut href = format!("/api/v1/jobs/{job}/artifacts/");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                href.push(char::from(byte));
            }
            other => href.push_str(&format!("%{other:02X}")),
        }
    }
    href
}

fn nothing_here(job: &Job) -> Problem {
    if !job.state.is_final() {
        return Problem::not_found(format!("job {} has not ended: it is {}", job.id, job.state));
    }
    let places = job.ending.iter().flat_map(|ending| &ending.places);
    let places: Vec<&str> = places.map(String::as_str).collect();
    let problem = Problem::not_found(format!("nothing of job {} was delivered here", job.id));
    match places.as_slice() {
        [] => problem,
        places => problem.with_hint(format!("it was delivered to {}", places.join(", "))),
    }
}

fn gone(job: &Job, removed: &RemovalView) -> Problem {
    let day = removed.time.strftime("%Y-%m-%d");
    let words = format!(
        "the image of job {} was removed on {day}, because {}",
        job.id, removed.because
    );
    let hint = format!("POST /api/v1/jobs/{}/retry builds it again", job.id);
    Problem::new(StatusCode::GONE, words).with_hint(hint)
}

/// The report of a job's build
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/report", tag = "artifacts", params(("id" = String, Path, description = "The job's id")),
    responses(
        (status = 200, description = "As docs/report.md has it", body = serde_json::Value),
        (status = 206, description = "The part that was asked for", body = Vec<u8>, content_type = "application/json"),
        (status = 304, description = "It is the one that `If-None-Match` names"),
        (status = 404, description = "No such job, or none was delivered here", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not the one that `If-Match` names", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "There is no such part; `Content-Range` has the length", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn report(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    request: Parts,
) -> Result<Response, Problem> {
    let job = app.job(&caller, &id).await?;
    let delivered = Delivered::of(&app.images, &job.id).await;
    match delivered.and_then(|delivered| delivered.file(REPORT)) {
        Some(path) => {
            let kind = "application/json";
            files::file(&path, kind, FileState::Written, &request).await
        }
        None => Err(nothing_here(&job)),
    }
}

/// The files of a job
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/artifacts", tag = "artifacts", params(("id" = String, Path, description = "The job's id")),
    responses(
        (status = 200, body = Artifacts),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Artifacts>, Problem> {
    let job = app.job(&caller, &id).await?;
    let images = app.images_of(&job).await?;
    let delivered = Delivered::of(&app.images, &job.id).await;
    let files = delivered
        .map(|delivered| delivered.files())
        .unwrap_or_default();
    let files = files.into_iter().map(|file| Artifact {
        href: href(job.id.as_str(), &file.name),
        name: file.name,
        size: file.size,
        sha256: file.sha256,
    });
    Ok(Json(Artifacts {
        files: files.collect(),
        places: job.ending.map(|ending| ending.places).unwrap_or_default(),
        images,
    }))
}

/// The packages that are not the same as in the image before
///
/// That is the last one that succeeded before it, of the same type, release and architecture, and of those that one may see.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/changes", tag = "artifacts", params(("id" = String, Path, description = "The job's id")),
    responses(
        (status = 200, body = Changes),
        (status = 404, description = "No such job, or there is no other image", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn changes(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Changes>, Problem> {
    let job = app.job(&caller, &id).await?;
    let delivered = Delivered::of(&app.images, &job.id).await;
    let changes = app.changes(&caller, &job, delivered.as_ref()).await?;
    changes.map(Json).ok_or_else(|| match delivered {
        None => nothing_here(&job),
        Some(_) => Problem::not_found(format!(
            "no image was made here before that of job {} and is like it",
            job.id
        )),
    })
}

/// A file of a job, or a part of it
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/artifacts/{name}", tag = "artifacts",
    params(
        ("id" = String, Path, description = "The job's id"),
        ("name" = String, Path, description = "The file's name, as the list has it"),
    ),
    responses(
        (status = 200, content(
            (Vec<u8> = "application/octet-stream"), (serde_json::Value = "application/json"), (String = "text/plain"),
            (Vec<u8> = "image/png"),
        )),
        (status = 206, description = "The part that was asked for", content(
            (Vec<u8> = "application/octet-stream"), (Vec<u8> = "application/json"), (Vec<u8> = "text/plain"),
            (Vec<u8> = "image/png"),
        )),
        (status = 304, description = "It is the one that `If-None-Match` names"),
        (status = 404, description = "No such job, or no such file of it", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The image was removed, and why", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not the one that `If-Match` names", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "There is no such part; `Content-Range` has the length", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn file(
    State(app): State<App>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
    request: Parts,
) -> Result<Response, Problem> {
    let job = app.job(&caller, &id).await?;
    let delivered = Delivered::of(&app.images, &job.id).await;
    let delivered = delivered.ok_or_else(|| nothing_here(&job))?;
    if delivered.images().any(|file| file.name == name)
        && let Some(images) = app.images_of(&job).await?
        && let Some(removed) = images.removed
    {
        return Err(gone(&job, &removed));
    }
    let path = delivered
        .file(&name)
        .ok_or_else(|| Problem::not_found(format!("job {} has no file {name:?}", job.id)))?;
    let sum = delivered.report.files.iter().find(|file| file.name == name);
    let state = sum.map_or(FileState::Written, |file| FileState::Sum(&file.sha256));
    files::file(&path, content_type(&name), state, &request).await
}

/// Keeps the image of a job
///
/// It stays until it is unpinned, however old it is and however little space there is.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/pin", tag = "artifacts", params(("id" = String, Path, description = "The job's id")),
    responses(
        (status = 200, description = "It is pinned, by whoever did so first", body = ImagesView),
        (status = 403, description = "It is somebody else's", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no image yet, or none any more", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn pin(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ImagesView>, Problem> {
    let job = app.job(&caller, &id).await?;
    Ok(Json(app.pin(&caller, &job).await?))
}

/// Keeps the image of a job no longer than others
///
/// If its time is over by now, people are told before it is removed.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/unpin", tag = "artifacts", params(("id" = String, Path, description = "The job's id")),
    responses(
        (status = 200, description = "It is not pinned, or was not", body = ImagesView),
        (status = 403, description = "It is somebody else's", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no image yet, or none any more", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn unpin(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ImagesView>, Problem> {
    let job = app.job(&caller, &id).await?;
    Ok(Json(app.unpin(&caller, &job).await?))
}
