//! `/`: the jobs.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

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
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(asked): RawQuery,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Trouble> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (key, version) = (
        Key::new(&caller, asked.unwrap_or_default()),
        app.masters.version(),
    );
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
    };
    let kept = KeptPage::new(rendered(&template)?);
    let answer = kept.answer(&headers);
    app.pages.keep(key, version, kept);
    Ok(answer)
}
