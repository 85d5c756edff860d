//! Following the log of a job.

use std::time::Duration;

use reqwest::{Method, Response, header};
use serde::Deserialize;

use super::sse::Parser;
use super::{Client, ClientError};
use crate::backoff;
use crate::error::StageError;
use crate::events::Progress;
use crate::http;

/// The service sends something that often, whatever happens.
const SILENCE: Duration = Duration::from_secs(60);

/// A log may grow for as long as this without a new connection.
const CONNECTION: Duration = Duration::from_secs(24 * 3600);

/// So often a connection that broke is made again before it is given up: for about two minutes.
const PATIENCE: u32 = 16;

/// The first pause between two tries.
const SOON: Duration = Duration::from_millis(500);

/// The longest.
const LATE: Duration = Duration::from_secs(10);

/// The longest event: some pieces of a log.
const LARGEST: usize = 16 << 20;

/// What happens to the log of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// A worker has begun with the job; what comes is the log of this run.
    Run {
        /// Which run it is.
        run: u32,
        /// The worker's name.
        worker: String,
    },
    /// More of it: whole lines.
    Lines(String),
    /// How far the running stage is. Not every service tells it, and none more often than once a second.
    Progress(Progress),
}

#[derive(Deserialize)]
struct Run {
    run: u32,
    worker: String,
}

#[derive(Deserialize)]
struct Lines {
    text: String,
}

/// The log of a job while it grows, each line once, whatever happens to the connection.
#[derive(Debug)]
pub struct LogStream {
    client: Client,
    path: String,
    connection: Option<(Response, Parser)>,
    last: Option<String>,
    failures: u32,
    ended: bool,
}

impl LogStream {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self {
            client,
            path,
            connection: None,
            last: None,
            failures: 0,
            ended: false,
        }
    }

    /// What comes next; `None` when the job has ended and all of its log was read. A connection that breaks is made
    /// again.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: there is no such job, or the service stays away.
    pub async fn next(&mut self) -> Result<Option<LogEvent>, ClientError> {
        while !self.ended {
            let event = match self.event().await {
                Ok(event) => event,
                Err(error) if error.is_transient() && self.failures < PATIENCE => {
                    self.failures += 1;
                    self.connection = None;
                    tracing::debug!("{error}; it is tried again");
                    tokio::time::sleep(backoff::wait(SOON, LATE, self.failures)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.failures = 0;
            if event.id.is_some() {
                self.last.clone_from(&event.id);
            }
            let wrong = |error: serde_json::Error| ClientError::Unreadable {
                server: self.client.name(),
                reason: error.to_string(),
            };
            match event.name.as_str() {
                "end" => self.ended = true,
                "log" => {
                    let lines: Lines = serde_json::from_str(&event.data).map_err(wrong)?;
                    return Ok(Some(LogEvent::Lines(lines.text)));
                }
                "run" => {
                    let Run { run, worker } = serde_json::from_str(&event.data).map_err(wrong)?;
                    return Ok(Some(LogEvent::Run { run, worker }));
                }
                // A stage of a newer service is not one that could be shown.
                "progress" => {
                    if let Ok(progress) = serde_json::from_str(&event.data) {
                        return Ok(Some(LogEvent::Progress(progress)));
                    }
                }
                // Of a newer service.
                _ => {}
            }
        }
        Ok(None)
    }

    async fn event(&mut self) -> Result<super::sse::Event, ClientError> {
        let server = self.client.name();
        let unreachable = |reason: String| ClientError::Unreachable {
            server: server.clone(),
            reason,
        };
        loop {
            let (response, parser) = match &mut self.connection {
                Some(connection) => connection,
                None => {
                    let mut request = self.client.request(Method::GET, &self.path);
                    request = request
                        .header(header::ACCEPT, "text/event-stream")
                        .timeout(CONNECTION);
                    if let Some(last) = &self.last {
                        request = request.header("last-event-id", last);
                    }
                    let response = self.client.send(request).await?;
                    self.connection.insert((response, Parser::default()))
                }
            };
            if let Some(event) = parser.next() {
                return Ok(event);
            }
            if parser.pending() > LARGEST {
                return Err(ClientError::Unreadable {
                    server,
                    reason: "an event is too long".to_owned(),
                });
            }
            let chunk = tokio::time::timeout(SILENCE, response.chunk()).await;
            let chunk = chunk.map_err(|_| unreachable("nothing comes any more".to_owned()))?;
            match chunk.map_err(|error| unreachable(http::reason(&error)))? {
                Some(chunk) => parser.feed(&chunk),
                None => return Err(unreachable("the connection was closed".to_owned())),
            }
        }
    }
}
