//! Where packages come from, and how far they are trusted.

use std::path::Path;

use super::PlanError;
use crate::kickstart::{RepoUrl, Settings};
use crate::repository::{Repository, Source};
use crate::spec::{Arch, BuildSpec, Release, RepositoryId, RepositoryKind, Shared, defaults};

/// Where a build of this spec for this architecture takes its packages from, the side repository aside. `settings` are
/// those of its kickstart, whose repositories come first. `$releasever`, `$basearch` and `$arch` in an address are
/// filled in, as dnf fills them in while it builds.
///
/// # Errors
///
/// A repository that Fedora does not have, or that the spec or the kickstart does not say enough of.
pub fn repositories_of(
    spec: &BuildSpec,
    settings: &Settings,
    arch: Arch,
) -> Result<Vec<Repository>, PlanError> {
    let release = spec.package_release();
    let notes = &mut Vec::new();
    let here = Path::new("/");
    let mut repositories = repositories(spec, settings, here, release, arch, notes)?;
    let sources = repositories.iter_mut().flat_map(|one| &mut one.sources);
    for source in sources {
        let (Source::BaseUrl(url) | Source::MirrorList(url) | Source::Metalink(url)) = source;
        *url = url
            .replace("$releasever", &release.to_string())
            .replace("$basearch", arch.basearch())
            .replace("$arch", &arch.to_string());
    }
    Ok(repositories)
}

/// The release's repository, and those of its updates where the spec asks for them.
pub(super) fn repositories(
    spec: &BuildSpec,
    settings: &Settings,
    current_dir: &Path,
    release: &Release,
    arch: Arch,
    notes: &mut Vec<String>,
) -> Result<Vec<Repository>, PlanError> {
    let shared = spec.shared();
    let mut repositories = of_kickstart(settings)?;
    // A kickstart with repositories stands for itself; what the spec adds is added.
    let own = RepositoryId::new(release.clone(), RepositoryKind::Release);
    let needed = repositories.is_empty() || shared.repositories.contains_key(&own);
    let mut kinds = Vec::new();
    if needed {
        kinds.push(RepositoryKind::Release);
    }
    if shared.updates == Some(true) {
        kinds.push(RepositoryKind::Updates);
    }
    if shared.updates_testing == Some(true) {
        kinds.push(RepositoryKind::UpdatesTesting);
    }
    let base = spec.base_dir.as_deref().unwrap_or(current_dir);
    let gpg = Signatures::of(shared, release, base);
    for repository in &mut repositories {
        gpg.apply(repository, true);
        if !repository.gpg_check {
            notes.push(unchecked(&repository.id));
        }
    }
    for kind in kinds {
        let id = RepositoryId::new(release.clone(), kind);
        let mut sources = Vec::new();
        if let Some(urls) = shared.repositories.get(&id) {
            sources.extend(
                urls.url
                    .iter()
                    .map(|url| Source::BaseUrl(url.to_url_text(base))),
            );
            sources.extend(
                urls.mirror
                    .iter()
                    .map(|url| Source::mirror(url.to_url_text(base))),
            );
        }
        let written = !sources.is_empty();
        if !written {
            let source = match defaults::mirror_name(&id) {
                // Releases below this number are on the archive server, which has no mirrors.
                Some(name) if release.number().is_none_or(|number| number > 41) => {
                    Source::Metalink(defaults::metalink(&name, arch))
                }
                _ => Source::BaseUrl(
                    defaults::repository_url(&id, arch)
                        .ok_or_else(|| PlanError::Repository(id.clone()))?,
                ),
            };
            sources.push(source);
        }
        let mut repository = Repository::new(id.to_string(), sources);
        gpg.apply(&mut repository, written);
        if repository.gpg_check && repository.gpg_keys.is_empty() {
            return Err(PlanError::NoKey(id));
        }
        if !repository.gpg_check {
            notes.push(unchecked(&repository.id));
        }
        repositories.push(repository);
    }
    Ok(repositories)
}

fn unchecked(id: &str) -> String {
    format!("the signatures of {id}'s packages are not checked")
}

/// `url` and `repo` of the kickstart.
fn of_kickstart(settings: &Settings) -> Result<Vec<Repository>, PlanError> {
    let mut repositories: Vec<Repository> = Vec::new();
    if let Some(url) = &settings.url {
        let mut repository = Repository::new("url", vec![source(&url.value.url)]);
        repository.proxy.clone_from(&url.value.proxy);
        repository.verify_tls = !url.value.noverifyssl;
        repositories.push(repository);
    }
    for placed in &settings.repos {
        let repo = &placed.value;
        let Some(url) = &repo.url else {
            return Err(PlanError::NoAddress {
                name: repo.name.clone(),
                place: placed.place.to_string(),
            });
        };
        let mut repository = Repository::new(&repo.name, vec![source(url)]);
        repository.cost = repo.cost;
        repository.exclude.clone_from(&repo.excludepkgs);
        repository.include.clone_from(&repo.includepkgs);
        repository.proxy.clone_from(&repo.proxy);
        repository.groups = !repo.ignoregroups;
        repository.verify_tls = !repo.noverifyssl;
        // Of two with one name the last counts, as in the installer.
        repositories.retain(|other| other.id != repository.id);
        repositories.push(repository);
    }
    Ok(repositories)
}

fn source(url: &RepoUrl) -> Source {
    match url {
        RepoUrl::Base(url) => Source::BaseUrl(url.clone()),
        RepoUrl::Mirrorlist(url) => Source::MirrorList(url.clone()),
        RepoUrl::Metalink(url) => Source::Metalink(url.clone()),
    }
}

/// What the spec and the host say about signatures.
struct Signatures {
    check: Option<bool>,
    keys: Vec<String>,
    fedora: Option<String>,
}

impl Signatures {
    fn of(shared: &Shared, release: &Release, base: &Path) -> Self {
        // From the packages fedora-gpg-keys and distribution-gpg-keys.
        let fedora = release.number().and_then(|number| {
            [
                format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-fedora-{number}-primary"),
                format!(
                    "/usr/share/distribution-gpg-keys/fedora/RPM-GPG-KEY-fedora-{number}-primary"
                ),
            ]
            .into_iter()
            .find(|path| Path::new(path).exists())
        });
        Self {
            check: shared.gpgcheck,
            keys: shared
                .gpgkey
                .iter()
                .map(|key| key.to_url_text(base))
                .collect(),
            fedora: fedora.map(|path| format!("file://{path}")),
        }
    }

    /// Checks where there is a key to check with, and where the spec insists.
    fn apply(&self, repository: &mut Repository, written: bool) {
        repository.gpg_keys = self.keys.clone();
        if repository.gpg_keys.is_empty() && (!written || self.check == Some(true)) {
            repository.gpg_keys.extend(self.fedora.clone());
        }
        repository.gpg_check = self.check.unwrap_or(!repository.gpg_keys.is_empty());
    }
}
