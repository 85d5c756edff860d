//! `[notification]`, `[smtp]`, `[fedora_messaging]` and `[[webhook]]`: who is told, and how.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::secret::{Secret, SecretPlace};

/// How much patience there is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationSection {
    /// For so many seconds a server is tried, and a build that has ended waits for it.
    pub timeout_seconds: Option<u64>,
}

/// How a connection to a mail server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// Not at all.
    None,
    /// TLS after the command STARTTLS.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// The mail server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpSection {
    /// Its host.
    pub server: String,
    /// Its port; by default the usual one of `security`.
    pub port: Option<u16>,
    /// Whether and how TLS is used.
    pub security: MailSecurity,
    /// Certificates of further authorities, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether the server's certificate must be one to trust. By default it must.
    pub verify_certificate: Option<bool>,
    /// Who logs in.
    pub user: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The variable with the password.
    pub password_env: Option<String>,
    /// Who the mails are from.
    pub from: String,
    pub(super) password: NoPassword,
    /// The password of the original's deploy.conf.
    #[serde(skip)]
    pub(crate) literal: Option<Secret>,
}

/// The message broker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FedoraMessagingSection {
    /// Its address, without a password: `amqps://user@host/%2Fvhost`.
    pub url: String,
    /// `prod`, `stg` or another word for the environment.
    pub env: Option<String>,
    /// What stands before `env` in a topic.
    pub topic_prefix: Option<String>,
    /// The topic exchange.
    pub exchange: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The variable with the password.
    pub password_env: Option<String>,
    /// Certificates of further authorities, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, as PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key, as PEM.
    pub key_file: Option<PathBuf>,
    pub(super) password: NoPassword,
}

/// An address that is posted to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSection {
    /// The address.
    pub url: String,
    /// The file with the secret that requests are signed with.
    pub secret_file: Option<PathBuf>,
    /// The variable with it.
    pub secret_env: Option<String>,
    /// Certificates of further authorities, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether the server's certificate must be one to trust. By default it must.
    pub verify_certificate: Option<bool>,
    pub(super) secret: NoSecret,
}

/// Stands where somebody may write a password, and says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NoPassword;

impl<'de> Deserialize<'de> for NoPassword {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "a password does not belong in this file: put it into a file of mode 0600 and name \
             that with `password_file`, or name a variable of the environment with `password_env`",
        ))
    }
}

/// The same for a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NoSecret;

impl<'de> Deserialize<'de> for NoSecret {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "a secret does not belong in this file: put it into a file of mode 0600 and name that \
             with `secret_file`, or name a variable of the environment with `secret_env`",
        ))
    }
}

pub(super) fn counted_from(folder: &Path, paths: &mut [&mut Option<PathBuf>]) {
    for path in paths.iter_mut().filter_map(|path| path.as_mut()) {
        *path = folder.join(&path);
    }
}

impl SmtpSection {
    /// Where the password is.
    #[must_use]
    pub fn password(&self) -> Option<SecretPlace> {
        SecretPlace::of(self.password_env.as_deref(), self.password_file.as_deref())
    }

    pub(super) fn settle(&mut self, folder: &Path) {
        counted_from(folder, &mut [&mut self.ca_file, &mut self.password_file]);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.server.is_empty() {
            return Err("[smtp] server: the mail server's host is missing".to_owned());
        }
        if self.from.is_empty() {
            return Err("[smtp] from: the sender's address is missing".to_owned());
        }
        let password = self.password().is_some() || self.literal.is_some();
        match (&self.user, password) {
            (Some(_), false) => Err("[smtp] user: a password belongs to it; name its file with \
                 `password_file` or its variable with `password_env`"
                .to_owned()),
            (None, true) => Err("[smtp] user: the password belongs to somebody".to_owned()),
            _ => Ok(()),
        }
    }
}

impl FedoraMessagingSection {
    /// Where the password is.
    #[must_use]
    pub fn password(&self) -> Option<SecretPlace> {
        SecretPlace::of(self.password_env.as_deref(), self.password_file.as_deref())
    }

    /// What stands before `fbs.build. ...` in a topic: `org.fedoraproject.dev`.
    #[must_use]
    pub fn prefix(&self) -> String {
        let prefix = self.topic_prefix.as_deref().unwrap_or("org.fedoraproject");
        let env = self.env.as_deref().unwrap_or("dev");
        match prefix.trim_end_matches('.') {
            "" => env.to_owned(),
            prefix => format!("{prefix}.{env}"),
        }
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
        let url = url::Url::parse(&self.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "amqp" | "amqps") && url.has_host());
        let Some(url) = url else {
            return Err(
                "[fedora_messaging] url: an amqp or amqps address is wanted, such as \
                 \"amqps://fbs@rabbitmq.example.org/%2Fpubsub\""
                    .to_owned(),
            );
        };
        // Fedora's public broker has an empty one.
        if url.password().is_some_and(|password| !password.is_empty()) {
            return Err(
                "[fedora_messaging] url: a password does not belong in this file: name its \
                 file with `password_file`, or its variable with `password_env`"
                    .to_owned(),
            );
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Err(
                "[fedora_messaging]: `cert_file` and `key_file` belong together".to_owned(),
            );
        }
        let prefix = self.prefix();
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // A topic has 255 bytes, and ours follows.
        if !prefix.chars().all(word) || prefix.len() > 200 {
            return Err(format!(
                "[fedora_messaging] env, topic_prefix: {prefix:?} cannot begin a topic; letters, \
                 digits, \"-\", \"_\" and \".\" can"
            ));
        }
        Ok(())
    }
}

impl WebhookSection {
    /// Where the secret is.
    #[must_use]
    pub fn secret(&self) -> Option<SecretPlace> {
        SecretPlace::of(self.secret_env.as_deref(), self.secret_file.as_deref())
    }

    pub(super) fn settle(&mut self, folder: &Path) {
        counted_from(folder, &mut [&mut self.secret_file, &mut self.ca_file]);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let url = url::Url::parse(&self.url).ok();
        match url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            Some(_) => Ok(()),
            None => Err("[[webhook]] url: an http or https address is wanted".to_owned()),
        }
    }
}
