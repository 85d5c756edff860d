//! The notifier of a host, as its service configuration has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Limits, Notification, NotificationError, Notifier, Trust, Webhook};
use crate::secret::SecretPlace;
use crate::service_config::{FedoraMessagingSection, ServiceConfig, SmtpSection, WebhookSection};

impl Notifier {
    /// All whom the service's configuration names. Reads their secrets and certificates.
    ///
    /// # Errors
    ///
    /// [`NotificationError::Unusable`]: a secret or a certificate that is not there, or a kind that
    /// this program was built without.
    pub fn configured(config: &ServiceConfig) -> Result<Self, NotificationError> {
        let mut limits = Limits::default();
        if let Some(seconds) = config.notification.timeout_seconds {
            limits.total = Duration::from_secs(seconds);
            limits.attempt = limits.attempt.min(limits.total);
        }
        let mut notifier = Self::new(limits);
        if let Some(section) = &config.smtp {
            notifier = notifier.with(smtp(section)?);
        }
        if let Some(section) = &config.fedora_messaging {
            notifier = notifier.with(fedora_messaging(section)?);
        }
        for section in &config.webhook {
            notifier = notifier.with(webhook(section)?);
        }
        Ok(notifier)
    }
}

fn unusable(what: &str, reason: impl ToString) -> NotificationError {
    NotificationError::Unusable {
        what: what.to_owned(),
        reason: reason.to_string(),
    }
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, NotificationError> {
    std::fs::read(path).map_err(|error| unusable(what, format!("{}: {error}", path.display())))
}

/// Certificates, as PEM.
fn certificates(what: &str, path: Option<&PathBuf>) -> Result<Option<Vec<u8>>, NotificationError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let pem = read(what, path)?;
    match String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(Some(pem)),
        false => Err(unusable(
            what,
            format!("{} has no certificate in PEM", path.display()),
        )),
    }
}

fn secret(
    what: &str,
    place: Option<SecretPlace>,
) -> Result<Option<crate::secret::Secret>, NotificationError> {
    let read = place.map(|place| place.read()).transpose();
    read.map_err(|reason| unusable(what, reason))
}

fn webhook(section: &WebhookSection) -> Result<Arc<dyn Notification>, NotificationError> {
    let trust = Trust {
        authorities: certificates("[[webhook]] ca_file", section.ca_file.as_ref())?,
        anybody: section.verify_certificate == Some(false),
    };
    let secret = secret("[[webhook]]", section.secret())?;
    Ok(Arc::new(Webhook::new(&section.url, secret, &trust)?))
}

#[cfg(feature = "smtp")]
fn smtp(section: &SmtpSection) -> Result<Arc<dyn Notification>, NotificationError> {
    use super::{MailServer, Security, Smtp};
    use crate::service_config::MailSecurity;

    let security = match section.security {
        MailSecurity::None => Security::None,
        MailSecurity::StartTls => Security::StartTls,
        MailSecurity::Tls => Security::Tls,
    };
    let password = secret("[smtp]", section.password())?.or_else(|| section.literal.clone());
    let server = MailServer {
        host: section.server.clone(),
        port: section.port.unwrap_or(security.port()),
        security,
        trust: Trust {
            authorities: certificates("[smtp] ca_file", section.ca_file.as_ref())?,
            anybody: section.verify_certificate == Some(false),
        },
        login: section.user.clone().zip(password),
        from: section.from.clone(),
    };
    Ok(Arc::new(Smtp::new(server)?))
}

#[cfg(not(feature = "smtp"))]
fn smtp(_: &SmtpSection) -> Result<Arc<dyn Notification>, NotificationError> {
    Err(unusable("[smtp]", "this program was built without mail"))
}

#[cfg(feature = "fedora-messaging")]
fn fedora_messaging(
    section: &FedoraMessagingSection,
) -> Result<Arc<dyn Notification>, NotificationError> {
    use super::{Broker, FedoraMessaging};
    use crate::secret::Secret;

    let identity = match (&section.cert_file, &section.key_file) {
        (Some(cert), Some(key)) => {
            let pem = certificates("[fedora_messaging] cert_file", Some(cert))?.unwrap_or_default();
            let what = "[fedora_messaging] key_file";
            let key = String::from_utf8(read(what, key)?);
            let key = key.map_err(|_| unusable(what, "it is not PEM"))?;
            Some((pem, Secret::new(key)))
        }
        _ => None,
    };
    let exchange = section.exchange.as_deref().unwrap_or("amq.topic");
    Ok(Arc::new(FedoraMessaging::new(Broker {
        url: section.url.clone(),
        password: secret("[fedora_messaging]", section.password())?,
        exchange: exchange.to_owned(),
        topic_prefix: section.prefix(),
        authorities: certificates("[fedora_messaging] ca_file", section.ca_file.as_ref())?,
        identity,
    })?))
}

#[cfg(not(feature = "fedora-messaging"))]
fn fedora_messaging(
    _: &FedoraMessagingSection,
) -> Result<Arc<dyn Notification>, NotificationError> {
    Err(unusable(
        "[fedora_messaging]",
        "this program was built without it",
    ))
}
