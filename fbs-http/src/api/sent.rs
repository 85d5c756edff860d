//! A spec that was sent, in whatever a client has it.

use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::draft::{self, SpecFormat, Wanted};
use crate::problem::Problem;

/// What is wanted, as a form sends it: texts or files.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what is read part by part")]
pub(super) struct WantedForm {
    /// The build spec.
    spec: String,
    /// What it is written in: `ini`, `toml` or `json`; INI if absent.
    format: Option<SpecFormat>,
    /// The kickstart, with all that it includes.
    kickstart: Option<String>,
    /// What goes first: a higher number.
    priority: Option<i8>,
    /// A job that nobody has begun with in this time is not needed any more: `12h`, `30m`.
    deadline: Option<String>,
    /// Whether only who asks and administrators may see it.
    private: Option<bool>,
}

/// What was sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// What is wanted.
    pub(super) wanted: Wanted,
    /// The same as text, by which it is told from another wish.
    pub(super) wish: String,
}

impl FromRequest<App> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let kind = kind(request.headers());
        if kind == "multipart/form-data" {
            let form = Multipart::from_request(request, app).await;
            let form = form.map_err(|error| Problem::new(error.status(), error.body_text()))?;
            return Self::of_form(form).await;
        }
        let body = Bytes::from_request(request, app).await;
        let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let wanted = match kind.as_str() {
            "application/json" => draft::json(&body)?,
            "text/plain" => Wanted::ini(text("the spec", &body)?),
            _ => {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "expected application/json, text/plain with a spec as INI, or multipart/form-data",
                ));
            }
        };
        Ok(Self {
            wanted,
            wish: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

impl Sent {
    async fn of_form(mut form: Multipart) -> Result<Self, Problem> {
        let refuse = |error: MultipartError| Problem::new(error.status(), error.body_text());
        let (mut wanted, mut read) = (Wanted::default(), Vec::new());
        while let Some(part) = form.next_field().await.map_err(refuse)? {
            let name = part.name().unwrap_or_default().to_owned();
            let bytes = part.bytes().await.map_err(refuse)?;
            let given = text(&name, &bytes)?;
            if read.iter().any(|(known, _)| *known == name) {
                return Err(Problem::bad_request(format!("`{name}` was sent twice")));
            }
            let wrong = |words: &str| Problem::bad_request(format!("`{name}`: {words}"));
            match name.as_str() {
                "spec" => wanted.spec = Value::String(given.clone()),
                "kickstart" => wanted.kickstart = Some(given.clone()),
                "deadline" => wanted.deadline = Some(given.clone()),
                "format" => {
                    let format = serde_json::from_value(Value::String(given.clone()));
                    wanted.format = Some(format.map_err(|_| wrong("it is ini, toml or json"))?);
                }
                "priority" => {
                    let priority = given.parse();
                    wanted.priority = priority.map_err(|_| wrong("it is -128 to 127"))?;
                }
                "private" => {
                    let private = given.parse();
                    wanted.private = private.map_err(|_| wrong("it is true or false"))?;
                }
                _ => {
                    let known = "there are spec, format, kickstart, priority, deadline and private";
                    return Err(wrong("no part of ours").with_hint(known));
                }
            }
            read.push((name, given));
        }
        if wanted.spec.is_null() {
            return Err(Problem::bad_request("the part `spec` is missing"));
        }
        // What separates the parts is another word each time.
        read.sort();
        let wish = serde_json::to_string(&read).unwrap_or_default();
        Ok(Self { wanted, wish })
    }
}

/// What a body is, without what is said of it.
fn kind(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.to_ascii_lowercase()
}

fn text(name: &str, bytes: &[u8]) -> Result<String, Problem> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let at = error.valid_up_to();
            Err(Problem::bad_request(format!(
                "{name}: byte {at} is not UTF-8"
            )))
        }
    }
}
