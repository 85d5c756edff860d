//! What of a root goes into its initramfs: the files that it holds, and those that dracut reads.
//!
//! Which files dracut takes is only known when it is done. So a list of them is kept with what it made, as a
//! compiler cache keeps the names of the headers that a source included: as long as all of them, the
//! files that dracut itself is made of, and the names of the programs, rules and units among which it
//! chooses are the same, it would make the same again.

use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::root::below;
use crate::digest::{hex, sha256_now};

/// Files and folders that dracut reads whatever it puts in: itself, its configuration and that of what
/// it runs, and the programs that make the archive.
const READ: [&str; 30] = [
    "etc/crypttab",
    "etc/dracut.conf",
    "etc/dracut.conf.d",
    "etc/fstab",
    "etc/group",
    "etc/hostid",
    "etc/ld.so.conf",
    "etc/ld.so.conf.d",
    "etc/locale.conf",
    "etc/mdadm.conf",
    "etc/modprobe.d",
    "etc/multipath.conf",
    "etc/os-release",
    "etc/passwd",
    "etc/shells",
    "etc/sysctl.d",
    "etc/systemd",
    "etc/udev",
    "etc/vconsole.conf",
    "usr/bin/cpio",
    "usr/bin/dracut",
    "usr/bin/lz4",
    "usr/bin/xz",
    "usr/bin/zstd",
    "usr/lib/depmod.d",
    "usr/lib/dracut",
    "usr/lib/modprobe.d",
    "usr/lib/os-release",
    "usr/lib/sysctl.d",
    "usr/lib/udev/rules.d",
];

/// Folders whose files dracut looks for by name.
const LOOKED_INTO: [&str; 13] = [
    "etc/modules-load.d",
    "usr/bin",
    "usr/lib/extensions",
    "usr/lib/modules-load.d",
    "usr/lib/modules/keys",
    "usr/lib/portables",
    "usr/lib/repart.d",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/lib64",
    "usr/lib64/multipath",
    "usr/libexec",
    "usr/sbin",
];

/// Folders in which, and in the folders of which, it looks for files by name or takes all that are there: the firmware
/// that modules name (`amdgpu/new.bin`), units with their `*.d` and `*.wants`, keymaps and fonts, terminals, and what D-Bus
/// and udev read.
const LOOKED_THROUGH: [&str; 12] = [
    "etc/dbus-1",
    "usr/lib/firmware",
    "usr/lib/kbd",
    "usr/lib/systemd",
    "usr/lib/terminfo",
    "usr/lib/udev",
    "usr/share/consolefonts",
    "usr/share/consoletrans",
    "usr/share/dbus-1",
    "usr/share/keymaps",
    "usr/share/terminfo",
    "usr/share/unimaps",
];

/// The names of the files in an initramfs that is one archive compressed with zstd, as dracut makes it
/// ([cpio(5)](https://man.freebsd.org/cgi/man.cgi?query=cpio&sektion=5), "newc"); without a leading `/`.
///
/// # Errors
///
/// The operating system's; [`io::ErrorKind::InvalidData`] when it is something else.
pub(crate) fn members(file: &Path) -> io::Result<Vec<String>> {
    let file = BufReader::with_capacity(1 << 17, std::fs::File::open(file)?);
    let archive = zstd::stream::read::Decoder::new(file)?;
    names(&mut BufReader::with_capacity(1 << 17, archive))
}

