//! `/rest`, as the service of 2012 had it.
//!
//! Its client sends a JSON object: `config`, the build configuration as a JSON string in a string; `ksfname`, the name
//! of a kickstart, or null; `ks`, its text as a JSON string in a string.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use image_builder::spec::BuildSpec;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Caller;
use crate::draft::{self, Wanted};
use crate::problem::Problem;

/// What `GET /rest` says.
const HELP: &str = "POST JSON here: config, the build configuration as a JSON string in a string; ksfname, \
                    the name of a kickstart, or null; ks, its text as a JSON string in a string.\n\
                    The answer is the id of the job and its address. /api/docs describes the newer API.\n";

/// What the client of 2012 sends.
#[derive(Debug, Deserialize)]
struct Sent {
    config: String,
    #[serde(default)]
    ksfname: Value,
    #[serde(default)]
    ks: Value,
}

/// `GET /rest`
pub(crate) async fn help() -> &'static str {
    HELP
}

/// `POST /rest`
pub(crate) async fn submit(
    State(app): State<App>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    let sent: Sent = draft::json(&body)?;
    let config = inner("config", &sent.config)?;
    let kickstart = match &sent.ks {
        Value::Null => None,
        Value::String(text) => Some(inner("ks", text)?),
        _ => return Err(Problem::bad_request("`ks` is no text")),
    };
    if !matches!(sent.ksfname, Value::Null | Value::String(_)) {
        return Err(Problem::bad_request("`ksfname` is no name"));
    }
    let mut wanted = Wanted {
        kickstart,
        ..Wanted::ini(config)
    };
    let mut spec = wanted.parse().map_err(Problem::invalid)?;
    let ignored = without_folders(&mut spec);
    if spec.image_type() == image_builder::spec::ImageType::Boot {
        // Its client sends the one of another section along.
        wanted.kickstart = None;
    }
    let request = wanted
        .request_of(&spec, &caller.name)
        .map_err(Problem::invalid)?;
    let submitted = app.submit(&caller, request, None).await?;
    let place = format!("/api/v1/jobs/{}", submitted.job);
    let answer = json!({
        "job": submitted.job,
        "url": place,
        "log": format!("{place}/log"),
        "ignored": ignored,
    });
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// The JSON string in a string.
fn inner(name: &str, text: &str) -> Result<String, Problem> {
    serde_json::from_str(text).map_err(|_| {
        Problem::bad_request(format!("`{name}` is no JSON string in a string"))
            .with_hint("json.dumps(text) makes one; the newer API at /api/v1/jobs takes plain text")
    })
}

/// The configurations of 2012 had to name folders of the worker. A worker has its own: which of them are not heeded.
fn without_folders(spec: &mut BuildSpec) -> Vec<&'static str> {
    let mut ignored = Vec::new();
    let mut drop = |key, was_there: bool| {
        if was_there {
            ignored.push(key);
        }
    };
    if let Some(boot) = &mut spec.boot {
        drop("[boot] outdir", boot.outdir.take().is_some());
        drop("[boot] workdir", boot.workdir.take().is_some());
    }
    if let Some(dvd) = &mut spec.dvd {
        drop("[dvd] destdir", dvd.destdir.take().is_some());
        drop("[dvd] cachedir", dvd.cachedir.take().is_some());
        drop("[dvd] workdir", dvd.workdir.take().is_some());
    }
    if let Some(live) = &mut spec.live {
        drop("[live] tmpdir", live.tmpdir.take().is_some());
        drop("[live] cachedir", live.cachedir.take().is_some());
        drop("[live] logfile", live.logfile.take().is_some());
    }
    ignored
}
