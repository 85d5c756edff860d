//! Pages for people. They work without scripts: links, forms, and a reload now and then.

mod audit;
mod dashboard;
mod form;
mod job;
mod kept;
mod new;
mod packages;
mod samples;
mod show;
mod tokens;
mod workers;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use image_builder::accounts::Role;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::app::App;
use crate::assets;
use crate::auth::Caller;
use crate::problem::Problem;

pub(crate) use kept::KeptPages;

pub(crate) fn router(max_body: usize) -> Router<App> {
    Router::new()
        .route("/", get(dashboard::show))
        .route("/new", get(new::form).post(new::submit))
        .route("/new/preview", post(new::preview))
        .route("/new/open", post(new::open))
        .route("/new/plan", post(new::plan))
        .route("/new/builds", post(new::builds))
        .route("/new/packages", post(packages::find))
        .route("/new/text", get(new::text).post(new::as_text))
        .route("/new/spec", post(new::download))
        .route("/samples", get(samples::show))
        .route("/samples/{name}", get(samples::file))
        .route("/jobs/{id}", get(job::show))
        .route("/jobs/{id}/log", get(job::log))
        .route("/jobs/{id}/cancel", post(job::cancel))
        .route("/jobs/{id}/retry", post(job::retry))
        .route("/jobs/{id}/pin", post(job::pin))
        .route("/jobs/{id}/unpin", post(job::unpin))
        .route("/workers", get(workers::show))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}/revoke", post(tokens::revoke))
        .route("/audit", get(audit::show))
        .route("/assets/{hash}/{name}", get(assets::serve))
        .layer(DefaultBodyLimit::max(max_body))
        // Pages are of few words, said often. Logs and files go as they are, so that parts of them can be asked for.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
}

/// Who a page is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    /// Their name, if they have logged in.
    pub(crate) name: Option<String>,
    role: Option<Role>,
    /// Whether there are accounts.
    pub(crate) accounts: bool,
}

impl Who {
    pub(crate) fn of(app: &App, caller: &Caller) -> Self {
        Self {
            name: caller.has_session().then(|| caller.name.clone()),
            role: Some(caller.role),
            accounts: app.accounts.is_some(),
        }
    }

    /// Somebody who has said who they are, and may do nothing.
    pub(crate) fn powerless(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            role: None,
            accounts: true,
        }
    }

    /// Somebody of whom nothing is known here.
    pub(crate) fn nobody() -> Self {
        Self::default()
    }

    pub(crate) fn may_view(&self) -> bool {
        self.role >= Some(Role::View)
    }

    pub(crate) fn may_submit(&self) -> bool {
        self.role >= Some(Role::Submit)
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.role == Some(Role::Admin)
    }
}

/// A page that says what went wrong.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    who: Who,
    problem: Problem,
}

/// A problem, for people. [`shown`] makes the page of it.
#[derive(Debug, Clone)]
pub(crate) struct Trouble(Problem);

impl<T: Into<Problem>> From<T> for Trouble {
    fn from(problem: T) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status);
        let mut response = status
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Makes the page of a [`Trouble`], for who asked: where that happened, nobody knew who it is.
pub(crate) async fn shown(
    app: &App,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let mut response = next(request).await;
    let Some(Trouble(problem)) = response.extensions_mut().remove() else {
        return response;
    };
    let who = response.extensions_mut().remove();
    let page = ProblemPage {
        who: who.unwrap_or_else(|| Who {
            accounts: app.accounts.is_some(),
            ..Who::nobody()
        }),
        problem,
    };
    match page.render() {
        Ok(page) => (response.status(), Html(page)).into_response(),
        Err(_) => page.problem.into_response(),
    }
}

/// A page of this status.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Result<Response, Trouble> {
    Ok((status, Html(rendered(template)?)).into_response())
}

/// A text, to be kept as a file of this name.
fn as_file(name: &str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, text).into_response()
}

/// The text of a page.
fn rendered(template: &impl Template) -> Result<String, Trouble> {
    let text = template.render().map_err(|error| {
        tracing::error!("a page: {error}");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page cannot be shown",
        )
    })?;
    Ok(text)
}
