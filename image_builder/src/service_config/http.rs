//! `[http]`: the service in the browser and over REST.

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use super::RetentionSection;
use crate::quantity::ByteSize;
use crate::spec::Release;

/// What `fbs-http` does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSection {
    /// Address and port to listen on.
    pub listen: Option<SocketAddr>,
    /// Where users find it, if that is another address: `https://images.example.org`.
    pub public_url: Option<String>,
    /// Where the records of jobs are: a file, or `postgres://fbs@host/fbs`, without a password.
    pub store: Option<String>,
    /// The largest request.
    pub max_body: Option<ByteSize>,
    /// Whether images are built here, too; as a rule where there is no broker.
    pub worker: Option<bool>,
    /// The releases that are built here.
    pub releases: Vec<String>,
    /// The builds that are made here at a time.
    pub slots: Option<u16>,
    /// `[http.retention]`
    pub retention: RetentionSection,
}

impl HttpSection {
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(text) = &self.public_url {
            let parsed = url::Url::parse(text).ok();
            let fits = parsed.is_some_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.has_host()
                    && url.path() == "/"
                    && url.query().is_none()
                    && url.username().is_empty()
            });
            if !fits {
                return Err(
                    "[http] public_url: an http or https address without a path is wanted, such as \
                     \"https://images.example.org\""
                        .to_owned(),
                );
            }
        }
        if let Some(store) = &self.store {
            check_store(store).map_err(|problem| format!("[http] store: {problem}"))?;
        }
        for release in &self.releases {
            release
                .parse::<Release>()
                .map_err(|error| format!("[http] releases: {release:?}: {error}"))?;
        }
        if self.slots == Some(0) {
            return Err(
                "[http] slots: at least one is wanted; `worker = false` builds nothing here"
                    .to_owned(),
            );
        }
        self.retention.check()
    }
}

fn check_store(store: &str) -> Result<(), String> {
    if !store.contains("://") {
        return match Path::new(store).is_absolute() {
            true => Ok(()),
            false => Err("a file begins with /, a database with postgres://".to_owned()),
        };
    }
    let url = url::Url::parse(store).ok();
    let url = url.filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    match url {
        None => Err(
            "expected a file, or a database such as \"postgres://fbs@db.example.org/fbs\""
                .to_owned(),
        ),
        Some(url) if url.password().is_some_and(|word| !word.is_empty()) => Err(
            "a password does not belong in this file: PGPASSWORD or ~/.pgpass has it".to_owned(),
        ),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::quantity::ByteSize;
    use crate::service_config::ServiceConfig;

    #[test]
    fn every_key_is_read_and_what_is_wrong_is_named() {
        let text = "[http]\nlisten = \"127.0.0.1:8080\"\npublic_url = \"https://images.example.org\"\n\
                    store = \"postgres://fbs@db/fbs\"\nmax_body = \"2M\"\nworker = false\n\
                    releases = [\"43\", \"rawhide\"]\nslots = 2\n";
        let http = ServiceConfig::parse(text).unwrap().http;
        assert_eq!(http.listen, Some("127.0.0.1:8080".parse().unwrap()));
        assert_eq!(http.max_body, Some(ByteSize(2 << 20)));
        assert_eq!((http.worker, http.slots), (Some(false), Some(2)));
        assert_eq!(http.releases, ["43", "rawhide"]);
        for (text, words) in [
            ("lisen = \"x\"", &["lisen", "listen"][..]),
            ("listen = \"here\"", &["socket address"]),
            ("public_url = \"ftp://h\"", &["[http] public_url"]),
            ("public_url = \"http://h/fbs\"", &["without a path"]),
            (
                "store = \"jobs.sqlite\"",
                &["[http] store", "begins with /"],
            ),
            ("store = \"mysql://h/x\"", &["[http] store", "postgres://"]),
            ("store = \"postgres://u:f00@h/x\"", &["PGPASSWORD"]),
            ("releases = [\"-x\"]", &["[http] releases", "-x"]),
            ("slots = 0", &["[http] slots"]),
        ] {
            let problem = ServiceConfig::parse(&format!("[http]\n{text}\n")).unwrap_err();
            for word in words {
                assert!(problem.contains(word), "{word}: {problem}");
            }
            assert!(!problem.contains("f00"), "{problem}");
        }
    }
}
