//! [`ImageBuilder`]: the order of the stages, and nothing else.

mod error;
mod limits;
mod notices;
mod run;
mod side;

pub use error::{BuildFailure, ImageBuilderError};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::builders::Builder;
use crate::context::BuildContext;
use crate::events::Events;
use crate::host::Host;
use crate::kickstart::{self, Reader};
use crate::notification::Notifier;
use crate::plan::{BuildPlan, KickstartPlan, PlanError, PlanOptions, description};
use crate::process::CommandRunner;
use crate::report::BuildReport;
use crate::source_date;
use crate::spec::{BuildSpec, ImageType, Trust};
use crate::transfer::StagingSettings;
use limits::Limits;
use notices::{Notices, Sent};
use run::Run;

/// Builds images on this host.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use image_builder::{imagebuilder::ImageBuilder, spec::BuildSpec};
///
/// let spec = BuildSpec::load("examples/boot.conf")?;
/// let builder = ImageBuilder::new(spec);
/// let report = builder.build(&builder.plan().await?).await?;
/// println!("{} has {} packages", report.title, report.packages.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ImageBuilder {
    spec: BuildSpec,
    host: Host,
    options: PlanOptions,
    staging: Vec<StagingSettings>,
    ctx: BuildContext,
    notifier: Option<Notifier>,
    gate: Option<Arc<dyn Gate>>,
    requester: Option<String>,
    watch: Option<String>,
    deadline: Option<Timestamp>,
}

/// Who may say that a build's results are not wanted any more.
#[async_trait]
pub trait Gate: Send + Sync + std::fmt::Debug {
    /// Whether what a build has made, its log included, is handed over and told of; `failure` says why there is no
    /// image. Asked once, when there is nothing else left to do. If not, the build ends with that failure, or as
    /// [`ImageBuilderError::Superseded`], and nobody hears of it.
    async fn open(&self, failure: Option<&ImageBuilderError>) -> bool;

    /// Whether somebody else makes the image again after all. Asked of a build that was stopped while it handed over what
    /// it had made; if so, it ends as cancelled, and nobody hears of that.
    fn is_withdrawn(&self) -> bool {
        false
    }
}

impl ImageBuilder {
    /// A builder of `spec` on this host.
    #[must_use]
    pub fn new(spec: BuildSpec) -> Self {
        Self {
            spec,
            host: Host::probe(),
            options: PlanOptions::from_environment(),
            staging: Vec::new(),
            ctx: BuildContext::default(),
            notifier: None,
            gate: None,
            requester: None,
            watch: None,
            deadline: None,
        }
    }

    /// With other folders or another time than the environment's.
    #[must_use]
    pub fn with_options(mut self, options: PlanOptions) -> Self {
        self.options = options;
        self
    }

    /// On another host than this one: a plan for it can be made here, and only there be carried out.
    #[must_use]
    pub fn with_host(mut self, host: Host) -> Self {
        self.host = host;
        self
    }

    /// With what staging places need beside their addresses.
    #[must_use]
    pub fn with_staging(mut self, settings: Vec<StagingSettings>) -> Self {
        self.staging = settings;
        self
    }

    /// With listeners to what happens.
    #[must_use]
    pub fn with_events(mut self, events: Events) -> Self {
        self.ctx.events = events;
        self
    }

