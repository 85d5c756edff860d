//! Errors as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) has them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use image_builder::error::StageError;
use image_builder::jobs::{PrepareError, StoreError};
use image_builder::master::OrderError;
use image_builder::queue::QueueError;
use image_builder::spec::Mistake;
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What kind of problem it is; the status says it.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The status in words.
    pub(crate) title: String,
    /// The status of the answer.
    pub(crate) status: u16,
    /// What is wrong.
    pub(crate) detail: String,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// Every mistake in what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mistakes: Vec<WrittenMistake>,
}

/// A mistake in a spec or a kickstart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct WrittenMistake {
    /// The section, without its brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) section: Option<String>,
    /// The key, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// What is wrong.
    pub(crate) message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl WrittenMistake {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            section: None,
            key: None,
            line: None,
            message: message.into(),
            hint: None,
        }
    }
}

impl From<&Mistake> for WrittenMistake {
    fn from(mistake: &Mistake) -> Self {
        Self {
            section: mistake.section.clone(),
            key: mistake.key.clone(),
            line: mistake.line,
            message: mistake.problem.clone(),
            hint: mistake.hint.clone(),
        }
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            mistakes: Vec::new(),
        }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// What was sent has mistakes.
    pub(crate) fn invalid(mistakes: Vec<WrittenMistake>) -> Self {
        let detail = match mistakes.len() {
            1 => "the spec has a mistake".to_owned(),
            n => format!("the spec has {n} mistakes"),
        };
        Self {
            mistakes,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
    }

    /// What is wrong and the way out, in a line.
    pub(crate) fn words(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.detail),
            None => self.detail.clone(),
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn of(status: StatusCode, error: &impl StageError) -> Self {
        Self {
            hint: error.hint(),
            ..Self::new(status, error.to_string())
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!("{error}");
        match error.is_transient() {
            true => Self::of(StatusCode::SERVICE_UNAVAILABLE, &error),
            false => Self::of(StatusCode::INTERNAL_SERVER_ERROR, &error),
        }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match &error {
            QueueError::TooLarge { .. } => Self::of(StatusCode::PAYLOAD_TOO_LARGE, &error),
            _ => {
                tracing::warn!("{error}");
                Self::of(StatusCode::SERVICE_UNAVAILABLE, &error)
            }
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Queue(error) => error.into(),
            OrderError::Store(error) => error.into(),
            OrderError::Unknown(_) => Self::of(StatusCode::NOT_FOUND, &error),
            OrderError::Ended { .. } | OrderError::Open { .. } => {
                Self::of(StatusCode::CONFLICT, &error)
            }
            OrderError::Forgotten(_) => Self::of(StatusCode::GONE, &error),
            OrderError::OtherWish(_) => Self::of(StatusCode::UNPROCESSABLE_ENTITY, &error),
        }
    }
}

/// What a spec or a kickstart has of mistakes, each by itself.
pub(crate) fn mistakes_of(error: &PrepareError) -> Vec<WrittenMistake> {
    use image_builder::kickstart::KickstartError;
    match error {
        PrepareError::Spec(error) if !error.mistakes().is_empty() => {
            error.mistakes().iter().map(WrittenMistake::from).collect()
        }
        PrepareError::Kickstart(KickstartError::Invalid(mistakes)) => {
            let mistake = |mistake: &image_builder::kickstart::Mistake| WrittenMistake {
                section: Some("kickstart".to_owned()),
                key: mistake.subject.clone(),
                line: Some(mistake.place.line),
                message: mistake.error.problem.clone(),
                hint: mistake.error.hint.clone(),
            };
            mistakes.iter().map(mistake).collect()
        }
        PrepareError::Untrusted(lines) => {
            let mistake = |line: &String| WrittenMistake {
                section: Some("kickstart".to_owned()),
                ..WrittenMistake::new(line)
            };
            lines.iter().map(mistake).collect()
        }
        other => vec![WrittenMistake {
            section: Some("kickstart".to_owned()),
            hint: other.hint(),
            ..WrittenMistake::new(other.to_string())
        }],
    }
}
