//! What is wrong with a spec, a repository, a package, a folder or the host is said in one clear
//! error with the right exit code; nothing is left behind and nothing is deleted.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use fbs_suite::command::Program;
use fbs_suite::folders::entries;
use fbs_suite::need::Need;
use fbs_suite::{Folders, binaries, need, release, tools, turn};
use mini_release::Server;

#[test]
fn a_spec_that_cannot_be_used() {
    let folders = Folders::new();
    let missing = folders.top().join("no-such.conf");
    let folder = folders.work();
    let latin = folders.file("latin.conf", b"[DEFAULT]\ntype = boot\nrelease = 4\xb3\n");
    let twice = folders.file(
        "twice.conf",
        "[DEFAULT]\ntype = boot\nrelease = 43\nrelease = 44\n",
    );
    let unknown = folders.file("unknown.conf", "[DEFAULT]\ntype = bot\nrelease = 43\n");
    for (spec, words) in [
        (&missing, ["there is no spec", "no-such.conf"]),
        (&folder, ["work", "folder"]),
        (&latin, ["latin.conf", "UTF-8"]),
        (&twice, ["twice.conf:4: [DEFAULT] release", "given twice"]),
        (&unknown, ["unknown.conf", "\"boot\""]),
    ] {
        for command in ["build", "plan"] {
            let done = folders.fbs_spec(command, spec).run();
            done.assert_exit(2).assert_one_error().assert_says(&words);
        }
    }
    folders.assert_no_delivery();
    folders.assert_nothing_left();
}

#[test]
fn what_this_version_or_this_host_does_not_make() {
    let folders = Folders::new();
    let other = match std::env::consts::ARCH {
        "aarch64" => "x86_64",
        _ => "aarch64",
    };
    let for_other = format!("the image is for {other}");
    let on_other = format!("{other} machine");
    for (settings, exit, words) in [
        (
            &["type=dvd", "backend=lorax"][..],
            2,
            &["lorax", "dvd", "native"][..],
        ),
        (
            &["type=live", "backend=lorax"],
            2,
            &["lorax", "live", "native"],
        ),
        (
            &["rootfs=erofs", "compression=xz"],
            2,
            &["erofs", "xz", "rootfs = squashfs"],
        ),
        (&["backend=kiwi"], 2, &["kiwi", "native"]),
        (
            &["staging=sftp://u:secret@h/"],
            2,
            &["sftp://u:***@h", "ssh-copy-id"],
        ),
        (&["arch=OTHER"], 3, &[&for_other, &on_other]),
    ] {
        let mut build = folders.fbs("build").arg(folders.spec());
        for setting in settings {
            build = build.arg("--set").arg(setting.replace("OTHER", other));
        }
        let done = build.run();
        done.assert_exit(exit).assert_one_error().assert_says(words);
        assert!(!done.stderr.contains("secret"), "{}", done.stderr);
    }
    folders.assert_nothing_left();
}

/// Settings and words of a repository that is not one.
fn repository_is_refused(url: &str, words: &[&str]) {
    let folders = Folders::new();
    let done = folders.build_from(url).run();
    done.assert_exit(4)
        .assert_one_error()
        .assert_says(&["the repository 99", "`99_url`"])
        .assert_says(words)
        .assert_within(60.0);
    // The host and the place of delivery are well, so that the log and the report come there.
    let delivery = folders.delivery();
    delivery.assert_outcome("failed").assert_says(words);
    delivery.assert_files();
    assert_eq!(delivery.iso(), None);
    folders.assert_nothing_left();
}

#[test]
fn a_repository_that_does_not_answer_as_one() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path();
    let file = format!("file://{}", empty.display());
    repository_is_refused(&file, &["has no", "repodata/repomd.xml"]);

    let server = Server::start(empty).unwrap();
    let url = format!("{}/os", server.url());
    repository_is_refused(&url, &[&url, "404", "repodata/repomd.xml"]);
    drop(server);
    repository_is_refused(&url, &[&url, "refused"]);
}

