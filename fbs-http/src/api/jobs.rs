//! Jobs.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use image_builder::jobs::{JobFilter, JobId, JobState, JobSummary};
use image_builder::master::{OnceKey, Submitted};
use image_builder::worker::line_state;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

use super::sent::{Sent, WantedForm};
use crate::app::App;
use crate::auth::Caller;
use crate::draft::{self, Wanted};
use crate::kept::Kept;
use crate::paging;
use crate::problem::Problem;
use crate::view::{JobLine, JobView, Waits};

/// As many jobs a list has unless somebody says otherwise.
const LIMIT: u32 = 50;

/// As many as it has at most.
const LARGEST: u32 = 200;

/// The longest key, in bytes.
const LONGEST_KEY: usize = 255;

/// The answers that were given last about jobs that everybody may see: some kilobytes each.
pub(crate) type KeptAnswers = Kept<JobId, Bytes, 1024>;

/// What is asked of a list of jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Names of states, with commas between them; all if absent.
    pub(crate) state: Option<String>,
    /// An architecture.
    pub(crate) arch: Option<String>,
    /// A release.
    pub(crate) release: Option<String>,
    /// Who asked.
    pub(crate) requester: Option<String>,
    /// Words that all stand in the id, the title, the spec or the name of who asked: `vim 43`, a build, a side tag.
    pub(crate) q: Option<String>,
    /// Jobs before this one: `next` of a list has it.
    pub(crate) before: Option<String>,
    /// At most so many: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
}

/// A list of jobs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobList {
    pub(crate) jobs: Vec<JobLine>,
    /// The address of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl ListQuery {
    pub(crate) fn filter(&self, caller: &Caller) -> Result<JobFilter, Problem> {
        const STATES: [&str; 6] = [
            "queued",
            "running",
            "delivering",
            "succeeded",
            "failed",
            "cancelled",
        ];
        let states: Vec<String> = self
            .state
            .iter()
            .flat_map(|states| states.split(','))
            .map(|state| state.trim().to_owned())
            .filter(|state| !state.is_empty())
            .collect();
        if let Some(wrong) = states
            .iter()
            .find(|state| !STATES.contains(&state.as_str()))
        {
            return Err(
                Problem::bad_request(format!("{wrong:?} is no state of a job"))
                    .with_hint(format!("there are {}", STATES.join(", "))),
            );
        }
        let before = self.before.as_deref().map(|text| {
            JobId::parse(text).ok_or_else(|| Problem::bad_request("`before` is no id of a job"))
        });
        let limit = paging::limit(self.limit, LIMIT, LARGEST)?;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(JobFilter {
            states,
            arch: given(&self.arch),
            release: given(&self.release),
            requester: given(&self.requester),
            words: self.q.clone().unwrap_or_default(),
            viewer: caller.viewer(),
            before: before.transpose()?,
            limit,
        })
    }

    /// The address of what comes behind a page, beginning with `path`.
    pub(crate) fn next(&self, path: &str, last: &str) -> String {
        self.address(path, Some(last))
    }

    /// The address of the same page, beginning with `path`.
    pub(crate) fn itself(&self, path: &str) -> String {
        self.address(path, self.before.as_deref())
    }

    fn address(&self, path: &str, before: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("state", &self.state),
            ("arch", &self.arch),
            ("release", &self.release),
            ("requester", &self.requester),
            ("q", &self.q),
        ] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                query.append_pair(name, value);
            }
        }
        if let Some(limit) = self.limit {
            query.append_pair("limit", &limit.to_string());
        }
        if let Some(before) = before {
            query.append_pair("before", before);
        }
        format!("{path}?{}", query.finish())
    }
}

/// Jobs that are known, with what those wait for that wait.
pub(crate) async fn lines(app: &App, jobs: Vec<JobSummary>) -> Result<Vec<JobLine>, Problem> {
    let workers = app.masters.present();
    let waiting = jobs.iter().filter(|job| job.state == JobState::Queued);
    let waiting: Vec<JobId> = waiting.map(|job| job.id.clone()).collect();
    let mut places = match waiting.as_slice() {
        [] => BTreeMap::new(),
        waiting => app.store.places(waiting).await?,
    };
    let line = |job: JobSummary| {
        let waits = places.remove(&job.id).map(|place| Waits {
            before: place.before,
            reason: line_state(&place.line, &BTreeMap::new(), &workers),
        });
        JobLine {
            waits,
            ..JobLine::from(job)
        }
    };
    Ok(jobs.into_iter().map(line).collect())
}

