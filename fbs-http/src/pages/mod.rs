//! Pages for people. They work without scripts: links, forms, and a reload now and then.

mod dashboard;
mod form;
mod job;
mod new;
mod show;
mod workers;

use askama::Template;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::assets;
use crate::problem::Problem;

pub(crate) fn router(max_body: usize) -> Router<App> {
    Router::new()
        .route("/", get(dashboard::show))
        .route("/new", get(new::show).post(new::submit))
        .route("/new/preview", post(new::preview))
        .route("/new/text", get(new::text).post(new::as_text))
        .route("/new/spec", post(new::download))
        .route("/jobs/{id}", get(job::show))
        .route("/jobs/{id}/log", get(job::log))
        .route("/jobs/{id}/cancel", post(job::cancel))
        .route("/jobs/{id}/retry", post(job::retry))
        .route("/jobs/{id}/pin", post(job::pin))
        .route("/jobs/{id}/unpin", post(job::unpin))
        .route("/workers", get(workers::show))
        .route("/assets/{hash}/{name}", get(assets::serve))
        .layer(DefaultBodyLimit::max(max_body))
}

/// A page that says what went wrong.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    problem: Problem,
}

/// A problem, for people.
#[derive(Debug)]
pub(crate) struct Trouble(Problem);

impl<T: Into<Problem>> From<T> for Trouble {
    fn from(problem: T) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status);
        let page = ProblemPage {
            problem: self.0.clone(),
        };
        match (page.render(), status) {
            (Ok(page), Ok(status)) => (status, Html(page)).into_response(),
            _ => self.0.into_response(),
        }
    }
}

/// A page of this status.
fn page(status: StatusCode, template: &impl Template) -> Result<Response, Trouble> {
    let text = template.render().map_err(|error| {
        tracing::error!("a page: {error}");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page cannot be shown",
        )
    })?;
    Ok((status, Html(text)).into_response())
}
