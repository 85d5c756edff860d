//! Workers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::view::WorkerView;

/// The workers that were heard of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkerList {
    workers: Vec<WorkerView>,
}

/// The workers that were heard of since the service began
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers", responses((status = 200, body = WorkerList)))]
pub(super) async fn list(State(app): State<App>) -> Json<WorkerList> {
    let workers = app.masters.workers().into_iter();
    Json(WorkerList {
        workers: workers.map(WorkerView::from).collect(),
    })
}