/// Jobs, the newest first
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "jobs", params(ListQuery),
    responses(
        (status = 200, body = JobList),
        (status = 400, description = "A filter that is none", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The records cannot be asked now", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<JobList>, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let filter = query.filter(&caller)?;
    let jobs = app.store.jobs(&filter).await?;
    let last = paging::last(&jobs, filter.limit);
    let next = last.map(|last| query.next("/api/v1/jobs", last.id.as_str()));
    Ok(Json(JobList {
        jobs: lines(&app, jobs).await?,
        next,
    }))
}

/// Asks for an image
///
/// The spec is checked whole before anything is submitted. With an `Idempotency-Key` the same request may be sent
/// again, within a day and also after a break or a restart: it makes one job.
#[utoipa::path(
    post, path = "/api/v1/jobs", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "A word of the client's for this wish")),
    request_body(content((Wanted = "application/json"), (String = "text/plain"), (WantedForm = "multipart/form-data"))),
    responses(
        (status = 201, description = "It is submitted", body = JobView,
            headers(("Location" = String, description = "The job"))),
        (status = 200, description = "It was submitted before with the same key", body = JobView),
        (status = 400, description = "No request of ours", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Larger than a request may be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON, text nor a form", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Every mistake in the spec", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "One has as much as one may", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue cannot be reached now", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Sent { wanted, wish }: Sent,
) -> Result<Response, Problem> {
    let once = once(&headers, || wish)?;
    if let Some(submitted) = app.answered_before(&caller, once.as_ref()).await? {
        return app.answer(submitted).await;
    }
    let request = app.check(&caller, wanted).await;
    let request = request.map_err(Problem::invalid)?;
    let submitted = app.submit(&caller, request, once.as_ref()).await?;
    app.answer(submitted).await
}

impl App {
    /// 201 with the job, or 200 if it was submitted before.
    pub(super) async fn answer(&self, submitted: Submitted) -> Result<Response, Problem> {
        let Submitted {
            job: id,
            again,
            record,
        } = submitted;
        let place = format!("/api/v1/jobs/{id}");
        let status = match again {
            true => StatusCode::OK,
            false => StatusCode::CREATED,
        };
        // It is in the queue, and may be in the records a moment later.
        let mut response = match record {
            Some(job) => {
                let waits = self.waits(&job).await.unwrap_or_default();
                (status, Json(JobView::new(&job, waits))).into_response()
            }
            None => (status, Json(serde_json::json!({ "id": id }))).into_response(),
        };
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        Ok(response)
    }
}

/// The key that a client sent along.
pub(super) fn once(
    headers: &HeaderMap,
    wish: impl FnOnce() -> String,
) -> Result<Option<OnceKey>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
    let key = key.ok_or_else(|| {
        Problem::bad_request(format!(
            "the Idempotency-Key is 1 to {LONGEST_KEY} characters of ASCII"
        ))
    })?;
    Ok(Some(OnceKey {
        key: key.to_owned(),
        wish: wish(),
    }))
}

/// A job with all that is known of it
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "The job's id")),
    responses(
        (status = 200, body = JobView),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let version = app.masters.version();
    let known = JobId::parse(&id);
    if let Some(answer) = known.and_then(|id| app.answers.fresh(&id, version)) {
        return Ok(json(answer));
    }
    let job = app.job(&caller, &id).await?;
    let waits = app.waits(&job).await?;
    let view = serde_json::to_vec(&JobView::new(&job, waits));
    let failed = |error: serde_json::Error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    };
    let answer = Bytes::from(view.map_err(failed)?);
    // The others are read each time: who may see them is asked then.
    if !job.request.private {
        app.answers.keep(job.id, version, answer.clone());
    }
    Ok(json(answer))
}

fn json(answer: Bytes) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], answer).into_response()
}

/// Why a job is not wanted any more.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CancelWanted {
    /// For people.
    reason: Option<String>,
}

/// Cancels a job
///
/// One that waits has ended then; one that is built ends as soon as its worker has heard of it.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path, description = "The job's id")),
    request_body(content((Option<CancelWanted> = "application/json"))),
    responses(
        (status = 200, body = JobView),
        (status = 400, description = "No request of ours", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "It is somebody else's", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended already", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<JobView>, Problem> {
    let wanted: CancelWanted = draft::json_if_any(&body)?;
    let job = app.job(&caller, &id).await?;
    let job = app.cancel(&caller, &job, wanted.reason).await?;
    let waits = app.waits(&job).await?;
    Ok(Json(JobView::new(&job, waits)))
}

/// Asks for the same as an ended job once more
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/retry", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "A word of the client's for this wish"),
    ),
    responses(
        (status = 201, description = "The new job", body = JobView,
            headers(("Location" = String, description = "The new job"))),
        (status = 200, description = "It was submitted before with the same key", body = JobView),
        (status = 400, description = "No key of ours", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has not ended, or one has as much as one may", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for another wish", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn retry(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = app.job(&caller, &id).await?;
    let once = once(&headers, || format!("retry {id}"))?;
    let submitted = app.again(&caller, &job, once.as_ref()).await?;
    app.answer(submitted).await
}
