//! [`RepoCreate`]: from builds in Koji to a repository of exactly these builds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Client;
use tokio::task::spawn_blocking;
use url::Url;

use super::cache::{CachedRpm, RpmCache};
use super::download::{Download, DownloadOptions, Downloader, RemoteCopy};
use super::error::RepoError;
use super::keyring::Keyring;
use super::repodata::{CreateRepo, RepoSummary};
use super::rpm_file;
use super::side_error::SideRepoError;
use super::side_folder;
use crate::context::BuildContext;
use crate::events::Stage;
use crate::http;
use crate::koji::{
    Bodhi, BodhiClient, Build, BuildRef, Candidate, Choice, ChooseOptions, ChosenRpm, HubClient,
    Koji, KojiConfig, Tag, TagQuery, UpdateId, choose, look_up, look_up_tag,
};

/// What somebody wants in a side repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SideRequest {
    /// Builds by name and by number.
    pub builds: Vec<BuildRef>,
    /// The latest builds in these tags or side tags.
    pub tags: Vec<Tag>,
    /// The builds of these Bodhi updates.
    pub updates: Vec<UpdateId>,
}

impl SideRequest {
    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.builds.is_empty() && self.tags.is_empty() && self.updates.is_empty()
    }
}

/// Where builds come from, which of their RPMs are taken, and where these are kept.
#[derive(Debug, Clone)]
pub struct RepoCreateOptions {
    /// Which Koji is asked.
    pub koji: KojiConfig,
    /// Which Bodhi is asked; Fedora's if none is named.
    pub bodhi: Option<String>,
    /// The proxy that all of them are reached through.
    pub proxy: Option<String>,
    /// The folder of the host's caches.
    pub cache: PathBuf,
    /// Which RPMs are taken.
    pub choose: ChooseOptions,
    /// The keys of which one must have signed each RPM.
    pub keyring: Option<Keyring>,
}

/// A side repository.
#[derive(Debug, Clone, PartialEq)]
pub struct SideRepository {
    /// The folder above `repodata/`.
    pub dir: PathBuf,
    /// What is in it.
    pub choice: Choice,
    /// What it was fetched from.
    pub koji: KojiConfig,
    /// The SHA-256 of the main header of each of its RPMs, in hex, by file name: what rpm keeps of
    /// an installed package.
    pub headers: BTreeMap<String, String>,
    /// The size of its RPMs in bytes.
    pub bytes: u64,
    /// How many of its RPMs the cache had already.
    pub reused: usize,
}

impl SideRepository {
    /// Its address, as dnf takes it: `file:///var/tmp/side`.
    #[must_use]
    pub fn url(&self) -> String {
        folder_url(&self.dir)
    }
}

/// The `file://` address of a folder.
#[must_use]
pub fn folder_url(dir: &Path) -> String {
    Url::from_directory_path(dir).map_or_else(
        |()| format!("file://{}", dir.display()),
        |url| url.as_str().trim_end_matches('/').to_owned(),
    )
}

/// Makes side repositories. The steps have the names of the 2012 class.
///
/// ```no_run
/// use std::path::Path;
/// use image_builder::context::BuildContext;
/// use image_builder::koji::{ChooseOptions, KojiConfig, Nvr};
/// use image_builder::repo_create::{RepoCreate, RepoCreateOptions, SideRequest};
/// use image_builder::spec::Arch;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options = RepoCreateOptions {
///     koji: KojiConfig::from_environment()?,
///     bodhi: None,
///     proxy: None,
///     cache: "/var/cache/fbs".into(),
///     choose: ChooseOptions::new(Arch::X86_64),
///     keyring: None,
/// };
/// let request = SideRequest {
///     builds: vec!["anaconda-43.34-1.fc43".parse::<Nvr>()?.into()],
///     ..SideRequest::default()
/// };
/// let repo_create = RepoCreate::new(options, BuildContext::default())?;
/// let side = repo_create.make_repo(&request, Path::new("/srv/side")).await?;
/// println!("{}", side.url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RepoCreate {
    koji: Arc<dyn Koji>,
    bodhi: Arc<dyn Bodhi>,
    client: Client,
    options: RepoCreateOptions,
    ctx: BuildContext,
}

