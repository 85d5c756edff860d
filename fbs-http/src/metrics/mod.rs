//! Figures for [Prometheus](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).

mod cache;
mod figures;
mod histogram;

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use image_builder::jobs::{Job, Line, LineLoad};
use image_builder::master::WorkerState;
use image_builder::retention::{ImageFigures, Reason};
use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::problem::Problem;
use figures::Counted;
use histogram::Histogram;

pub(crate) use figures::Figures;

/// Counts until nothing more comes.
pub(crate) async fn watch(app: App) {
    let mut changes = app.masters.changes();
    loop {
        match changes.recv().await {
            Ok(job) => {
                if app.figures.take_in(&job) {
                    look_up(&app, &job).await;
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Counts what a build found kept, if its log is here.
async fn look_up(app: &App, job: &Job) {
    let Some(log) = app.log_here(job).await else {
        return;
    };
    let read = tokio::task::spawn_blocking(move || cache::decisions(&log)).await;
    match read {
        Ok(Ok(decisions)) => app.figures.look_up(decisions),
        Ok(Err(error)) => tracing::debug!("the log of job {}: {error}", job.id),
        Err(_) => {}
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

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        let last = (f64::INFINITY, histogram.count);
        for (bound, count) in histogram.buckets().chain([last]) {
            let bound = match bound.is_finite() {
                true => bound.to_string(),
                false => "+Inf".to_owned(),
            };
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            self.value(&bucket, &labels, count as f64);
        }
        self.value(&format!("{name}_sum"), labels, histogram.sum);
        self.value(&format!("{name}_count"), labels, histogram.count as f64);
    }
}

fn of_line(line: &Line) -> [(&str, &str); 2] {
    [("arch", &line.arch), ("release", &line.release)]
}

impl Page {
    fn queues(&mut self, lines: &[LineLoad]) {
        let now = Timestamp::now();
        let age = |load: &LineLoad| {
            let oldest = load.oldest.map(|oldest| now.duration_since(oldest));
            oldest.map_or(0.0, |age| age.as_secs_f64().max(0.0))
        };
        type Value<'a> = &'a dyn Fn(&LineLoad) -> f64;
        let families: [(_, _, Value<'_>); 3] = [
            ("fbs_queue_waiting", "Jobs that wait, by line.", &|load| {
                load.waiting as f64
            }),
            (
                "fbs_queue_running",
                "Jobs that are built, by line.",
                &|load| load.running as f64,
            ),
            (
                "fbs_queue_oldest_seconds",
                "How long ago the job was submitted that waits longest, by line.",
                &age,
            ),
        ];
        for (name, help, value) in families {
            self.family(name, "gauge", help);
            for load in lines {
                self.value(name, &of_line(&load.line), value(load));
            }
        }
    }

    fn counted(&mut self, counted: &Counted) {
        self.family(
            "fbs_queue_wait_seconds",
            "histogram",
            "How long jobs waited until a worker first began with them, since the start of this process, by line.",
        );
        for (line, waits) in &counted.waits {
            self.histogram("fbs_queue_wait_seconds", &of_line(line), waits);
        }
        self.family(
            "fbs_build_seconds",
            "histogram",
            "How long builds took that ended since the start of this process, by outcome.",
        );
        for (outcome, builds) in &counted.builds {
            self.histogram("fbs_build_seconds", &[("outcome", outcome)], builds);
        }
        self.family(
            "fbs_stage_seconds",
            "summary",
            "How long the stages of builds took that ended since the start of this process, by outcome.",
        );
        for ((stage, outcome), (count, seconds)) in &counted.stages {
            let labels = [("stage", *stage), ("outcome", *outcome)];
            self.value("fbs_stage_seconds_sum", &labels, *seconds);
            self.value("fbs_stage_seconds_count", &labels, *count as f64);
        }
        self.family(
            "fbs_cache_lookups_total",
            "counter",
            "What builds found in the cache that ended since the start of this process and whose log is here.",
        );
        for ((kept, decision), count) in &counted.lookups {
            let labels = [("cache", kept.0), ("result", decision.0)];
            self.value("fbs_cache_lookups_total", &labels, *count as f64);
        }
    }

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
    page.queues(&lines);
    page.family(
        "fbs_jobs_ended_total",
        "counter",
        "Jobs that have ended, by outcome.",
    );
    for outcome in ["succeeded", "failed", "cancelled"] {
        let jobs = tally.get(outcome).copied().unwrap_or_default();
        page.value("fbs_jobs_ended_total", &[("outcome", outcome)], jobs as f64);
    }
    page.counted(&app.figures.now());
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

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let mut histogram = Histogram::new(&[0.5, 2.0]);
        for seconds in [-1.0, 0.5, 1.0, 3.0] {
            histogram.observe(seconds);
        }
        let mut page = Page::default();
        page.histogram("a", &[("b", "c")], &histogram);
        let expected = "a_bucket{b=\"c\",le=\"0.5\"} 2\na_bucket{b=\"c\",le=\"2\"} 3\n\
                        a_bucket{b=\"c\",le=\"+Inf\"} 4\na_sum{b=\"c\"} 4.5\na_count{b=\"c\"} 4\n";
        assert_eq!(page.0, expected);
    }
}
