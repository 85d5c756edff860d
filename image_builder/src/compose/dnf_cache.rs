//! What dnf keeps of repositories: their metadata as they sent it, and the packages.
//!
//! dnf 4 and dnf5 have a folder for each repository, `<id>-<hash>`, with `repodata/`, `packages/`
//! and the list of mirrors. The hash is the beginning of the SHA-256 of the first address that
//! there is of metalink, mirror list and base URL (`Repo::Impl::getHash` in libdnf).

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{ComposeError, DvdError};
use crate::cache::mark_used;
use crate::repo_create::RpmHeader;
use crate::repository::{Repository, Source};

/// More than this is not unpacked, in bytes a file.
const LARGEST: u64 = 4 << 30;

/// A repository as dnf has it.
#[derive(Debug, Clone)]
pub(crate) struct CachedRepository<'a> {
    repository: &'a Repository,
    folder: PathBuf,
}

impl<'a> CachedRepository<'a> {
    /// `repository` in dnf's cache.
    pub(crate) fn new(cache: &Path, repository: &'a Repository) -> Self {
        let address = |wanted: fn(&Source) -> bool| {
            repository
                .sources
                .iter()
                .find(|source| wanted(source))
                .map(Source::url)
        };
        let address = address(|source| matches!(source, Source::Metalink(_)))
            .or_else(|| address(|source| matches!(source, Source::MirrorList(_))))
            .or_else(|| address(|_| true))
            .unwrap_or(&repository.id);
        let hash: String = Sha256::digest(address)
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            repository,
            folder: cache.join(format!("{}-{hash}", repository.id)),
        }
    }

    /// Its name.
    pub(crate) fn id(&self) -> &str {
        &self.repository.id
    }

    /// The `repomd.xml` that dnf has of it.
    pub(crate) fn repomd(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.join("repodata/repomd.xml")).ok()
    }

    /// The folders that its packages may be in: those of repositories on this host are not copied.
    pub(crate) fn package_folders(&self) -> Vec<PathBuf> {
        let local = self
            .repository
            .sources
            .iter()
            .filter_map(|source| match source {
                Source::BaseUrl(url) => url::Url::parse(url).ok()?.to_file_path().ok(),
                Source::MirrorList(_) | Source::Metalink(_) => None,
            });
        [self.folder.join("packages")]
            .into_iter()
            .chain(local)
            .collect()
    }

    /// Notes that its metadata were used, and those of `packages` that are in the cache.
    pub(crate) fn mark_used<'p>(&self, packages: impl IntoIterator<Item = &'p Path>) {
        let mark = |file: &Path| {
            // Where that cannot be noted, it is as old as it was.
            if let Err(error) = mark_used(file) {
                tracing::debug!("{}: {error}", file.display());
            }
        };
        let own = self.folder.join("packages");
        let packages = packages.into_iter();
        packages
            .filter(|path| path.starts_with(&own))
            .for_each(mark);
        mark(&self.folder.join("repodata/repomd.xml"));
    }

    /// The folders above `repodata/` that its files can be fetched from, the best first.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let base = |url: &str| url.trim_end_matches('/').to_owned();
        let own = self
            .repository
            .sources
            .iter()
            .filter_map(|source| match source {
                Source::BaseUrl(url) => Some(base(url)),
                Source::MirrorList(_) | Source::Metalink(_) => None,
            });
        let text = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let (metalink, mirrors) = (text("metalink.xml"), text("mirrorlist"));
        let of_metalink = metalink.split("<url ").skip(1).filter_map(|url| {
            let (_, url) = url.split_once('>')?;
            url.split_once("/repodata/repomd.xml</url>")
                .map(|(url, _)| url.trim())
        });
        let of_list = mirrors.lines().map(str::trim);
        let fetchable = |url: &&str| url.starts_with("http://") || url.starts_with("https://");
        own.chain(of_metalink.chain(of_list).filter(fetchable).map(base))
            .collect()
    }

    /// The text of the first of `kinds` that its metadata has, unpacked.
    pub(crate) fn metadata(&self, kinds: &[&str]) -> Result<Option<String>, ComposeError> {
        let repodata = self.folder.join("repodata");
        let Ok(repomd) = std::fs::read_to_string(repodata.join("repomd.xml")) else {
            return Ok(None);
        };
        for kind in kinds {
            let Some(path) = location(&repomd, kind)
                .map(|name| repodata.join(name))
                .filter(|path| path.is_file())
            else {
                continue;
            };
            let text = unpack(&path).map_err(|source| ComposeError::Io { path, source })?;
            return Ok(Some(text));
        }
        Ok(None)
    }
}

