//! `/jobs/ID`: everything about a job.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use image_builder::delivery::{Delivered, DeliveredFile};
use image_builder::report::BuildReport;
use jiff::Timestamp;

use super::{Trouble, Who, page, show};
use crate::api::href;
use crate::app::App;
use crate::auth::Caller;
use crate::changes::Changes;
use crate::images::ImagesView;
use crate::view::JobView;

#[derive(Debug, Template)]
#[template(path = "job.html")]
struct JobPage {
    who: Who,
    /// Whether who looks may cancel it.
    owned: bool,
    job: JobView,
    ended: bool,
    steps: Vec<ShownStep>,
    files: Vec<DeliveredFile>,
    images: Option<ImagesView>,
    report: Option<BuildReport>,
    /// What is not the same in the image before it.
    changes: Option<Changes>,
    boots: Vec<Boot>,
}

/// What a job was, and for how long.
#[derive(Debug)]
struct ShownStep {
    time: String,
    what: &'static str,
    cause: String,
    took: String,
}

/// How the image booted.
#[derive(Debug)]
struct Boot {
    firmware: String,
    passed: bool,
    line: Option<String>,
    screenshot: Option<String>,
}

impl JobPage {
    fn href(&self, name: &str) -> String {
        href(&self.job.line.id, name)
    }
}

fn steps(job: &JobView, ended: bool) -> Vec<ShownStep> {
    let now = Timestamp::now();
    let ends = job.history.iter().skip(1).map(|step| Some(step.time));
    let ends = ends.chain([(!ended).then_some(now)]);
    let shown = job.history.iter().zip(ends);
    shown
        .map(|(step, end)| ShownStep {
            time: show::time(&step.time),
            what: step.stage.unwrap_or(step.state),
            cause: step.cause.clone(),
            took: end.map_or_else(String::new, |end| show::between(&step.time, &end)),
        })
        .collect()
}

fn boots(id: &str, delivered: &Delivered) -> Vec<Boot> {
    let verdicts = delivered.report.boot_tests.iter();
    verdicts
        .map(|verdict| {
            let name = verdict
                .screenshot
                .as_ref()
                .and_then(|path| path.file_name());
            let name = name.map(|name| name.to_string_lossy().into_owned());
            let name = name.filter(|name| delivered.file(name).is_some());
            let failure = verdict.failure.as_ref().map(|failure| failure.summary());
            Boot {
                firmware: verdict.firmware.to_string().to_uppercase(),
                passed: verdict.passed,
                line: verdict.matched_line.clone().or(failure),
                screenshot: name.map(|name| href(id, &name)),
            }
        })
        .collect()
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let job = app.job(&caller, &id).await?;
    let waits = app.waits(&job).await?;
    let images = app.images_of(&job).await?;
    let delivered = Delivered::of(&app.images, &job.id).await;
    let ended = job.state.is_final();
    let owned = caller.owns(&job.request.requester);
    let changes = app.changes(&caller, &job, delivered.as_ref()).await?;
    let job = JobView::new(&job, waits);
    let template = JobPage {
        who: Who::of(&app, &caller),
        owned,
        changes,
        steps: steps(&job, ended),
        images,
        files: delivered.as_ref().map(Delivered::files).unwrap_or_default(),
        boots: delivered
            .as_ref()
            .map(|delivered| boots(&job.line.id, delivered))
            .unwrap_or_default(),
        report: delivered.map(|delivered| delivered.report),
        job,
        ended,
    };
    page(StatusCode::OK, &template)
}

/// The address that mails name.
pub(super) async fn log(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let job = app.job(&caller, &id).await?;
    Ok(Redirect::temporary(&format!("/api/v1/jobs/{}/log", job.id)).into_response())
}

pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let job = app.job(&caller, &id).await?;
    // Who was a moment too late sees how it has ended.
    if !job.state.is_final() {
        app.cancel(&caller, &job, None).await?;
    }
    Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response())
}

pub(super) async fn retry(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let job = app.job(&caller, &id).await?;
    let job = app.again(&caller, &job, None).await?.job;
    Ok(Redirect::to(&format!("/jobs/{job}")).into_response())
}

pub(super) async fn pin(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let job = app.job(&caller, &id).await?;
    app.pin(&caller, &job).await?;
    Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response())
}

pub(super) async fn unpin(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let job = app.job(&caller, &id).await?;
    app.unpin(&caller, &job).await?;
    Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response())
}
