//! Images that are made here and read back.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::test_tools::{available, context, context_without};
use crate::digest::sha256_file;

use super::super::{
    DigestFiles, ImplantedMd5, InspectError, InspectOptions, IsoContents, PackageList,
    PackageSource, RootFormat, RootLayout, inspect, render,
};
use crate::error::{ErrorKind, StageError};
use crate::process::Invocation;

const SPEC: &str = "\
Name: tinything
Version: 1.2
Release: 3.fc99
Epoch: 2
Summary: A package without files
License: MIT
BuildArch: noarch
%description
None.
%files
";

/// A folder in which an image is put together from parts.
struct Workshop {
    dir: TempDir,
}

impl Workshop {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for sub in [
            "root/etc",
            "root/usr/lib",
            "tree/LiveOS",
            "tree/images/pxeboot",
            "work",
        ] {
            std::fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        let workshop = Self { dir };
        workshop.write("root/usr/lib/os-release", "PRETTY_NAME=\"Test Linux 99\"\n");
        std::os::unix::fs::symlink(
            "../usr/lib/os-release",
            workshop.path("root/etc/os-release"),
        )
        .unwrap();
        workshop.write("tree/.discinfo", "1.5\n99\nx86_64\n");
        workshop.write("tree/images/pxeboot/vmlinuz", "kernel");
        workshop.write("tree/it's one.txt", "x");
        workshop.write("tree/eltorito.img", &"\0".repeat(2048));
        workshop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    async fn run(&self, program: &str, args: &[&str]) {
        let invocation = Invocation::new(program)
            .args(args.iter().copied())
            .env("HOME", self.dir.path().to_string_lossy())
            .cwd(self.dir.path());
        context().run(&invocation).await.unwrap();
    }

    /// Puts an rpm database with one package into the root.
    async fn database(&self, folder: &str) {
        self.write("tinything.spec", SPEC);
        let topdir = format!("_topdir {}", self.path("rpmbuild").display());
        self.run("rpmbuild", &["-bb", "--define", &topdir, "tinything.spec"])
            .await;
        let database = self.path(&format!("root/{folder}"));
        std::fs::create_dir_all(&database).unwrap();
        let database = database.to_string_lossy().into_owned();
        let package = "rpmbuild/RPMS/noarch/tinything-1.2-3.fc99.noarch.rpm";
        self.run("rpm", &["--dbpath", &database, "--initdb"]).await;
        self.run(
            "rpm",
            &["--dbpath", &database, "-i", "--justdb", "--nodeps", package],
        )
        .await;
    }

    async fn squashfs(&self, folder: &str, to: &str) {
        let options = ["-quiet", "-no-progress", "-comp", "gzip"];
        let args: Vec<&str> = [folder, to].into_iter().chain(options).collect();
        self.run("mksquashfs", &args).await;
    }

    async fn iso(&self) -> PathBuf {
        let options = ["-as", "mkisofs", "-R", "-V", "TEST-99", "-o", "test.iso"];
        let boot = [
            "-b",
            "eltorito.img",
            "-no-emul-boot",
            "-boot-load-size",
            "4",
        ];
        let args: Vec<&str> = options.into_iter().chain(boot).chain(["tree"]).collect();
        self.run("xorriso", &args).await;
        self.path("test.iso")
    }

    async fn inspect(&self, iso: &Path) -> Result<IsoContents, InspectError> {
        let options = InspectOptions {
            work_dir: Some(self.path("work")),
            digests: DigestFiles::Boot,
            ..InspectOptions::default()
        };
        let result = inspect(&context(), iso, &options).await;
        let left = std::fs::read_dir(self.path("work")).unwrap().count();
        assert_eq!(left, 0, "temporary files are left");
        result
    }
}

fn nevras(contents: &IsoContents) -> Vec<String> {
    let packages = contents.packages.packages();
    packages.iter().map(|package| package.nevra()).collect()
}

#[tokio::test]
async fn reads_a_flat_squashfs_with_a_database() {
    if !available(&["xorriso", "mksquashfs", "unsquashfs", "rpm", "rpmbuild"]) {
        return;
    }
    let workshop = Workshop::new();
    workshop.database("usr/lib/sysimage/rpm").await;
    workshop.squashfs("root", "tree/LiveOS/squashfs.img").await;
    let iso = workshop.iso().await;
    let before = std::fs::read(&iso).unwrap();
    let contents = workshop.inspect(&iso).await.unwrap();

    assert_eq!(contents.volume_id, "TEST-99");
    assert_eq!(contents.size, before.len() as u64);
    assert_eq!(contents.sha256, sha256_file(&iso).await.unwrap());
    assert_eq!(contents.implanted_md5, ImplantedMd5::Absent);
    assert_eq!(contents.boot_entries[0].platform, "BIOS");
    assert_eq!(contents.discinfo.as_deref(), Some("1.5\n99\nx86_64\n"));
    assert_eq!(contents.treeinfo, None);
    assert_eq!(contents.os_name.as_deref(), Some("Test Linux 99"));
    assert_eq!(contents.file("it's one.txt").unwrap().sha256, None);
    let kernel = contents.file("images/pxeboot/vmlinuz").unwrap();
    let copy = workshop.path("tree/images/pxeboot/vmlinuz");
    assert_eq!(kernel.size, 6);
    assert_eq!(kernel.sha256, Some(sha256_file(&copy).await.unwrap()));

    let root = contents.root_image.as_ref().unwrap();
    assert_eq!(root.format, RootFormat::Squashfs);
    assert_eq!(root.compression, "gzip");
    assert_eq!(root.layout, RootLayout::Flat);
    assert_eq!(nevras(&contents), ["tinything-2:1.2-3.fc99.noarch"]);
    let PackageList::Listed { source, .. } = &contents.packages else {
        panic!("{:?}", contents.packages)
    };
    assert_eq!(
        *source,
        PackageSource::RpmDatabase {
            path: "usr/lib/sysimage/rpm".into(),
            backend: "sqlite".into(),
        }
    );
    assert!(render(&contents).ends_with("  tinything-2:1.2-3.fc99.noarch\n"));
    assert_eq!(
        std::fs::read(&iso).unwrap(),
        before,
        "the image was changed"
    );
}

#[tokio::test]
async fn packages_on_the_disc_are_read_from_their_headers() {
    if !available(&["xorriso", "rpm", "rpmbuild"]) {
        return;
    }
    let workshop = Workshop::new();
    workshop.database("unused").await;
    let package = workshop.path("rpmbuild/RPMS/noarch/tinything-1.2-3.fc99.noarch.rpm");
    std::fs::create_dir_all(workshop.path("tree/Packages/t")).unwrap();
    std::fs::copy(&package, workshop.path("tree/Packages/t/a.rpm")).unwrap();
    workshop.write("tree/Packages/t/b.rpm", "no package");
    let iso = workshop.iso().await;
    let contents = workshop.inspect(&iso).await.unwrap();
    let [found] = contents.delivered_packages() else {
        panic!("{:?}", contents.media_packages)
    };
    assert_eq!(found.nevra(), "tinything-2:1.2-3.fc99.noarch");
    // What rpm itself says of the file.
    let query = Invocation::new("rpm")
        .args([
            "-qp",
            "--nosignature",
            "--qf",
            "%{SHA256HEADER} %{SIGMD5}\\n",
        ])
        .path(&package);
    let said = context().query(&query).await.unwrap();
    let sums = [&found.sha256_header, &found.sigmd5].map(|sum| sum.as_deref().unwrap());
    assert_eq!(said, [sums.join(" ")]);
    assert!(render(&contents).contains("\npackages on the disc (1)\n  tinything-2:1.2"));
}

#[tokio::test]
async fn reads_ext4_inside_squashfs() {
    let tools = [
        "xorriso",
        "mksquashfs",
        "unsquashfs",
        "rpm",
        "rpmbuild",
        "mkfs.ext4",
        "debugfs",
    ];
    if !available(&tools) {
        return;
    }
    let workshop = Workshop::new();
    workshop.database("var/lib/rpm").await;
    std::fs::create_dir_all(workshop.path("outer/LiveOS")).unwrap();
    let ext4 = ["-q", "-d", "root", "outer/LiveOS/rootfs.img", "8M"];
    workshop.run("mkfs.ext4", &ext4).await;
    workshop.squashfs("outer", "tree/images/install.img").await;
    let contents = workshop.inspect(&workshop.iso().await).await.unwrap();
    assert_eq!(
        contents.root_image.as_ref().unwrap().layout,
        RootLayout::Ext4Inside {
            path: "LiveOS/rootfs.img".into()
        }
    );
    assert_eq!(contents.os_name.as_deref(), Some("Test Linux 99"));
    assert_eq!(nevras(&contents), ["tinything-2:1.2-3.fc99.noarch"]);
}

#[tokio::test]
async fn reads_erofs() {
    if !available(&["xorriso", "mkfs.erofs", "fsck.erofs", "rpm", "rpmbuild"]) {
        return;
    }
    let workshop = Workshop::new();
    workshop.database("usr/lib/sysimage/rpm").await;
    let erofs = ["-zlz4", "tree/images/install.img", "root"];
    workshop.run("mkfs.erofs", &erofs).await;
    let contents = workshop.inspect(&workshop.iso().await).await.unwrap();
    let root = contents.root_image.as_ref().unwrap();
    assert_eq!(root.format, RootFormat::Erofs);
    assert_eq!(root.compression, "lz4");
    assert_eq!(contents.os_name.as_deref(), Some("Test Linux 99"));
    assert_eq!(nevras(&contents), ["tinything-2:1.2-3.fc99.noarch"]);
}

#[tokio::test]
async fn reads_the_list_that_lorax_leaves() {
    if !available(&["xorriso", "mksquashfs", "unsquashfs"]) {
        return;
    }
    let workshop = Workshop::new();
    workshop.write("root/root/lorax-packages.log", "bash-5.3.0-2.fc43.x86_64\n");
    workshop.squashfs("root", "tree/images/install.img").await;
    let contents = workshop.inspect(&workshop.iso().await).await.unwrap();
    assert_eq!(nevras(&contents), ["bash-5.3.0-2.fc43.x86_64"]);
}

#[tokio::test]
async fn what_has_no_packages_says_why() {
    if !available(&["xorriso", "mksquashfs", "unsquashfs"]) {
        return;
    }
    let workshop = Workshop::new();
    let reason = |contents: &IsoContents| match &contents.packages {
        PackageList::Unavailable { reason } => reason.clone(),
        listed => panic!("{listed:?}"),
    };
    let contents = workshop.inspect(&workshop.iso().await).await.unwrap();
    assert_eq!(contents.root_image, None);
    assert_eq!(reason(&contents), "the disc has no root image that we know");

    workshop.squashfs("root", "tree/images/install.img").await;
    let contents = workshop.inspect(&workshop.iso().await).await.unwrap();
    assert!(contents.root_image.is_some());
    assert!(reason(&contents).starts_with("its root has neither an rpm database"));
}

#[tokio::test]
async fn a_damaged_database_is_an_error_that_names_its_back_end() {
    if !available(&["xorriso", "mksquashfs", "unsquashfs", "rpm"]) {
        return;
    }
    for (file, backend) in [
        ("rpmdb.sqlite", "sqlite"),
        ("Packages", "bdb"),
        ("Packages.db", "ndb"),
    ] {
        let workshop = Workshop::new();
        workshop.write(&format!("root/usr/lib/sysimage/rpm/{file}"), "nonsense");
        workshop.squashfs("root", "tree/images/install.img").await;
        let error = workshop.inspect(&workshop.iso().await).await.unwrap_err();
        let InspectError::Database { backend: named, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(*named, backend);
        assert!(error.to_string().contains(backend), "{error}");
    }
}

#[tokio::test]
async fn checks_the_implanted_checksum() {
    if !available(&["xorriso", "implantisomd5", "checkisomd5"]) {
        return;
    }
    let workshop = Workshop::new();
    // The tools leave out the end of an image, so there must be something before it.
    workshop.write("tree/data.bin", &"data".repeat(1_000_000));
    let iso = workshop.iso().await;
    workshop.run("implantisomd5", &["test.iso"]).await;
    let contents = workshop.inspect(&iso).await.unwrap();
    let ImplantedMd5::Intact { md5 } = contents.implanted_md5 else {
        panic!("{:?}", contents.implanted_md5)
    };
    assert_eq!(md5.len(), 32);

    let mut bytes = std::fs::read(&iso).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&iso, bytes).unwrap();
    let contents = workshop.inspect(&iso).await.unwrap();
    let mismatch = ImplantedMd5::Mismatch { md5: md5.clone() };
    assert_eq!(contents.implanted_md5, mismatch);

    // One that was computed while the image was written is only compared.
    let known = |md5: &str| {
        let (iso, options) = (
            iso.clone(),
            InspectOptions {
                media_md5: Some(md5.to_owned()),
                ..InspectOptions::default()
            },
        );
        async move {
            let contents = inspect(&context(), &iso, &options).await.unwrap();
            contents.implanted_md5
        }
    };
    assert_eq!(known(&md5).await, ImplantedMd5::Intact { md5: md5.clone() });
    assert_eq!(known("another").await, mismatch);
}

#[tokio::test]
async fn every_file_has_a_checksum_when_asked_for() {
    if !available(&["xorriso"]) {
        return;
    }
    let workshop = Workshop::new();
    let options = InspectOptions {
        digests: DigestFiles::All,
        ..InspectOptions::default()
    };
    let contents = inspect(&context(), &workshop.iso().await, &options)
        .await
        .unwrap();
    for file in &contents.files {
        let source = workshop.path("tree").join(&file.path);
        let expected = sha256_file(&source).await.unwrap();
        assert_eq!(file.sha256.as_ref(), Some(&expected), "{}", file.path);
    }
    assert_eq!(contents.files.len(), 4);
}

#[tokio::test]
async fn what_is_no_whole_image_is_told_apart() {
    if !available(&["xorriso"]) {
        return;
    }
    let workshop = Workshop::new();
    let iso = workshop.iso().await;
    let text = workshop.path("tree/it's one.txt");
    let error = workshop.inspect(&text).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it's one.txt is not an ISO image")
    );
    let error = workshop.inspect(&workshop.path("tree")).await.unwrap_err();
    assert!(error.to_string().ends_with("is a folder, not an ISO image"));
    let error = workshop.inspect(&workshop.path("gone")).await.unwrap_err();
    assert!(error.to_string().contains("gone: No such file"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Usage);

    let bytes = std::fs::read(&iso).unwrap();
    std::fs::write(&iso, &bytes[..bytes.len() - 2048 * 100]).unwrap();
    let error = workshop.inspect(&iso).await.unwrap_err();
    let InspectError::Truncated {
        expected, found, ..
    } = error
    else {
        panic!("{error}")
    };
    assert!(expected > found);
}

#[tokio::test]
async fn a_missing_program_is_named_and_only_the_checksum_can_do_without() {
    if !available(&["xorriso", "mksquashfs", "implantisomd5"]) {
        return;
    }
    let workshop = Workshop::new();
    workshop.squashfs("root", "tree/images/install.img").await;
    let iso = workshop.iso().await;
    workshop.run("implantisomd5", &["test.iso"]).await;
    for program in ["xorriso", "unsquashfs"] {
        let ctx = context_without(program);
        let error = inspect(&ctx, &iso, &InspectOptions::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
        assert!(error.to_string().contains(program), "{error}");
    }
    if !available(&["unsquashfs"]) {
        return;
    }
    let ctx = context_without("checkisomd5");
    let contents = inspect(&ctx, &iso, &InspectOptions::default())
        .await
        .unwrap();
    let ImplantedMd5::Unchecked { reason, .. } = contents.implanted_md5 else {
        panic!("{:?}", contents.implanted_md5)
    };
    assert!(reason.contains("isomd5sum"), "{reason}");
}

#[tokio::test]
async fn a_cancelled_job_is_not_a_failed_one() {
    if !available(&["xorriso"]) {
        return;
    }
    let workshop = Workshop::new();
    let iso = workshop.iso().await;
    let ctx = context();
    ctx.cancel.cancel();
    let error = inspect(&ctx, &iso, &InspectOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
}

#[tokio::test]
async fn a_name_cannot_pass_for_a_line_of_the_list() {
    if !available(&["xorriso"]) {
        return;
    }
    let forged = "x\nFile data lba:  0 ,       36 ,        1 ,        2 , 'forged.rpm'";
    for (name, boots) in [
        (forged, false),
        ("a\nb", false),
        ("a\rb", false),
        ("b\n-x", true),
    ] {
        let workshop = Workshop::new();
        workshop.write(&format!("tree/{name}"), &"\0".repeat(2048));
        let iso = match boots {
            false => workshop.iso().await,
            true => {
                let args = [
                    "-as",
                    "mkisofs",
                    "-R",
                    "-o",
                    "test.iso",
                    "-no-emul-boot",
                    "-b",
                ];
                let args: Vec<&str> = args.into_iter().chain([name, "tree"]).collect();
                workshop.run("xorriso", &args).await;
                workshop.path("test.iso")
            }
        };
        let error = workshop.inspect(&iso).await.unwrap_err();
        assert!(
            matches!(error, InspectError::Unclear { .. }),
            "{name}: {error}"
        );
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
        assert_eq!(error.kind(), ErrorKind::Failed);
    }
    // Everything else that a name may hold is shown as it is.
    let workshop = Workshop::new();
    workshop.write("tree/tab\t \u{e4} \\n \"' it's\u{1b}", "x");
    let contents = {
        let iso = workshop.iso().await;
        workshop.inspect(&iso).await.unwrap()
    };
    assert!(contents.file("tab\t \u{e4} \\n \"' it's\u{1b}").is_some());
    // Nor can the label.
    let iso = workshop.path("test.iso");
    let mut bytes = std::fs::read(&iso).unwrap();
    bytes[16 * 2048 + 42] = b'\n';
    std::fs::write(&iso, bytes).unwrap();
    let error = workshop.inspect(&iso).await.unwrap_err();
    assert!(matches!(error, InspectError::Unclear { .. }), "{error}");
}
