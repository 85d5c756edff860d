//! The source packages of what was gathered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use url::Url;

use super::Job;
use super::gather::{Gathered, blocking};
use super::replace::Fresh;
use crate::builders::explain;
use crate::compose::dnf_cache::CachedRepository;
use crate::compose::dnf_lock;
use crate::compose::files::{make_folder, place};
use crate::compose::{ComposeError, DvdError};
use crate::context::BuildContext;
use crate::events::Stage;
use crate::http;
use crate::repo_create::{
    CachedRpm, Download, DownloadOptions, Downloader, Expected, Keyring, RemoteCopy, RepoError,
    RpmCache, verify,
};
use crate::repository::Repository;

/// A source package in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    /// Its path below each of `addresses`.
    href: String,
    /// The SHA-256 of the file, in hex.
    sha256: String,
    addresses: Vec<String>,
    /// Which of the source repositories has it.
    repository: usize,
}

/// A source package, where it now is.
enum Found {
    Here(PathBuf),
    Fetched(CachedRpm),
}

impl Job<'_> {
    /// Brings the source package of each of `gathered` into its place.
    pub(super) async fn gather_sources(
        &self,
        ctx: &BuildContext,
        gathered: &[Gathered],
    ) -> Result<(), ComposeError> {
        let wanted: BTreeSet<&str> = gathered
            .iter()
            .filter_map(|one| one.source.as_deref())
            .collect();
        let silent = gathered.iter().filter(|one| one.source.is_none()).count();
        if silent > 0 {
            ctx.events.warn(format!(
                "{silent} of {} packages do not say which source package they were built from",
                gathered.len()
            ));
        }
        let offers = self.offers(ctx, &wanted).await?;
        let missing: Vec<String> = wanted
            .iter()
            .filter(|name| !offers.contains_key(**name))
            .map(|name| (*name).to_owned())
            .collect();
        if !missing.is_empty() {
            return Err(DvdError::MissingSources(missing).into());
        }
        let found = self.fetch(ctx, &offers).await?;
        let count = found.len();
        let target = self.folders.srpms();
        blocking(move || lay_out(found, &target)).await?;
        ctx.events
            .info(format!("Gathered:: {count} source packages"));
        Ok(())
    }

    /// Which of `wanted` the source repositories have, by file name.
    async fn offers(
        &self,
        ctx: &BuildContext,
        wanted: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, Offer>, ComposeError> {
        if wanted.is_empty() || self.dvd.source_repositories.is_empty() {
            return Ok(BTreeMap::new());
        }
        let places = self.places("sources");
        places.prepare(self.plan, &self.dvd.source_repositories)?;
        let fetch = places.solver(self.plan).fetch_metadata();
        dnf_lock::run(ctx, &places.cache, || ctx.run(&fetch))
            .await
            .map_err(|error| explain(error, &places.cache))?;
        let mut offers = BTreeMap::new();
        for (number, repository) in self.dvd.source_repositories.iter().enumerate() {
            let cached = CachedRepository::new(&places.cache, repository);
            let Some(primary) = cached.metadata(&["primary"])? else {
                ctx.events.warn(format!(
                    "the source repository {} cannot be read; what it has is missing",
                    repository.id
                ));
                continue;
            };
            let addresses = cached.addresses();
            for (href, sha256) in listed(&primary) {
                let name = href.rsplit('/').next().unwrap_or(href);
                if wanted.contains(name) {
                    offers.entry(name.to_owned()).or_insert_with(|| Offer {
                        href: href.to_owned(),
                        sha256: sha256.to_owned(),
                        addresses: addresses.clone(),
                        repository: number,
                    });
                }
            }
        }
        Ok(offers)
    }

    /// Every offer, verified: those on this host where they are, the others in the cache.
    async fn fetch(
        &self,
        ctx: &BuildContext,
        offers: &BTreeMap<String, Offer>,
    ) -> Result<Vec<Found>, ComposeError> {
        let mut found = Vec::new();
        for (number, repository) in self.dvd.source_repositories.iter().enumerate() {
            let keyring = self.keyring(repository).await?;
            let mut downloads = Vec::new();
            for (name, offer) in offers.iter().filter(|(_, one)| one.repository == number) {
                let urls = (offer.addresses.iter())
                    .filter_map(|base| Url::parse(&format!("{base}/{}", offer.href)).ok());
                let (local, remote): (Vec<Url>, Vec<Url>) =
                    urls.partition(|url| url.scheme() == "file");
                match local.iter().find_map(|url| url.to_file_path().ok()) {
                    Some(path) => {
                        check(&path, &offer.sha256, keyring.clone()).await?;
                        found.push(Found::Here(path));
                    }
                    None => downloads.push(Download {
                        copies: remote.into_iter().map(RemoteCopy::from).collect(),
                        file_name: name.clone(),
                        payload_hash: None,
                        sha256: Some(offer.sha256.clone()),
                    }),
                }
            }
            if !downloads.is_empty() {
                let client = http::client(self.plan.proxy.as_deref());
                let options = DownloadOptions {
                    keyring,
                    stage: Stage::Gather,
                    ..DownloadOptions::default()
                };
                let cache = RpmCache::open(&self.plan.paths.cache)?;
                let downloader =
                    Downloader::new(client.map_err(ComposeError::Download)?, cache, options);
                let fetched = downloader.fetch(&downloads, ctx).await?;
                found.extend(fetched.into_iter().map(Found::Fetched));
            }
        }
        Ok(found)
    }

    /// The keys that a repository's packages must be signed with, if they must be.
    async fn keyring(&self, repository: &Repository) -> Result<Option<Keyring>, ComposeError> {
        if !repository.gpg_check {
            return Ok(None);
        }
        let mut text = String::new();
        for key in &repository.gpg_keys {
            let read = match key.strip_prefix("file://") {
                Some(path) => std::fs::read_to_string(path).map_err(|error| error.to_string()),
                None => http::fetch(key, self.plan.proxy.as_deref()).await,
            };
            let read = read
                .map_err(|problem| ComposeError::Download(format!("the key {key}: {problem}")))?;
            text.push_str(&read);
            text.push('\n');
        }
        let keyring = Keyring::from_armored(text.as_bytes())
            .map_err(|error| ComposeError::Signature(error.to_string()))?;
        Ok(Some(keyring))
    }
}

