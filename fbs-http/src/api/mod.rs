//! `/api/v1`: everything that can be asked and wanted, for programs.

mod artifacts;
mod check;
mod events;
mod jobs;
mod logs;
mod queues;
mod workers;

pub(crate) use artifacts::href;
pub(crate) use jobs::{ListQuery, lines};
pub(crate) use queues::QueueView;

use axum::http::HeaderMap;
use axum::http::header;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;
use crate::draft::{self, Wanted};
use crate::guard::DOCS;
use crate::problem::Problem;

/// Who asks, as long as nobody has to say who they are.
pub(crate) const REQUESTER: &str = "http";

/// Where the description is.
const DESCRIPTION: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(info(
    title = "On-Demand Fedora Build Service",
    description = "Images of Fedora with the builds that you name, made to order.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
))]
struct Description;

/// The routes, and what is said of them.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(logs::show))
        .routes(routes!(logs::follow))
        .routes(routes!(artifacts::report))
        .routes(routes!(artifacts::list))
        .routes(routes!(artifacts::file))
        .routes(routes!(artifacts::pin))
        .routes(routes!(artifacts::unpin))
        .routes(routes!(check::check))
        .routes(routes!(events::follow))
        .routes(routes!(workers::list))
        .routes(routes!(queues::list))
}

/// The description of all of it.
#[cfg(test)]
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    routes().to_openapi()
}

pub(crate) fn router() -> Router<App> {
    let (router, description) = routes().split_for_parts();
    let docs = SwaggerUi::new(DOCS).config(Config::from(DESCRIPTION));
    router
        .route(
            DESCRIPTION,
            axum::routing::get(|| async move { Json(description) }),
        )
        .merge(docs)
}

/// What was sent: JSON of ours, or a spec alone.
fn wanted(headers: &HeaderMap, body: &[u8]) -> Result<Wanted, Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/json" => draft::json(body),
        "text/plain" => match std::str::from_utf8(body) {
            Ok(text) => Ok(Wanted::ini(text.to_owned())),
            Err(error) => Err(Problem::bad_request(format!(
                "byte {} is not UTF-8",
                error.valid_up_to()
            ))),
        },
        _ => Err(Problem::new(
            axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected application/json, or text/plain with a spec as INI",
        )),
    }
}
