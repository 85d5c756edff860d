//! Jobs as people read them, wherever they are known from.

use image_builder::jobs::{Job, JobEnding, JobId, JobState, Transition};

use crate::exit::{self, Exit};
use crate::output::tell;

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
            Some(worker) if !self.state.is_final() => format!(" at {worker}"),
            _ => String::new(),
        };
        let (id, state) = (self.id, self.state.name());
        format!("{id}  {state:<11}{}{worker}\n", self.title)
    }

    /// All of it; `reason` is why it waits.
    pub(in crate::commands) fn status(&self, reason: Option<&str>) -> String {
        let mut lines = vec![
            self.id.to_string(),
            format!("{}, for {}", self.title, self.requester),
            match reason {
                Some(reason) => format!("{}: {reason}", self.state),
                None => self.state.to_string(),
            },
        ];
        let places = self.ending.iter().flat_map(|ending| &ending.places);
        lines.extend(places.map(|place| format!("delivered to {place}")));
        lines.push(String::new());
        lines.extend(self.history.iter().map(|step| {
            let time = step.time.strftime("%Y-%m-%d %H:%M:%S");
            format!("{time}  {:<11}{}", step.state.name(), step.cause)
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
    tell!("\n{title}: {state} after {:.1} s", ending.seconds);
    if let Some(error) = &ending.error {
        exit::say(error);
    }
    for place in &ending.places {
        tell!("{:<12}{place}", "delivered");
    }
}

/// What has become of a job that was cancelled.
pub(in crate::commands) fn end_of(id: &JobId, state: JobState) {
    match state.is_final() {
        true => tell!("job {id}: {state}"),
        false => tell!("job {id}: its worker is told; it has not ended yet"),
    }
}
