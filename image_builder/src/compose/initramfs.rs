//! The initramfs: dracut of the release, run inside the root.

use std::io::Read;
use std::path::Path;

use super::root::below;
use super::{ComposeError, layout, sandbox};
use crate::process::{CommandError, Invocation};
use crate::source_date::VARIABLE;
use crate::spec::{Arch, Compression, CompressionAlgorithm, RootFs};

/// Stands for the kernel's version in a planned command line: only the installed root tells it.
pub const KERNEL_VERSION: &str = "{kernel-version}";

/// Stands for the time that its files carry, which is the kernel's: a newer package that does not go in
/// makes no other initramfs.
pub const KERNEL_DATE: &str = "{kernel-date}";

/// The dracut module that finds and mounts the packed root.
pub const LIVE_MODULE: &str = "dmsquash-live";

/// What dracut would add on a whole system and a boot image has no use for.
const OMIT: &str = "plymouth network iscsi nfs";

/// dracut in `root`; leaves [`layout::Layout::initramfs`]. The kernel's version is
/// [`KERNEL_VERSION`], to be bound.
#[must_use]
pub fn invocation(
    layout: &layout::Layout,
    arch: Arch,
    compression: Compression,
    rootfs: RootFs,
) -> Invocation {
    let dracut = Invocation::new("dracut")
        .args([
            "--force",
            "--no-hostonly",
            "--no-hostonly-cmdline",
            "--no-early-microcode",
        ])
        .args(["--reproducible", "--add", LIVE_MODULE, "--omit", OMIT])
        .arg("--add-drivers")
        .arg(drivers(arch, rootfs))
        .arg("--compress")
        .arg(compressor(compression))
        .args(["--kver", KERNEL_VERSION])
        .arg(format!("{}/initrd.img", sandbox::SHARED))
        .env("DRACUT_LDD", format!("{}/{LDD}", sandbox::SHARED))
        .env(VARIABLE, KERNEL_DATE)
        .env("TZ", "UTC");
    sandbox::inside_unchanged(&layout.root(), &layout.parts(), dracut)
}

/// What dracut asks which libraries a program needs, in [`layout::Layout::parts`].
pub(crate) const LDD: &str = "ldd";

/// The text of [`LDD`]: the loader's own answer, and `ldd` where that has none.
///
/// `ldd` is a script for bash that starts the loader three times, and up to version 102 dracut asks for
/// each of some hundred programs; the answers are the same
/// ([ld.so(8)](https://man7.org/linux/man-pages/man8/ld.so.8.html), `--list`).
#[must_use]
pub(crate) fn ldd(arch: Arch) -> String {
    let loader = match arch {
        Arch::X86_64 => "/lib64/ld-linux-x86-64.so.2",
        Arch::I686 => "/lib/ld-linux.so.2",
        Arch::Aarch64 => "/lib/ld-linux-aarch64.so.1",
        Arch::Ppc64le => "/lib64/ld64.so.2",
        Arch::S390x => "/lib/ld64.so.1",
    };
    format!(
        "#!/bin/sh\nif needed=$({loader} --list \"$@\" 2>/dev/null); then\n  \
           printf '%s\\n' \"$needed\"\nelse\n  exec ldd \"$@\"\nfi\n"
    )
}

/// The drivers that reach a CD drive or a USB stick and read what is on it.
fn drivers(arch: Arch, rootfs: RootFs) -> String {
    let mut drivers = vec![
        "isofs",
        "overlay",
        "sr_mod",
        "cdrom",
        "loop",
        "virtio_pci",
        "virtio_blk",
        "virtio_scsi",
    ];
    drivers.insert(1, layout::file_system_module(rootfs));
    if matches!(arch, Arch::X86_64 | Arch::I686) {
        drivers.push("ata_piix");
    }
    drivers.join(" ")
}

/// The command that dracut pipes the archive through. It must exist in the root: dracut falls
/// back to gzip without a word otherwise, which [`check`] finds out.
fn compressor(compression: Compression) -> String {
    match compression.algorithm {
        CompressionAlgorithm::Zstd => format!("zstd -{} -T0 -q", compression.level.unwrap_or(3)),
        // The kernel's decompressor knows no other check than CRC32.
        CompressionAlgorithm::Xz => "xz --check=crc32 -T0".to_owned(),
        CompressionAlgorithm::Lz4 => "lz4 -l -9".to_owned(),
    }
}

