//! `/workers`: who builds, and what waits for them.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Trouble, Who, page, show};
use crate::api::QueueView;
use crate::app::App;
use crate::auth::Caller;
use crate::view::WorkerView;

#[derive(Debug, Template)]
#[template(path = "workers.html")]
struct Workers {
    who: Who,
    workers: Vec<WorkerView>,
    queues: Vec<QueueView>,
}

pub(super) async fn show(State(app): State<App>, caller: Caller) -> Result<Response, Trouble> {
    let template = Workers {
        who: Who::of(&app, &caller),
        workers: app.workers(&caller).await?,
        queues: app.queues().await?,
    };
    page(StatusCode::OK, &template)
}