    /// With a token that stops the build when it is cancelled.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.ctx.cancel = cancel;
        self
    }

    /// With those who are told when it begins and ends.
    #[must_use]
    pub fn with_notifier(mut self, notifier: Notifier) -> Self {
        self.notifier = Some(notifier);
        self
    }

    /// With somebody who is asked before anything is handed over.
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// For somebody else than the user of this process.
    #[must_use]
    pub fn with_requester(mut self, requester: impl Into<String>) -> Self {
        self.requester = Some(requester.into());
        self
    }

    /// With the address at which people can read the log while it grows: those who are told that it begins hear of it.
    #[must_use]
    pub fn with_watch(mut self, address: impl Into<String>) -> Self {
        self.watch = Some(address.into());
        self
    }

    /// With a time at which it ends, as [`ImageBuilderError::Overdue`], if it has not ended by then.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Timestamp>) -> Self {
        self.deadline = deadline;
        self
    }

    /// With another runner than the one that starts processes.
    #[must_use]
    pub fn with_runner(mut self, runner: Arc<dyn CommandRunner>) -> Self {
        self.ctx = self.ctx.with_runner(runner);
        self
    }

    /// What will be done, every command included. Reads the kickstart of a live image or a DVD,
    /// wherever that is; nothing else here is waited for.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub async fn plan(&self) -> Result<BuildPlan, PlanError> {
        let kickstart = match self.spec.image_type() {
            ImageType::Boot => KickstartPlan::default(),
            ImageType::Live if description(&self.spec, &self.options.current_dir).is_some() => {
                KickstartPlan::default()
            }
            ImageType::Live | ImageType::Dvd => {
                let text = kickstart::of_spec(&self.spec, &self.reader()).await?;
                KickstartPlan::new(text)?
            }
        };
        self.plan_with(&kickstart)
    }

    /// The same where the kickstart is at hand, with all that it includes: nothing is read and nothing is waited for.
    /// That of a boot image is empty.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub fn plan_with(&self, kickstart: &KickstartPlan) -> Result<BuildPlan, PlanError> {
        let options = PlanOptions {
            notified: self.options.notified || self.notifier.is_some(),
            ..self.options.clone()
        };
        let mut plan = BuildPlan::new(&self.spec, kickstart, &self.host, &options)?;
        plan.steps = builder_of(&plan)?.steps(&plan);
        if let Some(date) = &plan.source_date {
            let seconds = date.seconds.to_string();
            let commands = plan.steps.iter_mut().flat_map(|step| &mut step.commands);
            for command in commands {
                *command = command.clone().bind(source_date::PLACEHOLDER, &seconds);
            }
        }
        Ok(plan)
    }

    /// Reads kickstarts as the author of a spec on this host may.
    fn reader(&self) -> Reader {
        let reader = Reader::new(Trust::Local);
        match &self.spec.shared().proxy {
            Some(proxy) => reader.with_proxy(proxy.as_written()),
            None => reader,
        }
    }

    /// Does it.
    ///
    /// A build that fails after its checks still delivers its log and its report.
    ///
    /// # Errors
    ///
    /// [`BuildFailure`].
    pub async fn build(&self, plan: &BuildPlan) -> Result<BuildReport, BuildFailure> {
        // The job's own token: its time limit stops it without stopping anything else.
        let mut ctx = self.ctx.clone();
        ctx.cancel = self.ctx.cancel.child_token();
        // And its own count of events.
        ctx.events = self.ctx.events.fork();
        let limits = Limits::new(Duration::from_secs(plan.timeout_seconds), self.deadline);
        let watchdog = {
            let (ends, cancel) = (limits.remaining(), ctx.cancel.clone());
            tokio::spawn(async move {
                tokio::time::sleep(ends).await;
                cancel.cancel();
            })
        };
        let requester = self.requester.clone();
        let requester = requester.unwrap_or_else(|| run::requester(&self.host));
        let notifier = self.notifier.clone().unwrap_or_default();
        let notices = Notices {
            plan,
            host: &self.host,
            ctx: &ctx,
            notifier: &notifier,
            requester: &requester,
            watch: self.watch.as_deref(),
            sent: Sent::default(),
        };
        let run = Run::new(plan, &self.host, &ctx, &self.staging, notices, limits);
        let result = run.with_gate(self.gate.as_deref()).run().await;
        watchdog.abort();
        result
    }
}

fn builder_of(plan: &BuildPlan) -> Result<Builder, PlanError> {
    Builder::of(plan.image_type, plan.backend.name).ok_or_else(|| PlanError::Backend {
        backend: plan.backend.name,
        problem: format!("does not make {} images", plan.image_type),
        instead: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::complete;
    use crate::spec::Format;

    #[test]
    fn that_nobody_gets_mail_is_said_only_where_it_is_so() {
        let text = "[DEFAULT]\ntype = boot\nrelease = 43\nemail = qa@example.test\n";
        let builder = || {
            let spec = BuildSpec::parse(text, Format::Ini, "boot.conf").unwrap();
            ImageBuilder::new(spec).with_host(complete())
        };
        let of_mail = |builder: ImageBuilder| {
            let plan = builder.plan_with(&KickstartPlan::default()).unwrap();
            plan.notes.iter().any(|note| note.contains("mail"))
        };
        assert!(of_mail(builder()));
        assert!(!of_mail(builder().with_notifier(Notifier::default())));
        // Whichever is said first.
        let options = PlanOptions::from_environment();
        let told = builder().with_notifier(Notifier::default());
        assert!(!of_mail(told.with_options(options)));
    }
}
