//! A Debian package as an RPM.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{path::Path, thread};

use crate::deb::Deb;
use crate::dependency::{Catalogue, Dependency};
use crate::package::{Content, File, Package, Scriptlets};
use crate::recipe::{self, Architecture, Changes};
use crate::version::Version;
use crate::{Error, kernel, names, own};

/// Turns a Debian package into the RPM of the same content, or a kernel into its three.
pub(crate) fn repack(
    deb: &Deb,
    catalogue: &Catalogue,
    arch: Architecture,
) -> Result<Vec<Package>, Error> {
    let control = &deb.control;
    let name = names::fedora(&control.name);
    let changes = recipe::changes(&control.name);
    let version = Version::of_package(&control.version);

    let mut package = Package {
        name: name.to_owned(),
        arch: if control.is_for_all_architectures() {
            "noarch"
        } else {
            arch.rpm
        }
        .to_owned(),
        summary: control.summary().to_owned(),
        built: 0,
        files: deb.files()?,
        requires: catalogue.requirements(control)?,
        provides: provided(deb)?,
        scriptlets: Scriptlets {
            posttrans: changes.posttrans.map(str::to_owned),
            ..Scriptlets::default()
        },
        version,
    };
    // The age of a package is that of its newest file: Debian fixes it when it builds.
    package.built = package
        .files
        .values()
        .map(|file| file.modified)
        .max()
        .unwrap_or_default();
    for path in &control.configuration_files {
        if let Some(file) = package.files.get_mut(path) {
            file.config = true;
        }
    }
    apply(&changes, &mut package)?;
    // `filesystem` owns the folders that all share, and the paths that are links there.
    package
        .files
        .retain(|path, file| !matches!(file.content, Content::Folder) || !own::is_shared(path));
    if kernel::is_kernel(&control.name) {
        return kernel::split(package);
    }
    Ok(vec![package.requires(["filesystem"])])
}

fn apply(changes: &Changes, package: &mut Package) -> Result<(), Error> {
    package
        .requires
        .extend(changes.requires.iter().copied().map(Dependency::any));
    package
        .provides
        .extend(changes.provides.iter().copied().map(Dependency::any));
    for path in changes.without {
        package.files.remove(*path);
    }
    for (path, target) in changes.links {
        let link = File {
            modified: package.built,
            ..File::link(*target)
        };
        package.files.insert((*path).to_owned(), link);
    }
    for (path, from, to) in changes.patches {
        patch(package, path, from, to)?;
    }
    Ok(())
}

/// Replaces a text that must be there: a newer Debian may need the patch no more, or another.
fn patch(package: &mut Package, path: &str, from: &str, to: &str) -> Result<(), Error> {
    if let Some(File {
        content: Content::Bytes(bytes),
        ..
    }) = package.files.get_mut(path)
    {
        let text = String::from_utf8_lossy(bytes);
        if text.contains(from) {
            *bytes = text.replacen(from, to, 1).into_bytes();
            return Ok(());
        }
    }
    Err(Error::Malformed {
        package: package.name.clone(),
        problem: format!("{path} is not as the patch in recipe.rs expects it"),
    })
}

fn provided(deb: &Deb) -> Result<Vec<Dependency>, Error> {
    let alternatives = deb.control.alternatives("Provides")?;
    Ok(alternatives.into_iter().flatten().collect())
}

/// Repackages all, on all cores, into a folder of RPMs.
pub(crate) fn repack_all(debs: &[Deb], arch: Architecture, packages: &Path) -> Result<(), Error> {
    let controls: Vec<_> = debs.iter().map(|deb| deb.control.clone()).collect();
    let catalogue = Catalogue::new(&controls)?;
    each_in_parallel(debs, |deb| {
        for package in repack(deb, &catalogue, arch)? {
            package.write(packages)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Runs `work` on every item, on as many threads as there are cores; gives the results in order,
/// or the first failure.
pub(crate) fn each_in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut results = thread::scope(|scope| {
        let worker = || {
            let mut results = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else {
                    return Ok(results);
                };
                match work(item) {
                    Ok(result) => results.push((at, result)),
                    Err(error) => {
                        next.store(items.len(), Ordering::Relaxed); // the others stop too
                        return Err(error);
                    }
                }
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect::<Result<Vec<_>, Error>>()
    })?
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_that_does_not_fit_is_an_error() {
        let mut package = Package::own("a", "1-1", "A").file("/a", File::text("one two", 0o644));
        patch(&mut package, "/a", "two", "three").unwrap();
        let Content::Bytes(bytes) = &package.files["/a"].content else {
            panic!("not a text")
        };
        assert_eq!(bytes, b"one three");
        assert!(patch(&mut package, "/a", "two", "three").is_err());
        assert!(patch(&mut package, "/b", "two", "three").is_err());
    }

    #[test]
    fn results_come_in_order() {
        let numbers: Vec<u32> = (0..100).collect();
        let doubled = each_in_parallel(&numbers, |n| Ok(n * 2)).unwrap();
        assert_eq!(doubled, numbers.iter().map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_is_told() {
        let result = each_in_parallel(&[1, 2, 3], |n| match n {
            2 => Err(Error::Fetch("gone".into())),
            n => Ok(*n),
        });
        assert!(result.is_err());
    }
}
