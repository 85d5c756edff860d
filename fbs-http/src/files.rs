//! Files and texts, or the parts of them that are asked for.

use std::io::{self, SeekFrom};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::conditions::{Validators, Verdict, judge};
use crate::problem::Problem;

/// What is in a file may not act here, whatever it is.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// So much is read at once.
const CHUNK: usize = 64 * 1024;

/// What is known of a file that tells one state of it from another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum State<'a> {
    /// Its SHA-256.
    Sum(&'a str),
    /// It was written once.
    Written,
    /// Somebody may be writing to its end.
    Growing,
}

/// Where bytes come from.
#[derive(Debug)]
enum Source {
    File(File),
    Text(Bytes),
}

/// Serves a file, or the part of it that is asked for.
pub(crate) async fn file(
    path: &Path,
    kind: &str,
    state: State<'_>,
    request: &Parts,
) -> Result<Response, Problem> {
    let unreadable = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Problem::not_found("the file is not there any more");
        }
        tracing::warn!("{}: {error}", path.display());
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read")
    };
    let file = File::open(path).await.map_err(unreadable)?;
    let metadata = file.metadata().await.map_err(unreadable)?;
    let time = metadata.modified().map_err(unreadable)?;
    let (length, state) = (metadata.len(), {
        let by_time = || Validators::of_tag(&of_time(metadata.len(), time));
        match state {
            State::Sum(sum) => Validators::of_tag(sum).written(time),
            State::Written => by_time().written(time),
            State::Growing => by_time(),
        }
    });
    let answer = answer(request, kind, length, &state, Source::File(file)).await;
    answer.map_err(unreadable)
}

/// Serves a text that nobody knows another state of.
pub(crate) async fn text(text: String, kind: &str, request: &Parts) -> Response {
    let bytes = Bytes::from(text);
    let length = bytes.len() as u64;
    let known = Validators::default();
    let answer = answer(request, kind, length, &known, Source::Text(bytes)).await;
    answer.unwrap_or_else(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
    })
}

/// A file that is written to has another length, one that is written anew another time.
fn of_time(length: u64, time: SystemTime) -> String {
    let nanoseconds = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{length:x}-{:x}", nanoseconds.as_nanos())
}

async fn answer(
    request: &Parts,
    kind: &str,
    length: u64,
    known: &Validators,
    source: Source,
) -> io::Result<Response> {
    let verdict = judge(&request.method, &request.headers, length, known);
    let mut response = match verdict {
        Verdict::Whole => source.part(0, length).await?.into_response(),
        Verdict::Part(first, last) => {
            let body = source.part(first, last - first + 1).await?;
            (StatusCode::PARTIAL_CONTENT, body).into_response()
        }
        Verdict::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        Verdict::Another => {
            let words = "the file is not the one that the request is about";
            Problem::new(StatusCode::PRECONDITION_FAILED, words).into_response()
        }
        Verdict::NoSuchPart => {
            let words = format!("there is no such part: the file has {length} bytes");
            Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, words).into_response()
        }
    };
    let headers = response.headers_mut();
    let sent = match verdict {
        Verdict::Whole => Some(length),
        Verdict::Part(first, last) => {
            let range = format!("bytes {first}-{last}/{length}");
            insert(headers, header::CONTENT_RANGE, &range);
            Some(last - first + 1)
        }
        Verdict::NoSuchPart => {
            insert(headers, header::CONTENT_RANGE, &format!("bytes */{length}"));
            None
        }
        Verdict::NotModified | Verdict::Another => None,
    };
    if let Some(sent) = sent {
        headers.insert(header::CONTENT_LENGTH, sent.into());
        insert(headers, header::CONTENT_TYPE, kind);
    }
    insert(headers, header::ACCEPT_RANGES, "bytes");
    insert(headers, header::CONTENT_SECURITY_POLICY, POLICY);
    if let Some(tag) = &known.tag {
        insert(headers, header::ETAG, tag);
    }
    if let Some(date) = known.last_modified() {
        insert(headers, header::LAST_MODIFIED, &date);
    }
    Ok(response)
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

impl Source {
    /// So many bytes from one on.
    async fn part(self, first: u64, length: u64) -> io::Result<Body> {
        match self {
            Self::File(mut file) => {
                file.seek(SeekFrom::Start(first)).await?;
                let stream = ReaderStream::with_capacity(file.take(length), CHUNK);
                Ok(Body::from_stream(stream))
            }
            Self::Text(text) => {
                let place =
                    |byte| usize::try_from(byte).map_or(text.len(), |byte| byte.min(text.len()));
                Ok(Body::from(text.slice(place(first)..place(first + length))))
            }
        }
    }
}