impl RepoCreate {
    /// One that asks the hub of `options`, tells `ctx` what it does, and stops when that says so.
    ///
    /// # Errors
    ///
    /// An address in `options` that is none.
    pub fn new(options: RepoCreateOptions, ctx: BuildContext) -> Result<Self, SideRepoError> {
        let proxy = options.proxy.as_deref();
        let hub = HubClient::new(&options.koji, proxy)?.with_cancel(ctx.cancel.clone());
        let bodhi =
            BodhiClient::new(options.bodhi.as_deref(), proxy)?.with_cancel(ctx.cancel.clone());
        Ok(Self {
            koji: Arc::new(hub),
            bodhi: Arc::new(bodhi),
            client: http::client(proxy).map_err(SideRepoError::Proxy)?,
            options,
            ctx,
        })
    }

    /// The same with another hub, such as a mock.
    #[must_use]
    pub fn with_koji(mut self, koji: Arc<dyn Koji>) -> Self {
        self.koji = koji;
        self
    }

    /// The same with another Bodhi, such as a mock.
    #[must_use]
    pub fn with_bodhi(mut self, bodhi: Arc<dyn Bodhi>) -> Self {
        self.bodhi = bodhi;
        self
    }

    /// The build of this name or number; `None` if the hub knows none.
    ///
    /// # Errors
    ///
    /// Those of the hub.
    pub async fn get_build(&self, build: &BuildRef) -> Result<Option<Build>, SideRepoError> {
        Ok(self.koji.get_build(build).await?)
    }

    /// Which RPMs go into the repository, all builds that cannot be used being named at once: two
    /// round trips for the builds, one for each tag and update.
    ///
    /// # Errors
    ///
    /// Those of the hub, of Bodhi, and [`SideRepoError::Choose`].
    pub async fn get_rpms(&self, request: &SideRequest) -> Result<Choice, SideRepoError> {
        let found = self.candidates(request).await?;
        Ok(choose(
            &found,
            &self.options.choose,
            &self.options.koji.files,
        )?)
    }

    async fn candidates(&self, request: &SideRequest) -> Result<Vec<Candidate>, SideRepoError> {
        let mut asked = request.builds.clone();
        for id in &request.updates {
            let update = self.bodhi.get_update(id).await?;
            self.ctx.events.info(format!(
                "Update:: {} ({}), {} builds",
                update.id,
                update.status,
                update.builds.len()
            ));
            asked.extend(update.builds.into_iter().map(BuildRef::from));
        }
        let mut found = look_up(&*self.koji, &asked).await?;
        for tag in &request.tags {
            let tagged = look_up_tag(&*self.koji, tag, TagQuery::LATEST).await?;
            if tagged.is_empty() {
                return Err(SideRepoError::EmptyTag(tag.clone()));
            }
            self.ctx
                .events
                .info(format!("Tag:: {tag}, {} builds", tagged.len()));
            found.extend(tagged);
        }
        Ok(found)
    }

