//! What a staging place needs beside its address: `[[staging]]` of the service's configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use url::Url;

use super::TransferError;
use crate::network::is_for_people;
use crate::percent;
use crate::plan::Staging;
use crate::secret::SecretPlace;

/// What holds for the staging places whose address begins with [`StagingSettings::address`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StagingSettings {
    /// The address, or the part of it that the places have in common; without a user.
    pub address: String,
    /// Where people find what lies there.
    #[serde(deserialize_with = "for_people")]
    pub public_url: Option<Url>,
    /// Who logs in, where the address does not say; of an object store, the id of the access key.
    pub user: Option<String>,
    /// The environment variable that holds the password, or the secret access key.
    pub password_env: Option<String>,
    /// The file whose first line is the password, or the secret access key.
    pub password_file: Option<PathBuf>,
    /// A PEM file of certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the server's certificate has to verify; yes, unless it is said otherwise.
    pub verify_certificate: Option<bool>,
    /// OpenSSH's private key, where the user's own configuration does not say.
    pub identity_file: Option<PathBuf>,
    /// OpenSSH's list of known hosts, where it is not the user's.
    pub known_hosts_file: Option<PathBuf>,
    /// Where an object store that is not Amazon's answers.
    pub endpoint: Option<Url>,
    /// The object store's region.
    pub region: Option<String>,
    /// Whether what was delivered is read back and compared by its checksum; yes, unless it is
    /// said otherwise.
    pub read_back: Option<bool>,
}

impl StagingSettings {
    /// Those of `all` with the longest address that `staging` begins with; none of them give the
    /// defaults.
    #[must_use]
    pub fn of(all: &[Self], staging: &Staging) -> Self {
        let fitting = all.iter().filter(|one| one.fits(staging));
        let longest = fitting.max_by_key(|one| one.address.len());
        longest.cloned().unwrap_or_default()
    }

    /// Whether these are of `staging` for whoever names it: for the user that they say, or for the one that logs in where
    /// nobody is named.
    pub(crate) fn offers(&self, staging: &Staging) -> bool {
        let named = match staging {
            Staging::Folder(_) => "",
            Staging::Server(url) => url.username(),
        };
        let own = self.user.as_deref().unwrap_or_default();
        self.fits(staging) && (named.is_empty() || named == own)
    }

    fn fits(&self, staging: &Staging) -> bool {
        match staging {
            Staging::Folder(path) => {
                let own = self.address.strip_prefix("file://");
                path.starts_with(own.unwrap_or(&self.address))
            }
            Staging::Server(url) => Url::parse(&self.address).is_ok_and(|own| {
                let same = own.scheme() == url.scheme()
                    && own.host_str() == url.host_str()
                    && own.port_or_known_default() == url.port_or_known_default();
                same && Path::new(url.path()).starts_with(own.path())
            }),
        }
    }

    /// What people click to see the folder `name` of `staging`, if there is a public address.
    #[must_use]
    pub fn link(&self, staging: &Staging, name: &str) -> Option<String> {
        let public = self.public_url.as_ref()?;
        let inner = match staging {
            Staging::Folder(path) => {
                let own = self.address.strip_prefix("file://");
                let inner = path.strip_prefix(own.unwrap_or(&self.address));
                inner.ok()?.to_string_lossy().into_owned()
            }
            Staging::Server(url) => {
                let own = Url::parse(&self.address).ok()?;
                let inner = Path::new(url.path()).strip_prefix(own.path()).ok()?;
                // Its parts are encoded again below.
                percent::decoded(&inner.to_string_lossy())?
            }
        };
        let mut link = public.clone();
        if let Ok(mut segments) = link.path_segments_mut() {
            let inner = inner.split('/').filter(|part| !part.is_empty());
            segments.pop_if_empty().extend(inner).push(name).push("");
        }
        Some(link.into())
    }

