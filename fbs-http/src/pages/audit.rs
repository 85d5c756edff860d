//! `/audit`: who did what, for administrators.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::show as shown;
use super::{Trouble, Who, page};
use crate::api::{AuditLine, AuditQuery};
use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

#[derive(Debug, Template)]
#[template(path = "audit.html")]
struct Audit {
    who: Who,
    entries: Vec<AuditLine>,
    account: String,
    /// The address of what comes behind.
    next: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Response, Trouble> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let list = app.audit(&caller, &query).await?;
    let account = query.account.unwrap_or_default();
    let next = list.next.map(|number| {
        let mut next = url::form_urlencoded::Serializer::new(String::new());
        next.append_pair("before", &number.to_string());
        next.append_pair("account", &account);
        format!("/audit?{}", next.finish())
    });
    let template = Audit {
        who: Who::of(&app, &caller),
        entries: list.entries,
        account,
        next,
    };
    page(StatusCode::OK, &template)
}