/// The packages of a `primary.xml`: path and SHA-256. All that createrepo_c and Koji write has
/// this form.
fn listed(primary: &str) -> impl Iterator<Item = (&str, &str)> {
    let packages = primary.split("<package type=\"rpm\">").skip(1);
    packages.filter_map(|package| {
        let (_, location) = package.split_once("<location href=\"")?;
        let (_, checksum) = package.split_once("<checksum type=\"sha256\" pkgid=\"YES\">")?;
        Some((location.split_once('"')?.0, checksum.split_once('<')?.0))
    })
}

/// The file is the one that the repository's metadata means, and intact.
async fn check(path: &Path, sha256: &str, keyring: Option<Keyring>) -> Result<(), ComposeError> {
    let expected = Expected {
        sha256: Some(sha256.to_owned()),
        keyring,
        ..Expected::default()
    };
    let path = path.to_owned();
    blocking(move || match verify(&path, expected) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(fault)) => Err(RepoError::Damaged(vec![(path, fault)]).into()),
        Err(source) => Err(ComposeError::Io { path, source }),
    })
    .await
}

fn lay_out(found: Vec<Found>, target: &Path) -> Result<(), ComposeError> {
    let fresh = Fresh::of(target)?;
    make_folder(fresh.path())?;
    for one in found {
        match one {
            Found::Here(path) => {
                place(
                    &path,
                    &fresh.path().join(path.file_name().unwrap_or_default()),
                )?;
            }
            Found::Fetched(rpm) => {
                rpm.place(fresh.path())?;
            }
        }
    }
    fresh.install()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_metadata_are_read() {
        let primary = "<metadata packages=\"2\">\n<package type=\"rpm\">\n  <name>a</name>\n  \
            <checksum type=\"sha256\" pkgid=\"YES\">ab</checksum>\n  \
            <location href=\"Packages/a-1-1.src.rpm\"/>\n</package>\n\
            <package type=\"rpm\">\n  <location xml:base=\"x\" href=\"b.src.rpm\"/>\n</package>\n";
        let found: Vec<_> = listed(primary).collect();
        assert_eq!(found, [("Packages/a-1-1.src.rpm", "ab")]);
    }
}
