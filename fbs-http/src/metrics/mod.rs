//! Figures for [Prometheus](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use image_builder::jobs::{Job, JobId, JobState};
use image_builder::master::WorkerState;
use image_builder::retention::{ImageFigures, Reason};
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::problem::Problem;

/// As many jobs are remembered, so that none is counted twice.
const REMEMBERED: usize = 1024;

/// How long the stages of builds took that ended since this process began.
#[derive(Debug, Default)]
pub(crate) struct StageTimes(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    /// By the stage's name: how many, and seconds together.
    stages: BTreeMap<&'static str, (u64, f64)>,
    counted: VecDeque<JobId>,
}

impl StageTimes {
    /// Takes in a job that has ended.
    fn count(&self, job: &Job) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !job.state.is_final() || times.counted.contains(&job.id) {
            return;
        }
        times.counted.push_back(job.id.clone());
        if times.counted.len() > REMEMBERED {
            times.counted.pop_front();
        }
        for (step, next) in job.history.iter().zip(job.history.iter().skip(1)) {
            if let JobState::Running { stage: Some(stage) } = step.state {
                let seconds = next.time.duration_since(step.time).as_secs_f64();
                let entry = times.stages.entry(stage.name()).or_default();
                entry.0 += 1;
                entry.1 += seconds.max(0.0);
            }
        }
    }
}

/// Counts until nothing more comes.
pub(crate) async fn watch(app: App) {
    let mut changes = app.masters.changes();
    loop {
        match changes.recv().await {
            Ok(job) => app.stage_times.count(&job),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// A text in the form of the exposition format.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // A String takes everything.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let label = |(key, value): &(&str, &str)| {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            format!("{key}=\"{value}\"")
        };
        let labels: Vec<String> = labels.iter().map(label).collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

impl Page {
    fn images(&mut self, images: &ImageFigures) {
        self.family("fbs_images", "gauge", "Jobs whose images are there.");
        self.value("fbs_images", &[], images.jobs as f64);
        for (name, help, bytes) in [
            (
                "fbs_images_bytes",
                "Bytes of images that are there.",
                images.bytes,
            ),
            (
                "fbs_images_pinned_bytes",
                "Bytes of images that are pinned.",
                images.pinned,
            ),
        ] {
            self.family(name, "gauge", help);
            self.value(name, &[], bytes as f64);
        }
        self.family(
            "fbs_images_removed_total",
            "counter",
            "Jobs whose images were removed, by reason.",
        );
        for reason in Reason::ALL {
            let jobs = images.removed.get(&reason).copied().unwrap_or_default();
            let labels = [("reason", reason.name())];
            self.value("fbs_images_removed_total", &labels, jobs as f64);
        }
    }
}

/// `GET /metrics`
pub(crate) async fn show(State(app): State<App>) -> Result<Response, Problem> {
    let (tally, lines) = (app.store.tally().await?, app.store.lines().await?);
    let mut page = Page::default();
    page.family("fbs_jobs", "gauge", "Jobs on record, by state.");
    for (state, jobs) in &tally {
        page.value("fbs_jobs", &[("state", state)], *jobs as f64);
    }
    page.family("fbs_queue_waiting", "gauge", "Jobs that wait, by line.");
    for load in &lines {
        let labels = [
            ("arch", load.line.arch.as_str()),
            ("release", &load.line.release),
        ];
        page.value("fbs_queue_waiting", &labels, load.waiting as f64);
    }
    page.family(
        "fbs_queue_running",
        "gauge",
        "Jobs that are built, by line.",
    );
    for load in &lines {
        let labels = [
            ("arch", load.line.arch.as_str()),
            ("release", &load.line.release),
        ];
        page.value("fbs_queue_running", &labels, load.running as f64);
    }
    page.family(
        "fbs_jobs_ended_total",
        "counter",
        "Jobs that have ended, by outcome.",
    );
    for outcome in ["succeeded", "failed", "cancelled"] {
        let jobs = tally.get(outcome).copied().unwrap_or_default();
        page.value("fbs_jobs_ended_total", &[("outcome", outcome)], jobs as f64);
    }
    page.family(
        "fbs_stage_seconds",
        "summary",
        "How long the stages of builds took that ended since the start of this process.",
    );
    let times = {
        let times = app.stage_times.0.lock();
        times.unwrap_or_else(PoisonError::into_inner).stages.clone()
    };
    for (stage, (count, seconds)) in times {
        let labels = [("stage", stage)];
        page.value("fbs_stage_seconds_sum", &labels, seconds);
        page.value("fbs_stage_seconds_count", &labels, count as f64);
    }
    page.images(&app.keeper.store().figures().await?);
    let workers = app.masters.workers();
    page.family(
        "fbs_workers",
        "gauge",
        "Workers that were heard of, by state.",
    );
    for (name, state) in [
        ("present", WorkerState::Present),
        ("draining", WorkerState::Draining),
        ("gone", WorkerState::Gone),
    ] {
        let count = workers.iter().filter(|one| one.state == state).count();
        page.value("fbs_workers", &[("state", name)], count as f64);
    }
    page.family(
        "fbs_ready",
        "gauge",
        "Whether the records are what the queue says.",
    );
    let ready = f64::from(u8::from(app.masters.trouble().is_none()));
    page.value("fbs_ready", &[], ready);
    page.family(
        "fbs_ledger_skipped_total",
        "counter",
        "Entries of the queue that could not be taken in.",
    );
    let skipped = app.masters.all().iter();
    let skipped: u64 = skipped
        .map(|master| master.standing().borrow().skipped)
        .sum();
    page.value("fbs_ledger_skipped_total", &[], skipped as f64);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], page.0).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.value("a", &[("b", "c\"\\\nd")], 1.5);
        page.value("e", &[], 2.0);
        assert_eq!(page.0, "a{b=\"c\\\"\\\\\\nd\"} 1.5\ne 2\n");
    }
}