fn names(archive: &mut impl Read) -> io::Result<Vec<String>> {
    const LAST: &str = "TRAILER!!!";
    const HEAD: usize = 110;
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this is no cpio archive");
    let mut names = Vec::new();
    loop {
        let mut head = [0; HEAD];
        archive.read_exact(&mut head)?;
        if !head.starts_with(b"070701") {
            return Err(wrong());
        }
        let field = |number: usize| {
            let digits = head.get(6 + 8 * number..14 + 8 * number)?;
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let (size, length) = (field(6).ok_or_else(wrong)?, field(11).ok_or_else(wrong)?);
        if !(1..=4096).contains(&length) {
            return Err(wrong());
        }
        let mut name = vec![0; length as usize];
        archive.read_exact(&mut name)?;
        name.pop();
        // Name and content each end at a multiple of four bytes.
        skip(archive, padding(HEAD as u64 + u64::from(length)))?;
        skip(archive, u64::from(size) + padding(u64::from(size)))?;
        let name = String::from_utf8_lossy(&name).into_owned();
        if name == LAST {
            return Ok(names);
        }
        names.push(
            name.trim_start_matches("./")
                .trim_start_matches('/')
                .to_owned(),
        );
    }
}

fn padding(length: u64) -> u64 {
    length.wrapping_neg() % 4
}

fn skip(from: &mut impl Read, count: u64) -> io::Result<()> {
    match io::copy(&mut from.take(count), &mut io::sink())? {
        skipped if skipped == count => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A digest of what dracut would find in `root` of `members`, and of everything else it looks at.
/// Blocks.
///
/// # Errors
///
/// The operating system's.
pub(crate) fn digest(root: &Path, kernel: &str, members: &[String]) -> io::Result<String> {
    let mut paths: Vec<String> = members.to_vec();
    let modules = format!("usr/lib/modules/{kernel}");
    for name in READ {
        walk(root, name, &mut paths)?;
    }
    for entry in list(root, &modules)? {
        if entry.starts_with("modules.") {
            paths.push(format!("{modules}/{entry}"));
        }
    }
    paths.sort();
    paths.dedup();
    let mut hash = Sha256::new();
    for folder in LOOKED_INTO {
        hash.update(format!("{folder}: {}\n", list(root, folder)?.join(" ")));
    }
    for folder in LOOKED_THROUGH {
        hash.update(format!(
            "{folder}/: {}\n",
            names_below(root, folder)?.join(" ")
        ));
    }
    // Most of the time goes into reading: all processors take part.
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = paths.len().div_ceil(workers).max(1);
    let parts: Vec<io::Result<Vec<String>>> = std::thread::scope(|scope| {
        let tasks: Vec<_> = paths
            .chunks(share)
            .map(|paths| scope.spawn(move || paths.iter().map(|path| one(root, path)).collect()))
            .collect();
        let joined = tasks.into_iter().map(|task| {
            task.join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        });
        joined.collect()
    });
    for part in parts {
        for line in part? {
            hash.update(line);
        }
    }
    Ok(hex(&hash.finalize()))
}

/// A line that says what is at `path`: links are not followed, since what they lead to is a member
/// itself if it matters.
fn one(root: &Path, path: &str) -> io::Result<String> {
    let at = resolve(root, path);
    let Some((at, meta)) = at.and_then(|at| Some((at.clone(), at.symlink_metadata().ok()?))) else {
        return Ok(format!("{path} -\n"));
    };
    let mode = meta.permissions().mode();
    Ok(if meta.is_symlink() {
        format!("{path} link {}\n", std::fs::read_link(at)?.display())
    } else if meta.is_file() {
        format!("{path} {mode:o} {}\n", sha256_now(&at)?)
    } else {
        format!("{path} {mode:o}\n")
    })
}

/// `path` below `root`; nothing when one of its folders is a symbolic link.
fn resolve(root: &Path, path: &str) -> Option<PathBuf> {
    match path.rsplit_once('/') {
        Some((folder, name)) => Some(below(root, folder)?.join(name)),
        None => Some(root.join(path)),
    }
}

/// The names in a folder, sorted; none where there is no folder.
fn list(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let Some(entries) = below(root, folder).and_then(|path| path.read_dir().ok()) else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The paths of all that is in a folder and those below it, sorted; none where there is no folder.
fn names_below(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let Some(top) = below(root, folder).filter(|path| path.is_dir()) else {
        return Ok(Vec::new());
    };
    let (mut names, mut folders) = (Vec::new(), vec![top.clone()]);
    while let Some(at) = folders.pop() {
        for entry in at.read_dir()? {
            let entry = entry?;
            let path = entry.path();
            names.extend(
                path.strip_prefix(&top)
                    .map(|path| path.to_string_lossy().into_owned()),
            );
            if entry.file_type()?.is_dir() {
                folders.push(path);
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Adds a file, or a folder with all that is in it.
fn walk(root: &Path, name: &str, found: &mut Vec<String>) -> io::Result<()> {
    found.push(name.to_owned());
    let is_folder = below(root, name).is_some_and(|path| path.is_dir());
    if is_folder {
        for entry in list(root, name)? {
            walk(root, &format!("{name}/{entry}"), found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in files.iter().chain([&("TRAILER!!!", "")]) {
            let mut fields = [0; 13];
            fields[6] = content.len();
            fields[11] = name.len() + 1;
            bytes.extend(b"070701");
            bytes.extend(
                fields
                    .iter()
                    .flat_map(|field| format!("{field:08X}").into_bytes()),
            );
            bytes.extend(name.bytes().chain([0]));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(content.bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn members_are_read_and_rubbish_is_refused() {
        let files = [("usr/bin/bash", "12345"), ("./init", ""), ("etc", "1")];
        let bytes = archive(&files);
        let expected = ["usr/bin/bash", "init", "etc"];
        assert_eq!(names(&mut &bytes[..]).unwrap(), expected);
        for end in [0, 50, 120, bytes.len() - 30] {
            assert!(names(&mut &bytes[..end]).is_err());
        }
        let mut wrong = bytes.clone();
        wrong[0] = b'1';
        assert!(names(&mut &wrong[..]).is_err());
        let mut long = bytes.clone();
        long[94..102].copy_from_slice(b"FFFFFFFF");
        assert!(names(&mut &long[..]).is_err());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("initrd");
        fs::write(&file, zstd::encode_all(&bytes[..], 1).unwrap()).unwrap();
        assert_eq!(members(&file).unwrap(), expected);
        fs::write(&file, b"\x1f\x8b").unwrap();
        assert!(members(&file).is_err());
    }

    #[test]
    fn what_goes_in_changes_the_digest_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for name in [
            "usr/bin/bash",
            "usr/bin/other",
            "usr/share/doc/bash",
            "usr/lib/dracut/modules.d/90a/module-setup.sh",
            "usr/lib/modules/6.1/modules.dep",
            "usr/lib/modules/6.1/kernel/unused.ko",
            "etc/os-release",
        ] {
            write(name, "1");
        }
        std::os::unix::fs::symlink("bash", root.join("usr/bin/sh")).unwrap();
        let members = ["usr/bin/bash", "usr/bin/sh", "usr/bin/later", "init"].map(str::to_owned);
        let now = || digest(root, "6.1", &members).unwrap();
        let before = now();
        // Neither members nor read.
        write("usr/bin/other", "2");
        write("usr/share/doc/bash", "2");
        write("usr/share/doc/new", "2");
        write("usr/lib/modules/6.1/kernel/unused.ko", "2");
        assert_eq!(now(), before);
        let mut seen = vec![before];
        let mut differs = || {
            let digest = now();
            assert!(!seen.contains(&digest));
            seen.push(digest);
        };
        write("usr/bin/bash", "2");
        differs();
        fs::set_permissions(root.join("usr/bin/bash"), fs::Permissions::from_mode(0o700)).unwrap();
        differs();
        fs::remove_file(root.join("usr/bin/sh")).unwrap();
        differs();
        std::os::unix::fs::symlink("dash", root.join("usr/bin/sh")).unwrap();
        differs();
        // A program that was not there, whether it is one that went in or not.
        write("usr/bin/later", "1");
        differs();
        write("usr/bin/lvm", "1");
        differs();
        // What a module, a unit or a keymap of it may ask for by name, however deep it lies.
        for name in [
            "usr/lib/firmware/regulatory.db",
            "usr/lib/firmware/amdgpu/new.bin.xz",
            "usr/lib/systemd/system/sysinit.target.wants/new.service",
            "usr/lib/systemd/journald.conf.d/new.conf",
            "usr/lib/kbd/keymaps/xkb/new.map.gz",
            "usr/lib/modules-load.d/new.conf",
        ] {
            write(name, "1");
            differs();
        }
        write("usr/lib/dracut/modules.d/90a/module-setup.sh", "2");
        differs();
        write("usr/lib/dracut/modules.d/91b/module-setup.sh", "1");
        differs();
        write("usr/lib/modules/6.1/modules.dep", "2");
        differs();
        write("etc/os-release", "2");
        differs();
        write("etc/dracut.conf.d/x.conf", "1");
        differs();
    }
}
