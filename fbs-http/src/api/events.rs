//! What happens, as it happens.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::sse;
use crate::view::JobLine;

/// Nothing is known of what happened meanwhile.
#[derive(Debug, Serialize)]
struct Missed {
    events: u64,
}

/// The jobs that become another from now on
///
/// Events `job`, each with a job as it is then, as in a list. An event `missed` says that there was more than could be
/// sent: what is shown of jobs should be asked for again.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "jobs",
    responses(
        (status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"),
        (status = 503, description = "Too many follow something already", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn follow(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let mut changes = app.masters.changes();
    sse::stream(&app, caller.clone(), |app, events| async move {
        loop {
            match changes.recv().await {
                Ok(job) if !caller.sees(&job) => {}
                Ok(job) => {
                    let line = JobLine {
                        waits: app.waits(&job).await.unwrap_or_default(),
                        ..JobLine::from(&*job)
                    };
                    events.send("job", None, &line).await?;
                }
                Err(RecvError::Lagged(count)) => {
                    events
                        .send("missed", None, &Missed { events: count })
                        .await?;
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    })
}
