//! Where the source packages of a DVD come from.

use super::{DvdPlan, PlanError, SIDE_REPOSITORY};
use crate::repository::{Repository, Source};

impl DvdPlan {
    /// Finds the source repositories that belong to `repositories`, if sources are wanted.
    pub(super) fn find_sources(
        &mut self,
        repositories: &[Repository],
        notes: &mut Vec<String>,
    ) -> Result<(), PlanError> {
        if !self.sources {
            return match self.source_iso {
                true => Err(PlanError::NoSources),
                false => Ok(()),
            };
        }
        for repository in repositories.iter().filter(|one| one.id != SIDE_REPOSITORY) {
            let sources: Vec<Source> = repository.sources.iter().filter_map(of).collect();
            if sources.is_empty() {
                notes.push(format!(
                    "no source repository is known for {}",
                    repository.id
                ));
                continue;
            }
            self.source_repositories.push(Repository {
                id: format!("{}-source", repository.id),
                sources,
                ..repository.clone()
            });
        }
        Ok(())
    }
}

/// The place of the sources beside that of the packages, as Fedora has it: `source/tree` beside
/// the architecture's folder, and in MirrorManager a name with `source` in it. Nothing for an
/// address that is laid out otherwise.
fn of(source: &Source) -> Option<Source> {
    Some(match source {
        Source::BaseUrl(url) => {
            let folder = url.trim_end_matches('/');
            let folder = folder.strip_suffix("/os").unwrap_or(folder);
            let (above, arch) = folder.rsplit_once('/')?;
            let is_arch = ["i386", "i686", "x86_64", "aarch64", "ppc64le", "s390x"].contains(&arch);
            is_arch.then(|| Source::BaseUrl(format!("{above}/source/tree")))?
        }
        Source::MirrorList(url) => Source::MirrorList(of_mirror_manager(url)?),
        Source::Metalink(url) => Source::Metalink(of_mirror_manager(url)?),
    })
}

/// `repo=fedora-43` -> `repo=fedora-source-43`.
fn of_mirror_manager(url: &str) -> Option<String> {
    let (before, rest) = url.split_once("repo=")?;
    let end = rest.find('&').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let name = match name.rsplit_once('-') {
        Some((kind @ ("fedora" | "updates-released" | "updates-testing"), number)) => {
            format!("{kind}-source-{number}")
        }
        None if name == "rawhide" => "rawhide-source".to_owned(),
        _ => return None,
    };
    Some(format!("{before}repo={name}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_lie_where_fedora_has_them() {
        let base = |url: &str| Source::BaseUrl(url.to_owned());
        for (packages, sources) in [
            (
                "https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os/",
                Some(
                    "https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/source/tree",
                ),
            ),
            (
                "file:///srv/updates/43/Everything/aarch64",
                Some("file:///srv/updates/43/Everything/source/tree"),
            ),
            ("http://mirror.example.org/my-packages", None),
        ] {
            assert_eq!(of(&base(packages)), sources.map(base), "{packages}");
        }
        let metalink = |repo: &str| {
            Source::Metalink(format!(
                "https://mirrors.fedoraproject.org/metalink?repo={repo}&arch=x86_64"
            ))
        };
        for (packages, sources) in [
            ("fedora-43", "fedora-source-43"),
            ("updates-released-f43", "updates-released-source-f43"),
            ("updates-testing-f43", "updates-testing-source-f43"),
            ("rawhide", "rawhide-source"),
        ] {
            assert_eq!(of(&metalink(packages)), Some(metalink(sources)));
        }
        assert_eq!(of(&metalink("epel-10")), None);
    }
}
