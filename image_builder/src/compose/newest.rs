//! The newest of the packages that dnf said it would install: the time of an image that is told no
//! other.

use std::collections::HashSet;
use std::fs::File;

use super::ComposeError;
use super::dnf_cache::{CachedRepository, rpms};
use crate::repo_create::RpmHeader;
use crate::source_date::SourceDate;
use crate::spec::Arch;

/// The file names of the packages in the table that dnf prints of a transaction.
///
/// Of a line only name, architecture and version are looked at, in whatever columns; dnf 4 breaks
/// long lines after the name. What is no package has no file of that name, and does no harm.
pub(crate) fn file_names(lines: &[String], arch: Arch) -> HashSet<String> {
    let words: Vec<&str> = lines
        .iter()
        .flat_map(|line| line.split_whitespace())
        .collect();
    let of_arch = |word: &str| word == arch.as_str() || matches!(word, "noarch" | "i686");
    let named = words.windows(3).filter(|three| of_arch(three[1]));
    named
        .map(|three| {
            let version = three[2].split_once(':').map_or(three[2], |(_, rest)| rest);
            format!("{}-{version}.{}.rpm", three[0], three[1])
        })
        .collect()
}

/// The build time of the newest of the packages `names`; nothing when none of them is found.
/// Blocks: reads their headers.
///
/// # Errors
///
/// The operating system's, of a folder that cannot be listed.
pub(crate) fn newest(
    repositories: &[CachedRepository<'_>],
    names: &HashSet<String>,
) -> Result<Option<SourceDate>, ComposeError> {
    let mut found: Option<(u64, String)> = None;
    for folder in repositories
        .iter()
        .flat_map(CachedRepository::package_folders)
    {
        for path in rpms(&folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !names.contains(name.as_ref()) {
                continue;
            }
            // One that cannot be read is dnf's to refuse.
            let header = File::open(&path).and_then(|mut file| RpmHeader::read(&mut file));
            if let Ok(Ok(header)) = header {
                found = found.max(Some((header.build_time, header.nevra())));
            }
        }
    }
    Ok(found.map(|(seconds, package)| SourceDate::of_package(seconds, package)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::{Repository, Source};

    #[test]
    fn packages_are_read_from_the_tables_of_both() {
        let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        let dnf4 = " Package   Arch   Version   Repo   Size\nInstalling:\n kernel  x86_64 6.1.192-2 99 \
                    1.5 k\n a-name-that-is-longer-than-its-column\n         noarch 1:1.14-1 99 25 k\n\
                    Installing Groups:\n Core\n";
        let mut names: Vec<_> = file_names(&lines(dnf4), Arch::X86_64).into_iter().collect();
        names.sort();
        assert_eq!(
            names,
            [
                "a-name-that-is-longer-than-its-column-1.14-1.noarch.rpm",
                "kernel-6.1.192-2.x86_64.rpm"
            ]
        );
        let dnf5 = " bash    aarch64 0:5.3.0-1.fc43   fedora   8.3 MiB\n";
        assert!(file_names(&lines(dnf5), Arch::Aarch64).contains("bash-5.3.0-1.fc43.aarch64.rpm"));
    }

    #[test]
    fn only_the_packages_of_the_image_count() {
        let dir = tempfile::tempdir().unwrap();
        let package = |name: &str, time: u32| {
            let mut builder = rpm::PackageBuilder::new(name, "1", "MIT", "noarch", "test");
            let dated = rpm::BuildConfig::default().source_date(time);
            let package = builder.release("1").using_config(dated).build().unwrap();
            let path = dir.path().join(format!("{name}-1-1.noarch.rpm"));
            package.write_file(path).unwrap();
        };
        package("old", 100);
        package("new", 200);
        package("other", 300);
        let url = format!("file://{}", dir.path().display());
        let repository = Repository::new("r", vec![Source::BaseUrl(url)]);
        let cached = [CachedRepository::new(dir.path(), &repository)];
        let newest = |names: &[&str]| {
            let files = names.iter().map(|name| format!("{name}-1-1.noarch.rpm"));
            newest(&cached, &files.collect()).unwrap()
        };
        let new = SourceDate::of_package(200, "new-1-1.noarch".to_owned());
        assert_eq!(newest(&["old", "new"]), Some(new));
        assert_eq!(newest(&["gone"]), None);
    }
}
