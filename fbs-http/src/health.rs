//! Whether it is well.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::problem::Problem;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the records are what the queue says, and can be asked.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    if let Err(error) = app.store.tally().await {
        return Problem::from(error).into_response();
    }
    match app.masters.trouble() {
        None => "ready\n".into_response(),
        Some(trouble) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, trouble).into_response(),
    }
}
