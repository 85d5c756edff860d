//! What is shown of a build that is made elsewhere: what it would show if it were made here.

use std::io::Write;
use std::time::Duration;

use image_builder::events::{EventKind, Progress};
use image_builder::job_log::JobLogReader;
use image_builder::jobs::JobId;
use tokio_util::sync::CancellationToken;

use crate::display::Display;
use crate::output;
use crate::terminal::one_line;

/// A job that is waited for. Its log tells of the stages and has the warnings; how far a stage is comes beside it.
pub(super) struct Watched {
    display: Display,
    log: JobLogReader,
    /// Why it waits, as that was said last.
    waits: Option<String>,
}

/// It is looked so often whether what waits does so for another reason.
pub(super) const WAITS: Duration = Duration::from_secs(5);

impl Watched {
    fn on(display: Display) -> Self {
        Self {
            display,
            log: JobLogReader::default(),
            waits: None,
        }
    }

    /// Shows one of `count` jobs while `follow` follows it; `None` if `cancel` ends that.
    pub(super) async fn while_followed<T>(
        job: &JobId,
        count: usize,
        cancel: &CancellationToken,
        follow: impl AsyncFnOnce(&mut Self) -> T,
    ) -> Option<T> {
        // Its bar goes with it, before anything else is said.
        let mut watched = Self::on(Display::new());
        if count > 1 {
            watched.say(&format!("job {job}"));
        }
        tokio::select! {
            () = cancel.cancelled() => None,
            followed = follow(&mut watched) => Some(followed),
        }
    }

    /// Says what becomes of the job.
    pub(super) fn say(&self, words: &str) {
        self.display.say(&one_line(words));
    }

    /// Says what the exit code does not.
    pub(super) fn warn(&self, words: &str) {
        self.say(&format!("warning: {words}"));
    }

    /// Says why a job waits, as `ask` tells it, and says it again where that becomes another reason; ends with its error.
    pub(super) async fn say_why<E>(
        watched: Option<&mut Self>,
        ask: impl AsyncFn() -> Result<Option<String>, E>,
    ) -> E {
        let Some(watched) = watched else {
            return std::future::pending().await;
        };
        loop {
            match ask().await {
                Ok(Some(reason)) => watched.waits(&reason),
                Ok(None) => {}
                Err(error) => return error,
            }
            tokio::time::sleep(WAITS).await;
        }
    }

    /// It waits, for the first time or again, or for another reason than before.
    fn waits(&mut self, reason: &str) {
        if self.waits.as_deref() != Some(reason) {
            self.display.rest();
            self.say(&format!("queued: {reason}"));
            self.waits = Some(reason.to_owned());
        }
    }

    /// A worker begins with it: all stages come once more.
    pub(super) fn runs(&mut self, run: u32, worker: &str) {
        self.log = JobLogReader::default();
        self.waits = None;
        self.display.rest();
        match run {
            0 | 1 => self.say(&format!("running at {worker}")),
            _ => self.say(&format!("running at {worker}, run {run}")),
        }
    }

    /// More of the log.
    pub(super) fn lines(&mut self, text: &str) {
        for event in self.log.read(text) {
            self.display.show(&event);
        }
    }

    /// How far the running stage is.
    pub(super) fn progress(&self, progress: Progress) {
        self.display.show(&EventKind::Progress(progress));
    }
}

/// Writes more of a log into `out`, and shows what it tells. Whether it is to be followed any further: where the log is all
/// that was asked for, not when nobody reads it any more or there is no room.
pub(super) fn write_log(
    out: &mut (dyn Write + Send),
    text: &str,
    watched: Option<&mut Watched>,
) -> bool {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match (written, watched) {
        (written, Some(watched)) => {
            if let Err(error) = written {
                watched.warn(&format!("the log cannot be written: {error}"));
            }
            watched.lines(text);
            true
        }
        (Ok(()), None) => true,
        (Err(error), None) => {
            output::wrote(Err(error));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::screen::Screen;
    use image_builder::events::{Stage, Unit};

    #[test]
    fn a_run_that_is_lost_begins_again_elsewhere() {
        let (screen, display) = Screen::shown();
        let mut watched = Watched::on(display);
        for _ in 0..2 {
            watched.waits("no worker serves x86_64/43\nyet");
        }
        watched.runs(1, "anna");
        let at = "2026-11-21 09:42:24,123 -";
        watched.lines(&format!(
            "{at} Job a-1: boot image\n{at} == check: checking the host\n{at} == check: succeeded after 0.3 s\n\
             {at} == root: installing the root\n{at}   warning: of a pro"
        ));
        let progress = |stage| Progress {
            stage,
            done: 60,
            total: 121,
            unit: Unit::Packages,
        };
        watched.progress(progress(Stage::Iso));
        watched.progress(progress(Stage::Root));
        watched.lines(&format!("gram\n{at} warning: half is there\n{at} == ro"));
        // What comes of the run before is of none that is shown.
        watched.runs(2, "ber\u{1b}ta");
        watched.progress(progress(Stage::Root));
        watched.lines(&format!(
            "{at} == check: checking the host\n{at} == check: failed after 0.1 s\n{at} warning: no \u{1b}mail\n"
        ));
        drop(watched);
        let text = screen.text();
        let stage = "checking the host and the repositories";
        let mut rest = text.as_str();
        for words in [
            "queued: no worker serves x86_64/43 yet",
            "running at anna",
            &format!("{stage}: 0.3 s"),
            "warning: half is there",
            "installing the root [",
            "60/121 packages",
            "running at ber?ta, run 2",
            &format!("{stage}: failed after 0.1 s"),
            "warning: no ?mail",
        ] {
            let found = rest.split_once(words);
            (_, rest) = found.unwrap_or_else(|| panic!("{words} is missing in {text:?}"));
        }
        assert_eq!(text.matches("queued").count(), 1, "{text:?}");
        assert!(!text.contains("of a program"), "{text:?}");
        let (_, second) = text.split_once("run 2").unwrap();
        assert!(!second.contains("installing"), "{text:?}");
    }
}
