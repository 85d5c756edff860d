//! What a build shows while it runs: a bar in a terminal, plain lines elsewhere, or JSON.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use image_builder::events::{
    BuildEvent, EventKind, EventSink, Events, Level, Outcome, Progress, Stage, Unit,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{self, tell};
use crate::terminal;

#[cfg(test)]
pub(crate) mod screen;

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
    events.add_sink(Arc::new(Display::new()));
    events
}

/// What is shown of a build on standard error, wherever it is made.
pub(crate) enum Display {
    /// One line for each thing that matters.
    Plain,
    /// In a terminal.
    Bar(Bar),
}

impl Display {
    pub(crate) fn new() -> Self {
        match io::stderr().is_terminal() {
            true => Self::Bar(Bar::new(ProgressDrawTarget::stderr())),
            false => Self::Plain,
        }
    }

    /// Shows what happened.
    pub(crate) fn show(&self, kind: &EventKind) {
        match self {
            Self::Plain => {
                if let Some(line) = line(kind) {
                    tell!("{line}");
                }
            }
            Self::Bar(bar) => bar.show(kind),
        }
    }

    /// Says something else.
    pub(crate) fn say(&self, words: &str) {
        match self {
            Self::Plain => tell!("{words}"),
            Self::Bar(bar) => bar.say(words),
        }
    }

    /// No stage runs.
    pub(crate) fn rest(&self) {
        if let Self::Bar(bar) = self {
            bar.reset(None);
        }
    }
}

impl EventSink for Display {
    fn event(&self, event: &BuildEvent) {
        self.show(&event.kind);
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

/// A bar for the running stage, and a line for each that ended; gone when it is dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    stage: Mutex<Option<Stage>>,
}

impl Bar {
    fn new(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(spinner());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            stage: Mutex::new(None),
        }
    }

    fn reset(&self, stage: Option<Stage>) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        self.bar.set_style(spinner());
        self.bar.set_message(stage.map_or("", Stage::title));
        self.bar.set_position(0);
        self.bar.unset_length();
        self.bar.reset_elapsed();
    }

    fn say(&self, words: &str) {
        self.bar.println(terminal::harmless(words));
    }

    fn show(&self, kind: &EventKind) {
        match kind {
            EventKind::StageStarted { stage } => self.reset(Some(*stage)),
            EventKind::Progress(progress) => self.advance(*progress),
            EventKind::JobFinished { .. } => self.bar.finish_and_clear(),
            kind => {
                if let Some(line) = line(kind) {
                    self.say(&line);
                }
            }
        }
    }

    fn advance(&self, progress: Progress) {
        let Progress {
            stage,
            done,
            total,
            unit,
        } = progress;
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

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
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
    use super::screen::Screen;
    use super::*;

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
        let bar = Bar::new(ProgressDrawTarget::hidden());
        let at = |stage, done, total, unit| Progress {
            stage,
            done,
            total,
            unit,
        };
        bar.reset(Some(Stage::Root));
        for unit in [Unit::Packages, Unit::Bytes, Unit::Percent] {
            bar.advance(at(Stage::Root, 3, 10, unit));
        }
        bar.advance(at(Stage::Iso, 9, 9, Unit::Percent));
        assert_eq!((bar.bar.position(), bar.bar.length()), (3, Some(10)));
        bar.reset(Some(Stage::Iso));
        assert_eq!(bar.bar.length(), None);
        bar.reset(None);
        bar.advance(at(Stage::Iso, 9, 9, Unit::Percent));
        assert_eq!((bar.bar.message(), bar.bar.length()), (String::new(), None));
    }

    #[test]
    fn a_terminal_shows_the_bar_and_obeys_nobody() {
        let (screen, display) = Screen::shown();
        display.say("running at anna\u{1b}]0;x\u{7}");
        let stage = Stage::Root;
        display.show(&EventKind::StageStarted { stage });
        display.show(&EventKind::Progress(Progress {
            stage,
            done: 60,
            total: 121,
            unit: Unit::Packages,
        }));
        display.show(&EventKind::Log {
            level: Level::Warning,
            message: "\u{1b}[2Jred\u{9b}31m".to_owned(),
        });
        drop(display);
        let shown = screen.text();
        for words in [
            "running at anna?]0;x?",
            "installing the root [",
            "60/121 packages",
            "warning: ?[2Jred?31m",
        ] {
            assert!(shown.contains(words), "{shown:?}");
        }
        assert!(!shown.chars().any(|char| char.is_control() && char != '\n'));
    }
}
