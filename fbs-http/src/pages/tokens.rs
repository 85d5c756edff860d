//! `/tokens`: what programs show instead of a password.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::{Trouble, Who, page, show};
use crate::api::{NewToken, TokenView, TokenWanted};
use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

#[derive(Debug, Template)]
#[template(path = "tokens.html")]
struct Tokens {
    who: Who,
    tokens: Vec<TokenView>,
    /// One that was just made: its secret is shown this once.
    made: Option<NewToken>,
    /// Why none was made.
    wrong: Option<Problem>,
}

pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Response, Trouble> {
    let template = Tokens {
        tokens: app.tokens(&caller).await?,
        who: Who::of(&app, &caller),
        made: None,
        wrong: None,
    };
    page(StatusCode::OK, &template)
}

pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    wanted: Result<Form<TokenWanted>, FormRejection>,
) -> Result<Response, Trouble> {
    let Form(wanted) = wanted.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (made, wrong) = match app.make_token(&caller, &wanted).await {
        Ok(made) => (Some(made), None),
        Err(problem) => (None, Some(problem)),
    };
    let status = wrong.as_ref().map_or(StatusCode::CREATED, |problem| {
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST)
    });
    let template = Tokens {
        tokens: app.tokens(&caller).await?,
        who: Who::of(&app, &caller),
        made,
        wrong,
    };
    page(status, &template)
}

pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    app.revoke_token(&caller, &id).await?;
    Ok(Redirect::to("/tokens").into_response())
}