#[test]
fn a_repository_that_never_answers() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    // The kernel accepts connections for it, and nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/os", listener.local_addr().unwrap());
    repository_is_refused(&url, &[&url, "no answer within 30 s"]);
}

#[test]
fn packages_that_cannot_be_installed() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    for (package, words) in [
        (
            "no-such-package",
            &["no repository has no-such-package", "`packages`"][..],
        ),
        ("@no-such-group", &["no repository has @no-such-group"]),
        (
            "fbs-unsolvable",
            &[
                "cannot be installed together",
                "no-such-capability",
                "leave one",
            ],
        ),
        ("fbs-bad-pre", &["scriptlet failed", "fbs-bad-pre"]),
        ("fbs-bad-post", &["scriptlet failed", "fbs-bad-post"]),
    ] {
        let folders = Folders::new();
        let done = folders.faulty_build(package).run();
        done.assert_exit(1).assert_one_error().assert_says(words);
        // The log and the report are delivered, and no image is.
        let delivery = folders.delivery();
        delivery.assert_outcome("failed").assert_says(&words[..1]);
        delivery.assert_files();
        assert_eq!(delivery.iso(), None);
        folders.assert_nothing_left();
    }
}

#[test]
fn a_missing_tool_is_named_with_its_package() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let path = tools::path_without(folders.top(), &["unsquashfs", "mcopy"]);
    let done = folders.build().env("PATH", path).run();
    done.assert_exit(3).assert_one_error().assert_says(&[
        "unsquashfs to read the image back (package squashfs-tools)",
        "mcopy to fill the UEFI partition (package mtools)",
        "apt-get install mtools squashfs-tools",
    ]);
    folders.assert_no_delivery();
    folders.assert_nothing_left();
}

#[test]
fn a_compression_that_this_hosts_mkfs_erofs_does_not_know() {
    if !need::met(&[need::BUILD, &[Need::Tool("mkfs.erofs")]]) {
        return;
    }
    let folders = Folders::new();
    // As erofs-utils before 1.8 say it.
    let help = "echo 'Available compressors are: lz4hc, lz4'";
    let stubs = tools::Stubs::new(folders.top()).script("mkfs.erofs", help);
    let done = folders
        .build()
        .set("rootfs", "erofs")
        .set("compression", "zstd")
        .env("PATH", stubs.path())
        .run();
    done.assert_exit(3).assert_one_error().assert_says(&[
        "mkfs.erofs cannot compress with zstd",
        "`compression = lz4`",
        "erofs-utils 1.8",
    ]);
    folders.assert_no_delivery();
    folders.assert_nothing_left();
}

#[test]
fn who_is_not_root_can_plan_and_not_build() {
    if !need::met(&[need::BUILD, &[Need::Tool("setpriv")]]) {
        return;
    }
    // target/ may lie where only root may look.
    let public = tempfile::tempdir().unwrap();
    fs::set_permissions(public.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = public.path().join("fbs");
    fs::copy(binaries::fbs(), &binary).unwrap();
    let spec = public.path().join("boot.conf");
    fs::write(&spec, "[DEFAULT]\ntype = boot\nrelease = 99\n").unwrap();
    let as_nobody = |command: &str| {
        Program::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&binary)
            .arg(command)
            .arg(&spec)
            .args([
                "--set",
                "99_url=http://127.0.0.1:1/os",
                "--backend",
                "native",
            ])
            .folder(public.path())
            .run()
    };
    let plan = as_nobody("plan");
    plan.assert_exit(0);
    let plan = plan.stdout.join("\n");
    for tool in ["dnf ", "dracut ", "grub", "xorriso "] {
        assert!(plan.contains(tool), "{tool}\n{plan}");
    }
    let build = as_nobody("build");
    build
        .assert_exit(3)
        .assert_one_error()
        .assert_says(&["needs root", "sudo fbs build"]);
    assert_eq!(entries(public.path()).len(), 2);
}

