//! Reading a log while it grows.

use std::fs::File;
use std::io::{self, Read, Write};

use super::{Job, JobState, MonitorError, Registry};

/// Reads the log of a job from its beginning on.
///
/// The file stays open: what becomes of its name when the build ends, moved or removed, makes no
/// line come twice and none get lost.
#[derive(Debug)]
pub struct Follower {
    registry: Registry,
    job: String,
    file: Option<File>,
}

impl Follower {
    /// One that has read nothing yet.
    #[must_use]
    pub fn new(registry: Registry, job: &Job) -> Self {
        Self {
            registry,
            job: job.id.clone(),
            file: None,
        }
    }

    /// Writes what is new to `out`, and says how the job stands: once it no longer runs, all of the
    /// log was written.
    ///
    /// # Errors
    ///
    /// [`MonitorError`]
    pub fn step(&mut self, out: &mut dyn Write) -> Result<JobState, MonitorError> {
        // Asked first: what comes between this and the reading is seen the next time.
        let mut job = self.registry.job(&self.job)?;
        if self.file.is_none() {
            self.file = open(&job)?;
        }
        if self.file.is_none() && job.state == JobState::Running {
            // The log may not be there yet; or it was moved since the entry was read.
            job = self.registry.job(&self.job)?;
            self.file = open(&job)?;
        }
        match &mut self.file {
            Some(file) => copy(file, out, &job)?,
            None if job.state == JobState::Running => {}
            None => {
                return Err(MonitorError::NoLog {
                    job: job.id,
                    place: job.place,
                });
            }
        }
        Ok(job.state)
    }
}

fn open(job: &Job) -> Result<Option<File>, MonitorError> {
    let Some(path) = &job.log else {
        return Ok(None);
    };
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(MonitorError::Read {
            path: path.clone(),
            source,
        }),
    }
}

fn copy(file: &mut File, out: &mut dyn Write, job: &Job) -> Result<(), MonitorError> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = file
            .read(&mut buffer)
            .map_err(|source| MonitorError::Read {
                path: job.log.clone().unwrap_or_default(),
                source,
            })?;
        if count == 0 {
            return out.flush().map_err(MonitorError::Write);
        }
        out.write_all(&buffer[..count])
            .map_err(MonitorError::Write)?;
    }
}
