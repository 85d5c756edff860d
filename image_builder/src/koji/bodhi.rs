//! Bodhi, Fedora's update system: which builds an update holds.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::error::line;
use super::limits::Limits;
use super::nvr::Nvr;
use super::transport::{Request, Service, Transport, TransportError};
use crate::error::{ErrorKind, StageError};
use crate::spec::ValueError;
use crate::spec::value::quoted;
use crate::spec::word::serde_as_text;

/// Fedora's Bodhi.
const FEDORA_BODHI: &str = "https://bodhi.fedoraproject.org/";

/// The name of an update: `FEDORA-2026-0123456789`, `FEDORA-EPEL-2026-0123456789`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpdateId(String);

impl UpdateId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpdateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UpdateId {
    type Err = ValueError;

    /// Takes the name, or the address of its page.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let page = text.strip_suffix('/').unwrap_or(text);
        let name = match page.rsplit_once("/updates/") {
            Some((site, name)) if site.starts_with("https://") => name,
            _ => text,
        };
        let mut parts = name.rsplitn(3, '-');
        let (hash, year, prefix) = (parts.next(), parts.next(), parts.next());
        let hash = hash.unwrap_or_default();
        let year = year.unwrap_or_default();
        let prefix = prefix.unwrap_or_default();
        let upper = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'-';
        if prefix.starts_with(|c: char| c.is_ascii_uppercase())
            && prefix.len() <= 64
            && prefix.bytes().all(upper)
            && year.len() == 4
            && year.bytes().all(|byte| byte.is_ascii_digit())
            && (4..=40).contains(&hash.len())
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return Ok(Self(name.to_owned()));
        }
        Err(ValueError::new(
            format!("{} is not a Bodhi update", quoted(text)),
            "expected a name such as FEDORA-2026-0123456789",
        ))
    }
}

serde_as_text!(UpdateId);

/// An update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its name.
    pub id: UpdateId,
    /// `pending`, `testing`, `stable`, `obsolete` or `unpushed`.
    pub status: String,
    /// `F43`.
    pub release: Option<String>,
    /// The side tag it was made from; gone once the update is pushed.
    pub from_tag: Option<String>,
    /// Its builds; at least one.
    pub builds: Vec<Nvr>,
}

/// Why an update's builds are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodhiError {
    /// An address is not one.
    #[error("{} is not an address of a Bodhi; expected an http or https URL", quoted(.0))]
    Address(String),
    /// Bodhi cannot be reached or gives no whole answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// There is no such update.
    #[error("{server} knows no update {id}")]
    NoSuchUpdate {
        /// `Bodhi at URL`.
        server: String,
        /// The update.
        id: UpdateId,
    },
    /// The update is one of containers, modules or flatpaks.
    #[error("update {id} holds no RPM builds")]
    NoBuilds {
        /// The update.
        id: UpdateId,
    },
    /// Bodhi's answer makes no sense.
    #[error("the answer of {server} cannot be used: {problem}")]
    Answer {
        /// `Bodhi at URL`.
        server: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl StageError for BodhiError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Address(_) | Self::NoSuchUpdate { .. } | Self::NoBuilds { .. } => {
                ErrorKind::Usage
            }
            Self::Transport(error) => error.kind(),
            Self::Answer { .. } => ErrorKind::Network,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Transport(error) if error.is_transient())
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Transport(error) => error.hint(),
            Self::NoSuchUpdate { .. } => Some("check the update's name".to_owned()),
            _ => None,
        }
    }
}

/// What the library asks of Bodhi.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Bodhi: Send + Sync + fmt::Debug {
    /// An update and its builds.
    ///
    /// # Errors
    ///
    /// See [`BodhiError`].
    async fn get_update(&self, id: &UpdateId) -> Result<Update, BodhiError>;
}

/// Asks a Bodhi by its REST interface.
///
/// `GET /updates/ID`: <https://bodhi.fedoraproject.org/docs/server_api/rest/updates.html>.
#[derive(Debug, Clone)]
pub struct BodhiClient {
    root: Url,
    transport: Transport,
}

impl BodhiClient {
    /// A client of the Bodhi at `root`, Fedora's if there is none, that goes through `proxy` if
    /// there is one.
    ///
    /// # Errors
    ///
    /// [`BodhiError::Address`], [`TransportError::Proxy`].
    pub fn new(root: Option<&str>, proxy: Option<&str>) -> Result<Self, BodhiError> {
        let text = root.unwrap_or(FEDORA_BODHI);
        let root = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| BodhiError::Address(crate::spec::password::hidden(text).into_owned()))?;
        let service = Service {
            name: "Bodhi",
            whose: "Bodhi's",
            speaks: "JSON",
            is_whole: |body| body.trim_ascii_end().ends_with(b"}"),
        };
        Ok(Self {
            root,
            transport: Transport::new(service, proxy)?,
        })
    }

    /// A client of the Bodhi in `FBS_BODHI`, or of Fedora's.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_environment(proxy: Option<&str>) -> Result<Self, BodhiError> {
        let root = std::env::var("FBS_BODHI")
            .ok()
            .filter(|text| !text.is_empty());
        Self::new(root.as_deref(), proxy)
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.transport.limits = limits;
        self
    }

    /// The same, stopped when `cancel` says so.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.transport.cancel = cancel;
        self
    }
}

