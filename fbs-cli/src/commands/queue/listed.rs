//! Jobs and workers as people read them, wherever they are known from: what others have written stays on its line.

use image_builder::client::RemoteWorker;
use image_builder::jobs::{Job, JobEnding, JobId, JobState, Transition};
use image_builder::quantity::ByteSize;
use image_builder::worker::Presence;
use jiff::Timestamp;

use crate::exit::{self, Exit};
use crate::output::tell;
use crate::terminal::one_line;

/// What is shown of a job.
pub(in crate::commands) struct Listed<'a> {
    pub(in crate::commands) id: &'a JobId,
    pub(in crate::commands) title: &'a str,
    pub(in crate::commands) requester: &'a str,
    pub(in crate::commands) state: JobState,
    pub(in crate::commands) worker: Option<&'a str>,
    pub(in crate::commands) ending: Option<&'a JobEnding>,
    pub(in crate::commands) history: &'a [Transition],
}

impl<'a> From<&'a Job> for Listed<'a> {
    fn from(job: &'a Job) -> Self {
        Self {
            id: &job.id,
            title: &job.request.title,
            requester: &job.request.requester,
            state: job.state,
            worker: job.claim.as_ref().map(|claim| claim.worker.as_str()),
            ending: job.ending.as_ref(),
            history: &job.history,
        }
    }
}

impl Listed<'_> {
    /// The line of a list.
    pub(in crate::commands) fn line(&self) -> String {
        let worker = match self.worker {
            Some(worker) if !self.state.is_final() => format!(" at {}", one_line(worker)),
            _ => String::new(),
        };
        let (id, state) = (self.id, self.state.name());
        format!("{id}  {state:<11}{}{worker}\n", one_line(self.title))
    }

    /// All of it; `reason` is why it waits.
    pub(in crate::commands) fn status(&self, reason: Option<&str>) -> String {
        let mut lines = vec![
            self.id.to_string(),
            format!("{}, for {}", one_line(self.title), one_line(self.requester)),
            match reason {
                Some(reason) => format!("{}: {}", self.state, one_line(reason)),
                None => self.state.to_string(),
            },
        ];
        let places = self.ending.iter().flat_map(|ending| &ending.places);
        lines.extend(places.map(|place| format!("delivered to {}", one_line(place))));
        lines.push(String::new());
        lines.extend(self.history.iter().map(|step| {
            let time = step.time.strftime("%Y-%m-%d %H:%M:%S");
            format!("{time}  {:<11}{}", step.state.name(), one_line(&step.cause))
        }));
        lines.push(String::new());
        lines.join("\n")
    }
}

/// How `fbs build` would have ended.
pub(in crate::commands) fn exit_of(ending: Option<&JobEnding>) -> Exit {
    match ending.map_or(1, |ending| ending.exit_code) {
        0 => Exit::Done,
        2 => Exit::Usage,
        3 => Exit::Host,
        4 => Exit::Network,
        130 => Exit::Cancelled,
        _ => Exit::Failed,
    }
}

/// How a job that was followed has ended.
pub(in crate::commands) fn summary(title: &str, state: JobState, ending: Option<&JobEnding>) {
    let Some(ending) = ending else { return };
    tell!(
        "\n{}: {state} after {:.1} s",
        one_line(title),
        ending.seconds
    );
    if let Some(error) = &ending.error {
        exit::say(error);
    }
    for place in &ending.places {
        tell!("{:<12}{}", "delivered", one_line(place));
    }
}

/// What has become of a job that was cancelled.
pub(in crate::commands) fn end_of(id: &JobId, state: JobState) {
    match state.is_final() {
        true => tell!("job {id}: {state}"),
        false => tell!("job {id}: its worker is told; it has not ended yet"),
    }
}

