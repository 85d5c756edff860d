//! `images/updates.img`: files of packages that replace those of the running installer.
//!
//! anaconda's part of the initramfs unpacks it and lays it over the installer's root before
//! anaconda starts (`anaconda_auto_updates` in dracut/anaconda-lib.sh of
//! <https://github.com/rhinstaller/anaconda>). Files and nothing else: no scriptlet runs, the
//! package database does not know of it, and what runs before (kernel, initramfs) is not changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use rpm::{FileFlags, FileType, IndexTag, Package};

use super::cpio;
use super::error::RespinError;
use crate::context::CancellationToken;
use crate::repo_create::{self, Expected};
use crate::spec::Arch;

/// Where the installer looks for it.
pub const UPDATES_IMAGE: &str = "images/updates.img";

/// Links of every Fedora's root. A folder laid over one of them would hide what it leads to.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Files that are used before the installer's root is there, with what they are.
const TOO_EARLY: [(&str, &str); 4] = [
    ("boot/", "a file that is used before the installer runs"),
    (
        "usr/lib/modules/",
        "a kernel module, for the kernel of the image is another",
    ),
    (
        "usr/lib/dracut/",
        "a part of an initramfs, which is not made anew",
    ),
    (
        "usr/lib/grub/",
        "a part of a boot loader, which is not made anew",
    ),
];

/// What went into an updates image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Packed {
    /// The packages, `name-version-release.arch`.
    pub(super) packages: Vec<String>,
    /// How many files and links.
    pub(super) files: usize,
    /// What is not as after an installation, package by package.
    pub(super) limits: Vec<String>,
}

/// A file on its way from a package into the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    mode: u32,
    mtime: u32,
    content: Arc<[u8]>,
    package: String,
}

impl Item {
    fn is(&self, kind: FileType) -> bool {
        let kind = match kind {
            FileType::Dir => 0o040_000,
            FileType::SymbolicLink => 0o120_000,
            _ => 0o100_000,
        };
        self.mode & 0o170_000 == kind
    }
}

/// Packs the files of `rpms`, each verified first, as the updates image `out`. Blocks.
///
/// `arch` is the image's; `mtime` is for folders that no package has.
pub(super) fn pack(
    rpms: &[PathBuf],
    arch: Option<Arch>,
    mtime: u32,
    out: &Path,
    cancel: &CancellationToken,
) -> Result<Packed, RespinError> {
    let mut tree = Tree::default();
    for rpm in rpms {
        if cancel.is_cancelled() {
            return Err(RespinError::Cancelled);
        }
        tree.add(rpm, arch)?;
    }
    tree.complete(mtime)?;
    let io = |error| RespinError::io(out)(error);
    let file = BufWriter::new(File::create(out).map_err(io)?);
    tree.write(file, cancel)
        .map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => RespinError::Cancelled,
            _ => io(error),
        })?;
    Ok(tree.packed)
}

#[derive(Debug, Default)]
struct Tree {
    items: BTreeMap<String, Item>,
    packed: Packed,
}

