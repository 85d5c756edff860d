//! The configuration of the service on a host: what holds for all builds that name nothing else.
//!
//! ```toml
//! [koji]
//! hub = "https://koji.example.org/kojihub"
//! files = "https://koji.example.org/kojifiles"
//!
//! [bodhi]
//! url = "https://bodhi.example.org/"
//!
//! [cache]
//! dir = "/srv/fbs-cache"
//! ```
//!
//! Every key may be left out. A command's option goes before the spec, the spec before the
//! environment, the environment before this file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{ErrorKind, StageError};
use crate::koji::{BodhiClient, KojiConfig};
use crate::transfer::StagingSettings;

/// Where the configuration is unless `FBS_CONFIG` names another file.
pub const SERVICE_CONFIG: &str = "/etc/fbs/fbs.toml";

/// The configuration of the service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// `[koji]`
    pub koji: KojiSection,
    /// `[bodhi]`
    pub bodhi: BodhiSection,
    /// `[cache]`
    pub cache: CacheSection,
    /// `[[staging]]`
    pub staging: Vec<StagingSettings>,
}

/// Which Koji is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KojiSection {
    /// The hub.
    pub hub: Option<String>,
    /// The folder above `packages/`.
    pub files: Option<String>,
}

/// Which Bodhi is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BodhiSection {
    /// Its address.
    pub url: Option<String>,
}

/// What builds keep for each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSection {
    /// Its folder.
    pub dir: Option<PathBuf>,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the service configuration {}: {problem}", .path.display())]
pub struct ServiceConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with the line where there is one.
    pub problem: String,
}

impl StageError for ServiceConfigError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("`fbs check --service` looks at the whole file; FBS_CONFIG names another".to_owned())
    }
}

impl ServiceConfig {
    /// The host's: of the file that `FBS_CONFIG` names, which has to be there, else of
    /// [`SERVICE_CONFIG`], if there is one.
    ///
    /// # Errors
    ///
    /// [`ServiceConfigError`]
    pub fn load() -> Result<Self, ServiceConfigError> {
        let named = std::env::var_os("FBS_CONFIG").filter(|path| !path.is_empty());
        match named {
            Some(path) => Self::read(Path::new(&path)),
            None if Path::new(SERVICE_CONFIG).exists() => Self::read(Path::new(SERVICE_CONFIG)),
            None => Ok(Self::default()),
        }
    }

    /// That of a file.
    ///
    /// # Errors
    ///
    /// [`ServiceConfigError`]
    pub fn read(path: &Path) -> Result<Self, ServiceConfigError> {
        let wrong = |problem: String| ServiceConfigError {
            path: path.to_owned(),
            problem,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| format!("line {}: ", before.matches('\n').count() + 1));
            format!("{}{}", line.unwrap_or_default(), error.message())
        })?;
        let koji = &config.koji;
        KojiConfig::new(koji.hub.as_deref(), koji.files.as_deref())
            .map_err(|error| format!("[koji]: {error}"))?;
        BodhiClient::new(config.bodhi.url.as_deref(), None)
            .map_err(|error| format!("[bodhi]: {error}"))?;
        if config
            .cache
            .dir
            .as_ref()
            .is_some_and(|dir| !dir.is_absolute())
        {
            return Err("[cache] dir: it must begin with /".to_owned());
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let config = ServiceConfig::parse(
            "[koji]\nhub = \"http://h/kojihub\"\nfiles = \"http://f/\"\n\
             [bodhi]\nurl = \"http://b/\"\n[cache]\ndir = \"/srv/c\"\n",
        )
        .unwrap();
        assert_eq!(config.koji.hub.as_deref(), Some("http://h/kojihub"));
        assert_eq!(config.koji.files.as_deref(), Some("http://f/"));
        assert_eq!(config.bodhi.url.as_deref(), Some("http://b/"));
        assert_eq!(config.cache.dir.as_deref(), Some(Path::new("/srv/c")));
        assert_eq!(ServiceConfig::parse("").unwrap(), ServiceConfig::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, words) in [
            ("[koji]\nhubs = \"x\"\n", &["line 2", "hubs", "hub"][..]),
            ("[koji]\nhub = 7\n", &["line 2", "string"]),
            ("\n[smtpp]\n", &["line 2", "smtpp"]),
            (
                "[koji]\nhub = \"ftp://h/\"\n",
                &["[koji]", "ftp://h/", "http"],
            ),
            (
                "[cache]\ndir = \"here\"\n",
                &["[cache] dir", "begin with /"],
            ),
            ("[koji\n", &["line 1"]),
        ] {
            let problem = ServiceConfig::parse(text).unwrap_err();
            for word in words {
                assert!(problem.contains(word), "{word}: {problem}");
            }
        }
        let error = ServiceConfig::read(Path::new("/no/such.toml")).unwrap_err();
        assert!(
            error.to_string().contains("/no/such.toml: No such file"),
            "{error}"
        );
    }
}
