//! What a run tells, and when: as soon as its log is open, and once that is final.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::context::BuildContext;
use crate::events::Outcome;
use crate::host::Host;
use crate::notification::{Dispatch, Ending, Notice, NoticeKind, Notifier, Screenshot};
use crate::plan::BuildPlan;
use crate::report::BuildReport;
use crate::verify::BootVerdict;

/// Somebody who has stopped a build does not want to wait for the news of it.
const AFTER_CANCEL: Duration = Duration::from_secs(10);

/// The notices of one run.
#[derive(Debug)]
pub(super) struct Notices<'a> {
    pub(super) plan: &'a BuildPlan,
    pub(super) host: &'a Host,
    pub(super) ctx: &'a BuildContext,
    pub(super) notifier: &'a Notifier,
    pub(super) requester: &'a str,
    pub(super) watch: Option<&'a str>,
    pub(super) sent: Sent,
}

/// What is on its way.
#[derive(Debug, Default)]
pub(super) struct Sent {
    dispatch: Option<Dispatch>,
    screenshots: Vec<Screenshot>,
}

impl Notices<'_> {
    /// The work begins. Nothing waits for those who are told.
    pub(super) fn begin(&mut self) {
        if self.notifier.backends().is_empty() {
            return;
        }
        let dispatch = self.notifier.open(&self.ctx.events);
        if self.notifier.submits() {
            let host = &self.host.name;
            let watch = Some(format!("fbs logs -f {} (on {host})", self.plan.job));
            dispatch.send(self.notice(NoticeKind::Queued { watch }));
        }
        dispatch.send(self.notice(NoticeKind::Started {
            worker: self.host.name.clone(),
            backend: self.plan.backend.name.to_string(),
            watch: self.watch.map(str::to_owned),
        }));
        self.sent.dispatch = Some(dispatch);
    }

    /// Takes the pictures, before the work directory is cleared.
    pub(super) fn take_screenshots(&mut self, verdicts: &[BootVerdict]) {
        if !self.notifier.backends().is_empty() {
            let paths = verdicts.iter().filter_map(|one| one.screenshot.as_deref());
            self.sent.screenshots = paths.filter_map(Screenshot::read).collect();
        }
    }

    /// The job has ended: tells it, and waits until that is done or given up. The log is read while
    /// this waits.
    pub(super) async fn end(&mut self, report: &BuildReport, log: Option<&Path>) {
        if self.sent.dispatch.is_none() {
            self.begin();
        }
        let Some(dispatch) = self.sent.dispatch.take() else {
            return;
        };
        let screenshots = std::mem::take(&mut self.sent.screenshots);
        dispatch.send(self.notice(NoticeKind::ended(Ending {
            report: report.clone(),
            log: log.map(PathBuf::from),
            screenshots,
        })));
        // What has stopped the build does not stop the news of it.
        let stop = match self.ctx.cancel.is_cancelled() {
            true => CancellationToken::new(),
            false => self.ctx.cancel.clone(),
        };
        let longest = match report.outcome {
            Outcome::Cancelled => AFTER_CANCEL,
            Outcome::Succeeded | Outcome::Failed => Duration::MAX,
        };
        dispatch.close(&stop, longest).await;
    }

    fn notice(&self, kind: NoticeKind) -> Notice {
        Notice::new(self.plan, self.requester, kind)
    }
}
