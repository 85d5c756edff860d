//! What a store keeps of a job: what an event changes, as rows.

use std::fmt::Display;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Job, JobEvent, JobId, JobState, JobSummary, StoreError, Transition, Wish};
use crate::redact;

/// Databases limit what can be looked for in an index; PostgreSQL to 2,704 bytes.
const LONGEST_KEY: usize = 200;

/// A job is found by so much of its spec, in characters.
const MOST_WORDS: usize = 8192;

/// So many words of a search are heeded.
const MOST_SEARCHED: usize = 8;

/// How much of an id each level of counting looks at: the hour, the minute, a tenth of a second.
const LEVELS: [usize; 3] = [11, 13, 16];

/// A job before and after the events that count.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) job: Job,
    /// So much of its history is known.
    known: usize,
    was_waiting: bool,
    /// An event counted.
    pub(super) is_changed: bool,
    payload: Option<super::Payload>,
}

/// The columns of a job.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) job: String,
    pub(super) state: &'static str,
    pub(super) arch: String,
    pub(super) release: String,
    pub(super) priority: i64,
    pub(super) requester: String,
    pub(super) private: i64,
    pub(super) submitted: String,
    pub(super) since: String,
    pub(super) worker: Option<String>,
    /// What it is built from, of a new job.
    pub(super) payload: Option<String>,
    /// What it is found by, of a new job.
    pub(super) words: Option<String>,
    /// What is new in its history.
    pub(super) steps: Vec<Step>,
}

/// The columns of a step of a job's history.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) number: i64,
    pub(super) time: String,
    pub(super) state: String,
    pub(super) cause: String,
}

/// A row of a job and its history: its number in that, and three texts.
pub(super) type JobRow = (i64, String, String, String);

/// Which jobs that wait are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Count {
    pub(super) arch: String,
    pub(super) release: String,
    pub(super) level: i64,
    pub(super) priority: i64,
    pub(super) prefix: String,
}

/// The beginnings of an id.
#[derive(Debug)]
pub(super) struct Prefixes<'a>(pub(super) [&'a str; 3]);

impl<'a> Prefixes<'a> {
    pub(super) fn of(id: &'a JobId) -> Self {
        // An id is ASCII.
        Self(LEVELS.map(|length| id.as_str().get(..length).unwrap_or(id.as_str())))
    }
}

impl Change {
    /// None yet, of a job that the store has.
    pub(super) fn of_known(job: Job) -> Self {
        Self {
            known: job.history.len(),
            was_waiting: job.state == JobState::Queued,
            is_changed: false,
            payload: None,
            job,
        }
    }

    /// The beginning of a job; `None` if the event is not that.
    pub(super) fn of_new(event: &JobEvent) -> Option<Self> {
        let mut job = Job::new(event)?;
        Some(Self {
            known: 0,
            was_waiting: false,
            is_changed: true,
            payload: job.request.payload.take(),
            job,
        })
    }

    /// Whether one more event counts; the job is as it is after that then.
    pub(super) fn apply(&mut self, event: &JobEvent) -> bool {
        let counts = self.job.apply(event).is_ok();
        self.is_changed |= counts;
        counts
    }

    /// What is to be written of it.
    pub(super) fn row(&self) -> Result<Row, StoreError> {
        let job = &self.job;
        // The history is in a table of its own.
        let short = Job {
            history: Vec::new(),
            ..job.clone()
        };
        let id = job.id.as_str();
        let payload = self.payload.as_ref();
        let steps = (0..).zip(&job.history).skip(self.known);
        let steps: Result<Vec<Step>, StoreError> =
            steps.map(|(number, step)| Step::of(number, step)).collect();
        Ok(Row {
            id: id.to_owned(),
            job: write(id, &short)?,
            state: job.state.name(),
            arch: key(&job.request.arch),
            release: key(&job.request.release),
            priority: i64::from(job.request.priority.0),
            requester: key(&job.request.requester),
            private: i64::from(job.request.private),
            submitted: time(job.request.submitted),
            since: time(since(job)),
            worker: job.claim.as_ref().map(|claim| key(&claim.worker)),
            payload: payload.map(|payload| write(id, payload)).transpose()?,
            words: (self.known == 0).then(|| words(job, payload)),
            steps: steps?,
        })
    }