/// What is shown of a worker.
pub(in crate::commands) struct ListedWorker<'a> {
    name: &'a str,
    arch: &'a str,
    releases: &'a [String],
    state: String,
    running: Vec<&'a str>,
    finished: u64,
    load: Option<f64>,
    free_bytes: Option<u64>,
    version: Option<&'a str>,
    since: Timestamp,
}

/// What a worker that is there does.
fn business(draining: bool, cannot: Option<&str>, running: usize, slots: u32) -> String {
    match (cannot, draining) {
        (_, true) => "takes no more jobs".to_owned(),
        (Some(reason), _) => format!("takes no jobs: {}", one_line(reason)),
        (None, false) => format!("{running} of {slots} slots busy"),
    }
}

impl<'a> From<&'a Presence> for ListedWorker<'a> {
    fn from(worker: &'a Presence) -> Self {
        let (running, slots) = (worker.running.len(), worker.slots);
        Self {
            name: &worker.worker,
            arch: &worker.arch,
            releases: &worker.releases,
            state: business(worker.draining, worker.cannot.as_deref(), running, slots),
            running: worker.running.iter().map(JobId::as_str).collect(),
            finished: worker.finished,
            load: Some(worker.load.into()),
            free_bytes: worker.free_bytes,
            version: Some(&worker.version),
            since: worker.since,
        }
    }
}

impl<'a> From<&'a RemoteWorker> for ListedWorker<'a> {
    fn from(worker: &'a RemoteWorker) -> Self {
        // Not all that it builds is for everybody to see.
        let (running, slots) = (worker.busy, worker.slots);
        let draining = worker.state == "draining";
        Self {
            name: &worker.worker,
            arch: &worker.arch,
            releases: &worker.releases,
            state: match worker.state.as_str() {
                "gone" => "gone: it does not answer".to_owned(),
                _ => business(draining, worker.cannot.as_deref(), running, slots),
            },
            running: worker.running.iter().map(String::as_str).collect(),
            finished: worker.finished,
            load: worker.load,
            free_bytes: worker.free_bytes,
            version: worker.version.as_deref(),
            since: worker.since,
        }
    }
}

impl ListedWorker<'_> {
    /// Its lines of a list: itself, and the jobs that it builds.
    pub(in crate::commands) fn lines(&self) -> String {
        let mut facts = vec![self.state.clone(), format!("{} finished", self.finished)];
        facts.extend(self.load.map(|load| format!("load {load:.2}")));
        facts.extend(
            self.free_bytes
                .map(|free| format!("{} free", ByteSize(free))),
        );
        let version = self.version.map(one_line);
        facts.extend(version.map(|version| format!("version {version}")));
        let since = self.since.strftime("%Y-%m-%d %H:%M:%S");
        facts.push(format!("since {since}"));
        let (name, arch) = (one_line(self.name), one_line(self.arch));
        let releases = self.releases.join(",");
        let mut lines = format!(
            "{name}  {arch}/{}  {}\n",
            one_line(&releases),
            facts.join(", ")
        );
        for job in &self.running {
            lines.push_str(&format!("    {}\n", one_line(job)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_stays_on_its_line() {
        let id = JobId::parse("a-1").unwrap();
        let hostile = "no\n2026-11-23 10:00:00  succeeded\u{9b}31m\x1b]0;x\x07";
        let listed = Listed {
            id: &id,
            title: hostile,
            requester: hostile,
            state: JobState::Queued,
            worker: Some(hostile),
            ending: None,
            history: &[Transition {
                time: Timestamp::UNIX_EPOCH,
                state: JobState::Queued,
                cause: hostile.to_owned(),
            }],
        };
        let (line, status) = (listed.line(), listed.status(Some(hostile)));
        assert_eq!(line.lines().count(), 1, "{line}");
        assert_eq!(status.lines().count(), 5, "{status}");
        for text in [line, status] {
            let steering = |char: char| char.is_control() && char != '\n';
            assert!(!text.contains(steering), "{text:?}");
        }
    }
}
