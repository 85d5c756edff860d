//! From repositories to a catalogue.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::time::Instant;

use url::Url;

use super::error::{CatalogueError, Fault};
use super::fetch::Fetch;
use super::index::{Catalogue, Group, Names};
use super::limits::Limits;
use super::mirrors::{self, Base};
use super::packed::{self, Packed};
use super::repomd::{self, File};
use super::{comps, primary};
use crate::internal::Public;
use crate::network::Network;
use crate::redact;
use crate::repository::{Repository, Source};
use crate::spec::Trust;

/// The kinds of files that groups are in, the smallest first.
const GROUPS: [&str; 4] = ["group_zst", "group_xz", "group_gz", "group"];

/// Reads repositories.
///
/// With [`Trust::Remote`] nothing of this machine is read, and nothing internal: neither by number, nor behind a name,
/// nor by way of a redirect or a mirror. Proxies of repositories are not used, and what they exclude is found all the
/// same.
#[derive(Debug, Clone)]
pub struct CatalogueReader {
    trust: Trust,
    public: Public,
    limits: Limits,
}

/// What is wrong with a file, and where that is.
struct Failure(String, Fault);

impl Failure {
    fn at(url: &Url) -> impl FnOnce(Fault) -> Self + use<'_> {
        move |fault| Self(url.to_string(), fault)
    }
}

/// What was read of one repository.
struct Part {
    names: Names,
    groups: Vec<Group>,
}

impl CatalogueReader {
    /// A reader that trusts so far who names the repositories.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            public: Public::default(),
            limits: Limits::default(),
        }
    }

    /// With [`Trust::Remote`], fetches from these internal networks all the same.
    #[must_use]
    pub fn with_networks(mut self, networks: &[Network]) -> Self {
        self.public = Public(networks.into());
        self
    }

    /// Other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads all of some repositories. Of packages and groups with one name the first repository's counts.
    ///
    /// # Errors
    ///
    /// The first repository that cannot be read, and why its last mirror could not.
    pub async fn read(&self, repositories: &[Repository]) -> Result<Catalogue, CatalogueError> {
        let until = Instant::now() + self.limits.time;
        let read = self.read_all(repositories, until);
        match tokio::time::timeout(self.limits.time, read).await {
            Ok(read) => read,
            Err(_) => {
                let ids: Vec<&str> = repositories.iter().map(|one| one.id.as_str()).collect();
                Err(CatalogueError::TimedOut {
                    repositories: ids.join(", "),
                    seconds: self.limits.time.as_secs(),
                })
            }
        }
    }

    async fn read_all(
        &self,
        repositories: &[Repository],
        until: Instant,
    ) -> Result<Catalogue, CatalogueError> {
        let fetch = Fetch::new(self.trust, &self.public, &self.limits)
            .map_err(|fault| CatalogueError::of("", "", fault))?;
        let (mut names, mut groups) = (Names::new(&self.limits), Vec::new());
        let (mut known, mut sources) = (BTreeSet::new(), Vec::new());
        for repository in repositories {
            let (base, part) = self.repository(&fetch, repository, until).await?;
            let address = redact::passwords(base.url.as_str()).into_owned();
            let appended = names.append(&part.names);
            appended.map_err(|fault| CatalogueError::of(&repository.id, &address, fault))?;
            let new = |group: &Group| known.insert((group.is_environment, group.id.clone()));
            groups.extend(part.groups.into_iter().filter(new));
            sources.push(format!("{} ({address})", repository.id));
        }
        groups.sort_by_key(|group| group.is_environment);
        Ok(Catalogue::new(names, groups, sources))
    }

    /// Reads a repository from the first place where it can be read.
    async fn repository(
        &self,
        fetch: &Fetch,
        repository: &Repository,
        until: Instant,
    ) -> Result<(Base, Part), CatalogueError> {
        let failed = |address: &str, fault| CatalogueError::of(&repository.id, address, fault);
        let mut last = failed("", Fault::NoMirror);
        let mut left = self.limits.mirrors;
        for source in &repository.sources {
            let bases = match self.bases(fetch, source).await {
                Ok(bases) => bases,
                Err(fault) => {
                    last = failed(source.url(), fault);
                    continue;
                }
            };
            for base in bases.into_iter().take(left) {
                left -= 1;
                match self.part(fetch, &base, repository.groups, until).await {
                    Ok(part) => return Ok((base, part)),
                    Err(Failure(address, fault)) => last = failed(&address, fault),
                }
            }
        }
        Err(last)
    }

    async fn bases(&self, fetch: &Fetch, source: &Source) -> Result<Vec<Base>, Fault> {
        let read = async |address: &str| {
            let url = address.parse().map_err(|_| Fault::Address)?;
            fetch.read(&url, self.limits.list).await
        };
        match source {
            Source::BaseUrl(url) => Ok(vec![Base::of(url).ok_or(Fault::Address)?]),
            Source::MirrorList(url) => mirrors::list(&read(url).await?),
            Source::Metalink(url) => mirrors::metalink(&read(url).await?),
        }
    }

    /// What a folder has.
    async fn part(
        &self,
        fetch: &Fetch,
        base: &Base,
        with_groups: bool,
        until: Instant,
    ) -> Result<Part, Failure> {
        let address = base.file("repodata/repomd.xml");
        let address = address
            .ok_or(Fault::Address)
            .map_err(Failure::at(&base.url))?;
        let read = fetch.read(&address, self.limits.list).await;
        let read = read.map_err(Failure::at(&address))?;
        let announced = &base.announced;
        if !announced.is_empty() && !announced.iter().any(|sum| sum.is_of(&read)) {
            return Err(Failure::at(&address)(Fault::Checksum));
        }
        let files = repomd::read(&read).map_err(Failure::at(&address))?;
        let file = |kind: &str| files.iter().find(|file| file.kind == kind);
        let packages = file("primary").ok_or(Fault::Unannounced);
        let packages = packages.map_err(Failure::at(&address))?;
        let limits = self.limits;
        let read = move |from: &mut dyn BufRead| {
            let mut names = Names::new(&limits);
            primary::read(from, &mut names).map(|()| names)
        };
        let names = self.file(fetch, base, packages, until, read).await?;
        let of_groups = GROUPS.into_iter().filter(|_| with_groups).find_map(file);
        let groups = match of_groups {
            Some(of_groups) => {
                let read = move |from: &mut dyn BufRead| comps::read(from, limits.groups);
                self.file(fetch, base, of_groups, until, read).await?
            }
            None => Vec::new(),
        };
        Ok(Part { names, groups })
    }

    /// Unpacks and reads a file while it comes.
    async fn file<T: Send + 'static>(
        &self,
        fetch: &Fetch,
        base: &Base,
        file: &File,
        until: Instant,
        read: impl FnOnce(&mut dyn BufRead) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Failure> {
        let url = base.file(&file.href).ok_or(Fault::Address);
        let url = url.map_err(Failure::at(&base.url))?;
        let from = fetch.open(&url).await.map_err(Failure::at(&url))?;
        let (limits, file) = (self.limits, file.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut packed = Packed::new(from, file.checksum, limits.packed);
            let mut open = packed::open(&file.href, &mut packed, limits.open, until)?;
            let value = read(&mut open)?;
            drop(open);
            // What was read of a file that is another means nothing.
            packed.finish().map(|()| value)
        });
        let read = read.await.map_err(|error| Fault::Io(error.to_string()));
        read.and_then(|read| read).map_err(Failure::at(&url))
    }
}
