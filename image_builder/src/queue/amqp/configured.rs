//! The broker that a configuration names.

use super::AmqpBroker;
use crate::queue::QueueError;
use crate::secret::{Secret, SecretPlace};
use crate::service_config::BrokerSection;

impl AmqpBroker {
    /// The one at `url`, with what the configuration says of logging in.
    ///
    /// # Errors
    ///
    /// [`QueueError::Address`]: a file or a variable of it cannot be read.
    pub fn configured(url: &str, section: &BrokerSection) -> Result<Self, QueueError> {
        let wrong = |what: &str, reason: String| QueueError::Address {
            address: format!("[broker] {what}"),
            reason,
        };
        let read = |what: &str, path: &std::path::Path| {
            let text = std::fs::read_to_string(path);
            text.map_err(|error| wrong(what, format!("{}: {error}", path.display())))
        };
        let password = section.password().as_ref().map(SecretPlace::read);
        let password = password
            .transpose()
            .map_err(|reason| wrong("password", reason))?;
        let authorities = section.ca_file.as_ref();
        let authorities = authorities.map(|path| read("ca_file", path)).transpose()?;
        let identity = match (&section.cert_file, &section.key_file) {
            (Some(cert), Some(key)) => Some((
                read("cert_file", cert)?.into_bytes(),
                Secret::new(read("key_file", key)?),
            )),
            _ => None,
        };
        Ok(Self {
            url: url.to_owned(),
            password,
            authorities: authorities.map(String::into_bytes),
            identity,
        })
    }
}
