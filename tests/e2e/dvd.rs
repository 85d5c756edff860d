//! Install DVDs of the mini release: they boot, dnf installs from them, and pungi's stages resume
//! on each other's folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fbs_suite::command::Program;
use fbs_suite::delivery::{sha256, strings};
use fbs_suite::folders::entries;
use fbs_suite::{Delivery, Finished, Folders, binaries, need, release, turn};
use hub::Hub;
use mini_release::{Repository, Server};
use serde_json::Value;

const REPOCLOSURE: need::Need =
    need::Need::File("/usr/lib/python3/dist-packages/dnf-plugins/repoclosure.py");

/// `fbs build` of a small DVD: `keys` are those of its section.
fn build(folders: &Folders, keys: &[(&str, &str)]) -> Program {
    let kickstart = "%packages --exclude-weakdeps\n@core\nfbs-hello\n%end\n";
    folders.file("dvd.ks", kickstart);
    let spec = "[DEFAULT]\ntype = dvd\nrelease = 99\nboot_test = none\n[dvd]\nconfig = dvd.ks\n";
    let spec = folders.file("dvd.conf", spec);
    let build = folders
        .fbs_spec("build", &spec)
        .set("99_url", release::packages());
    keys.iter()
        .fold(build, |build, (key, value)| build.set(key, value))
}

/// The folder of the DVD below the test's destination.
fn tree(destdir: &Path) -> PathBuf {
    destdir.join("99/Server/x86_64")
}

fn destdir(folders: &Folders) -> (PathBuf, String) {
    let path = folders.top().join("dvd");
    let text = path.to_string_lossy().into_owned();
    (path, text)
}

/// The RPMs below a folder, as paths below it.
fn rpms(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in entries(&next) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rpm") {
                found.insert(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}

/// What is on an ISO, in a folder. It is not mounted: not every kernel that tests run on reads
/// ISO 9660.
fn extract(folders: &Folders, iso: &Path, name: &str) -> PathBuf {
    let to = folders.top().join(name);
    let xorriso = Program::new("xorriso")
        .args(["-no_rc", "-osirrox", "on", "-indev"])
        .arg(format!("stdio:{}", iso.display()))
        .args(["-extract", "/"])
        .arg(&to);
    xorriso.run().assert_exit(0);
    to
}

/// dnf with the folder `disc` as its only repository, and `root` to install into.
fn dnf(folders: &Folders, disc: &Path, root: &Path, arguments: &[&str]) -> Finished {
    let home = folders.top().join("dnf");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join(".rpmmacros"), "%_dbpath /usr/lib/sysimage/rpm\n").unwrap();
    let option = |name: &str, path: &Path| format!("{name}={}", path.display());
    Program::new("dnf")
        .env("HOME", &home)
        .arg("-y")
        .arg(option("--installroot", root))
        .arg(option("--setopt=cachedir", &home.join("cache")))
        .arg(option("--setopt=reposdir", &home.join("none")))
        .args(["--releasever=99", "--repo=disc", "--nogpgcheck"])
        .arg(format!("--repofrompath=disc,file://{}", disc.display()))
        .args(arguments)
        .run()
}

