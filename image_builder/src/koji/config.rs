//! Which Koji is asked.

use serde::{Deserialize, Serialize};
use url::Url;

use super::error::KojiError;
use crate::spec::password::hidden;

/// Fedora's hub.
const FEDORA_HUB: &str = "https://koji.fedoraproject.org/kojihub";

/// The host of Fedora's files.
const FEDORA_FILES: &str = "https://kojipkgs.fedoraproject.org/";

/// The addresses of a Koji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiConfig {
    /// The hub, which answers XML-RPC.
    pub hub: Url,
    /// The folder above `packages/` and `vol/`.
    pub files: Url,
}

impl KojiConfig {
    /// Addresses as somebody wrote them; Fedora's where there is none.
    ///
    /// Of a hub that is not Fedora's and comes without an address for its files, `/kojifiles`
    /// beside it is taken: <https://docs.pagure.org/koji/server_howto/>.
    ///
    /// # Errors
    ///
    /// [`KojiError::Address`]: a text that is not an `http` or `https` URL.
    pub fn new(hub: Option<&str>, files: Option<&str>) -> Result<Self, KojiError> {
        Ok(Self {
            hub: address("hub", hub.unwrap_or(FEDORA_HUB))?,
            files: match (hub, files) {
                (_, Some(files)) => address("files", files)?,
                (None, None) => address("files", FEDORA_FILES)?,
                (Some(hub), None) => {
                    let hub = address("hub", hub.trim_end_matches('/'))?;
                    hub.join("kojifiles").unwrap_or(hub)
                }
            },
        })
    }

    /// The addresses in `FBS_KOJI_HUB` and `FBS_KOJI_FILES`, or Fedora's.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_environment() -> Result<Self, KojiError> {
        let read = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self::new(
            read("FBS_KOJI_HUB").as_deref(),
            read("FBS_KOJI_FILES").as_deref(),
        )
    }
}

fn address(which: &'static str, text: &str) -> Result<Url, KojiError> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(KojiError::Address {
            which,
            address: hidden(text).into_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(hub: Option<&str>, files: Option<&str>) -> (String, String) {
        let config = KojiConfig::new(hub, files).unwrap();
        (config.hub.into(), config.files.into())
    }

    #[test]
    fn fedora_by_default() {
        assert_eq!(
            config(None, None),
            (FEDORA_HUB.to_owned(), FEDORA_FILES.to_owned())
        );
        let mirror = "http://mirror.example/koji/";
        assert_eq!(
            config(None, Some(mirror)),
            (FEDORA_HUB.to_owned(), mirror.to_owned())
        );
    }

    #[test]
    fn files_beside_another_hub() {
        for hub in [
            "http://koji.example/kojihub",
            "http://koji.example/kojihub/",
        ] {
            assert_eq!(config(Some(hub), None).1, "http://koji.example/kojifiles");
        }
        assert_eq!(
            config(Some("http://h/hub"), Some("http://f/x")).1,
            "http://f/x"
        );
    }

    #[test]
    fn addresses_that_are_none() {
        for text in ["koji.example", "file:///etc", "ftp://h/", "http://", ""] {
            assert!(KojiConfig::new(Some(text), None).is_err(), "{text}");
        }
        let error = KojiConfig::new(None, Some("ftp://me:pw@h/")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"ftp://me:***@h/\" is not an address of a Koji's files; expected an http or https URL"
        );
    }
}
