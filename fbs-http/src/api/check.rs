//! What would come of a spec, without submitting it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::sent::{Sent, WantedForm};
use crate::app::App;
use crate::auth::Caller;
use crate::draft::Wanted;
use crate::plans::PlanView;
use crate::problem::{Problem, WrittenMistake};

/// What came of a check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Checked {
    /// Whether it could be submitted.
    valid: bool,
    /// Every mistake.
    mistakes: Vec<WrittenMistake>,
    /// What would be built.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// The spec as a worker would read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<String>,
}

/// Looks for mistakes in a spec and its kickstart; nothing is submitted
#[utoipa::path(
    post, path = "/api/v1/check", tag = "jobs",
    request_body(content((Wanted = "application/json"), (String = "text/plain"), (WantedForm = "multipart/form-data"))),
    responses(
        (status = 200, body = Checked),
        (status = 400, description = "No request of ours", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Larger than a request may be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON, text nor a form", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn check(
    State(app): State<App>,
    caller: Caller,
    sent: Sent,
) -> Result<Json<Checked>, Problem> {
    Ok(Json(match app.check(&caller, sent.wanted).await {
        Ok(request) => Checked {
            valid: true,
            mistakes: Vec::new(),
            title: Some(request.title),
            spec: request.payload.map(|payload| payload.spec),
        },
        Err(mistakes) => Checked {
            valid: false,
            mistakes,
            title: None,
            spec: None,
        },
    }))
}

/// What would be done for a spec; nothing is submitted
///
/// Which tool makes the image and why, where packages come from, what Koji knows of the builds that are named, what
/// the job would wait for, and every command.
#[utoipa::path(
    post, path = "/api/v1/plan", tag = "jobs",
    request_body(content((Wanted = "application/json"), (String = "text/plain"), (WantedForm = "multipart/form-data"))),
    responses(
        (status = 200, body = PlanView),
        (status = 400, description = "No request of ours", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Larger than a request may be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON, text nor a form", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Every mistake in the spec", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn plan(
    State(app): State<App>,
    caller: Caller,
    sent: Sent,
) -> Result<Json<PlanView>, Problem> {
    let request = app.check(&caller, sent.wanted).await;
    let request = request.map_err(Problem::invalid)?;
    Ok(Json(app.plan(&request).await?))
}
