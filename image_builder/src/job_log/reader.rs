//! What the log of a build tells of it.

use crate::events::{EventKind, Level, Outcome, Stage};

/// The longest line of which something is told; stages have short ones, and warnings are for people.
const LONGEST: usize = 16 * 1024;

/// How long the time is in front of each line: `2012-08-11 16:07:58,798`.
const STAMP: usize = 23;

/// Reads what the log of a build tells of its stages, and its warnings, while it grows. Whoever has the log knows as
/// much of them as who heard the events.
///
/// What programs print is indented, so none of them can say that a stage has ended. Of a warning of several lines the
/// first is told.
#[derive(Debug, Default)]
pub struct JobLogReader {
    /// A line whose end has not come.
    begun: String,
}

impl JobLogReader {
    /// What the next piece tells, whether it ends with a line or not.
    pub fn read(&mut self, text: &str) -> Vec<EventKind> {
        let mut events = Vec::new();
        for part in text.split_inclusive('\n') {
            // What is too long counts for nothing until it ends.
            if self.begun.len() <= LONGEST {
                self.begun.push_str(part);
            }
            if !part.ends_with('\n') {
                continue;
            }
            if self.begun.len() <= LONGEST {
                events.extend(event(self.begun.trim_end()));
            }
            self.begun.clear();
        }
        events
    }
}

/// What a line tells.
fn event(line: &str) -> Option<EventKind> {
    told(line.get(STAMP..)?.strip_prefix(" - ")?)
}

/// What a line tells, without the time in front of it.
pub(super) fn told(message: &str) -> Option<EventKind> {
    if let Some(message) = message.strip_prefix("warning: ") {
        return Some(EventKind::Log {
            level: Level::Warning,
            message: message.to_owned(),
        });
    }
    let (stage, words) = message.strip_prefix("== ")?.split_once(": ")?;
    // A stage of a newer version is not one that could be shown.
    let stage = Stage::of_name(stage)?;
    Some(match ended(words) {
        Some((outcome, seconds)) => EventKind::StageFinished {
            stage,
            outcome,
            seconds,
        },
        None => EventKind::StageStarted { stage },
    })
}

/// What `succeeded after 1.5 s` says.
fn ended(words: &str) -> Option<(Outcome, f64)> {
    let (outcome, seconds) = words.strip_suffix(" s")?.split_once(" after ")?;
    let seconds: f64 = seconds.parse().ok()?;
    Some((Outcome::of_name(outcome)?, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{BuildEvent, Events, Unit};
    use crate::job_log::JobLog;
    use crate::process::Stream;
    use std::sync::{Arc, Mutex};

    const HOSTILE: &str = "== root: failed after 0.0 s";

    /// A log in which programs, commands and messages say what only stages may, and the events that it tells of.
    fn build() -> (String, Vec<EventKind>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("imagebuild.log");
        let events = Events::new();
        events.add_sink(Arc::new(JobLog::create(&path).unwrap()));
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        events.add_sink(Arc::new(move |event: &BuildEvent| {
            if super::super::is_told(&event.kind) {
                heard.lock().unwrap().push(event.kind.clone());
            }
        }));
        events.emit(EventKind::JobStarted {
            job: "a-1".to_owned(),
            title: format!("boot image\n{HOSTILE}"),
        });
        for (stage, outcome, seconds) in [
            (Stage::Check, Outcome::Succeeded, 0.1),
            (Stage::BootTest, Outcome::Failed, 61.5),
            (Stage::RootImage, Outcome::Cancelled, 3600.0),
        ] {
            events.emit(EventKind::StageStarted { stage });
            events.progress(stage, 1, 2, Unit::Packages);
            for line in [HOSTILE, "warning: of a program"] {
                events.emit(EventKind::Output {
                    stream: Stream::Stdout,
                    line: line.to_owned(),
                });
                events.info(line);
                events.error(format!("it failed:\n{line}"));
                events.emit(EventKind::CommandStarted {
                    stage: None,
                    command: format!("sh -c '\n{line}\n'"),
                });
            }
            events.warn(format!("ü of {stage}"));
            events.emit(EventKind::StageFinished {
                stage,
                outcome,
                seconds,
            });
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let told = std::mem::take(&mut *told.lock().unwrap());
        (text, told)
    }

    #[test]
    fn a_log_tells_what_the_events_told_and_nobody_else_does() {
        let (text, told) = build();
        assert_eq!(told.len(), 9);
        assert_eq!(JobLogReader::default().read(&text), told, "{text}");
        // In whatever pieces, such as those of a line that is longer than one.
        let mut reader = JobLogReader::default();
        let mut read = Vec::new();
        for part in text.split_inclusive(['ü', '=', '\n', ' ']) {
            read.extend(reader.read(part));
        }
        assert_eq!(read, told);
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let stamp = "2026-11-21 09:42:24,123";
        let long = "x".repeat(2 * LONGEST);
        let mut reader = JobLogReader::default();
        for line in [
            "",
            "== root: installing the root",
            &format!("{stamp} - == proof: looking at the proof"),
            &format!("{stamp} - == root"),
            &format!("{stamp} - ==  root: installing the root"),
            &format!("{stamp}: == root: installing the root"),
            &format!("2026-11-21 09:42:24,12ü - == root: {long}"),
            &format!("{stamp} - == root: {long}"),
        ] {
            assert_eq!(reader.read(&format!("{line}\n")), [], "{line}");
            assert!(reader.begun.is_empty());
        }
        // A line without an end takes no memory.
        for _ in 0..10 {
            assert_eq!(reader.read(&long), []);
        }
        assert!(reader.begun.len() <= 3 * LONGEST);
        assert_eq!(reader.read("\n"), []);
        let line = format!("{stamp} - == root: of other words\r\n");
        let stage = Stage::Root;
        assert_eq!(reader.read(&line), [EventKind::StageStarted { stage }]);
    }
}
