//! The lines in which jobs wait.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use image_builder::jobs::{Line, LineLoad};
use image_builder::worker::line_state;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::Problem;

/// The lines in which jobs wait or are built, and those that workers serve.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueList {
    queues: Vec<QueueView>,
}

/// A line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueView {
    /// The architecture.
    pub(crate) arch: String,
    /// The release.
    pub(crate) release: String,
    /// Jobs that wait.
    pub(crate) waiting: u64,
    /// Jobs that are built.
    pub(crate) running: u64,
    /// Workers that serve it.
    pub(crate) workers: usize,
    /// Who serves it and what they do, for people.
    pub(crate) state: String,
}

/// The lines in which jobs wait
#[utoipa::path(
    get, path = "/api/v1/queues", tag = "workers",
    responses(
        (status = 200, body = QueueList),
        (status = 503, description = "The records cannot be asked now", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(app): State<App>) -> Result<Json<QueueList>, Problem> {
    let queues = app.queues().await?;
    Ok(Json(QueueList { queues }))
}

impl App {
    pub(crate) async fn queues(&self) -> Result<Vec<QueueView>, Problem> {
        let present = self.masters.present();
        let mut lines = BTreeMap::<Line, (u64, u64)>::new();
        for worker in present.iter().filter(|worker| !worker.draining) {
            for release in &worker.releases {
                lines
                    .entry(Line {
                        arch: worker.arch.clone(),
                        release: release.clone(),
                    })
                    .or_default();
            }
        }
        for LineLoad {
            line,
            waiting,
            running,
            ..
        } in self.store.lines().await?
        {
            lines.insert(line, (waiting, running));
        }
        let view = |(line, (waiting, running)): (Line, (u64, u64))| {
            let serves = present.iter().filter(|worker| {
                !worker.draining
                    && worker.arch == line.arch
                    && worker.releases.contains(&line.release)
            });
            QueueView {
                workers: serves.count(),
                state: line_state(&line, &BTreeMap::new(), &present),
                arch: line.arch,
                release: line.release,
                waiting,
                running,
            }
        };
        Ok(lines.into_iter().map(view).collect())
    }
}