#[async_trait]
impl Bodhi for BodhiClient {
    async fn get_update(&self, id: &UpdateId) -> Result<Update, BodhiError> {
        let mut url = self.root.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["updates", id.as_str()]);
        }
        let server = self.transport.server(&self.root);
        let body = match self.transport.send(&url, &Request::Get).await {
            Err(TransportError::Status { status, .. }) if status.starts_with("404 ") => {
                let id = id.clone();
                return Err(BodhiError::NoSuchUpdate { server, id });
            }
            other => other?,
        };
        read(&body, id, server)
    }
}

/// `{"update": {"alias": ..., "status": ..., "builds": [{"nvr": ..., "type": "rpm"}]}}`
#[derive(Deserialize)]
struct Answer {
    update: UpdateRow,
}

#[derive(Deserialize)]
struct UpdateRow {
    alias: String,
    status: String,
    from_tag: Option<String>,
    release: Option<ReleaseRow>,
    builds: Vec<BuildRow>,
}

#[derive(Deserialize)]
struct ReleaseRow {
    name: String,
}

#[derive(Deserialize)]
struct BuildRow {
    nvr: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

fn read(body: &[u8], id: &UpdateId, server: String) -> Result<Update, BodhiError> {
    let answer = |problem: String| BodhiError::Answer {
        server: server.clone(),
        problem: line(&problem),
    };
    let Answer { update } =
        serde_json::from_slice(body).map_err(|error| answer(error.to_string()))?;
    if update.alias != id.as_str() {
        return Err(answer(format!(
            "it is about {} when asked for {id}",
            update.alias
        )));
    }
    let builds = update
        .builds
        .iter()
        .filter(|build| build.kind.as_deref().unwrap_or("rpm") == "rpm")
        .map(|build| build.nvr.parse())
        .collect::<Result<Vec<Nvr>, _>>()
        .map_err(|error| answer(error.problem))?;
    if builds.is_empty() {
        return Err(BodhiError::NoBuilds { id: id.clone() });
    }
    Ok(Update {
        id: id.clone(),
        status: update.status,
        release: update.release.map(|release| release.name),
        from_tag: update.from_tag,
        builds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "FEDORA-2026-0123456789";

    fn update(builds: &str) -> Result<Update, BodhiError> {
        let body = format!(
            "{{\"can_edit\": false, \"update\": {{\"alias\": \"{ID}\", \"status\": \"testing\", \
             \"from_tag\": null, \"title\": \"x\", \"release\": {{\"name\": \"F43\", \
             \"dist_tag\": \"f43\"}}, \"builds\": [{builds}]}}}}"
        );
        read(body.as_bytes(), &ID.parse().unwrap(), "Bodhi".to_owned())
    }

    #[test]
    fn names() {
        for (text, name) in [
            (ID, ID),
            (
                "FEDORA-EPEL-NEXT-2026-01234567ab",
                "FEDORA-EPEL-NEXT-2026-01234567ab",
            ),
            (
                "https://bodhi.fedoraproject.org/updates/FEDORA-2026-0123456789/",
                ID,
            ),
        ] {
            assert_eq!(text.parse::<UpdateId>().unwrap().as_str(), name);
        }
        for text in [
            "",
            "FEDORA",
            "FEDORA-2026",
            "fedora-2026-0123456789",
            "FEDORA-26-0123456789",
            "FEDORA-2026-../../x",
            "FEDORA-2026-0123456789?x",
            "-A-2026-0123456789",
        ] {
            assert!(text.parse::<UpdateId>().is_err(), "{text}");
        }
    }

    #[test]
    fn builds_of_an_update() {
        let update = update(
            r#"{"nvr": "bash-5.3-1.fc43", "type": "rpm", "signed": true, "epoch": 0},
               {"nvr": "fedora-flatpak-x-1-1", "type": "flatpak"},
               {"nvr": "python-setuptools-78.1.1-2.fc43"}"#,
        )
        .unwrap();
        let builds: Vec<_> = update.builds.iter().map(Nvr::to_string).collect();
        assert_eq!(
            builds,
            ["bash-5.3-1.fc43", "python-setuptools-78.1.1-2.fc43"]
        );
        assert_eq!(update.release.as_deref(), Some("F43"));
    }

    #[test]
    fn answers_that_cannot_be_used() {
        assert_eq!(
            update("").unwrap_err().to_string(),
            "update FEDORA-2026-0123456789 holds no RPM builds"
        );
        let error = update(r#"{"nvr": "../../x-1-1"}"#).unwrap_err();
        assert!(
            error.to_string().contains("is not a name-version-release"),
            "{error}"
        );
        let id: UpdateId = "FEDORA-2026-ffffffffff".parse().unwrap();
        for body in ["", "[]", "{}", "{\"update\": 1}"] {
            assert!(read(body.as_bytes(), &id, String::new()).is_err());
        }
    }
}
