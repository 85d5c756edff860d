//! From a request to a response, good or bad.

use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE,
};
use axum::http::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use crate::fault::Fault;
use crate::state::{Shared, State as HubState};
use crate::xmlrpc::{answer, fault, parse_call};

/// The path of the hub.
pub(crate) const HUB: &str = "/kojihub";

/// The largest request that is read.
const LARGEST: usize = 64 << 20;

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Welcome to nginx!</body></html>\n";

/// An answer before it is spoilt.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
    range: Option<String>,
}

impl Answer {
    fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            kind: "text/plain",
            body: Bytes::from(text.into()),
            range: None,
        }
    }
}

pub(crate) async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let path = decoded(request.uri().path());
    let spoilt = shared.lock().begin(&path);
    if let Some(Fault::Late(time)) = spoilt {
        tokio::time::sleep(time).await;
    }
    let latency = shared.lock().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let good = if path == HUB {
        call(&shared, request).await
    } else if let Some(id) = path.strip_prefix("/updates/") {
        update(&shared.lock(), id)
    } else {
        file(
            &shared,
            &path,
            request
                .headers()
                .get(RANGE)
                .and_then(|range| range.to_str().ok()),
        )
    };
    spoil(good, spoilt).await
}

async fn call(shared: &Shared, request: Request) -> Answer {
    if request.method() != Method::POST {
        return Answer::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.\n",
        );
    }
    let body = to_bytes(request.into_body(), LARGEST)
        .await
        .unwrap_or_default();
    let call = match std::str::from_utf8(&body)
        .map_err(|error| error.to_string())
        .and_then(parse_call)
    {
        Ok(call) => call,
        Err(problem) => {
            return Answer::text(
                StatusCode::BAD_REQUEST,
                format!("Invalid request: {problem}"),
            );
        }
    };
    let mut state = shared.lock();
    state.last_body = body.to_vec();
    let xml = if call.method == "multiCall" {
        let calls = call
            .params
            .first()
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let answers = calls.iter().map(|call| {
            state.count(call["methodName"].as_str().unwrap_or_default());
            state.data.answer_within(call)
        });
        answer(&answers.collect())
    } else {
        state.count(&call.method);
        match state.data.answer(&call) {
            Ok(value) => answer(&value),
            Err((code, text)) => fault(code, &text),
        }
    };
    Answer {
        kind: "text/xml",
        ..Answer::text(StatusCode::OK, xml)
    }
}

fn update(state: &HubState, id: &str) -> Answer {
    let (status, json) = match state.data.updates.get(id) {
        Some(update) => (StatusCode::OK, update.to_string()),
        None => (
            StatusCode::NOT_FOUND,
            "{\"status\": \"error\", \"errors\": [{\"location\": \"url\", \"name\": \"id\", \
             \"description\": \"Invalid update id\"}]}"
                .to_owned(),
        ),
    };
    Answer {
        kind: "application/json",
        ..Answer::text(status, json)
    }
}

fn file(shared: &Shared, path: &str, range: Option<&str>) -> Answer {
    let plain = Path::new(path)
        .components()
        .all(|part| part != Component::ParentDir);
    let found = shared.lock().files.get(path).cloned();
    let body = match found {
        Some(source) if plain => source.read(),
        _ => None,
    };
    let Some(body) = body else {
        return Answer::text(StatusCode::NOT_FOUND, "404 Not Found\n");
    };
    let all = Answer {
        status: StatusCode::OK,
        kind: "application/x-rpm",
        body,
        range: None,
    };
    let Some(from) = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')) else {
        return all;
    };
    let size = all.body.len();
    match from.parse::<usize>() {
        Ok(from) if from < size => Answer {
            status: StatusCode::PARTIAL_CONTENT,
            range: Some(format!("bytes {from}-{}/{size}", size - 1)),
            body: all.body.slice(from..),
            ..all
        },
        Ok(_) => Answer {
            range: Some(format!("bytes */{size}")),
            ..Answer::text(StatusCode::RANGE_NOT_SATISFIABLE, "")
        },
        Err(_) => all,
    }
}

async fn spoil(mut good: Answer, fault: Option<Fault>) -> Response<Body> {
    let size = good.body.len();
    let mut pace = None;
    let mut location = None;
    match fault {
        None | Some(Fault::Late(_)) => {}
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
            good = Answer::text(status, format!("{status}\nand so on\n"));
        }
        Some(Fault::Body(body)) => good.body = body.into(),
        Some(Fault::Html) => {
            good = Answer {
                kind: "text/html; charset=utf-8",
                ..Answer::text(StatusCode::OK, PAGE)
            };
        }
        Some(Fault::Moved(to)) => {
            good = Answer::text(StatusCode::MOVED_PERMANENTLY, "");
            location = Some(to);
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Slow(speed)) => pace = Some((size, speed.max(1))),
        Some(Fault::Cut(bytes)) => pace = Some((bytes.min(size), usize::MAX)),
        Some(Fault::Short(bytes)) => good.body.truncate(bytes),
        Some(Fault::Corrupt) => {
            let mut body = good.body.to_vec();
            if let Some(byte) = body.get_mut(size / 2) {
                *byte ^= 0x20;
            }
            good.body = body.into();
        }
    }
    let mut response = Response::builder()
        .status(good.status)
        .header(CONTENT_TYPE, good.kind)
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, good.body.len());
    if let Some(range) = good.range {
        response = response.header(CONTENT_RANGE, range);
    }
    if let Some(to) = location {
        response = response.header(LOCATION, to);
    }
    let body = match pace {
        None => Body::from(good.body),
        Some((bytes, speed)) => paced(good.body.slice(..bytes), speed),
    };
    response.body(body).unwrap_or_default()
}

/// A body that comes at a speed in bytes a second. If it is shorter than was announced, the server
/// breaks the connection at its end.
fn paced(body: Bytes, speed: usize) -> Body {
    const TICKS: u64 = 20;
    let (mut to, from) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let part = usize::try_from(TICKS).map_or(1, |ticks| (speed / ticks).max(1));
        for chunk in body.chunks(part) {
            if to.write_all(chunk).await.is_err() {
                return;
            }
            // After the last one too: the server sends what it has before it breaks off.
            tokio::time::sleep(Duration::from_millis(1000 / TICKS)).await;
        }
    });
    Body::from_stream(ReaderStream::new(from))
}

/// A path without its percent signs.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