    /// Where each RPM is fetched from first.
    #[must_use]
    pub fn get_rpm_urls<'a>(&self, rpms: &'a [ChosenRpm]) -> Vec<&'a Url> {
        rpms.iter().filter_map(|rpm| rpm.urls.first()).collect()
    }

    /// Fetches the RPMs into the cache, verifies them, and puts them into `dir`, which exists.
    ///
    /// # Errors
    ///
    /// [`RepoError`]
    pub async fn download_packages(
        &self,
        rpms: &[ChosenRpm],
        dir: &Path,
    ) -> Result<Vec<CachedRpm>, RepoError> {
        let cached = self.fetch(rpms).await?;
        place(&cached, dir)?;
        Ok(cached)
    }

    async fn fetch(&self, rpms: &[ChosenRpm]) -> Result<Vec<CachedRpm>, RepoError> {
        let cache = self.options.cache.clone();
        let opened = spawn_blocking(move || RpmCache::open(&cache)).await;
        let cache =
            opened.unwrap_or_else(|error| Err(RepoError::io(&self.options.cache)(error.into())))?;
        let options = DownloadOptions {
            keyring: self.options.keyring.clone(),
            stage: Stage::SideRepository,
            ..DownloadOptions::default()
        };
        let downloads: Vec<Download> = rpms.iter().map(download).collect();
        Downloader::new(self.client.clone(), cache, options)
            .fetch(&downloads, &self.ctx)
            .await
    }

    /// Writes the repodata of `dir`. The RPMs that were just verified are not hashed again.
    ///
    /// # Errors
    ///
    /// [`RepoError`]
    pub async fn make_repo_metadata(
        &self,
        dir: &Path,
        verified: &[CachedRpm],
    ) -> Result<RepoSummary, RepoError> {
        let mut repo = CreateRepo::new(dir);
        repo.known = verified
            .iter()
            .map(|rpm| (rpm.file_name.clone(), rpm.sha256.clone()))
            .collect();
        repo.run(&self.ctx).await
    }

    /// All of it: a repository in `dir`, which is made, is empty, or was made by this before. What
    /// it held then and is not wanted any more goes.
    ///
    /// # Errors
    ///
    /// [`SideRepoError`]. Nothing is in `dir` then that was not verified.
    pub async fn make_repo(
        &self,
        request: &SideRequest,
        dir: &Path,
    ) -> Result<SideRepository, SideRepoError> {
        side_folder::check(dir)?;
        let events = &self.ctx.events;
        let choice = self.get_rpms(request).await?;
        for warning in &choice.warnings {
            events.warn(warning.to_string());
        }
        events.info(format!(
            "Side repository:: packages: {}, builds: {}, {} KiB, from {}",
            choice.rpms.len(),
            choice.builds.len(),
            choice.size().div_ceil(1024),
            self.options.koji.hub
        ));
        for build in &choice.builds {
            events.info(format!("Build:: {build}"));
        }
        let cached = self.fetch(&choice.rpms).await?;
        let names: BTreeSet<&str> = cached.iter().map(|rpm| rpm.file_name.as_str()).collect();
        side_folder::prepare(dir, &names)?;
        place(&cached, dir)?;
        self.make_repo_metadata(dir, &cached).await?;
        Ok(SideRepository {
            dir: dir.to_owned(),
            koji: self.options.koji.clone(),
            headers: headers(&cached)?,
            bytes: cached.iter().map(|rpm| rpm.size).sum(),
            reused: cached.iter().filter(|rpm| rpm.reused).count(),
            choice,
        })
    }
}

/// Hard links, or copies: quick enough to be done here.
fn place(cached: &[CachedRpm], dir: &Path) -> Result<(), RepoError> {
    cached.iter().try_for_each(|rpm| rpm.place(dir).map(drop))
}

fn headers(cached: &[CachedRpm]) -> Result<BTreeMap<String, String>, RepoError> {
    let mut headers = BTreeMap::new();
    for rpm in cached {
        let sum = rpm_file::header_sha256(&rpm.path).map_err(RepoError::io(&rpm.path))?;
        headers.extend(sum.map(|sum| (rpm.file_name.clone(), sum)));
    }
    Ok(headers)
}

fn download(chosen: &ChosenRpm) -> Download {
    let unsigned = chosen.urls.len() - 1;
    let copies = chosen.urls.iter().enumerate().map(|(number, url)| {
        RemoteCopy {
            url: url.clone(),
            // The hub knows the size of the unsigned copy only, which is the last.
            size: (number == unsigned).then_some(chosen.rpm.size),
        }
    });
    Download {
        copies: copies.collect(),
        file_name: chosen.file_name.clone(),
        payload_hash: Some(chosen.payload_hash.clone()),
        sha256: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, StageError};
    use crate::koji::{MockKoji, Nvr};
    use crate::spec::Arch;

    #[tokio::test]
    async fn builds_that_nobody_knows_are_named_at_once_and_nothing_is_made() {
        let mut koji = MockKoji::new();
        koji.expect_get_builds()
            .times(1)
            .returning(|asked| Ok(vec![None; asked.len()]));
        koji.expect_list_rpms_of().returning(|_| Ok(Vec::new()));
        let folder = tempfile::tempdir().unwrap();
        let options = RepoCreateOptions {
            koji: KojiConfig::new(None, None).unwrap(),
            bodhi: None,
            proxy: None,
            cache: folder.path().join("cache"),
            choose: ChooseOptions::new(Arch::X86_64),
            keyring: None,
        };
        let repo_create = RepoCreate::new(options, BuildContext::default())
            .unwrap()
            .with_koji(Arc::new(koji));
        let build = |name: &str| BuildRef::from(name.parse::<Nvr>().unwrap());
        let request = SideRequest {
            builds: vec![build("nosuch-1-1"), build("neither-2-2")],
            ..SideRequest::default()
        };
        let side = folder.path().join("side");
        let error = repo_create.make_repo(&request, &side).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        for name in ["nosuch-1-1", "neither-2-2"] {
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(!side.exists() && !folder.path().join("cache/rpms").exists());
    }
}
