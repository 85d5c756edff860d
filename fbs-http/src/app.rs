//! What every request may use.

use std::path::PathBuf;
use std::sync::Arc;

use image_builder::accounts::{AuditEntry, Role};
use image_builder::build_monitor::{JobLogs, SharedLogs};
use image_builder::jobs::{Job, JobId, JobState, JobStore};
use image_builder::kickstart::Reader;
use image_builder::plan::PlanOptions;
use image_builder::retention::Keeper;
use image_builder::worker::why_waiting;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::KeptAnswers;
use crate::auth::{Accounts, Caller, Origins};
use crate::builds::Builds;
use crate::followers::Followers;
use crate::guard::Hosts;
use crate::journal::{LONGEST, plain};
use crate::masters::Masters;
use crate::metrics::Figures;
use crate::packages::Packages;
use crate::pages::KeptPages;
use crate::places::Places;
use crate::problem::Problem;
use crate::view::Waits;

/// As many jobs that repeat each other are looked at.
const LONGEST_LINE: usize = 32;

/// What every request may use.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) masters: Arc<Masters>,
    pub(crate) store: Arc<dyn JobStore>,
    /// Where jobs stand that wait.
    pub(crate) places: Places,
    /// The own worker, if images are built here.
    pub(crate) own: Option<OwnWorker>,
    /// The logs that are followed.
    pub(crate) logs: SharedLogs,
    /// Below it each job has a folder with what was delivered here.
    pub(crate) images: PathBuf,
    /// How long these stay.
    pub(crate) keeper: Keeper,
    pub(crate) hosts: Hosts,
    /// None: whoever reaches the service may do everything.
    pub(crate) accounts: Option<Accounts>,
    /// Pages that many look at.
    pub(crate) pages: KeptPages,
    /// What is said of jobs that many ask about.
    pub(crate) answers: KeptAnswers,
    /// What is said about where requests come from.
    pub(crate) origins: Origins,
    pub(crate) max_body: usize,
    /// What Koji knows.
    pub(crate) builds: Builds,
    /// What plans are made with.
    pub(crate) plan_options: PlanOptions,
    /// What repositories have.
    pub(crate) packages: Packages,
    /// Fetches the kickstarts that specs name.
    pub(crate) reader: Reader,
    pub(crate) followers: Followers,
    /// Told when a session or a token has ended, or somebody has other rights.
    pub(crate) rights: watch::Sender<()>,
    /// Whether each request has a line of the journal.
    pub(crate) tells_requests: bool,
    /// What was counted for who watches the service.
    pub(crate) figures: Figures,
    /// Cancelled when those who follow something should come again later.
    pub(crate) closing: CancellationToken,
}

/// The worker in this process.
#[derive(Debug)]
pub(crate) struct OwnWorker {
    pub(crate) name: String,
    pub(crate) logs: JobLogs,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The job of an id, with all that is known of it. Who may not see it is told what they would be if there was none.
    pub(crate) async fn job(&self, caller: &Caller, id: &str) -> Result<Job, Problem> {
        let unknown = || Problem::not_found(format!("no job {id:?} is known"));
        let id = JobId::parse(id).ok_or_else(unknown)?;
        let job = self.store.job(&id).await?;
        job.filter(|job| caller.sees(job)).ok_or_else(unknown)
    }

    /// Whether all that a job is built from is somebody's own words, or theirs to know: who builds another's job again has
    /// a job of their own, and not the other's passwords.
    pub(crate) async fn wrote(&self, caller: &Caller, job: &Job) -> Result<bool, Problem> {
        let mut owned = caller.owns(&job.request.requester);
        let mut first = job.request.retry_of.clone();
        for _ in 0..LONGEST_LINE {
            let Some(id) = first.filter(|_| owned && caller.role < Role::Admin) else {
                return Ok(owned);
            };
            let job = self.store.job(&id).await?;
            owned = job
                .as_ref()
                .is_some_and(|job| caller.owns(&job.request.requester));
            first = job.and_then(|job| job.request.retry_of);
        }
        Ok(false)
    }

    /// Remembers what somebody did, where there are accounts. What they wrote is kept as a line that is not long, and of
    /// what they were refused as much as somebody wants to read.
    pub(crate) async fn note(&self, entry: AuditEntry) {
        let Some(accounts) = &self.accounts else {
            return;
        };
        if !accounts.refusals.counts(&entry) {
            return;
        }
        let entry = AuditEntry {
            account: plain(&entry.account, LONGEST),
            subject: plain(&entry.subject, LONGEST),
            detail: plain(&entry.detail, LONGEST),
            ..entry
        };
        let AuditEntry {
            account,
            by,
            action,
            subject,
            detail,
            ..
        } = &entry;
        let address = entry.address.map(|address| address.to_string());
        tracing::info!(target: "audit", account, address, by, %action, subject, detail);
        if let Err(error) = accounts.store.note(&entry).await {
            tracing::error!("the audit log has no word of this: {error}");
        }
    }

    /// Where a job stands that waits, and why it does.
    pub(crate) async fn waits(&self, job: &Job) -> Result<Option<Waits>, Problem> {
        if job.state != JobState::Queued {
            return Ok(None);
        }
        let waiting = self.places.of(&job.id).await?;
        Ok(waiting.map(|waiting| Waits {
            before: waiting.before,
            reason: why_waiting(job, waiting.before, &self.masters.present()),
        }))
    }
}
