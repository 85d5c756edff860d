//! What somebody wants of a queue: who may, how much, and what is noted of it.

use std::sync::Arc;

use axum::http::StatusCode;
use image_builder::accounts::{Action, Quota, Role, Usage};
use image_builder::jobs::{Job, JobRequest};
use image_builder::master::{Master, OnceKey, Submitted};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OwnedMutexGuard;

use crate::app::App;
use crate::auth::Caller;
use crate::draft::Wanted;
use crate::problem::{Problem, WrittenMistake};

/// For so long a job counts for the quota of a day.
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl App {
    /// What would be submitted, or every mistake in it.
    pub(crate) async fn check(
        &self,
        caller: &Caller,
        wanted: Wanted,
    ) -> Result<JobRequest, Vec<WrittenMistake>> {
        let request = wanted.fetched_request(&self.reader, &caller.name).await?;
        match self.master(&request.arch) {
            Ok(_) => Ok(request),
            Err(problem) => Err(vec![WrittenMistake::new(problem.detail)]),
        }
    }

    /// What came of the same request with the same key before. Neither what it would fetch nor a quota matters to that.
    pub(crate) async fn answered_before(
        &self,
        caller: &Caller,
        once: Option<&OnceKey>,
    ) -> Result<Option<Submitted>, Problem> {
        // They share one store.
        match (once, self.masters.all().first()) {
            (Some(once), Some(master)) => Ok(master.answered_before(&caller.name, once).await?),
            _ => Ok(None),
        }
    }

    /// Submits what somebody wants, unless they have as much as they may.
    pub(crate) async fn submit(
        &self,
        caller: &Caller,
        request: JobRequest,
        once: Option<&OnceKey>,
    ) -> Result<Submitted, Problem> {
        let master = self.master(&request.arch)?;
        let title = request.title.clone();
        let _turn = self.may_have(caller, master, once).await?;
        let submitted = master.submit(request, once).await?;
        self.masters.changed();
        self.note_submitted(caller, &submitted, &title).await;
        Ok(submitted)
    }

    /// Submits what somebody wants a second time, in their own name.
    pub(crate) async fn again(
        &self,
        caller: &Caller,
        job: &Job,
        once: Option<&OnceKey>,
    ) -> Result<Submitted, Problem> {
        let master = self.master(&job.request.arch)?;
        let _turn = self.may_have(caller, master, once).await?;
        let submitted = master.retry(&job.id, &caller.name, once).await?;
        self.masters.changed();
        let detail = format!("{} again", job.id);
        self.note_submitted(caller, &submitted, &detail).await;
        Ok(submitted)
    }

    /// Cancels what is somebody's.
    pub(crate) async fn cancel(
        &self,
        caller: &Caller,
        job: &Job,
        reason: Option<String>,
    ) -> Result<Job, Problem> {
        caller.must_own(&job.request.requester)?;
        let master = self.master(&job.request.arch)?;
        let detail = reason.clone().unwrap_or_default();
        let cancelled = master.cancel(&job.id, &caller.name, reason).await?;
        self.masters.changed();
        let did = caller.did(Action::Cancelled, job.id.as_str(), &detail);
        self.note(did).await;
        Ok(cancelled)
    }

    async fn note_submitted(&self, caller: &Caller, submitted: &Submitted, detail: &str) {
        if !submitted.again {
            let did = caller.did(Action::Submitted, submitted.job.as_str(), detail);
            self.note(did).await;
        }
    }

    /// That somebody may have one more job; nobody else of that name is asked until the turn is given back, when the
    /// job is counted. Administrators are not limited, and what was asked for before is not counted twice.
    async fn may_have(
        &self,
        caller: &Caller,
        master: &Master,
        once: Option<&OnceKey>,
    ) -> Result<Option<OwnedMutexGuard<()>>, Problem> {
        let Some(accounts) = &self.accounts else {
            return Ok(None);
        };
        if caller.role == Role::Admin || accounts.quota == Quota::default() {
            return Ok(None);
        }
        let turn = accounts.submitting.take(&caller.name).await;
        if let Some(once) = once
            && master.asked_before(&caller.name, once).await?.is_some()
        {
            return Ok(Some(turn));
        }
        let since = Timestamp::now() - DAY;
        let usage = Usage {
            work: accounts.store.work(&caller.name, since).await?,
            disk: self.keeper.store().bytes_of(&caller.name).await?,
        };
        let Some(reason) = accounts.quota.over(&usage) else {
            return Ok(Some(turn));
        };
        self.note(caller.did(Action::QuotaRefused, "", &reason))
            .await;
        let problem = Problem::new(StatusCode::CONFLICT, reason);
        Err(problem.with_hint("wait until some of it has ended, or ask who runs this service"))
    }

    /// Who keeps the records of an architecture's jobs.
    fn master(&self, arch: &str) -> Result<&Arc<Master>, Problem> {
        self.masters.of(arch).ok_or_else(|| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("no broker is configured for {arch}"),
            )
        })
    }
}