    /// The password of the configuration, if it names one.
    ///
    /// # Errors
    ///
    /// [`TransferError::Settings`] when it cannot be had.
    pub fn password(&self) -> Result<Option<String>, TransferError> {
        let place = self.password_place().map(|place| place.read());
        match place.transpose() {
            Ok(secret) => Ok(secret.map(|secret| secret.reveal().to_owned())),
            Err(problem) => Err(self.wrong(format!("its password: {problem}"))),
        }
    }

    /// Where that password is.
    #[must_use]
    pub fn password_place(&self) -> Option<SecretPlace> {
        SecretPlace::of(self.password_env.as_deref(), self.password_file.as_deref())
    }

    pub(super) fn wrong(&self, problem: String) -> TransferError {
        TransferError::Settings {
            place: self.address.clone(),
            problem,
            hint: "mend its [[staging]] in the service's configuration; `fbs check --service` \
                   looks at it"
                .to_owned(),
        }
    }
}

/// A `public_url`: links are made of it by adding to its path.
fn for_people<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Url>, D::Error> {
    let url = Url::parse(&String::deserialize(text)?).ok();
    match url.filter(is_for_people) {
        Some(url) => Ok(Some(url)),
        None => Err(D::Error::custom(
            "[[staging]] public_url: an http or https address without \"?\" and \"#\" is wanted, \
             such as \"https://images.example.org/\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Staging {
        Staging::Server(url.parse().unwrap())
    }

    fn settings(address: &str, public: &str) -> StagingSettings {
        StagingSettings {
            address: address.to_owned(),
            public_url: Some(public.parse().unwrap()),
            ..StagingSettings::default()
        }
    }

    #[test]
    fn the_longest_address_that_fits_is_taken() {
        let all = [
            settings("ftp://h/", "http://w/"),
            settings("ftp://h/pub/qa", "http://qa/"),
            settings("/srv/images", "http://l/"),
        ];
        let address = |staging| StagingSettings::of(&all, &staging).address;
        assert_eq!(address(server("ftp://h/pub")), "ftp://h/");
        assert_eq!(address(server("ftp://me@h:21/pub/qa/x")), "ftp://h/pub/qa");
        assert_eq!(address(server("ftp://h/pub/qax")), "ftp://h/");
        assert_eq!(address(server("ftp://h:2121/pub")), "");
        assert_eq!(address(server("ftps://h/pub")), "");
        assert_eq!(
            address(Staging::Folder("/srv/images".into())),
            "/srv/images"
        );
        assert_eq!(address(Staging::Folder("/srv/images2".into())), "");
    }

    #[test]
    fn a_link_has_each_part_encoded_once() {
        for (address, staging, link) in [
            ("sftp://h/tmp", "sftp://h/tmp/s%20f", "http://w/s%20f/x/"),
            ("ftp://h/", "ftp://h/a%3Fb", "http://w/a%3Fb/x/"),
            ("s3://images", "s3://images/ü", "http://w/%C3%BC/x/"),
            (
                "s3://images",
                "s3://images/100%2520",
                "http://w/100%2520/x/",
            ),
        ] {
            let link_of = settings(address, "http://w/").link(&server(staging), "x");
            assert_eq!(link_of.as_deref(), Some(link), "{staging}");
        }
    }

    #[test]
    fn staging_maps_to_the_link_that_people_click() {
        let link = |one: StagingSettings, staging| one.link(&staging, "Fedora-43.1");
        assert_eq!(
            link(
                settings("ftp://h/", "https://w/images"),
                server("ftp://h/pub/qa")
            )
            .as_deref(),
            Some("https://w/images/pub/qa/Fedora-43.1/")
        );
        assert_eq!(
            link(
                settings("/srv/i", "https://w/"),
                Staging::Folder("/srv/i".into())
            )
            .as_deref(),
            Some("https://w/Fedora-43.1/")
        );
        assert_eq!(
            StagingSettings::default().link(&server("ftp://h/"), "x"),
            None
        );
    }
}
