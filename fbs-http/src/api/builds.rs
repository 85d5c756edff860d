//! Builds of Koji, before they are asked for.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::arch;
use crate::app::App;
use crate::builds::BuildView;
use crate::problem::Problem;

/// Which builds are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BuildQuery {
    /// Names (NVRs) and numbers, with commas between them: at most 20.
    name: String,
    /// The architecture of the image; that of the service if absent.
    #[serde(default)]
    arch: Option<String>,
}

/// Builds, in the order they were named.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BuildList {
    builds: Vec<BuildView>,
}

/// What Koji knows of builds
///
/// The configured hub is asked. What cannot be used says why.
#[utoipa::path(
    get, path = "/api/v1/builds", tag = "builds", params(BuildQuery),
    responses(
        (status = 200, body = BuildList),
        (status = 400, description = "No names, or too many", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "Koji does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    query: Result<Query<BuildQuery>, QueryRejection>,
) -> Result<Json<BuildList>, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let arch = arch(query.arch.as_deref())?;
    let names = query.name.split(',').map(str::trim);
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Err(Problem::bad_request("`name` names no build"));
    }
    let builds = app.builds.look_up(&names, arch).await?;
    Ok(Json(BuildList { builds }))
}