#[test]
fn the_example_boots_and_dnf_installs_from_it() {
    if !need::met(&[need::BUILD, need::BOOT, &[REPOCLOSURE]]) {
        return;
    }
    let _turn = turn::take();
    release::mini();
    let folders = Folders::new();
    let (destdir, in_spec) = destdir(&folders);
    let example = binaries::workspace().join("examples/dvd.conf");
    let built = folders
        .fbs_spec("build", &example)
        .set("destdir", &in_spec)
        .args(["--boot-test", "uefi"])
        .run();
    built.assert_exit(0);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    assert_eq!(delivery.report["boot_tests"][0]["passed"], true);
    let tree = tree(&destdir);
    assert_eq!(delivery.report["tree"], tree.to_string_lossy().as_ref());
    let stages: Vec<&str> = (delivery.report["stages"].as_array().unwrap().iter())
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    // The repository is made beside the installer.
    let repository = ["gather", "create_repo"];
    let (beside, stages): (Vec<_>, Vec<_>) =
        (stages.into_iter()).partition(|stage| repository.contains(stage));
    assert_eq!(beside, repository);
    assert_eq!(
        stages,
        [
            "check",
            "packages",
            "root",
            "initramfs",
            "root_image",
            "iso",
            "create_iso",
            "verify",
            "boot_test",
            "transfer",
            "clear"
        ]
    );
    the_names_are_pungis(&delivery, &tree);

    let iso = delivery.folder.join("Fedora-99-x86_64-DVD.iso");
    Program::new("checkisomd5").arg(&iso).run().assert_exit(0);
    let disc = extract(&folders, &iso, "disc");
    the_disc_describes_itself(&disc);
    let packages = rpms(&disc);
    assert_eq!(packages, rpms(&tree.join("os")));
    assert_eq!(packages.len(), delivery.packages().len());
    let by_letter = |path: &PathBuf| path.starts_with("Packages/f") && path.iter().count() == 3;
    assert!(packages.iter().any(by_letter), "{packages:?}");

    // What the image itself says is on it, by the headers of the files.
    let verify = folders.fbs("verify").arg(&iso).arg("--json").run();
    let contents = verify.assert_exit(0).json();
    let carried = contents["media_packages"].as_array().unwrap();
    assert_eq!(carried.len(), packages.len());
    assert!(carried.iter().all(|one| one["sha256_header"].is_string()));

    let root = folders.top().join("installed");
    dnf(&folders, &disc, &root, &["repoclosure"]).assert_exit(0);
    let groups = dnf(&folders, &disc, &root, &["group", "list", "--hidden"]);
    let groups = groups.assert_exit(0).stdout.join("\n");
    assert!(
        groups.contains("Minimal Install") && groups.contains("Core"),
        "{groups}"
    );
    dnf(&folders, &disc, &root, &["install", "@core", "fbs-hello"]).assert_exit(0);
    let hello = Program::new("sh").arg(root.join("usr/bin/fbs-hello")).run();
    assert_eq!(hello.stdout, ["Hello from fbs-hello 1.0-1"]);
    folders.assert_nothing_left();
}

fn the_names_are_pungis(delivery: &Delivery, tree: &Path) {
    let isos = ["Fedora-99-x86_64-DVD.iso", "Fedora-99-x86_64-netinst.iso"];
    let names = delivery.names();
    for name in isos {
        assert!(names.contains(&name.to_owned()), "{names:?}");
        assert_eq!(
            sha256(&tree.join("iso").join(name)),
            sha256(&delivery.folder.join(name))
        );
    }
    assert_eq!(entries(&tree.join("iso")).len(), isos.len() + 1);
    // In the tree by pungi's name, in the staging folder as with every image.
    for (list, folder) in [
        ("Fedora-99-x86_64-CHECKSUM", &tree.join("iso")),
        ("CHECKSUM", &delivery.folder),
    ] {
        let check = Program::new("sha256sum").args(["--check", list]);
        let check = check.folder(folder).run();
        check.assert_exit(0);
        assert_eq!(check.stdout.len(), 2, "{check}");
    }
    for name in [
        ".treeinfo",
        ".discinfo",
        "media.repo",
        "images/boot.iso",
        "images/pxeboot/vmlinuz",
        "EFI/BOOT/BOOTX64.EFI",
        "LiveOS/squashfs.img",
        "repodata/repomd.xml",
    ] {
        assert!(tree.join("os").join(name).is_file(), "{name}");
    }
}

