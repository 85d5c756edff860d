//! `-G`: the packages of the kickstart with all that they require, and their sources.
//!
//! dnf solves and downloads into its cache as for an image; then it writes the solution into the
//! package database of an empty root, with none of the files. That database says which packages
//! they are, each with the checksum of its header, and that rpm finds nothing missing among them.

use std::path::{Path, PathBuf};

use super::Job;
use super::comps;
use super::replace::{Fresh, at};
use crate::builders::explain;
use crate::builders::native::groups;
use crate::builders::native::packages::Places;
use crate::cache::Phase;
use crate::compose::dnf;
use crate::compose::dnf_cache::{self, CachedRepository, Wanted};
use crate::compose::files::{make_folder, place, write};
use crate::compose::repository_state::State;
use crate::compose::{ComposeError, DvdError, dnf_lock};
use crate::context::{BuildContext, CancellationToken};
use crate::events::Stage;
use crate::process::Invocation;

/// What rpm tells of a gathered package.
const QUERY: &str = "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm\\t%{SHA256HEADER}\\t%{SOURCERPM}\\n";

/// A gathered package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gathered {
    pub(super) rpm: Wanted,
    /// The source package that it was built from, if it says so.
    pub(super) source: Option<String>,
}

impl Gathered {
    /// A line of [`QUERY`]; nothing for a key, which rpm keeps as a package.
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut field = || fields.next().map(str::to_owned);
        let gathered = Self {
            rpm: Wanted {
                file_name: field()?,
                sha256_header: field()?,
            },
            source: field().filter(|source| source.ends_with(".src.rpm")),
        };
        (!gathered.rpm.file_name.starts_with("gpg-pubkey-")).then_some(gathered)
    }
}

impl Job<'_> {
    pub(super) fn places(&self, name: &str) -> Places {
        let folder = self.plan.paths.work.join(name);
        Places {
            root: folder.join("root"),
            empty: folder.join("empty"),
            config: folder.join("dnf.conf"),
            home: folder.join("home"),
            cache: dnf::cache_folder(&self.plan.paths.cache),
            view: folder.join("dnf-cache"),
        }
    }

    /// The command that tells whether there is what is to be gathered.
    pub(super) fn trial(&self) -> Invocation {
        let (plan, places) = (self.plan, self.places("trial"));
        places.solver(plan).dry_run(&plan.packages)
    }

    /// Every command of the stage.
    pub(super) fn gather_commands(&self) -> Vec<Invocation> {
        let (plan, places) = (self.plan, self.places("gather"));
        let dnf = places.dnf(plan);
        let mut commands = Vec::new();
        if plan.install.looks_up_groups() {
            commands.push(groups::invocation(&places.solver(plan), &plan.install));
        }
        commands.extend([
            places.solver(plan).download(&plan.packages),
            dnf.record(&plan.packages),
            self.query_gathered(&places),
        ]);
        if self.dvd.sources {
            commands.push(self.places("sources").solver(plan).fetch_metadata());
        }
        commands
    }

    fn query_gathered(&self, places: &Places) -> Invocation {
        let database = dnf::database(&self.plan.release).trim_start_matches('/');
        Invocation::new("rpm")
            .env("HOME", places.home.to_string_lossy())
            .env("LC_ALL", "C")
            .arg("--dbpath")
            .path(&places.root.join(database))
            .args(["--nosignature", "--nodigest", "-qa", "--qf", QUERY])
    }

    /// Finds out whether there is what is to be gathered, of repositories in these `states`: before anything is
    /// downloaded, who misspelt a name should hear of it.
    pub(super) async fn try_out(
        &self,
        ctx: &BuildContext,
        states: Option<&[State]>,
    ) -> Result<(), ComposeError> {
        let (plan, places) = (self.plan, self.places("trial"));
        let _held = dnf_lock::hold(&plan.paths.cache, Phase::Fetch).await;
        places.prepare(plan, &plan.repositories)?;
        places.try_out(ctx, plan, &plan.packages, states).await
    }

    /// The packages, their groups and their sources, in their places.
    pub(super) async fn gather(&self, ctx: &BuildContext) -> Result<(), ComposeError> {
        let places = self.places("gather");
        // To the end, when what is needed of it lies in the tree.
        let _held = dnf_lock::hold(&self.plan.paths.cache, Phase::Fetch).await;
        places.prepare(self.plan, &self.plan.repositories)?;
        let gathered = self.solve(ctx, &places).await?;
        if self.dvd.sources {
            self.gather_sources(ctx, &gathered).await?;
        }
        let wanted: Vec<Wanted> = gathered.into_iter().map(|one| one.rpm).collect();
        let count = wanted.len();
        let cached: Vec<_> = (self.plan.repositories.iter())
            .map(|repository| CachedRepository::new(&places.cache, repository))
            .collect();
        let groups = comps::of(&cached, ctx);
        drop(cached);
        let (repositories, cache) = (self.plan.repositories.clone(), places.cache.clone());
        let (target, cancel) = (self.folders.packages(), ctx.cancel.clone());
        let bytes = blocking(move || {
            let cached: Vec<_> = (repositories.iter())
                .map(|repository| CachedRepository::new(&cache, repository))
                .collect();
            let files = dnf_cache::find(&cached, &wanted)?;
            for repository in &cached {
                repository.mark_used(files.iter().map(PathBuf::as_path));
            }
            lay_out(&files, &target, &cancel)
        })
        .await?;
        let comps = self.folders.comps();
        match groups {
            Some(text) => {
                let fresh = Fresh::of(&comps)?;
                write(fresh.path(), &text)?;
                fresh.install()?;
            }
            // An earlier run may have had some.
            None if comps.exists() => std::fs::remove_file(&comps).map_err(at(&comps))?,
            None => {}
        }
        ctx.events
            .info(format!("Gathered:: {count} packages, {} MiB", bytes >> 20));
        Ok(())
    }

    /// The set of packages, downloaded.
    async fn solve(
        &self,
        ctx: &BuildContext,
        places: &Places,
    ) -> Result<Vec<Gathered>, ComposeError> {
        let plan = self.plan;
        let states = places.states(plan).await;
        let states = states.as_deref();
        let packages = places.download(ctx, Stage::Gather, plan, &plan.packages, states);
        let packages = packages.await?.packages;
        places.show_cache(plan)?;
        let record = places.dnf(plan).record(&packages);
        dnf_lock::run(ctx, &places.view, || ctx.run(&record))
            .await
            .map_err(|error| explain(error, &places.root))?;
        let lines = ctx.query(&self.query_gathered(places)).await?;
        let mut gathered: Vec<Gathered> = lines
            .iter()
            .filter_map(|line| Gathered::read(line))
            .collect();
        gathered.sort_by(|a, b| a.rpm.file_name.cmp(&b.rpm.file_name));
        match gathered.is_empty() {
            true => Err(ComposeError::MissingArtifact {
                path: places
                    .root
                    .join(dnf::database(&self.plan.release).trim_start_matches('/')),
            }),
            false => Ok(gathered),
        }
    }
}

