//! `/api/v1`: everything that can be asked and wanted, for programs.

mod artifacts;
mod audit;
mod builds;
mod check;
mod clones;
mod events;
mod jobs;
mod logs;
mod packages;
mod queues;
mod sent;
mod tokens;
mod workers;

pub(crate) use artifacts::href;
pub(crate) use audit::{AuditLine, AuditQuery};
pub(crate) use jobs::{KeptAnswers, ListQuery, lines};
pub(crate) use queues::QueueView;
pub(crate) use tokens::{NewToken, TokenView, TokenWanted};

use axum::{Json, Router};
use image_builder::spec::Arch;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;
use crate::guard::DOCS;
use crate::problem::Problem;

/// Where the description is.
const DESCRIPTION: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "On-Demand Fedora Build Service",
        description = "Images of Fedora with the builds that you name, made to order.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem)),
    security((), ("token" = [])),
)]
struct Description;

/// The token that a program shows where there are accounts.
fn token() -> SecurityScheme {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some("Where there are accounts; /tokens makes one"));
    SecurityScheme::Http(bearer.build())
}

/// What any request may be answered, whatever it asks for.
const ANY: [(&str, &str); 5] = [
    ("401", "An account is needed"),
    ("403", "More than one may do"),
    ("421", "The service is not known under that name"),
    (
        "429",
        "More than one may ask in a second, or follow at a time",
    ),
    ("503", "The records or the queue cannot be asked now"),
];

/// What any may be answered whose address has a part that somebody fills in.
const WITH_PARTS: (&str, &str) = (
    "400",
    "The address is no UTF-8, or says what nobody can read",
);

/// What any may be answered that something is sent with.
const WITH_BODY: (&str, &str) = ("413", "Larger than a request may be");

/// Adds to every request what any may be answered.
fn with_refusals(description: &mut utoipa::openapi::OpenApi) {
    let components = description.components.get_or_insert_default();
    components.add_security_scheme("token", token());
    for (path, item) in &mut description.paths.paths {
        let with_parts = path.contains('{').then_some(WITH_PARTS);
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let with_body = operation.request_body.is_some().then_some(WITH_BODY);
            for (status, words) in ANY.into_iter().chain(with_parts).chain(with_body) {
                let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
                let response = ResponseBuilder::new().description(words);
                let response = response.content("application/problem+json", problem.build());
                let responses = &mut operation.responses.responses;
                let response = RefOr::T(response.build());
                responses.entry(status.to_owned()).or_insert(response);
            }
        }
    }
}

/// The routes, and what is said of them.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(clones::clone))
        .routes(routes!(logs::show))
        .routes(routes!(logs::follow))
        .routes(routes!(artifacts::report))
        .routes(routes!(artifacts::list))
        .routes(routes!(artifacts::changes))
        .routes(routes!(artifacts::file))
        .routes(routes!(artifacts::pin))
        .routes(routes!(artifacts::unpin))
        .routes(routes!(check::check))
        .routes(routes!(check::plan))
        .routes(routes!(builds::list))
        .routes(routes!(packages::list))
        .routes(routes!(events::follow))
        .routes(routes!(workers::list))
        .routes(routes!(queues::list))
        .routes(routes!(tokens::me))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(audit::list))
}

/// The description of all of it.
#[cfg(test)]
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let mut description = routes().to_openapi();
    with_refusals(&mut description);
    description
}

pub(crate) fn router() -> Router<App> {
    let (router, mut description) = routes().split_for_parts();
    with_refusals(&mut description);
    let docs = SwaggerUi::new(DOCS).config(Config::from(DESCRIPTION));
    router
        .route(
            DESCRIPTION,
            axum::routing::get(|| async move { Json(description) }),
        )
        .merge(docs)
}

/// The architecture that is asked for; that of the service if none is.
fn arch(asked: Option<&str>) -> Result<Arch, Problem> {
    match asked {
        Some(asked) => asked
            .parse()
            .map_err(|error| Problem::bad_request(format!("`arch`: {error}"))),
        None => Ok(Arch::host().unwrap_or(Arch::X86_64)),
    }
}