fn the_disc_describes_itself(disc: &Path) {
    let text = |name: &str| fs::read_to_string(disc.join(name)).unwrap();
    let discinfo = text(".discinfo");
    let lines: Vec<&str> = discinfo.lines().collect();
    assert_eq!(lines[1..], ["Fedora 99", "x86_64", "1"]);
    let media = format!("mediaid={}", lines[0]);
    assert!(
        text("media.repo").lines().any(|line| line == media),
        "{media}"
    );
    let treeinfo = text(".treeinfo");
    for line in ["[variant-Server]", "packages = Packages", "repository = ."] {
        assert!(treeinfo.lines().any(|one| one == line), "{treeinfo}");
    }
    let sums: Vec<(&str, &str)> = treeinfo
        .lines()
        .filter_map(|line| line.split_once(" = sha256:"))
        .collect();
    assert!(sums.iter().any(|(name, _)| *name == "repodata/repomd.xml"));
    for (name, sum) in sums {
        assert_eq!(sha256(&disc.join(name)), sum, "{name}");
    }
    let menu = text("boot/grub2/grub.cfg");
    assert!(
        menu.contains("inst.stage2=hd:LABEL=Fedora-Server-99-x86_64"),
        "{menu}"
    );
}

#[test]
fn each_stage_goes_on_where_the_one_before_ended() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    let (destdir, in_spec) = destdir(&folders);
    let os = tree(&destdir).join("os");
    let stage = |stages: &str, more: &[(&str, &str)]| {
        let keys = [&[("destdir", in_spec.as_str()), ("stage", stages)], more].concat();
        build(&folders, &keys).run()
    };
    // Nothing to go on with.
    for (stages, words) in [
        ("-C", ["the stage -C needs what -G leaves", "`stage = -G`"]),
        (
            "-G -C -I",
            ["the stage -I needs what -B leaves", "`stage = -B`"],
        ),
    ] {
        let done = stage(stages, &[]);
        done.assert_exit(2).assert_one_error().assert_says(&words);
        done.assert_says(&[&in_spec]);
    }
    folders.assert_no_delivery();
    assert!(!destdir.exists());

    stage("-G", &[]).assert_exit(0);
    let gathered = rpms(&os);
    assert!(gathered.len() > 100, "{gathered:?}");
    let delivery = folders.delivery();
    assert_eq!(delivery.packages().len(), gathered.len());
    assert_eq!(delivery.iso(), None);
    assert!(!os.join("repodata").exists());
    stage("-C", &[]).assert_exit(0);
    assert!(os.join("repodata/repomd.xml").is_file());
    stage("-B", &[]).assert_exit(0);
    assert!(os.join("images/boot.iso").is_file());
    stage("-I", &[]).assert_exit(0);
    let delivery = folders.deliveries().pop().unwrap();
    delivery.assert_outcome("succeeded").assert_files();
    assert_eq!(delivery.packages().len(), gathered.len());
    assert_eq!(rpms(&os), gathered);

    // Gathering again needs force, replaces its own results, and touches nothing else.
    fs::write(destdir.join("notes.txt"), "mine").unwrap();
    let again = |more: &[(&str, &str)]| {
        let keys = [&[("packages", "nano")], more].concat();
        stage("-G", &keys)
    };
    let refused = again(&[]);
    refused.assert_exit(2).assert_one_error();
    refused.assert_says(&["is not empty", "force = yes"]);
    assert_eq!(rpms(&os), gathered);
    again(&[("force", "yes")]).assert_exit(0);
    let more = rpms(&os);
    assert!(more.is_superset(&gathered) && more.len() > gathered.len());
    assert_eq!(
        fs::read_to_string(destdir.join("notes.txt")).unwrap(),
        "mine"
    );
    assert!(
        tree(&destdir)
            .join("iso/Fedora-99-x86_64-DVD.iso")
            .is_file()
    );

    // Parts that do not belong together make no DVD.
    let old = stage("-I", &[]);
    old.assert_exit(1).assert_one_error();
    old.assert_says(&[
        "the repodata of",
        "not that of the packages",
        "stage = -C -I",
    ]);
    let other = stage("-C -I", &[("name", "Other")]);
    other.assert_exit(1).assert_one_error().assert_says(&[
        "made for the volume Fedora-Server-99-x86_64",
        "the DVD is Other-Server-99-x86_64",
        "stage = -B -I",
    ]);
    let before = entries(&folders.staging());
    stage("-I", &[]).assert_exit(0);
    let mut folder = entries(&folders.staging());
    folder.retain(|path| !before.contains(path));
    let delivery = Delivery::of(folder.remove(0));
    assert_eq!(delivery.packages().len(), more.len());

    // Somebody else's folder is left alone, also with force.
    let foreign = folders.top().join("foreign");
    let packages = tree(&foreign).join("os/Packages");
    fs::create_dir_all(&packages).unwrap();
    fs::write(packages.join("a.rpm"), "theirs").unwrap();
    let refused = build(
        &folders,
        &[("destdir", foreign.to_str().unwrap()), ("force", "yes")],
    );
    let refused = refused.run();
    refused.assert_exit(2).assert_one_error();
    refused.assert_says(&["was not made by a build"]);
    assert_eq!(
        fs::read_to_string(packages.join("a.rpm")).unwrap(),
        "theirs"
    );
    folders.assert_nothing_left();
}

