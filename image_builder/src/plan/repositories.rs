//! Where packages come from, and how far they are trusted.

use std::path::Path;

use super::PlanError;
use crate::repository::{Repository, Source};
use crate::spec::{Arch, BuildSpec, Release, RepositoryId, RepositoryKind, Shared, defaults};

/// The release's repository, and those of its updates where the spec asks for them.
pub(super) fn repositories(
    spec: &BuildSpec,
    current_dir: &Path,
    shared: &Shared,
    release: &Release,
    arch: Arch,
    notes: &mut Vec<String>,
) -> Result<Vec<Repository>, PlanError> {
    let mut kinds = vec![RepositoryKind::Release];
    if shared.updates == Some(true) {
        kinds.push(RepositoryKind::Updates);
    }
    if shared.updates_testing == Some(true) {
        kinds.push(RepositoryKind::UpdatesTesting);
    }
    let base = spec.base_dir.as_deref().unwrap_or(current_dir);
    let gpg = Signatures::of(shared, release, base);
    let mut repositories = Vec::new();
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
            notes.push(format!("the signatures of {id}'s packages are not checked"));
        }
        repositories.push(repository);
    }
    Ok(repositories)
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