/// The file of a kind of metadata, in the same folder as `repomd.xml`.
fn location<'a>(repomd: &'a str, kind: &str) -> Option<&'a str> {
    let (_, data) = repomd.split_once(&format!("<data type=\"{kind}\">"))?;
    let (data, _) = data.split_once("</data>")?;
    let (_, href) = data.split_once("<location href=\"")?;
    let (href, _) = href.split_once('"')?;
    href.rsplit('/').next()
}

fn unpack(path: &Path) -> io::Result<String> {
    let file = BufReader::new(File::open(path)?);
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let reader: Box<dyn Read> = match ending.as_ref() {
        "gz" => Box::new(flate2::read::GzDecoder::new(file)),
        "zst" => Box::new(zstd::stream::read::Decoder::new(file)?),
        "xml" => Box::new(file),
        other => {
            let words = format!("it is compressed with {other}, which is not read");
            return Err(io::Error::new(io::ErrorKind::Unsupported, words));
        }
    };
    let mut text = String::new();
    reader.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// A package that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `name-version-release.arch.rpm`
    pub(crate) file_name: String,
    /// The SHA-256 of its header, in hex, by which it is known whatever its file is called.
    pub(crate) sha256_header: String,
}

/// Where the packages are, in their order. Blocks: reads their headers.
pub(crate) fn find(
    repositories: &[CachedRepository<'_>],
    wanted: &[Wanted],
) -> Result<Vec<PathBuf>, ComposeError> {
    let mut files: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for folder in repositories
        .iter()
        .flat_map(CachedRepository::package_folders)
    {
        for path in rpms(&folder)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            files.entry(name).or_default().push(path);
        }
    }
    let named = |one: &Wanted| {
        let same = files.get(&one.file_name)?;
        same.iter()
            .find(|path| header_of(path).as_ref() == Some(&one.sha256_header))
            .cloned()
    };
    let mut found: Vec<Option<PathBuf>> = wanted.iter().map(named).collect();
    if found.iter().any(Option::is_none) {
        // A repository may call its files as it likes.
        let known: HashSet<&String> = wanted.iter().map(|one| &one.file_name).collect();
        let others = files.iter().filter(|(name, _)| !known.contains(name));
        let by_header: HashMap<String, &PathBuf> = others
            .flat_map(|(_, paths)| paths)
            .filter_map(|path| Some((header_of(path)?, path)))
            .collect();
        for (one, place) in wanted
            .iter()
            .zip(&mut found)
            .filter(|(_, place)| place.is_none())
        {
            *place = by_header
                .get(&one.sha256_header)
                .map(|path| (*path).clone());
        }
    }
    let each = found.into_iter().zip(wanted);
    each.map(|(path, one)| path.ok_or_else(|| DvdError::NotInCache(one.file_name.clone()).into()))
        .collect()
}

fn header_of(path: &Path) -> Option<String> {
    let header = RpmHeader::read(&mut File::open(path).ok()?).ok()?.ok()?;
    Some(header.sha256)
}