impl Tree {
    fn add(&mut self, path: &Path, arch: Option<Arch>) -> Result<(), RespinError> {
        let wrong = |problem: String| RespinError::Package {
            path: path.to_owned(),
            problem,
        };
        repo_create::verify(path, Expected::default())
            .map_err(|error| wrong(error.to_string()))?
            .map_err(|fault| wrong(fault.to_string()))?;
        let unreadable = |error: rpm::Error| wrong(error.to_string());
        let package = Package::open(path).map_err(unreadable)?;
        let metadata = &package.metadata;
        let name = metadata.get_name().map_err(unreadable)?;
        if metadata.is_source_package() {
            return Err(wrong("it is a source package".to_owned()));
        }
        let of = metadata.get_arch().map_err(unreadable)?;
        if let Some(arch) = arch.filter(|arch| of != "noarch" && of != arch.as_str()) {
            return Err(wrong(format!("it is for {of}, the image for {arch}")));
        }
        if name == "kernel" || name.starts_with("kernel-") {
            return Err(wrong(
                "a kernel is started before any update is there".to_owned(),
            ));
        }
        let version = metadata.get_version().map_err(unreadable)?;
        let release = metadata.get_release().map_err(unreadable)?;
        let nevra = format!("{name}-{version}-{release}.{of}");
        let contents = contents(&package).map_err(unreadable)?;
        let (mut owners, mut capabilities) = (BTreeSet::new(), false);
        for entry in metadata.get_file_entries().map_err(unreadable)? {
            if entry.flags().contains(FileFlags::GHOST) {
                continue;
            }
            let written = entry.path();
            let written = written.to_str().unwrap_or_default();
            let place = place(written).ok_or_else(|| {
                wrong(format!("the path {written:?} in it leads out of the tree"))
            })?;
            if let Some((_, what)) = TOO_EARLY.iter().find(|(start, _)| place.starts_with(start)) {
                return Err(wrong(format!("/{place} is {what}")));
            }
            let content: Arc<[u8]> = match entry.file_type() {
                FileType::Dir => Arc::default(),
                FileType::SymbolicLink => entry.linkto().unwrap_or_default().as_bytes().into(),
                FileType::Regular => contents
                    .get(written)
                    .cloned()
                    .ok_or_else(|| wrong(format!("{written} has no content in it")))?,
                _ => return Err(wrong(format!("{written} is a device, a pipe or a socket"))),
            };
            for owner in [entry.user(), entry.group()] {
                if owner != "root" {
                    owners.insert(owner.to_owned());
                }
            }
            capabilities |= entry
                .caps()
                .is_some_and(|caps| !caps.is_empty() && caps != "=");
            let item = Item {
                mode: u32::from(entry.mode().raw_mode()),
                mtime: entry.modified_at().0,
                content,
                package: nevra.clone(),
            };
            self.put(place, item).map_err(wrong)?;
        }
        self.limits_of(&package, &nevra, &owners, capabilities);
        self.packed.packages.push(nevra);
        Ok(())
    }

    fn put(&mut self, place: String, item: Item) -> Result<(), String> {
        if let Some(other) = self.items.get(&place) {
            let both_folders = other.is(FileType::Dir) && item.is(FileType::Dir);
            if !both_folders && (other.mode, &other.content) != (item.mode, &item.content) {
                return Err(format!(
                    "/{place} is in {} and is another there",
                    other.package
                ));
            }
            return Ok(());
        }
        self.packed.files += usize::from(!item.is(FileType::Dir));
        self.items.insert(place, item);
        Ok(())
    }

    /// Says what an installation would have done besides.
    fn limits_of(
        &mut self,
        package: &Package,
        nevra: &str,
        owners: &BTreeSet<String>,
        capabilities: bool,
    ) {
        let metadata = &package.metadata;
        let scripts = [
            ("%pre", metadata.get_pre_install_script().is_ok()),
            ("%post", metadata.get_post_install_script().is_ok()),
            ("%pretrans", metadata.get_pre_trans_script().is_ok()),
            ("%posttrans", metadata.get_post_trans_script().is_ok()),
        ];
        let skipped: Vec<&str> = scripts
            .iter()
            .filter(|(_, has)| *has)
            .map(|(name, _)| *name)
            .collect();
        let limits = &mut self.packed.limits;
        if !skipped.is_empty() {
            limits.push(format!(
                "{nevra}: {} did not and will not run",
                skipped.join(", ")
            ));
        }
        if !owners.is_empty() {
            let owners: Vec<&str> = owners.iter().map(String::as_str).collect();
            limits.push(format!(
                "{nevra}: files of {} belong to root, for their numbers are only known where the \
                 package is installed",
                owners.join(", ")
            ));
        }
        if capabilities {
            limits.push(format!("{nevra}: file capabilities are lost"));
        }
    }

