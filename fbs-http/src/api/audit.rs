//! Who did what.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use image_builder::accounts::{AuditFilter, NumberedEntry, Role};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Caller;
use crate::paging;
use crate::problem::Problem;

/// As many entries a list has unless somebody says otherwise.
const LIMIT: u32 = 100;

/// As many as it has at most.
const LARGEST: u32 = 1000;

/// What is asked of the audit log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only what this account did.
    pub(crate) account: Option<String>,
    /// Entries before this one: `next` of a list has it.
    #[param(maximum = 9223372036854775807_i64)]
    pub(crate) before: Option<u64>,
    /// At most so many: 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<u32>,
}

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditLine {
    /// Its number. Numbers grow, and may leave some out.
    pub(crate) number: u64,
    /// When.
    pub(crate) time: Timestamp,
    /// Who; empty where nobody is known.
    pub(crate) account: String,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// What proved who they are: `session`, `token ID`, `network` or nothing.
    pub(crate) by: String,
    /// What they did: `log-in`, `submitted` and so on.
    pub(crate) action: &'static str,
    /// What they did it with, such as the id of a job.
    pub(crate) subject: String,
    /// More, for people.
    pub(crate) detail: String,
}

impl From<NumberedEntry> for AuditLine {
    fn from(numbered: NumberedEntry) -> Self {
        let entry = numbered.entry;
        Self {
            number: numbered.number,
            time: entry.time,
            account: entry.account,
            address: entry.address.map(|address| address.to_string()),
            by: entry.by,
            action: entry.action.name(),
            subject: entry.subject,
            detail: entry.detail,
        }
    }
}

/// What was done, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditList {
    pub(crate) entries: Vec<AuditLine>,
    /// The number before which there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<u64>,
}

impl App {
    /// What administrators are told of who did what.
    pub(crate) async fn audit(
        &self,
        caller: &Caller,
        query: &AuditQuery,
    ) -> Result<AuditList, Problem> {
        caller.needs(Role::Admin)?;
        let Some(accounts) = &self.accounts else {
            return Err(Problem::not_found(
                "there are no accounts here, and so nobody did anything",
            ));
        };
        let limit = paging::limit(query.limit, LIMIT, LARGEST)?;
        // The description says so: numbers of 64 bits, of which one is the sign.
        if query
            .before
            .is_some_and(|number| i64::try_from(number).is_err())
        {
            return Err(Problem::bad_request(format!(
                "`before` is 0 to {}",
                i64::MAX
            )));
        }
        let account = query.account.clone().filter(|account| !account.is_empty());
        let filter = AuditFilter {
            account,
            before: query.before,
            limit,
        };
        let entries = accounts.store.audit(&filter).await?;
        Ok(AuditList {
            next: paging::last(&entries, limit).map(|last| last.number),
            entries: entries.into_iter().map(AuditLine::from).collect(),
        })
    }
}

/// Who did what, the newest first
///
/// Administrators are told.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "accounts", params(AuditQuery),
    responses(
        (status = 200, body = AuditList),
        (status = 400, description = "A filter that is none", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "One is no administrator", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There are no accounts", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditList>, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(Json(app.audit(&caller, &query).await?))
}
