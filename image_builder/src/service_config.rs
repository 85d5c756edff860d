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
//! max_size = "50G"
//!
//! [broker]
//! url = "amqps://fbs@broker.example.org/%2F"
//! password_file = "broker-password"
//!
//! [worker]
//! staging = ["sftp://images@files.example.org/srv/images"]
//!
//! [http]
//! listen = "127.0.0.1:8080"
//!
//! [smtp]
//! server = "smtp.example.org"
//! user = "fbs"
//! password_file = "smtp-password"
//! from = "Fedora Build Service <fbs@example.org>"
//! ```
//!
//! Every section may be left out. A file counts from the folder of this one. A command's option goes before the spec, the spec before the
//! environment, the environment before this file.

mod access;
mod broker;
mod deploy_conf;
mod http;
mod notification;
mod retention;

pub use access::{Auth, Networks, OidcSection};
pub use broker::{BrokerSection, WorkerSection};
pub use http::{HttpSection, LogFormat};
pub use notification::{
    FedoraMessagingSection, MailSecurity, NotificationSection, SmtpSection, WebhookSection,
};
pub use retention::{Lifetime, RetentionSection};

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{ErrorKind, StageError};
use crate::koji::{BodhiClient, KojiConfig};
use crate::quantity::ByteSize;
use crate::secret::{SecretPlace, exposure};
use crate::transfer::StagingSettings;
use notification::counted_from;

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
    /// `[work]`
    pub work: WorkSection,
    /// `[broker]`
    pub broker: BrokerSection,
    /// `[worker]`
    pub worker: WorkerSection,
    /// `[http]`
    pub http: HttpSection,
    /// `[notification]`
    pub notification: NotificationSection,
    /// `[smtp]`, or `[SMTP]` of a `deploy.conf`.
    pub smtp: Option<SmtpSection>,
    /// `[fedora_messaging]`
    pub fedora_messaging: Option<FedoraMessagingSection>,
    /// `[[webhook]]`
    pub webhook: Vec<WebhookSection>,
    /// `deploy_conf`: the original's configuration, whose `[SMTP]` is read where there is no
    /// `[smtp]`.
    pub deploy_conf: Option<PathBuf>,
    /// What works, and should be otherwise.
    #[serde(skip)]
    pub warnings: Vec<String>,
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
    /// What it may hold at most; what was not used for longest goes first.
    pub max_size: Option<ByteSize>,
}

/// Where builds work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkSection {
    /// Whether a new root may be made in memory, where it fits.
    pub in_memory: bool,
}