/// A repository with the package `fbs-sourced`, laid out as on Fedora's mirrors, with its source
/// package beside it.
fn with_source(folders: &Folders) -> PathBuf {
    let top = folders.top().join("rpmbuild");
    let spec = "Name: fbs-sourced\nVersion: 1.0\nRelease: 1\nSummary: Has a source package\n\
                License: MIT\nSource0: data\nBuildArch: noarch\n%description\nA test.\n\
                %install\nmkdir -p %{buildroot}/usr/share\necho 1 >%{buildroot}/usr/share/fbs-sourced\n\
                %files\n/usr/share/fbs-sourced\n";
    let spec = folders.file("fbs-sourced.spec", spec);
    // checkisomd5 does not pass images of less than a megabyte.
    let sources = top.join("SOURCES");
    fs::create_dir_all(&sources).unwrap();
    let data = Program::new("sh").folder(&sources);
    let data = data.args(["-c", "head -c 3M /dev/urandom >data"]);
    data.run().assert_exit(0);
    let rpmbuild = Program::new("rpmbuild")
        .env("HOME", &top)
        .arg("-ba")
        .arg("--define")
        .arg(format!("_topdir {}", top.display()))
        .arg(&spec)
        .run();
    rpmbuild.assert_exit(0);
    let mirror = folders.top().join("mirror");
    for (from, to) in [("RPMS/noarch", "x86_64/os"), ("SRPMS", "source/tree")] {
        let to = mirror.join("Everything").join(to);
        fs::create_dir_all(to.join("Packages")).unwrap();
        for rpm in entries(&top.join(from)) {
            fs::copy(&rpm, to.join("Packages").join(rpm.file_name().unwrap())).unwrap();
        }
        folders.fbs("createrepo").arg(&to).run().assert_exit(0);
    }
    mirror
}

