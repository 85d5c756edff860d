//! Workers.

use axum::Json;
use axum::extract::State;
use image_builder::jobs::JobId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::view::WorkerView;

/// The workers that were heard of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkerList {
    workers: Vec<WorkerView>,
}

/// The workers that were heard of since the service began
#[utoipa::path(
    get, path = "/api/v1/workers", tag = "workers",
    responses(
        (status = 200, body = WorkerList),
        (status = 503, description = "The records cannot be asked now", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<WorkerList>, Problem> {
    let workers = app.workers(&caller).await?;
    Ok(Json(WorkerList { workers }))
}

impl App {
    /// The workers that were heard of, with those of their jobs that somebody may see.
    pub(crate) async fn workers(&self, caller: &Caller) -> Result<Vec<WorkerView>, Problem> {
        let workers = self.masters.workers().into_iter();
        let mut workers: Vec<WorkerView> = workers.map(WorkerView::from).collect();
        if caller.viewer().is_none() {
            return Ok(workers);
        }
        for worker in &mut workers {
            let mut seen = Vec::new();
            for id in std::mem::take(&mut worker.running) {
                // Of one that is not on record nobody knows whose it is.
                let job = match JobId::parse(&id) {
                    Some(known) => self.store.job(&known).await?,
                    None => None,
                };
                if job.is_some_and(|job| caller.sees(&job)) {
                    seen.push(id);
                }
            }
            worker.running = seen;
        }
        Ok(workers)
    }
}
