//! `/`: the jobs.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use image_builder::jobs::JobFilter;

use super::kept::{KeptPage, Key};
use super::{Trouble, Who, rendered, show};
use crate::api::{ListQuery, QueueView, lines};
use crate::app::App;
use crate::auth::Caller;
use crate::paging;
use crate::problem::Problem;
use crate::view::JobLine;

#[derive(Debug, Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    who: Who,
    /// The address of the jobs of who looks.
    mine: Option<String>,
    jobs: Vec<JobLine>,
    queues: Vec<QueueView>,
    next: Option<String>,
    query: ListQuery,
    /// This page, as it is asked for again.
    itself: String,
    trouble: Option<String>,
    /// Whether who looks has asked for nothing yet, and is told what this is.
    is_new: bool,
}

/// Whether somebody has no job; where nobody has an account, whether there is none.
async fn is_new(app: &App, caller: &Caller) -> Result<bool, Problem> {
    let filter = JobFilter {
        requester: app.accounts.as_ref().map(|_| caller.name.clone()),
        limit: 1,
        ..JobFilter::default()
    };
    Ok(app.store.jobs(&filter).await?.is_empty())
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(asked): RawQuery,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Trouble> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let asked = asked.unwrap_or_default();
    let looks_for_something = !asked.is_empty();
    let (key, version) = (Key::new(&caller, asked), app.masters.version());
    if let Some(kept) = app.pages.fresh(&key, version) {
        return Ok(kept.answer(&headers));
    }
    let filter = query.filter(&caller)?;
    let jobs = app.store.jobs(&filter).await.map_err(Problem::from)?;
    let last = paging::last(&jobs, filter.limit);
    let next = last.map(|last| query.next("/", last.id.as_str()));
    let mine = app.accounts.as_ref().map(|_| {
        let own = ListQuery {
            requester: Some(caller.name.clone()),
            ..ListQuery::default()
        };
        own.itself("/")
    });
    let template = Dashboard {
        who: Who::of(&app, &caller),
        mine,
        jobs: lines(&app, jobs).await?,
        queues: app.queues().await?,
        next,
        itself: query.itself("/"),
        query,
        trouble: app.masters.trouble(),
        is_new: !looks_for_something && is_new(&app, &caller).await?,
    };
    let kept = KeptPage::new(rendered(&template)?);
    let answer = kept.answer(&headers);
    app.pages.keep(key, version, kept);
    Ok(answer)
}