    /// Adds the folders that no package has, and sees that nothing lies behind a link: unpacking
    /// would follow it, out of the tree.
    fn complete(&mut self, mtime: u32) -> Result<(), RespinError> {
        let paths: Vec<String> = self.items.keys().cloned().collect();
        for path in &paths {
            for (end, _) in path.match_indices('/') {
                let above = &path[..end];
                match self.items.get(above) {
                    None => {
                        let item = Item {
                            mode: 0o040_755,
                            mtime,
                            content: Arc::default(),
                            package: String::new(),
                        };
                        self.items.insert(above.to_owned(), item);
                    }
                    Some(item) if item.is(FileType::Dir) => {}
                    Some(item) => {
                        return Err(RespinError::Package {
                            path: PathBuf::from(&self.items[path].package),
                            problem: format!(
                                "/{path} lies below /{above}, which is no folder in {}",
                                item.package
                            ),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&self, out: impl Write, cancel: &CancellationToken) -> io::Result<()> {
        // Without a name and a time in its head: identical input gives an identical file.
        let mut archive = cpio::Writer::new(GzEncoder::new(out, Compression::default()));
        for (path, item) in &self.items {
            if cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            archive.add(cpio::Entry {
                path,
                mode: item.mode,
                mtime: item.mtime,
                content: &item.content,
            })?;
        }
        archive.finish()?.finish()?.flush()
    }
}

/// The bytes of a package's files. Of several links to one file the payload holds one.
fn contents(package: &Package) -> Result<HashMap<String, Arc<[u8]>>, rpm::Error> {
    let header = &package.metadata.header;
    let numbers = |tag| header.get_entry_data_as_u32_array(tag).unwrap_or_default();
    let devices = numbers(IndexTag::RPMTAG_FILEDEVICES);
    let inodes = numbers(IndexTag::RPMTAG_FILEINODES);
    let mut contents: HashMap<String, Arc<[u8]>> = HashMap::new();
    for file in package.files()? {
        let file = file?;
        let path = file.metadata.path().to_string_lossy().into_owned();
        if let Some(content) = file.into_content() {
            contents.insert(path, Arc::from(content));
        }
    }
    let entries = package.metadata.get_file_entries()?;
    let identity = |index: usize| Some((devices.get(index)?, inodes.get(index)?));
    let mut by_inode = HashMap::new();
    let regular = |index: &usize| entries[*index].file_type() == FileType::Regular;
    for index in (0..entries.len()).filter(regular) {
        let path = entries[index].path().to_string_lossy().into_owned();
        if let (Some(identity), Some(content)) = (identity(index), contents.get(&path))
            && !content.is_empty()
        {
            by_inode.insert(identity, Arc::clone(content));
        }
    }
    for index in (0..entries.len()).filter(regular) {
        let path = entries[index].path().to_string_lossy().into_owned();
        let known = contents
            .get(&path)
            .is_some_and(|content| content.len() == entries[index].size());
        if let (false, Some(content)) = (known, identity(index).and_then(|id| by_inode.get(&id))) {
            contents.insert(path, Arc::clone(content));
        }
    }
    Ok(contents)
}

/// Where the file at `path` of a package lies in the tree; `None` if that is outside.
fn place(path: &str) -> Option<String> {
    let path = path.strip_prefix('/')?.trim_end_matches('/');
    let plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if !path.split('/').all(plain) {
        return None;
    }
    let first = path.split('/').next().unwrap_or(path);
    Some(match MERGED.contains(&first) {
        true => format!("usr/{path}"),
        false => path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use rpm::{FileOptions, PackageBuilder};
    use std::io::Read;

    fn builder(name: &str) -> PackageBuilder {
        PackageBuilder::new(name, "1", "MIT", "noarch", "test")
    }

    fn written(dir: &Path, mut builder: PackageBuilder) -> PathBuf {
        let package = builder.release("1").build().unwrap();
        let path = dir.join(format!("{}.rpm", package.metadata.get_name().unwrap()));
        package.write_file(&path).unwrap();
        path
    }

    fn packed(dir: &Path, rpms: &[PathBuf]) -> Result<(Packed, Vec<u8>), RespinError> {
        let out = dir.join("updates.img");
        let cancel = CancellationToken::new();
        let packed = pack(rpms, Some(Arch::X86_64), 7, &out, &cancel)?;
        let mut bytes = Vec::new();
        GzDecoder::new(File::open(out).unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
        Ok((packed, bytes))
    }

    #[test]
    fn files_keep_their_modes_and_what_is_lost_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut one = builder("one");
        one.with_file_contents("tool", FileOptions::new("/bin/tool").permissions(0o4755))
            .unwrap()
            .with_symlink(FileOptions::symlink("/etc/link", "/usr/bin/tool"))
            .unwrap()
            .post_install_script("exit 1");
        let rpm = written(dir.path(), one);
        let (packed, archive) = packed(dir.path(), &[rpm]).unwrap();
        assert_eq!(
            (packed.packages.as_slice(), packed.files),
            (["one-1-1.noarch".to_owned()].as_slice(), 2)
        );
        assert_eq!(
            packed.limits,
            ["one-1-1.noarch: %post did not and will not run"]
        );
        let text = String::from_utf8_lossy(&archive);
        // Mode and name: set-user-id is kept, and /bin is a link to /usr/bin.
        for (mode, path) in [
            ("000089ed", "usr/bin/tool\0"),
            ("000041ed", "usr/bin\0"),
            ("0000a1", "etc/link\0"),
        ] {
            let name = text.rfind(path).unwrap_or_else(|| panic!("{path}"));
            assert!(
                text[name - 110 + 14..].starts_with(mode),
                "{path}: {}",
                &text[name - 110..name]
            );
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, path: &str| {
            let mut package = builder(name);
            package
                .with_file_contents("x", FileOptions::new(path))
                .unwrap();
            written(dir.path(), package)
        };
        let mut link = builder("link");
        link.with_symlink(FileOptions::symlink("/usr/share/x", "/etc"))
            .unwrap();
        let link = written(dir.path(), link);
        let text = dir.path().join("text.rpm");
        std::fs::write(&text, "no package").unwrap();
        for (rpms, words) in [
            (
                vec![file("kernel-core", "/etc/a")],
                "a kernel is started before",
            ),
            (
                vec![file("module", "/lib/modules/6/a.ko")],
                "/usr/lib/modules/6/a.ko is a kernel module",
            ),
            (
                vec![file("loader", "/boot/grub2/x")],
                "before the installer runs",
            ),
            (
                vec![link, file("behind", "/usr/share/x/passwd")],
                "lies below /usr/share/x, which is no folder",
            ),
            (
                vec![file("a", "/etc/same"), {
                    let mut other = builder("b");
                    other
                        .with_file_contents("other", FileOptions::new("/etc/same"))
                        .unwrap();
                    written(dir.path(), other)
                }],
                "/etc/same is in a-1-1.noarch and is another there",
            ),
            (vec![text], "text.rpm: "),
            (
                vec![dir.path().join("missing.rpm")],
                "missing.rpm: No such file",
            ),
        ] {
            let error = packed(dir.path(), &rpms).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn a_path_stays_in_the_tree() {
        for (path, expected) in [
            ("/usr/bin/a", Some("usr/bin/a")),
            ("/lib64/a.so", Some("usr/lib64/a.so")),
            ("/usr/../etc/a", None),
            ("//etc/a", None),
            ("etc/a", None),
            ("/", None),
        ] {
            assert_eq!(place(path).as_deref(), expected, "{path}");
        }
    }
}
