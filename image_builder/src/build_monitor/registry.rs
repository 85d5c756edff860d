//! The list of this host's builds.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::MonitorError;
use crate::events::Outcome;
use crate::job_log::JobLog;
use crate::plan::BuildPlan;
use crate::report::BuildReport;

/// Where the state of a host is kept.
const STATE_DIR: &str = "/var/lib/fbs";

/// So many entries of builds that have ended are kept.
const KEPT: usize = 100;

/// So many jobs are named to somebody who asked for another.
const NAMED: usize = 5;

/// The ending of an entry's file.
const ENDING: &str = ".job";

/// The builds of a host.
#[derive(Debug, Clone)]
pub struct Registry {
    folder: PathBuf,
}

/// A build of this host.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// What it builds.
    pub title: String,
    /// When it began.
    pub started: Timestamp,
    /// Whether it still runs.
    pub state: JobState,
    /// Where its log is, if it is on this host.
    pub log: Option<PathBuf>,
    /// Where else it was delivered.
    pub place: Option<String>,
}

/// Whether a build still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It does.
    Running,
    /// It has ended so.
    Ended(Outcome),
    /// Its process is gone and said nothing of an end: it was killed.
    Gone,
}

/// The first line of an entry.
#[derive(Serialize, Deserialize)]
struct Begun {
    job: String,
    title: String,
    started: Timestamp,
    log: PathBuf,
}

/// The second one.
#[derive(Serialize, Deserialize)]
struct Ended {
    outcome: Outcome,
    log: Option<PathBuf>,
    place: Option<String>,
}

/// The entry of a build that runs; held by it as long as it does.
#[derive(Debug)]
pub struct Registration {
    file: File,
}

impl Registration {
    /// The build has ended. `log` is where its log is now.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn end(
        mut self,
        outcome: Outcome,
        log: Option<PathBuf>,
        place: Option<String>,
    ) -> io::Result<()> {
        line(
            &mut self.file,
            &Ended {
                outcome,
                log,
                place,
            },
        )
    }
}

/// A whole line at once: a reader takes what has no end yet for not written.
fn line(file: &mut File, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    file.write_all(text.as_bytes())
}

/// Where a build that has ended left its log: the path, and the address where it is no path.
#[must_use]
pub fn log_left(report: &BuildReport) -> (Option<PathBuf>, Option<String>) {
    let delivered = report.deliveries.iter().filter(|one| one.error.is_none());
    let folders: Vec<&str> = delivered.filter_map(|one| one.folder.as_deref()).collect();
    let local = folders.iter().find(|folder| folder.starts_with('/'));
    let local = local.map(PathBuf::from).or_else(|| report.kept_in.clone());
    (
        local.map(|folder| folder.join(&report.log)),
        folders.first().map(|folder| (*folder).to_owned()),
    )
}

/// Where the state of this host is kept: `FBS_STATE_DIR`, else `/var/lib/fbs`.
#[must_use]
pub fn state_dir() -> PathBuf {
    let named = std::env::var_os("FBS_STATE_DIR").filter(|folder| !folder.is_empty());
    named.map_or_else(|| PathBuf::from(STATE_DIR), PathBuf::from)
}

impl Registry {
    /// That of this host: below `FBS_STATE_DIR`, else `/var/lib/fbs`.
    #[must_use]
    pub fn of_host() -> Self {
        Self::at(state_dir().join("jobs"))
    }

    /// That in `folder`, which need not be there yet.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Enters a build that begins now, and forgets the oldest of many that have ended.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn begin(&self, plan: &BuildPlan) -> io::Result<Registration> {
        fs::create_dir_all(&self.folder)?;
        self.prune();
        let mut file = File::options()
            .append(true)
            .create_new(true)
            .open(self.entry(&plan.job))?;
        file.lock()?;
        let log = plan.paths.work.join(JobLog::file_name(plan.created));
        line(
            &mut file,
            &Begun {
                job: plan.job.clone(),
                title: plan.title.clone(),
                started: Timestamp::now(),
                log,
            },
        )?;
        Ok(Registration { file })
    }

    /// All that are known, the newest first.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let entries = self.folder.read_dir().into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut jobs: Vec<Job> = names
            .filter_map(|name| self.read(name.strip_suffix(ENDING)?).ok()?)
            .collect();
        jobs.sort_by(|a, b| (b.started, &b.id).cmp(&(a.started, &a.id)));
        jobs
    }

    /// The one with this id.
    ///
    /// # Errors
    ///
    /// [`MonitorError::Unknown`], with the ids of others; [`MonitorError::Read`].
    pub fn job(&self, id: &str) -> Result<Job, MonitorError> {
        let found = match is_id(id) {
            true => self.read(id).map_err(|source| MonitorError::Read {
                path: self.entry(id),
                source,
            })?,
            false => None,
        };
        found.ok_or_else(|| {
            let jobs = self.jobs().into_iter().take(NAMED);
            MonitorError::Unknown {
                job: id.to_owned(),
                known: jobs.map(|job| job.id).collect(),
            }
        })
    }

    /// The newest.
    ///
    /// # Errors
    ///
    /// [`MonitorError::NoJobs`]
    pub fn newest(&self) -> Result<Job, MonitorError> {
        self.jobs().into_iter().next().ok_or(MonitorError::NoJobs)
    }

    fn entry(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}{ENDING}"))
    }

    /// Reads an entry; nothing where there is none, or it is only being made.
    fn read(&self, id: &str) -> io::Result<Option<Job>> {
        let file = match File::open(self.entry(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Asked before the text is read: a build that ends in between has ended in the text.
        let running = match file.try_lock_shared() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        let text = io::read_to_string(file)?;
        let mut lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let Some(begun) = lines.next() else {
            return Ok(None);
        };
        let Begun {
            job,
            title,
            started,
            log,
        } = serde_json::from_str(begun)?;
        let ended: Option<Ended> = lines.next().map(serde_json::from_str).transpose()?;
        let (state, log, place) = match ended {
            Some(end) => (JobState::Ended(end.outcome), end.log, end.place),
            None if running => (JobState::Running, Some(log), None),
            None => (JobState::Gone, Some(log), None),
        };
        Ok(Some(Job {
            id: job,
            title,
            started,
            state,
            log,
            place,
        }))
    }

    fn prune(&self) {
        let ended = |job: &Job| job.state != JobState::Running;
        for job in self.jobs().into_iter().filter(ended).skip(KEPT - 1) {
            // An entry more does no harm.
            let _ = fs::remove_file(self.entry(&job.id));
        }
    }
}

/// Whether this can be a job's id: no path, and no name that leads out of the folder.
fn is_id(id: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !id.is_empty() && id.len() <= 100 && id.chars().all(fits) && Path::new(id).is_relative()
}
