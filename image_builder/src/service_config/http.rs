//! `[http]`: the service in the browser and over REST.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::access::{Auth, Networks, OidcSection};
use super::{Lifetime, RetentionSection, SecretPlace};
use crate::accounts::{Quota, RoleRules};
use crate::network::{Network, is_for_people};
use crate::quantity::{Age, ByteSize};
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
    /// How somebody proves who they are.
    pub auth: Auth,
    /// The provider of accounts.
    pub oidc: Option<OidcSection>,
    /// Which groups may do what.
    pub roles: RoleRules,
    /// What may be done without an account, by network.
    pub networks: Networks,
    /// How much each account may have.
    pub quota: Quota,
    /// How long somebody stays logged in.
    pub session: Option<Age>,
    /// Requests a second of each account, or of an address without one.
    pub rate: Option<NonZeroU32>,
    /// The proxies that are believed about where a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// How long the audit log is kept.
    pub keep_audit: Option<Lifetime>,
    /// How the journal is written.
    pub log: LogFormat,
    /// Whether each request has a line of it; by default in JSON only.
    pub log_requests: Option<bool>,
    /// The internal networks that kickstarts and lists of packages may be fetched from.
    pub fetch_networks: Vec<Network>,
}

/// How the journal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people: level, target, words, and what belongs to them as `KEY=VALUE`.
    #[default]
    Text,
    /// For programs: an object a line.
    Json,
}

/// How long the audit log is kept unless somebody says otherwise.
const AUDIT: Duration = Duration::from_secs(365 * 86_400);

impl HttpSection {
    /// How long entries of the audit log stay; for ever if `None`.
    #[must_use]
    pub fn audit_age(&self) -> Option<Duration> {
        match self.keep_audit {
            None => Some(AUDIT),
            Some(Lifetime::For(age)) => Some(age.0),
            Some(Lifetime::Endless) => None,
        }
    }

    /// Whether each request has a line of the journal.
    #[must_use]
    pub fn tells_requests(&self) -> bool {
        self.log_requests.unwrap_or(self.log == LogFormat::Json)
    }

    pub(super) fn settle(&mut self, folder: &Path) {
        if let Some(oidc) = &mut self.oidc {
            oidc.settle(folder);
        }
    }

    pub(super) fn secret(&self) -> Option<SecretPlace> {
        self.oidc.as_ref().and_then(OidcSection::secret)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(text) = &self.public_url {
            let parsed = url::Url::parse(text).ok();
            let fits = parsed.is_some_and(|url| {
                is_for_people(&url) && url.path() == "/" && url.username().is_empty()
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
        if self.audit_age() == Some(Duration::ZERO) {
            return Err(
                "[http] keep_audit: nothing would be kept; such as \"365d\", or \"never\" for ever"
                    .to_owned(),
            );
        }
        self.retention.check()?;
        self.check_access()
    }

    fn check_access(&self) -> Result<(), String> {
        if let Some(oidc) = &self.oidc {
            oidc.check()?;
        }
        match self.auth {
            Auth::Oidc if self.oidc.is_none() => {
                Err("[http] auth: \"oidc\" needs a section [http.oidc] with the provider".to_owned())
            }
            // Who writes these believes that they hold.
            Auth::None
                if self.oidc.is_some()
                    || !self.roles.is_empty()
                    || !self.networks.is_empty()
                    || self.quota != Quota::default() =>
            {
                Err(
                    "[http] auth: it is \"none\", and so oidc, roles, networks and quota mean nothing; write \
                     auth = \"oidc\""
                        .to_owned(),
                )
            }
            _ => Ok(()),
        }
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
    use std::time::Duration;

    use crate::quantity::ByteSize;
    use crate::service_config::{LogFormat, ServiceConfig};

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
        let text = "[http]\nauth = \"oidc\"\nsession = \"8h\"\nrate = 5\ntrusted_proxies = [\"127.0.0.1\", \"::1\"]\n\
                    [http.oidc]\nissuer = \"https://id.fedoraproject.org/openidc\"\nclient_id = \"fbs\"\n\
                    client_secret_file = \"oidc\"\n[http.roles]\nsubmit = [\"packager\"]\nadmin = [\"user:anna\"]\n\
                    [http.networks]\n\"10.1.0.0/16\" = \"submit\"\n[http.quota]\nopen = 4\nday = 20\ndisk = \"50G\"\n";
        let http = ServiceConfig::parse(text).unwrap().http;
        assert_eq!((http.quota.open, http.quota.day), (Some(4), Some(20)));
        assert_eq!(http.networks.len(), 1);
        assert!(http.secret().is_some() && http.roles.view.is_none());
        assert_eq!(http.audit_age(), Some(Duration::from_secs(31_536_000)));
        assert!(
            http.oidc
                .unwrap()
                .scopes()
                .iter()
                .any(|scope| scope.contains("scope/groups"))
        );
        let text =
            "[http]\nlog = \"json\"\nkeep_audit = \"30d\"\n[http.retention]\nmax_age = \"never\"\n";
        let http = ServiceConfig::parse(text).unwrap().http;
        assert!(http.tells_requests());
        assert_eq!(http.audit_age(), Some(Duration::from_secs(30 * 86_400)));
        let text = "[http]\nlog_requests = true\nkeep_audit = \"never\"\n";
        let http = ServiceConfig::parse(text).unwrap().http;
        assert!(http.log == LogFormat::Text && http.tells_requests());
        assert_eq!(http.audit_age(), None);
        for (text, words) in [
            ("log = \"xml\"", &["text", "json"][..]),
            ("keep_audit = \"0\"", &["[http] keep_audit", "never"]),
            ("keep_audit = \"long\"", &["long", "14d"]),
            ("lisen = \"x\"", &["lisen", "listen"]),
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
            ("auth = \"oidc\"", &["[http] auth", "[http.oidc]"]),
            ("auth = \"basic\"", &["none", "oidc"]),
            ("roles.admin = [\"qa\"]", &["[http] auth", "mean nothing"]),
            (
                "auth = \"oidc\"\noidc = { issuer = \"http://id.example.org\", client_id = \"fbs\" }",
                &["[http.oidc] issuer", "https"],
            ),
            (
                "auth = \"oidc\"\noidc.issuer = \"https://id.example.org\"",
                &["[http.oidc] client_id"],
            ),
            ("quota.open = 1", &["[http] auth", "mean nothing"]),
            ("oidc.client_secret = \"f00\"", &["client_secret_file"]),
            ("networks = { \"10.1.2.3/8\" = \"view\" }", &["10.0.0.0/8"]),
            (
                "networks = { \"10.0.0.0/8\" = \"root\" }",
                &["view", "submit"],
            ),
            ("trusted_proxies = [\"proxy\"]", &["no network"]),
            ("rate = 0", &["nonzero"]),
            ("session = \"long\"", &["12h"]),
            ("quota = { opn = 3 }", &["opn", "open"]),
        ] {
            let problem = ServiceConfig::parse(&format!("[http]\n{text}\n")).unwrap_err();
            for word in words {
                assert!(problem.contains(word), "{word}: {problem}");
            }
            assert!(!problem.contains("f00"), "{problem}");
        }
    }
}