#[test]
fn sources_and_koji_builds_lie_on_it() {
    if !need::met(&[need::BUILD, &[need::Need::Tool("rpmbuild")]]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    let mirror = with_source(&folders);
    let server = Server::start(&mirror).unwrap();
    let hub = Hub::empty().unwrap();
    let koji = folders.top().join("koji");
    fs::create_dir(&koji).unwrap();
    let updates = release::mini().folder(Repository::Updates);
    let updates = release::mini().root().join(updates).join("Packages");
    for rpm in entries(&updates) {
        fs::copy(&rpm, koji.join(rpm.file_name().unwrap())).unwrap();
    }
    hub.publish(&koji, Some("fbs-hello-1.1-1")).unwrap();

    let (destdir, in_spec) = destdir(&folders);
    let url = format!("{}/Everything/x86_64/os", server.url());
    let (hub_url, files_url) = (hub.hub_url(), hub.files_url());
    let keys = [
        ("destdir", in_spec.as_str()),
        ("packages", "fbs-sourced"),
        ("updates", "yes"),
        ("99-updates_url", url.as_str()),
        ("nosource", "no"),
        ("sourceisos", "yes"),
        ("nvr", "fbs-hello-1.1-1"),
        ("koji_hub", hub_url.as_str()),
        ("koji_files", files_url.as_str()),
    ];
    let built = build(&folders, &keys).run();
    built.assert_exit(0).assert_says(&[
        "packages do not say which source package",
        "fbs-hello-1.1-1: 1 of 1 package landed",
        "fbs-hello-1.1-1.noarch (the very file, by its checksum)",
    ]);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    let landed = &delivery.report["side_repository"]["builds"][0]["landed"][0];
    assert_eq!(landed["evidence"], "checksum");
    assert!(
        delivery
            .packages()
            .contains(&"fbs-hello-1.1-1.noarch".to_owned())
    );

    let source = destdir.join("99/Server/source");
    let srpm = Path::new("fbs-sourced-1.0-1.src.rpm");
    assert_eq!(
        rpms(&source.join("SRPMS")),
        BTreeSet::from([srpm.to_owned()])
    );
    assert!(source.join("SRPMS/repodata/repomd.xml").is_file());
    let iso = delivery.folder.join("Fedora-99-source-DVD.iso");
    Program::new("checkisomd5").arg(&iso).run().assert_exit(0);
    let disc = extract(&folders, &iso, "source-disc");
    assert_eq!(
        sha256(&disc.join("SRPMS").join(srpm)),
        sha256(&source.join("SRPMS").join(srpm))
    );
    let check = Program::new("sha256sum")
        .args(["--check", "Fedora-99-source-CHECKSUM"])
        .folder(&source.join("iso"))
        .run();
    check.assert_exit(0);

    // Without the source package it is named, with the way out.
    let tree = mirror.join("Everything/source/tree");
    fs::remove_file(tree.join("Packages").join(srpm)).unwrap();
    folders.fbs("createrepo").arg(&tree).run().assert_exit(0);
    fs::remove_dir_all(folders.cache().join("dnf")).unwrap();
    let more = [("force", "yes"), ("stage", "-G")];
    let failed = build(&folders, &[&keys[..], &more].concat()).run();
    failed.assert_exit(1).assert_one_error().assert_says(&[
        "no source repository has fbs-sourced-1.0-1.src.rpm",
        "nosource = yes",
    ]);
    // What was there is there still.
    assert!(source.join("SRPMS").join(srpm).is_file());
    folders.assert_nothing_left();
}

#[test]
fn what_no_repository_has_is_named_at_once() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let wrong = "nosuch;@no-group;@^no-environment;no-such-*";
    let warm = Folders::warm();
    for (folders, is_warm) in [(&Folders::new(), false), (&warm, true)] {
        let (destdir, in_spec) = destdir(folders);
        let kickstart = folders.file("wrong.ks", "%packages\n@none --optional\n%end\n");
        let keys = [
            ("packages", wrong),
            ("config", kickstart.to_str().unwrap()),
            ("destdir", &in_spec),
        ];
        let done = build(folders, &keys).run();
        done.assert_exit(1).assert_one_error().assert_says(&[
            "gathering the packages: no repository has ",
            "@none",
            "@no-group",
            "@no-environment",
            "nosuch",
            "no-such-*",
        ]);
        let delivery = folders.delivery();
        delivery.assert_outcome("failed").assert_files();
        let os = tree(&destdir).join("os");
        assert!(!os.exists(), "{}", os.display());
        // What is at hand may have become an installer meanwhile; nothing is fetched for it.
        let fetches = |command: &Value| command.to_string().contains("--downloadonly");
        let mut commands = delivery.report["commands"].as_array().unwrap().iter();
        assert!(is_warm || !commands.any(fetches), "{}", delivery.report);
        folders.assert_nothing_left();
    }

    let folders = warm;
    let done = build(&folders, &[("config", "nowhere.ks")]).run();
    done.assert_one_error().assert_says(&["nowhere.ks"]);
    assert_ne!(done.code, Some(0));
    assert_eq!(folders.deliveries().len(), 1);
    let plan = folders.fbs("plan").arg(folders.top().join("dvd.conf"));
    let plan = plan.set("stage", "-B").arg("--json").run();
    let steps = plan.assert_exit(0).json();
    let stages: Vec<String> = (steps["steps"].as_array().unwrap().iter())
        .map(|step| step["stage"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        stages,
        ["packages", "root", "initramfs", "root_image", "iso"]
    );
    assert_eq!(strings(&steps["packages"])[0], "@core");
    folders.assert_nothing_left();
}
