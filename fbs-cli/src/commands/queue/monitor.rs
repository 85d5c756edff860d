//! The logs of a worker's jobs over HTTP, by job id and by nothing else.
//!
//! `GET /jobs/ID/log` is the log as text: what there is, and then each line as it comes, until the job has ended here.
//! `GET /jobs/ID/log/events` is the same as [server-sent
//! events](https://html.spec.whatwg.org/multipage/server-sent-events.html): the id of an event is the byte of the log behind
//! it, so that a browser which comes again gets no line twice and misses none; after the last one comes an event `end`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use image_builder::build_monitor::{JobLogs, LogPiece, LogRequest};
use image_builder::host;
use image_builder::jobs::JobId;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long a quiet log is waited for at a time.
const WAIT: Duration = Duration::from_secs(20);

/// A browser that was cut off comes again after this.
const RETRY: Duration = Duration::from_secs(2);

/// What is served until a worker ends.
pub(super) struct Monitor {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct Shown {
    logs: JobLogs,
    done: CancellationToken,
}

impl Monitor {
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where people find it, if nobody knows better.
    pub(super) fn url(&self) -> String {
        match self.address.ip().is_unspecified() {
            true => format!("http://{}:{}", host::name(), self.address.port()),
            false => format!("http://{}", self.address),
        }
    }

    /// Serves `logs` until `done`.
    pub(super) async fn serve(self, logs: JobLogs, done: CancellationToken) -> io::Result<()> {
        let shown = Shown {
            logs,
            done: done.clone(),
        };
        let router = Router::new()
            .route("/jobs/{job}/log", get(text))
            .route("/jobs/{job}/log/events", get(events))
            .with_state(shown);
        let server = axum::serve(self.listener, router);
        // Followers hear of the end themselves.
        server.with_graceful_shutdown(done.cancelled_owned()).await
    }
}

async fn text(State(shown): State<Shown>, Path(job): Path<String>) -> Response {
    let Some(log) = Log::open(shown, &job, 0).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let pieces = stream::unfold(log, |log| async move {
        let (piece, log) = log.next().await?;
        Some((piece.map(|piece| Bytes::from(piece.text)), log))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

async fn events(
    State(shown): State<Shown>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Response {
    let from = match headers.get("last-event-id").map(HeaderValue::to_str) {
        None => 0,
        Some(id) => match id.ok().and_then(|id| id.parse().ok()) {
            Some(from) => from,
            None => return StatusCode::BAD_REQUEST.into_response(),
        },
    };
    match Log::open(shown, &job, from).await {
        Some(log) => Sse::new(sent(log))
            .keep_alive(KeepAlive::default())
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A log as events.
fn sent(log: Log) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Some(log), |log| async move {
        let log = log?;
        let from = log.from;
        let done = log.shown.done.clone();
        Some(match log.next().await {
            Some((Ok(piece), log)) => {
                let event = Event::default().id(piece.next.to_string()).retry(RETRY);
                // The event's own end of a line is taken off by who reads it.
                let text = piece.text.replace('\r', "");
                let text = text.strip_suffix('\n').unwrap_or(&text);
                (Ok(event.data(text)), Some(log))
            }
            // A worker that ends tells nobody that the log is whole.
            Some((Err(_), _)) => return None,
            None if done.is_cancelled() => return None,
            None => (
                Ok(Event::default().event("end").id(from.to_string()).data("")),
                None,
            ),
        })
    })
}

/// A log that somebody reads.
struct Log {
    shown: Shown,
    job: JobId,
    from: u64,
    ended: bool,
}

impl Log {
    /// `None`: there is no such log, or no such name can be one's.
    async fn open(shown: Shown, job: &str, from: u64) -> Option<Self> {
        let job = JobId::parse(job)?;
        let log = Self {
            shown,
            job,
            from,
            ended: false,
        };
        let piece = log.piece(Duration::ZERO).await.ok()?;
        (!(piece.missing && piece.ended)).then_some(log)
    }

    async fn piece(&self, wait: Duration) -> io::Result<LogPiece> {
        let request = LogRequest {
            job: self.job.clone(),
            from: self.from,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            progress: false,
        };
        self.shown.logs.piece(&request).await
    }

    /// The next piece that holds something; nothing behind the end, nor when the worker ends.
    async fn next(mut self) -> Option<(io::Result<LogPiece>, Self)> {
        while !self.ended {
            let piece = tokio::select! {
                piece = self.piece(WAIT) => piece,
                () = self.shown.done.cancelled() => return None,
            };
            match piece {
                Ok(piece) => {
                    self.from = piece.next;
                    self.ended = piece.ended;
                    if !piece.text.is_empty() {
                        return Some((Ok(piece), self));
                    }
                }
                Err(error) => {
                    self.ended = true;
                    return Some((Err(error), self));
                }
            }
        }
        None
    }
}