/// The RPMs in a folder and those below it; none where there is no folder.
pub(crate) fn rpms(folder: &Path) -> Result<Vec<PathBuf>, ComposeError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let at = |source| ComposeError::Io {
            path: folder.clone(),
            source,
        };
        let entries = match folder.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(at)?,
        };
        for entry in entries {
            let entry = entry.map_err(at)?;
            let path = entry.path();
            if entry.file_type().map_err(at)?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rpm") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(dir: &Path, name: &str, file: &str) -> Wanted {
        std::fs::create_dir_all(dir).unwrap();
        let mut builder = rpm::PackageBuilder::new(name, "1", "MIT", "noarch", "test");
        let path = dir.join(file);
        builder
            .release("1")
            .build()
            .unwrap()
            .write_file(&path)
            .unwrap();
        Wanted {
            file_name: format!("{name}-1-1.noarch.rpm"),
            sha256_header: header_of(&path).unwrap(),
        }
    }

    #[test]
    fn packages_are_found_by_name_and_by_header() {
        let dir = tempfile::tempdir().unwrap();
        let local = dir.path().join("local repo");
        let url = url::Url::from_file_path(&local).unwrap().to_string();
        let repository = Repository::new("43", vec![Source::BaseUrl(url)]);
        let cached = CachedRepository::new(dir.path(), &repository);
        let a = package(&local.join("Packages/a"), "a", "a-1-1.noarch.rpm");
        let b = package(&cached.folder.join("packages"), "b", "b.rpm");
        // Of the same name, and another.
        let other = package(&cached.folder.join("packages"), "other", "a-1-1.noarch.rpm");
        let cached = [cached];
        let found = find(&cached, &[a.clone(), b]).unwrap();
        assert_eq!(found[0], local.join("Packages/a/a-1-1.noarch.rpm"));
        assert_eq!(found[1], cached[0].folder.join("packages/b.rpm"));
        let gone = Wanted {
            sha256_header: "00".to_owned(),
            ..other
        };
        let error = find(&cached, &[a, gone]).unwrap_err();
        assert!(
            error.to_string().contains("other-1-1.noarch.rpm"),
            "{error}"
        );
    }

    #[test]
    fn the_folder_is_dnfs_and_metadata_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let url = "file:///srv/os".to_owned();
        let repository = Repository::new("99", vec![Source::BaseUrl(url)]);
        let cached = CachedRepository::new(dir.path(), &repository);
        assert_eq!(cached.folder, dir.path().join("99-dd02bb7ffa725f78"));
        assert_eq!(cached.metadata(&["group"]).unwrap(), None);
        let repodata = cached.folder.join("repodata");
        std::fs::create_dir_all(&repodata).unwrap();
        let repomd = "<data type=\"group\"><location href=\"repodata/c.xml.xz\"/></data>\n\
                      <data type=\"group_zst\"><location href=\"repodata/c.xml.zst\"/></data>";
        std::fs::write(repodata.join("repomd.xml"), repomd).unwrap();
        let packed = zstd::encode_all(&b"<comps/>"[..], 1).unwrap();
        std::fs::write(repodata.join("c.xml.zst"), packed).unwrap();
        let text = cached.metadata(&["group", "group_zst"]).unwrap();
        assert_eq!(text.as_deref(), Some("<comps/>"));
        std::fs::write(repodata.join("c.xml.xz"), "").unwrap();
        let error = cached.metadata(&["group"]).unwrap_err();
        assert!(error.to_string().contains("compressed with xz"), "{error}");
    }

    #[test]
    fn mirrors_are_those_that_dnf_has_been_given() {
        let dir = tempfile::tempdir().unwrap();
        let metalink = "https://mirrors.example.org/metalink?repo=fedora-43".to_owned();
        let repository = Repository::new("43", vec![Source::Metalink(metalink)]);
        let cached = CachedRepository::new(dir.path(), &repository);
        std::fs::create_dir_all(&cached.folder).unwrap();
        let text = "<url protocol=\"rsync\">rsync://a/os/repodata/repomd.xml</url>\n\
                    <url protocol=\"https\" preference=\"100\">https://b/os/repodata/repomd.xml</url>";
        std::fs::write(cached.folder.join("metalink.xml"), text).unwrap();
        assert_eq!(cached.addresses(), ["https://b/os"]);
    }
}
