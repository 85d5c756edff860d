//! What a staging place needs beside its address: `[[staging]]` of the service's configuration.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use url::Url;

use super::TransferError;
use crate::network::is_for_people;
use crate::percent;
use crate::plan::Staging;
use crate::secret::SecretPlace;
use crate::spec::Address;

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
    /// Those of `all` whose folder is the nearest to `staging` of those that it lies in; none of them give the
    /// defaults.
    #[must_use]
    pub fn of(all: &[Self], staging: &Staging) -> Self {
        let fitting = all
            .iter()
            .filter_map(|one| Some((one, one.inner(staging)?.components().count())));
        let nearest = fitting.min_by_key(|(_, between)| *between);
        nearest.map(|(one, _)| one.clone()).unwrap_or_default()
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
        self.inner(staging).is_some()
    }

    /// The folder of `staging` within that of the address, if it lies there.
    fn inner(&self, staging: &Staging) -> Option<PathBuf> {
        let (own, folder) = match (self.place()?, staging) {
            (Staging::Folder(own), Staging::Folder(path)) => (own, path.clone()),
            (Staging::Server(own), Staging::Server(url)) if is_same_server(&own, url) => {
                (folder_of(&own)?, folder_of(url)?)
            }
            _ => return None,
        };
        // It leads out of the folder that it seems to lie in.
        if folder.components().any(|part| part == Component::ParentDir) {
            return None;
        }
        folder.strip_prefix(own).ok().map(Path::to_owned)
    }

    /// The address as a spec's is read. But a host alone is all of it, not its folder `pub`.
    fn place(&self) -> Option<Staging> {
        let address: Address = self.address.parse().ok()?;
        match address.path() {
            Some(path) => Some(Staging::Folder(path)),
            None => address.url().map(Staging::Server),
        }
    }

    /// What people click to see the folder `name` of `staging`, if there is a public address.
    #[must_use]
    pub fn link(&self, staging: &Staging, name: &str) -> Option<String> {
        let public = self.public_url.as_ref()?;
        let inner = self.inner(staging)?;
        let mut link = public.clone();
        if let Ok(mut segments) = link.path_segments_mut() {
            let parts = inner.components().filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy()),
                _ => None,
            });
            segments.pop_if_empty().extend(parts).push(name).push("");
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

/// Whether two addresses are of the same server, whatever folder they name.
fn is_same_server(one: &Url, other: &Url) -> bool {
    let hosts = (one.host_str(), other.host_str());
    let same_host = match (hosts, one.scheme()) {
        // That is a bucket.
        ((one, other), "s3") => one == other,
        ((Some(one), Some(other)), _) => one.eq_ignore_ascii_case(other),
        _ => false,
    };
    one.scheme() == other.scheme() && same_host && port(one) == port(other)
}

/// The port of an address, which the URL standard knows of `ftp` only. Implicit TLS is asked for by its port.
fn port(url: &Url) -> Option<u16> {
    url.port().or(match url.scheme() {
        "ftp" | "ftps" => Some(21),
        "sftp" => Some(22),
        _ => None,
    })
}

/// The folder that an address means to those who deliver there; none of a path that they do not take.
fn folder_of(url: &Url) -> Option<PathBuf> {
    let path = percent::decoded(url.path())?;
    Some(match url.scheme() {
        // It counts from where the login leads, and with another slash from the root.
        "ftp" | "ftps" => path.strip_prefix('/').unwrap_or(&path).into(),
        _ if path.is_empty() => "/".into(),
        _ => path.into(),
    })
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
    fn an_address_fits_as_the_spec_means_it() {
        for (address, staging) in [
            ("127.0.0.1:41021/pub", "127.0.0.1:41021/pub/qa"),
            ("ftp.example.org", "ftp://FTP.example.org/qa"),
            ("file:///srv/sp%20ace", "/srv/sp ace"),
            ("file:///srv/sp%20ace", "file:///srv/sp%20ace/qa"),
            ("sftp://localhost:41030/", "sftp://root@LOCALHOST:41030/tmp"),
            ("sftp://h/", "sftp://h:22/srv"),
            ("sftp://h/", "sftp://h"),
            ("ftps://h", "ftps://h:21/pub"),
            ("ftp://h/s%2Df", "ftp://h/s-f"),
            ("ftp://h/", "ftp://h/%2Fsrv"),
            ("s3://images/%C3%BC", "s3://images/ü/qa"),
        ] {
            let place = staging.parse().unwrap();
            let place = Staging::of(&place, Path::to_owned);
            let one = settings(address, "http://w/");
            assert!(one.fits(&place), "{address} {staging}");
        }
        for (address, staging) in [
            ("", "/srv"),
            ("", "ftp://h/"),
            ("/srv/images", "/srv/images2"),
            ("/srv/images", "/srv/images/../qa"),
            ("sftp://h/srv/images", "sftp://h/srv/images2"),
            ("sftp://h/srv/images", "sftp://h/srv/images%2F..%2F..%2Fetc"),
            ("sftp://h/srv/images", "sftp://h/srv/images/%2e%2e/etc"),
            ("sftp://h/srv/images", "sftp://h/srv/images/..%2fetc"),
            ("sftp://h/srv/images", "sftp://h2/srv/images"),
            ("sftp://h/srv/images", "sftp://h:2222/srv/images"),
            ("ftps://h", "ftps://h:990/pub"),
            ("ftps://h:990", "ftps://h/pub"),
            ("sftp://h/", "ftp://h:22/"),
            ("s3://images", "s3://Images/qa"),
            // Where the login leads, and the root.
            ("ftp://h/etc", "ftp://h/%2Fetc"),
            ("ftp://h/etc", "ftp://h//etc"),
            ("ftp://h/%2Fsrv", "ftp://h/srv"),
        ] {
            let place = match staging.starts_with('/') {
                true => Staging::Folder(staging.into()),
                false => server(staging),
            };
            let one = settings(address, "http://w/");
            assert!(!one.fits(&place), "{address} {staging}");
            assert_eq!(one.link(&place, "x"), None, "{address} {staging}");
        }
    }

    #[test]
    fn the_longest_is_the_one_with_the_inmost_folder() {
        let all = [
            settings("ftp://127.0.0.1:2121/pub", "http://w/"),
            settings("127.0.0.1:2121/pub/qa", "http://qa/"),
        ];
        let place = server("ftp://127.0.0.1:2121/pub/qa/x");
        let one = StagingSettings::of(&all, &place);
        assert_eq!(one.address, "127.0.0.1:2121/pub/qa");
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
