//! `fbs logs`.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use image_builder::build_monitor::{Follower, JobState, MonitorError, Registry};

use super::{queue, server};
use crate::args::Logs;
use crate::exit::{self, Exit};

/// How often a log is looked at that grows.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: &Logs) -> Exit {
    // A job that this host has not built was built by a worker.
    let service = match queue::service(&args.queue) {
        Ok(service) => service,
        Err(exit) => return exit,
    };
    let asked = args.queue.service.server.is_some();
    let elsewhere = asked || args.queue.place.broker.is_some() || args.queue.place.local;
    if let Some(job) = &args.job
        && (elsewhere
            || matches!(
                Registry::of_host().job(job),
                Err(MonitorError::Unknown { .. } | MonitorError::NoJobs)
            ))
        && (elsewhere || service.is_some() || queue::is_configured(&args.queue))
    {
        if let Some(client) = &service {
            return server::logs(client, job, args.follow, &mut *out()).await;
        }
        return queue::logs::show(&args.queue, job, args.follow, &mut *out()).await;
    }
    match show(args).await {
        Ok(exit) => exit,
        // A reader that has gone (`fbs logs | head`) is no error.
        Err(MonitorError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => exit::error(&error),
    }
}

fn out() -> Box<dyn Write + Send> {
    match io::stdout().is_terminal() {
        true => Box::new(Harmless(io::stdout())),
        false => Box::new(io::stdout()),
    }
}

async fn show(args: &Logs) -> Result<Exit, MonitorError> {
    let registry = Registry::of_host();
    let job = match &args.job {
        Some(id) => registry.job(id)?,
        None => registry.newest()?,
    };
    let mut follower = Follower::new(registry, &job);
    let mut out = out();
    loop {
        match follower.step(&mut *out)? {
            JobState::Running if args.follow => tokio::time::sleep(PAUSE).await,
            JobState::Running | JobState::Ended(_) => return Ok(Exit::Done),
            JobState::Gone => {
                exit::say(format_args!(
                    "the process that built job {} is gone: its log has no end",
                    job.id
                ));
                return Ok(Exit::Failed);
            }
        }
    }
}

/// Keeps what programs printed from steering the terminal.
struct Harmless<W>(W);

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shown = |&byte: &u8| match byte {
            b'\n' | b'\t' => byte,
            0..0x20 | 0x7f => b'?',
            _ => byte,
        };
        let text: Vec<u8> = bytes.iter().map(shown).collect();
        self.0.write_all(&text)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_log_steers_the_terminal() {
        let mut out = Harmless(Vec::new());
        out.write_all("ü\t\x1b[2J\x07\n".as_bytes()).unwrap();
        assert_eq!(out.0, "ü\t?[2J?\n".as_bytes());
    }
}
