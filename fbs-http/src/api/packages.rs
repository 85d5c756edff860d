//! Packages and groups, before they are asked for.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::arch;
use crate::app::App;
use crate::auth::Caller;
use crate::packages::{FoundView, Wish};
use crate::problem::Problem;

/// As many are told, of packages and of groups, unless another number is wanted.
const USUAL: usize = 20;

/// As many at most.
const MOST: usize = 200;

/// As long what is looked for may be, in bytes.
const LONGEST: usize = 200;

/// What is looked for, and where.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[into_params(parameter_in = Query)]
pub(super) struct PackageQuery {
    /// A name, the beginning of one, or words; behind an `@` a group.
    q: String,
    /// The release that an image would be of.
    release: String,
    /// Its architecture; that of the service if absent.
    #[serde(default)]
    arch: Option<String>,
    /// What kind of image it would be: `boot`, `live` or `dvd`; `boot` if absent.
    #[serde(default, rename = "type")]
    image: Option<String>,
    /// The address of the release's packages; Fedora's servers if absent.
    #[serde(default)]
    repository: Option<String>,
    /// Whether updates count: `yes` or `no`.
    #[serde(default)]
    updates: Option<String>,
    /// Whether updates that are to be tested count: `yes` or `no`.
    #[serde(default)]
    updates_testing: Option<String>,
    /// How many packages are told at most, and how many groups: 1 to 200; 20 if absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Packages and groups that fit some words
///
/// The repositories are looked through that a build would install from. What fits best comes first: a name, names that
/// begin with it, names that hold it, and then what is said of packages. Their lists are fetched when somebody asks for
/// the first time, and kept for an hour.
#[utoipa::path(
    get, path = "/api/v1/packages", tag = "packages", params(PackageQuery),
    responses(
        (status = 200, body = FoundView),
        (status = 400, description = "Nothing is looked for, or it is not said where", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The repository is none that may be read, such as one at an internal address", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "A repository cannot be read", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<PackageQuery>, QueryRejection>,
) -> Result<Json<FoundView>, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let wrong = |words: String| Problem::bad_request(words);
    let arch = arch(query.arch.as_deref())?;
    let limit = query.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(wrong(format!("`limit` is {limit}; expected 1 to {MOST}")));
    }
    match query.q.trim().len() {
        0 => return Err(wrong("`q` says nothing to look for".to_owned())),
        1..=LONGEST => {}
        _ => return Err(wrong(format!("`q` has more than {LONGEST} bytes"))),
    }
    let wish = Wish {
        image: query.image.as_deref().unwrap_or("boot"),
        release: &query.release,
        arch,
        repository: query.repository.as_deref().unwrap_or_default(),
        updates: query.updates.as_deref().unwrap_or_default(),
        updates_testing: query.updates_testing.as_deref().unwrap_or_default(),
        kickstart: "",
    };
    let found = app.packages.find(&caller, &wish, &query.q, limit).await?;
    Ok(Json(found))
}
