//! What a build shows while it runs: a bar in a terminal, plain lines elsewhere, or JSON.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use image_builder::events::{
    BuildEvent, EventKind, EventSink, Events, Level, Outcome, Stage, Unit,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{self, tell};

/// Events, shown on standard error, and as JSON on standard output if asked for.
pub(crate) fn events(json: bool) -> Events {
    let events = Events::new();
    if json {
        events.add_sink(Arc::new(|event: &BuildEvent| {
            if let Ok(value) = serde_json::to_value(event) {
                output::json_line(&value);
            }
        }));
    }
    if std::io::stderr().is_terminal() {
        events.add_sink(Arc::new(Bar::new()));
    } else {
        events.add_sink(Arc::new(plain));
    }
    events
}

/// One line for each thing that matters.
fn plain(event: &BuildEvent) {
    if let Some(line) = line(&event.kind) {
        tell!("{line}");
    }
}

fn line(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::JobStarted { job, title } => format!("{title}, job {job}"),
        EventKind::StageStarted { stage } => format!("{} ...", stage.title()),
        EventKind::StageFinished {
            stage,
            outcome: Outcome::Succeeded,
            seconds,
        } => {
            format!("{}: {seconds:.1} s", stage.title())
        }
        EventKind::StageFinished {
            stage,
            outcome,
            seconds,
        } => {
            format!("{}: {outcome} after {seconds:.1} s", stage.title())
        }
        EventKind::Log {
            level: Level::Warning,
            message,
        } => format!("warning: {message}"),
        _ => return None,
    })
}

/// A bar for the running stage, and a line for each that ended.
struct Bar {
    bar: ProgressBar,
    stage: Mutex<Option<Stage>>,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_style(spinner());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            stage: Mutex::new(None),
        }
    }

    fn begin(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
        self.bar.set_style(spinner());
        self.bar.set_message(stage.title());
        self.bar.set_position(0);
        self.bar.unset_length();
        self.bar.reset_elapsed();
    }

    fn advance(&self, stage: Stage, done: u64, total: u64, unit: Unit) {
        let current = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if current != Some(stage) {
            return;
        }
        if self.bar.length() != Some(total) {
            self.bar.set_style(match unit {
                Unit::Packages => {
                    style("{spinner} {msg} [{bar:30}] {pos}/{len} packages {elapsed}")
                }
                Unit::Bytes => style(
                    "{spinner} {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
                ),
                Unit::Percent => style("{spinner} {msg} [{bar:30}] {pos}% {elapsed}"),
            });
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }
}

impl EventSink for Bar {
    fn event(&self, event: &BuildEvent) {
        match &event.kind {
            EventKind::StageStarted { stage } => self.begin(*stage),
            EventKind::Progress {
                stage,
                done,
                total,
                unit,
            } => {
                self.advance(*stage, *done, *total, *unit);
            }
            EventKind::JobFinished { .. } => self.bar.finish_and_clear(),
            kind => {
                if let Some(line) = line(kind) {
                    self.bar.println(line);
                }
            }
        }
    }
}

fn spinner() -> ProgressStyle {
    style("{spinner} {msg} {elapsed}")
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file, and a test draws each of them.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::ProgressDrawTarget;

    #[test]
    fn only_what_matters_is_said() {
        let stage = Stage::Root;
        let done = EventKind::StageFinished {
            stage,
            outcome: Outcome::Succeeded,
            seconds: 2.54,
        };
        assert_eq!(line(&done).unwrap(), "installing the root: 2.5 s");
        let done = EventKind::StageFinished {
            stage,
            outcome: Outcome::Failed,
            seconds: 2.54,
        };
        assert_eq!(
            line(&done).unwrap(),
            "installing the root: failed after 2.5 s"
        );
        assert_eq!(
            line(&EventKind::CommandStarted {
                stage: None,
                command: "dnf".into()
            }),
            None
        );
    }

    #[test]
    fn the_bar_follows_the_running_stage_only() {
        let bar = Bar::new();
        bar.bar.set_draw_target(ProgressDrawTarget::hidden());
        bar.begin(Stage::Root);
        for unit in [Unit::Packages, Unit::Bytes, Unit::Percent] {
            bar.advance(Stage::Root, 3, 10, unit);
        }
        bar.advance(Stage::Iso, 9, 9, Unit::Percent);
        assert_eq!((bar.bar.position(), bar.bar.length()), (3, Some(10)));
        bar.begin(Stage::Iso);
        assert_eq!(bar.bar.length(), None);
    }
}