/// Whether the release's dracut mounts a root image of this kind.
///
/// Up to version 059 its script mounts SquashFS and nothing else.
///
/// # Errors
///
/// [`ComposeError::RootFs`].
pub fn check_mounts(root: &Path, rootfs: RootFs) -> Result<(), ComposeError> {
    if rootfs == RootFs::Squashfs {
        return Ok(());
    }
    let modules = below(root, "usr/lib/dracut/modules.d").and_then(|path| path.read_dir().ok());
    let folder = modules
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .find(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .trim_start_matches(|c: char| c.is_ascii_digit())
                == LIVE_MODULE
        });
    let script = folder.and_then(|folder| {
        std::fs::read_to_string(folder.path().join("dmsquash-live-root.sh")).ok()
    });
    match script {
        Some(script) if script.contains("mount -n -t squashfs ") => {
            Err(ComposeError::RootFs { rootfs })
        }
        _ => Ok(()),
    }
}

/// Follows what dracut prints.
#[derive(Debug, Default)]
pub struct Watch {
    failures: Vec<String>,
    has_live_module: bool,
}

impl Watch {
    /// The next line.
    pub fn line(&mut self, line: &str) {
        if line.contains("FAILED:") || line.contains("dracut-install: ERROR:") {
            self.failures.push(line.to_owned());
        }
        if line.contains(&format!("Including module: {LIVE_MODULE} ")) {
            self.has_live_module = true;
        }
    }

    /// dracut ends with status 0 when a part of its work failed; this is what it said.
    ///
    /// # Errors
    ///
    /// [`ComposeError::Initramfs`].
    pub fn verdict(&self) -> Result<(), ComposeError> {
        if !self.failures.is_empty() {
            return Err(ComposeError::Initramfs(format!(
                "dracut could not put everything in:\n  {}",
                self.failures.join("\n  ")
            )));
        }
        if !self.has_live_module {
            return Err(ComposeError::Initramfs(format!(
                "dracut left its module {LIVE_MODULE} out; the package dracut-live has it"
            )));
        }
        Ok(())
    }
}

/// What a failed dracut's last lines mean.
#[must_use]
pub fn explain(error: CommandError, folder: &Path) -> ComposeError {
    let said = |words: &str| error.tail().iter().any(|line| line.contains(words));
    if said("No space left on device") {
        return ComposeError::NoSpace {
            path: folder.to_owned(),
        };
    }
    if said(&format!("Module '{LIVE_MODULE}' cannot be found")) {
        return ComposeError::Initramfs(format!(
            "the root's dracut has no module {LIVE_MODULE}; the package dracut-live has it"
        ));
    }
    if matches!(&error, CommandError::Failed { tail, .. } if tail.iter().any(|line|
        line.contains("execvp dracut: No such file")))
    {
        return ComposeError::Initramfs("the installed packages bring no dracut".to_owned());
    }
    error.into()
}

