//! Jobs like another one, with changes.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use image_builder::jobs::{Job, PrepareError};
use image_builder::spec::{BuildSpec, Format, ImageType, Override};
use serde::Deserialize;
use utoipa::ToSchema;

use super::jobs::once;
use crate::app::App;
use crate::auth::Caller;
use crate::draft::{self, Wanted};
use crate::problem::{Problem, WrittenMistake, mistakes_of};
use crate::view::JobView;

/// What is to be other than in the first job.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CloneWanted {
    /// Keys of the spec, each `KEY` or `SECTION.KEY`, with their values as in INI; an empty value takes one away.
    set: BTreeMap<String, String>,
    /// Another kickstart.
    kickstart: Option<String>,
    /// Another priority.
    priority: Option<i8>,
    /// A job that nobody has begun with in this time is not needed any more: `12h`, `30m`.
    deadline: Option<String>,
    /// Whether only who asks and administrators may see it.
    private: Option<bool>,
}

impl CloneWanted {
    /// The first job's wish with these changes.
    fn of(self, job: &Job) -> Result<Wanted, Vec<WrittenMistake>> {
        let Some(payload) = &job.request.payload else {
            return Err(vec![WrittenMistake::new(
                "what the job was built from is not known any more",
            )]);
        };
        let read = self.set.iter().map(|(key, value)| {
            let read = format!("{key}={value}").parse::<Override>();
            read.map_err(|error| WrittenMistake {
                key: Some(key.clone()),
                hint: error.hint,
                ..WrittenMistake::new(error.problem)
            })
        });
        let (overrides, mistakes): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
        if !mistakes.is_empty() {
            return Err(mistakes.into_iter().filter_map(Result::err).collect());
        }
        let overrides: Vec<Override> = overrides.into_iter().flatten().collect();
        let spec = BuildSpec::parse_with(&payload.spec, Format::Ini, "spec", &overrides);
        let spec = spec.map_err(|error| mistakes_of(&PrepareError::Spec(error)))?;
        // That of a live image is of no use to a boot image.
        let first = payload.kickstart.clone();
        let first = first.filter(|_| spec.image_type() != ImageType::Boot);
        Ok(Wanted {
            kickstart: self.kickstart.or(first),
            priority: self.priority.unwrap_or(job.request.priority.0),
            deadline: self.deadline,
            private: self.private.unwrap_or(job.request.private),
            ..Wanted::ini(spec.to_ini())
        })
    }
}

/// Asks for the same as another job, with changes
///
/// `{"set": {"nvr": "vim-9.1.1900-1.fc43"}}` has the same image with another build. The first job may still be at work.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/clone", tag = "jobs",
    params(
        ("id" = String, Path, description = "The first job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "A word of the client's for this wish"),
    ),
    request_body(content((Option<CloneWanted> = "application/json"))),
    responses(
        (status = 201, description = "The new job", body = JobView,
            headers(("Location" = String, description = "The new job"))),
        (status = 200, description = "It was submitted before with the same key", body = JobView),
        (status = 400, description = "No request of ours", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "One has as much as one may", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Larger than a request may be", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Every mistake in the changed spec", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn clone(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let changes: CloneWanted = draft::json_if_any(&body)?;
    let once = once(&headers, || {
        format!("clone {id} {}", String::from_utf8_lossy(&body))
    })?;
    if let Some(submitted) = app.answered_before(&caller, once.as_ref()).await? {
        return app.answer(submitted).await;
    }
    let first = app.job(&caller, &id).await?;
    let wanted = changes.of(&first).map_err(Problem::invalid)?;
    let request = app.check(&caller, wanted).await;
    let mut request = request.map_err(Problem::invalid)?;
    request.retry_of = Some(first.id);
    let submitted = app.submit(&caller, request, once.as_ref()).await?;
    app.answer(submitted).await
}