impl Default for WorkSection {
    fn default() -> Self {
        Self { in_memory: true }
    }
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
        if let Some(path) = named {
            return Self::read(Path::new(&path));
        }
        let mut config = match Path::new(SERVICE_CONFIG) {
            path if path.exists() => Self::read(path)?,
            _ => Self::default(),
        };
        let deploy_conf = Path::new(deploy_conf::DEPLOY_CONF);
        if config.smtp.is_none() && config.deploy_conf.is_none() && deploy_conf.exists() {
            config.read_deploy_conf(deploy_conf)?;
        }
        Ok(config)
    }

    /// That of a file. One that ends in `.conf` is a `deploy.conf`, as the original had it.
    ///
    /// # Errors
    ///
    /// [`ServiceConfigError`]
    pub fn read(path: &Path) -> Result<Self, ServiceConfigError> {
        let wrong = |problem: String| ServiceConfigError {
            path: path.to_owned(),
            problem,
        };
        if path.extension().is_some_and(|end| end == "conf") {
            let mut config = Self::default();
            config.read_deploy_conf(path)?;
            return Ok(config);
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut config = Self::parse(&text).map_err(wrong)?;
        config.settle(path.parent().unwrap_or(Path::new("/")));
        if let (None, Some(path)) = (&config.smtp, config.deploy_conf.clone()) {
            config.read_deploy_conf(&path)?;
        }
        Ok(config)
    }

    /// Takes over what a `deploy.conf` has of it.
    fn read_deploy_conf(&mut self, path: &Path) -> Result<(), ServiceConfigError> {
        let found = deploy_conf::read(path).map_err(|problem| ServiceConfigError {
            path: path.to_owned(),
            problem,
        })?;
        if found.is_some() {
            self.warnings.push(format!(
                "the password of [SMTP] stands in {}; an `[smtp]` section of {SERVICE_CONFIG} \
                 reads it from a file or the environment",
                path.display()
            ));
            self.warnings.extend(exposure(path));
        }
        self.smtp = found;
        Ok(())
    }

    /// Makes paths count from the file's folder, and says which secrets others can read.
    fn settle(&mut self, folder: &Path) {
        if let Some(path) = &mut self.deploy_conf {
            *path = folder.join(&path);
        }
        let mut places = Vec::new();
        if let Some(smtp) = &mut self.smtp {
            smtp.settle(folder);
            places.extend(smtp.password());
        }
        if let Some(bus) = &mut self.fedora_messaging {
            bus.settle(folder);
            places.extend(bus.password());
            places.extend(bus.key_file.clone().map(SecretPlace::File));
        }
        self.broker.settle(folder);
        places.extend(self.broker.password());
        places.extend(self.broker.key_file.clone().map(SecretPlace::File));
        self.http.settle(folder);
        places.extend(self.http.secret());
        for hook in &mut self.webhook {
            hook.settle(folder);
            places.extend(hook.secret());
        }
        for staging in &mut self.staging {
            let StagingSettings {
                password_file,
                ca_file,
                identity_file,
                known_hosts_file,
                ..
            } = staging;
            let files = &mut [password_file, ca_file, identity_file, known_hosts_file];
            counted_from(folder, files);
            places.extend(staging.password_place());
        }
        let exposed = places.iter().filter_map(SecretPlace::exposure);
        self.warnings.extend(exposed);
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
        if let Some(smtp) = &config.smtp {
            smtp.check()?;
        }
        if let Some(bus) = &config.fedora_messaging {
            bus.check()?;
        }
        config.broker.check()?;
        config.worker.check()?;
        config.http.check()?;
        for hook in &config.webhook {
            hook.check()?;
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
             [bodhi]\nurl = \"http://b/\"\n[cache]\ndir = \"/srv/c\"\n\
             max_size = \"5G\"\n[work]\nin_memory = false\n",
        )
        .unwrap();
        assert_eq!(config.cache.max_size, Some(ByteSize(5 << 30)));
        assert!(!config.work.in_memory && ServiceConfig::default().work.in_memory);
        assert_eq!(config.koji.hub.as_deref(), Some("http://h/kojihub"));
        assert_eq!(config.koji.files.as_deref(), Some("http://f/"));
        assert_eq!(config.bodhi.url.as_deref(), Some("http://b/"));
        assert_eq!(config.cache.dir.as_deref(), Some(Path::new("/srv/c")));
        assert_eq!(ServiceConfig::parse("").unwrap(), ServiceConfig::default());
    }

    #[test]
    fn files_count_from_the_configuration_and_secrets_that_all_can_read_are_named() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fbs.toml");
        let text = "deploy_conf = \"deploy.conf\"\n[[webhook]]\nurl = \"https://h/x\"\n\
                    secret_file = \"secret\"\n";
        std::fs::write(&path, text).unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "s").unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o604)).unwrap();
        let deploy = "[SMTP]\nserver='h'\nport='25'\nlogin='a@b'\npassword='p'\n";
        std::fs::write(dir.path().join("deploy.conf"), deploy).unwrap();
        let config = ServiceConfig::read(&path).unwrap();
        assert_eq!(config.smtp.unwrap().server, "h");
        assert_eq!(config.webhook[0].secret_file.as_ref(), Some(&secret));
        let warnings = config.warnings.join("\n");
        for word in ["mode 0604", "secret", "[SMTP] stands in", "deploy.conf"] {
            assert!(warnings.contains(word), "{word}: {warnings}");
        }
        let old = ServiceConfig::read(&dir.path().join("deploy.conf")).unwrap();
        assert_eq!(old.smtp.unwrap().user.as_deref(), Some("a@b"));
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
            (
                "[smtp]\nserver = \"h\"\npassword = \"f00bar\"\n",
                &["line 3", "does not belong in this file", "password_file"],
            ),
            (
                "[smtp]\nserver = \"h\"\nfrom = \"a@b\"\nuser = \"me\"\n",
                &["[smtp] user", "password_file", "password_env"],
            ),
            ("[smtp]\nfrom = \"a@b\"\n", &["[smtp] server"]),
            (
                "[smtp]\nsecurity = \"ssl\"\n",
                &["line 2", "none", "starttls", "tls"],
            ),
            (
                "[fedora_messaging]\nurl = \"amqp://me:f00bar@h/\"\n",
                &["url", "does not belong", "password_file"],
            ),
            (
                "[fedora_messaging]\nurl = \"http://h/\"\n",
                &["url", "amqps"],
            ),
            (
                "[fedora_messaging]\nurl = \"amqp://h\"\nenv = \"a b\"\n",
                &["a b", "topic"],
            ),
            (
                "[[webhook]]\nurl = \"http://h/\"\nsecret = \"f00bar\"\n",
                &["line 3", "secret_file"],
            ),
            ("[[webhook]]\nurl = \"h\"\n", &["[[webhook]] url"]),
            (
                "[[staging]]\npublic_url = \"mailto:x@y\"\n",
                &["line 2", "[[staging]] public_url", "https://images"],
            ),
            (
                "[[staging]]\npublic_url = \"http://ab/?d=/q\"\n",
                &["[[staging]] public_url", "without \"?\""],
            ),
            (
                "[[staging]]\npublic_url = \"http://ab/#q\"\n",
                &["[[staging]] public_url"],
            ),
            (
                "[[staging]]\npublic_url = \"images.example.org\"\n",
                &["[[staging]] public_url", "http or https"],
            ),
            (
                "[worker]\nmonitor_url = \"http://ab/?d=/q\"\n",
                &["[worker] monitor_url", "without \"?\""],
            ),
            (
                "[http]\npublic_url = \"http://ab/#q\"\n",
                &["[http] public_url"],
            ),
        ] {
            let problem = ServiceConfig::parse(text).unwrap_err();
            assert!(!problem.contains("f00bar"), "{problem}");
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