    /// What is one more or less than before.
    pub(super) fn counts(&self) -> Vec<(Count, i64)> {
        let waits = self.job.state == JobState::Queued;
        let more = i64::from(waits) - i64::from(self.was_waiting);
        if more == 0 {
            return Vec::new();
        }
        let Prefixes(prefixes) = Prefixes::of(&self.job.id);
        let count = |(level, prefix): (i64, &str)| {
            let count = Count {
                arch: key(&self.job.request.arch),
                release: key(&self.job.request.release),
                level,
                priority: i64::from(self.job.request.priority.0),
                prefix: prefix.to_owned(),
            };
            (count, more)
        };
        (0..)
            .zip([""].into_iter().chain(prefixes))
            .map(count)
            .collect()
    }
}

fn since(job: &Job) -> Timestamp {
    job.history
        .last()
        .map_or(job.request.submitted, |last| last.time)
}

impl Step {
    fn of(number: i64, step: &Transition) -> Result<Self, StoreError> {
        Ok(Self {
            number,
            time: time(step.time),
            state: write("", &step.state)?,
            cause: plain(&step.cause),
        })
    }
}

/// A job of the rows that are about it: what it is built from at -2, itself at -1, and its history.
pub(super) fn job(id: &JobId, rows: Vec<JobRow>) -> Result<Option<Job>, StoreError> {
    let (mut job, mut payload, mut history) = (None::<Job>, None, Vec::new());
    for (number, first, state, cause) in rows {
        match number {
            -2 => payload = Some(read(id.as_str(), &first)?),
            -1 => job = Some(read(id.as_str(), &first)?),
            _ => history.push(Transition {
                time: read_time(id.as_str(), &first)?,
                state: read(id.as_str(), &state)?,
                cause,
            }),
        }
    }
    Ok(job.map(|mut job| {
        job.history = history;
        job.request.payload = payload;
        job
    }))
}

/// What a job is found by: its id, its title, who asked, and what its spec says, all in small letters.
fn words(job: &Job, payload: Option<&super::Payload>) -> String {
    let request = &job.request;
    let mut words = format!("{} {} {}", job.id, request.title, request.requester);
    // Who searches could find out a password letter by letter.
    let spec = payload.map_or_else(String::new, |payload| redact::spec(&payload.spec));
    for line in spec
        .lines()
        .filter(|line| !line.starts_with(['#', ';', '[']))
    {
        let value = line.split_once('=').map_or(line, |(_, value)| value);
        words.push(' ');
        words.push_str(value.trim());
        if words.len() > MOST_WORDS {
            break;
        }
    }
    let words: String = words.chars().take(MOST_WORDS).collect();
    plain(&words.to_lowercase())
}

/// Patterns for LIKE, with `!` before what would mean something there: each word may stand anywhere.
pub(super) fn searched(words: &str) -> Vec<String> {
    let words = words.split_whitespace().take(MOST_SEARCHED);
    words
        .map(|word| {
            let mut pattern = String::from("%");
            for letter in key(word).to_lowercase().chars() {
                if matches!(letter, '%' | '_' | '!') {
                    pattern.push('!');
                }
                pattern.push(letter);
            }
            pattern.push('%');
            pattern
        })
        .collect()
}

pub(super) fn summary(id: &str, job: &str, since: &str) -> Result<JobSummary, StoreError> {
    let job: Job = read(id, job)?;
    Ok(JobSummary {
        id: job.id,
        title: job.request.title,
        requester: job.request.requester,
        arch: job.request.arch,
        release: job.request.release,
        state: job.state,
        private: job.request.private,
        submitted: job.request.submitted,
        since: read_time(id, since)?,
        worker: job.claim.map(|claim| claim.worker),
    })
}

pub(super) fn wish(job: String, digest: String, time: &str) -> Result<Wish, StoreError> {
    let id = JobId::parse(&job).ok_or_else(|| damaged(&job, "a wish names no job"))?;
    Ok(Wish {
        job: id,
        digest,
        time: read_time(&job, time)?,
    })
}

/// Times of one length sort as text.
pub(crate) fn time(time: Timestamp) -> String {
    format!("{time:.9}")
}

pub(crate) fn read_time(id: &str, text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|error| damaged(id, error))
}

/// A text as PostgreSQL takes it: it knows no NUL.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A text that can be looked for, whoever wrote it.
pub(crate) fn key(text: &str) -> String {
    plain(text).chars().take(LONGEST_KEY).collect()
}

fn write(id: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| damaged(id, error))
}

/// What was written of a job.
pub(super) fn read<T: DeserializeOwned>(id: &str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| damaged(id, error))
}

fn damaged(id: &str, error: impl Display) -> StoreError {
    StoreError::Damaged {
        job: id.to_owned(),
        reason: error.to_string(),
    }
}