/// Checks that `file` is an archive compressed as asked, and a file: what ran in the root could
/// have left a link to a file of the host, which would then end up in the image.
///
/// # Errors
///
/// [`ComposeError::MissingArtifact`] when there is none, [`ComposeError::Initramfs`] when it is
/// something else.
pub fn check(file: &Path, compression: Compression) -> Result<(), ComposeError> {
    let mut head = [0; 4];
    file.symlink_metadata()
        .and_then(|metadata| match metadata.is_file() {
            true => std::fs::File::open(file),
            false => Err(std::io::ErrorKind::NotFound.into()),
        })
        .and_then(|mut file| file.read_exact(&mut head))
        .map_err(|_| ComposeError::MissingArtifact {
            path: file.to_owned(),
        })?;
    let (name, magic): (_, &[u8]) = match compression.algorithm {
        CompressionAlgorithm::Zstd => ("zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
        CompressionAlgorithm::Xz => ("xz", &[0xfd, b'7', b'z', b'X']),
        CompressionAlgorithm::Lz4 => ("lz4", &[0x02, 0x21, 0x4c, 0x18]),
    };
    if head == magic {
        return Ok(());
    }
    Err(ComposeError::Initramfs(format!(
        "dracut did not compress with {name}; does the package set have the package {name}?"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::layout::Layout;

    #[test]
    fn dracut_runs_inside_the_root() {
        let dracut = invocation(
            &Layout::new("/w"),
            Arch::X86_64,
            Compression::default(),
            RootFs::Squashfs,
        )
        .bind(KERNEL_VERSION, "6.1.0");
        let line = dracut.to_string();
        let (sandbox, dracut) = line.split_once(" -- ").unwrap();
        assert!(sandbox.contains("--ro-bind /w/root / ") && sandbox.contains("/w/parts /run/fbs"));
        assert_eq!(
            dracut,
            "dracut --force --no-hostonly --no-hostonly-cmdline --no-early-microcode \
             --reproducible --add dmsquash-live --omit 'plymouth network iscsi nfs' \
             --add-drivers 'isofs squashfs overlay sr_mod cdrom loop virtio_pci virtio_blk \
             virtio_scsi ata_piix' --compress 'zstd -3 -T0 -q' --kver 6.1.0 /run/fbs/initrd.img"
        );
    }

    #[tokio::test]
    async fn libraries_are_listed_as_ldd_does() {
        if std::env::consts::ARCH != "x86_64" {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join(LDD);
        std::fs::write(&script, ldd(Arch::X86_64)).unwrap();
        let ctx = crate::context::BuildContext::default();
        // A program with libraries, and one for which the loader has no answer.
        for program in ["/bin/sh", script.to_str().unwrap()] {
            let names = |lines: Vec<String>| -> Vec<String> {
                // Without the addresses, which are others each time.
                let names = lines.iter().filter_map(|line| line.split(" (").next());
                names.map(|name| name.trim().to_owned()).collect()
            };
            let ask = |invocation: Invocation| {
                let ctx = ctx.clone();
                async move { ctx.query(&invocation.arg(program)).await.map(names).ok() }
            };
            let ours = ask(Invocation::new("sh").path(&script)).await;
            assert_eq!(ours, ask(Invocation::new("ldd")).await, "{program}");
            assert_eq!(ours.is_some(), program == "/bin/sh");
        }
    }

    #[test]
    fn what_dracut_says_counts_more_than_its_status() {
        let mut watch = Watch::default();
        assert!(
            watch
                .verdict()
                .unwrap_err()
                .to_string()
                .contains("dracut-live")
        );
        watch.line("dracut[I]: *** Including module: dmsquash-live ***");
        watch.verdict().unwrap();
        watch.line("dracut[E]: FAILED: /usr/lib/dracut/dracut-install -D /var/tmp/x nosuch");
        assert!(watch.verdict().unwrap_err().to_string().contains("nosuch"));
    }

    #[test]
    fn an_old_dracut_is_not_given_an_erofs_root() {
        let root = tempfile::tempdir().unwrap();
        check_mounts(root.path(), RootFs::Erofs).unwrap();
        let module = root.path().join("usr/lib/dracut/modules.d/90dmsquash-live");
        std::fs::create_dir_all(&module).unwrap();
        let script = module.join("dmsquash-live-root.sh");
        std::fs::write(&script, "    mount -n -t squashfs -o ro \"$DEV\" /x\n").unwrap();
        check_mounts(root.path(), RootFs::Squashfs).unwrap();
        let error = check_mounts(root.path(), RootFs::Erofs).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the release's dracut cannot mount a root of erofs"
        );
        std::fs::write(&script, "    mount -n -o ro \"$DEV\" /x\n").unwrap();
        check_mounts(root.path(), RootFs::Erofs).unwrap();
    }

    #[test]
    fn a_silent_fall_back_to_gzip_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("initrd.img");
        let zstd = Compression::default();
        assert!(matches!(
            check(&file, zstd),
            Err(ComposeError::MissingArtifact { .. })
        ));
        std::fs::write(&file, [0x28, 0xb5, 0x2f, 0xfd, 0]).unwrap();
        check(&file, zstd).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(matches!(
            check(&link, zstd),
            Err(ComposeError::MissingArtifact { .. })
        ));
        std::fs::write(&file, [0x1f, 0x8b, 8, 0]).unwrap();
        let error = check(&file, zstd).unwrap_err().to_string();
        assert!(error.contains("package zstd"), "{error}");
    }
}