/// Puts the packages into `target`, in folders by their first letter as Fedora has them. Returns
/// their size in bytes.
fn lay_out(
    files: &[PathBuf],
    target: &Path,
    cancel: &CancellationToken,
) -> Result<u64, ComposeError> {
    let fresh = Fresh::of(target)?;
    make_folder(fresh.path())?;
    let mut bytes = 0;
    for file in files {
        if cancel.is_cancelled() {
            return Err(DvdError::Cancelled.into());
        }
        let name = file.file_name().unwrap_or_default();
        let letter = name.to_string_lossy().chars().take(1).collect::<String>();
        place(file, &fresh.path().join(letter.to_lowercase()).join(name))?;
        bytes += file.metadata().map_err(at(file))?.len();
    }
    fresh.install()?;
    Ok(bytes)
}

/// Runs what takes the disk's time off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ComposeError> + Send + 'static,
) -> Result<T, ComposeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rpm_tells_is_read() {
        let line = "bash-5.3-1.fc43.x86_64.rpm\tab\tbash-5.3-1.fc43.src.rpm";
        let bash = Gathered::read(line).unwrap();
        assert_eq!(bash.rpm.file_name, "bash-5.3-1.fc43.x86_64.rpm");
        assert_eq!(bash.source.as_deref(), Some("bash-5.3-1.fc43.src.rpm"));
        let own = Gathered::read("a-1-1.noarch.rpm\tab\t(none)").unwrap();
        assert_eq!(own.source, None);
        assert_eq!(
            Gathered::read("gpg-pubkey-1-2.(none).rpm\t(none)\t(none)"),
            None
        );
    }

    #[test]
    fn packages_lie_in_folders_by_letter() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "rpm").unwrap();
            path
        };
        let files = [file("GConf2.rpm"), file("389-ds.rpm"), file("bash.rpm")];
        let target = dir.path().join("os/Packages");
        let bytes = lay_out(&files, &target, &CancellationToken::new()).unwrap();
        assert_eq!(bytes, 9);
        for name in ["g/GConf2.rpm", "3/389-ds.rpm", "b/bash.rpm"] {
            assert!(target.join(name).is_file(), "{name}");
        }
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert!(lay_out(&files[..1], &target, &cancel).is_err());
        assert!(target.join("b/bash.rpm").is_file());
    }
}
