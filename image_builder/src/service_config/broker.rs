//! `[broker]` and `[worker]`: where jobs wait, and what a worker of this host does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::notification::counted_from;
use crate::network::is_for_people;
use crate::quantity::{Age, ByteSize};
use crate::secret::SecretPlace;
use crate::spec::Arch;

/// The brokers where jobs wait.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerSection {
    /// The address of the one for all architectures that `arch` does not name, without a password:
    /// `amqps://fbs@broker/%2F`.
    pub url: Option<String>,
    /// The addresses of those of an architecture each.
    pub arch: BTreeMap<String, String>,
    /// The file with the password of their user.
    pub password_file: Option<PathBuf>,
    /// The variable with the password.
    pub password_env: Option<String>,
    /// Certificates of further authorities, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, as PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key, as PEM.
    pub key_file: Option<PathBuf>,
}

/// What a worker of this host does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerSection {
    /// Where images go whose spec says nothing of it.
    pub staging: Vec<String>,
    /// No job is taken while less is free where jobs are built.
    pub min_free: Option<ByteSize>,
    /// The address and port at which it serves the logs of its jobs over HTTP.
    pub monitor: Option<SocketAddr>,
    /// The address of that for people, where it is another one: `https://builds.example.org/builder`.
    pub monitor_url: Option<String>,
    /// So long it keeps the logs of jobs that have ended; 30 days if absent. They were delivered as well.
    pub keep_logs: Option<Age>,
}

impl WorkerSection {
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(url) = &self.monitor_url else {
            return Ok(());
        };
        let parsed = url::Url::parse(url).ok();
        match parsed.is_some_and(|url| is_for_people(&url)) {
            true => Ok(()),
            false => Err(
                "[worker] monitor_url: an http or https address without \"?\" and \"#\" is wanted, such \
                 as \"https://builds.example.org/builder\""
                    .to_owned(),
            ),
        }
    }
}

impl BrokerSection {
    /// The address for an architecture.
    #[must_use]
    pub fn url(&self, arch: &str) -> Option<&str> {
        let own = self.arch.get(arch).map(String::as_str);
        own.or(self.url.as_deref())
    }

    /// Where the password is.
    #[must_use]
    pub fn password(&self) -> Option<SecretPlace> {
        SecretPlace::of(self.password_env.as_deref(), self.password_file.as_deref())
    }

    pub(super) fn settle(&mut self, folder: &Path) {
        let Self {
            password_file,
            ca_file,
            cert_file,
            key_file,
            ..
        } = self;
        counted_from(folder, &mut [password_file, ca_file, cert_file, key_file]);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let urls = self.arch.iter().map(|(arch, url)| (arch.as_str(), url));
        for (key, url) in urls.chain(self.url.iter().map(|url| ("url", url))) {
            let parsed = url::Url::parse(url)
                .ok()
                .filter(|url| matches!(url.scheme(), "amqp" | "amqps") && url.has_host());
            let Some(parsed) = parsed else {
                return Err(format!(
                    "[broker] {key}: an amqp or amqps address is wanted, such as \"amqps://fbs@broker.example.org/%2F\""
                ));
            };
            if parsed
                .password()
                .is_some_and(|password| !password.is_empty())
            {
                return Err(format!(
                    "[broker] {key}: a password does not belong in this file: name its file with `password_file`, \
                     or its variable with `password_env`"
                ));
            }
        }
        for arch in self.arch.keys() {
            if arch.parse::<Arch>().is_err_and(|_| true) {
                return Err(format!(
                    "[broker.arch] {arch}: no architecture that images are made for"
                ));
            }
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Err("[broker]: `cert_file` and `key_file` belong together".to_owned());
        }
        Ok(())
    }
}