/// A build whose work folder is on a disk of its own, of so many MiB.
fn build_on_a_disk_of(folders: &Folders, mib: u32) -> Program {
    folders
        .build()
        .on_a_disk(&folders.work(), &format!("{mib}m"))
}

#[test]
fn a_disk_too_small_to_begin_with() {
    if !need::met(&[need::BUILD, &[Need::Tool("unshare")]]) {
        return;
    }
    let folders = Folders::new();
    let done = build_on_a_disk_of(&folders, 100).run();
    done.assert_exit(3).assert_one_error().assert_says(&[
        "MiB of free space",
        "MiB are needed",
        "`workdir`",
    ]);
    folders.assert_no_delivery();
    folders.assert_nothing_left();
}

#[test]
fn a_disk_that_fills_up() {
    if !need::met(&[
        need::BUILD,
        &[Need::Tool("unshare"), Need::Tool("fallocate")],
    ]) {
        return;
    }
    let _turn = turn::take();
    // So full that the root still fits, or not even that.
    for left_mib in [100, 250] {
        let folders = Folders::new();
        // Large enough at the check; then, in front of dnf, something else takes the space.
        let take = format!(
            "for folder in {}/2*; do fallocate -l {}m $folder/ballast; done\nexec {{real}} \"$@\"",
            folders.work().display(),
            1100 - left_mib
        );
        let stubs = tools::Stubs::new(folders.top()).script("dnf", &take);
        let config = folders.file("fbs.toml", "[work]\nin_memory = false\n");
        let done = build_on_a_disk_of(&folders, 1100)
            .env("PATH", stubs.path())
            .env("FBS_CONFIG", config)
            .run();
        done.assert_exit(3)
            .assert_one_error()
            .assert_says(&["no space is left on the disk that holds", "`workdir`"]);
        let delivery = folders.delivery();
        delivery
            .assert_outcome("failed")
            .assert_says(&["no space is left"]);
        assert_eq!(delivery.iso(), None);
        folders.assert_nothing_left();
    }
}

#[test]
fn an_outdir_with_something_in_it() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let outdir = folders.outdir();
    fs::create_dir(&outdir).unwrap();
    fs::write(outdir.join("thesis"), "four years").unwrap();
    let done = folders.build().arg("--outdir").arg(&outdir).run();
    done.assert_exit(2).assert_one_error().assert_says(&[
        "tree is not empty",
        "left as it is",
        "`outdir`",
    ]);
    assert_eq!(
        fs::read_to_string(outdir.join("thesis")).unwrap(),
        "four years"
    );
    assert_eq!(entries(&outdir).len(), 1);

    let file = folders.file("a-file", "text");
    let done = folders.build().arg("--outdir").arg(&file).run();
    done.assert_exit(2)
        .assert_one_error()
        .assert_says(&["a-file"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    folders.assert_no_delivery();
    folders.assert_nothing_left();
}

#[test]
fn an_outdir_that_the_system_needs() {
    let folders = Folders::new();
    for (outdir, words) in [
        ("/", &["outdir"][..]),
        ("/home", &["outdir", "/home"]),
        ("/etc", &["outdir", "/etc"]),
        ("/srv/../etc", &["outdir", ".."]),
    ] {
        for form in ["boot.outdir", "outdir"] {
            let done = folders
                .build_from("http://127.0.0.1:1/")
                .set(form, outdir)
                .run();
            done.assert_exit(2).assert_one_error().assert_says(words);
        }
    }
    folders.assert_no_delivery();
    folders.assert_nothing_left();
}

#[test]
fn a_staging_place_that_is_a_file() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let file = folders.file("a-file", "text");
    let done = folders
        .fbs("build")
        .arg(folders.spec())
        .set("99_url", release::packages())
        .set("backend", "native")
        .arg("--workdir")
        .arg(folders.work())
        .arg("--staging")
        .arg(&file)
        .run();
    done.assert_exit(3)
        .assert_one_error()
        .assert_says(&["a-file", "is not a folder"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    folders.assert_nothing_left();
}
