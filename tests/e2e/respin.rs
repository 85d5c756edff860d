//! An image changed without a rebuild: what is on the new one, that it boots, and that nothing is
//! left where it could not be made.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fbs_suite::command::Program;
use fbs_suite::delivery::sha256;
use fbs_suite::need::Need;
use fbs_suite::tools::Stubs;
use fbs_suite::{Finished, Folders, binaries, need, release, turn};
use hub::Hub;
use nix::sys::signal::Signal;
use rpm::{FileOptions, PackageBuilder};

/// A boot image of the mini release, built once for all tests here. It outlives the first of them,
/// and is removed when the next run makes its own.
fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let _turn = turn::take();
        release::mini();
        let folders = Folders::warm();
        folders.build().run().assert_exit(0);
        let kept = binaries::profile_folder().join("e2e/respin.iso");
        let _ = fs::remove_file(&kept);
        fs::rename(folders.delivery().iso().unwrap(), &kept).unwrap();
        kept
    })
}

fn respin(folders: &Folders, image: &Path, out: &str) -> Program {
    folders
        .fbs("respin")
        .arg(image)
        .arg("--out")
        .arg(folders.top().join(out))
        .arg("--json")
}

/// A file of an image, read by xorriso.
fn file_of(folders: &Folders, image: &Path, path: &str) -> Vec<u8> {
    let copy = folders.top().join("copy");
    let _ = fs::remove_file(&copy);
    let extract = Program::new("xorriso")
        .args(["-no_rc", "-osirrox", "on", "-indev"])
        .arg(image)
        .args(["-extract", path])
        .arg(&copy);
    extract.run().assert_exit(0);
    fs::read(copy).unwrap()
}

fn text_of(folders: &Folders, image: &Path, path: &str) -> String {
    String::from_utf8(file_of(folders, image, path)).unwrap()
}

/// What `fbs verify` and isomd5sum say of an image.
fn assert_intact(folders: &Folders, image: &Path, label: &str) {
    let verified = folders.fbs("verify").arg(image).arg("--json").run();
    let contents = verified.assert_exit(0).json();
    assert_eq!(contents["implanted_md5"]["status"], "intact", "{verified}");
    assert_eq!(contents["volume_id"], label);
    let platforms: Vec<&str> = (contents["boot_entries"].as_array().unwrap().iter())
        .map(|entry| entry["platform"].as_str().unwrap())
        .collect();
    assert_eq!(platforms, ["BIOS", "UEFI"]);
    let area = Program::new("xorriso")
        .args(["-no_rc", "-indev"])
        .arg(image)
        .args(["-report_system_area", "plain"])
        .run();
    let area = area.assert_exit(0).stdout.join("\n");
    assert!(area.contains("grub2-mbr") && area.contains("GPT"), "{area}");
}

fn report(done: &Finished) -> serde_json::Value {
    let events = done.assert_exit(0).events();
    let kind = |event: &serde_json::Value| event["event"].as_str().map(str::to_owned);
    assert!(
        events
            .iter()
            .any(|event| kind(event).as_deref() == Some("artifact"))
    );
    events.last().unwrap().clone()
}

/// No image and no folder of a respin is left, and the first image is as it was.
fn assert_nothing_made(folders: &Folders, out: &str) {
    assert!(!folders.top().join(out).exists());
    folders.assert_nothing_left();
}

#[test]
fn a_respun_image_boots_with_its_new_command_line_by_bios_and_uefi() {
    if !need::met(&[need::BUILD, need::BOOT]) {
        return;
    }
    let image = image();
    let before = sha256(image);
    let _turn = turn::take();
    let folders = Folders::new();
    let notes = folders.file("notes.txt", "for the tester\n");
    let folder = folders.top().join("extra/deep");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("a b.txt"), "deep").unwrap();
    folders.file("part.ks", "lang en_US.UTF-8\n");
    let kickstart = folders.file(
        "test.ks",
        "text\n%include part.ks\n%packages\n@core\n%end\n",
    );
    let again = |out: &str| {
        respin(&folders, image, out)
            .arg("--add")
            .arg(&notes)
            .arg("--add")
            .arg(folders.top().join("extra"))
            .args(["--cmdline", "fbs.marker='of the respin'", "--volid", "QA-1"])
            .args(["--remove-args", "rd.live.overlay.overlayfs"])
            .arg("--kickstart")
            .arg(&kickstart)
            .env("SOURCE_DATE_EPOCH", "1750000000")
            .run()
    };
    let done = again("first.iso");
    done.assert_says(&["no kernel line of this image starts anaconda"]);
    let report = report(&done);
    let new = folders.top().join("first.iso");
    assert_eq!(report["sha256"], sha256(&new));
    assert_eq!(report["size"], new.metadata().unwrap().len());
    let kinds: Vec<&str> = (report["changes"].as_array().unwrap().iter())
        .map(|change| change["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["files", "kickstart", "command_line", "label"]);
    assert_eq!(sha256(image), before);
    assert_intact(&folders, &new, "QA-1");
    assert_eq!(text_of(&folders, &new, "/notes.txt"), "for the tester\n");
    assert_eq!(text_of(&folders, &new, "/extra/deep/a b.txt"), "deep");
    let flattened = text_of(&folders, &new, "/ks.cfg");
    assert!(flattened.contains("lang en_US.UTF-8") && !flattened.contains("%include"));
    for menu in ["/boot/grub2/grub.cfg", "/EFI/BOOT/grub.cfg"] {
        let menu = text_of(&folders, &new, menu);
        let lines: Vec<&str> = menu
            .lines()
            .filter(|line| line.contains("linux /"))
            .collect();
        assert!(lines.len() > 1);
        for line in lines {
            assert!(line.contains("root=live:CDLABEL=QA-1 "), "{line}");
            assert!(
                line.ends_with("'fbs.marker=of the respin' inst.ks=hd:LABEL=QA-1:/ks.cfg"),
                "{line}"
            );
            assert!(!line.contains("overlayfs"), "{line}");
        }
        assert!(!menu.contains("Fedora-99-x86_64"));
    }

    // Another time, and files with another time, make no other image.
    for file in [&notes, &folder.join("a b.txt")] {
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(100);
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(later)
            .unwrap();
    }
    again("second.iso").assert_exit(0);
    assert_eq!(sha256(&folders.top().join("second.iso")), sha256(&new));

    // A respin of a respin is one like another, and it boots.
    let twice = respin(&folders, &new, "twice.iso")
        .args(["--volid", "QA-longer-than-before"])
        .run();
    twice.assert_exit(0);
    let twice = folders.top().join("twice.iso");
    assert_intact(&folders, &twice, "QA-longer-than-before");
    // The kernel says its command line before anything else.
    let boot = folders
        .fbs("boot-test")
        .arg(&twice)
        .args([
            "--expect",
            r#"Command line:.*CDLABEL=QA-longer-than-before .*"fbs\.marker=of the respin""#,
        ])
        .arg("--output")
        .arg(folders.top())
        .run();
    boot.assert_exit(0);
    folders.assert_nothing_left();
}

#[test]
fn updates_and_builds_are_on_the_image() {
    if !need::met(&[need::BUILD, &[Need::Tool("cpio")]]) {
        return;
    }
    let image = image();
    let folders = Folders::new();
    let built = folders.top().join("builds");
    fs::create_dir(&built).unwrap();
    let rpm = |name: &str, path: &str| {
        let mut package = PackageBuilder::new(name, "2.0", "MIT", "noarch", "a test");
        package
            .release("1")
            .with_file_contents(
                "from the update\n",
                FileOptions::new(path).permissions(0o755),
            )
            .unwrap()
            .post_install_script("touch /never");
        let file = built.join(format!("{name}.rpm"));
        package.build().unwrap().write_file(&file).unwrap();
        file
    };
    let update = rpm("fbs-update", "/usr/libexec/fbs-update");
    let hub = Hub::empty().unwrap();
    let published = folders.top().join("published");
    fs::create_dir(&published).unwrap();
    fs::copy(rpm("fbs-new", "/usr/bin/fbs-new"), published.join("a.rpm")).unwrap();
    hub.publish(&published, Some("fbs-new-2.0-1")).unwrap();
    let done = respin(&folders, image, "new.iso")
        .arg("--updates")
        .arg(&update)
        .args(["--nvr", "fbs-new-2.0-1", "--koji-hub"])
        .arg(hub.hub_url())
        .arg("--koji-files")
        .arg(hub.files_url())
        .run();
    let report = report(&done);
    let limits = report["changes"].to_string();
    for words in [
        "no scriptlet runs",
        "%post did not and will not run",
        "the kernel, the initramfs",
    ] {
        assert!(limits.contains(words), "{limits}");
    }
    let new = folders.top().join("new.iso");
    assert_intact(&folders, &new, "Fedora-99-x86_64");
    // Unpacked as dracut does it.
    let archive = folders.file(
        "updates.img",
        file_of(&folders, &new, "/images/updates.img"),
    );
    let tree = folders.top().join("unpacked");
    fs::create_dir(&tree).unwrap();
    let unpack = Program::new("sh")
        .args(["-c", "gzip -dc \"$0\" | cpio -id --quiet"])
        .arg(archive)
        .folder(&tree);
    unpack.run().assert_exit(0);
    let file = tree.join("usr/libexec/fbs-update");
    assert_eq!(fs::read_to_string(&file).unwrap(), "from the update\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o7777, 0o755);

    let repomd = text_of(&folders, &new, "/fbs-repo/repodata/repomd.xml");
    assert!(repomd.contains("type=\"primary\""), "{repomd}");
    let rpm = file_of(&folders, &new, "/fbs-repo/fbs-new-2.0-1.noarch.rpm");
    assert_eq!(rpm, fs::read(published.join("a.rpm")).unwrap());
    let menu = text_of(&folders, &new, "/boot/grub2/grub.cfg");
    assert!(
        menu.contains("inst.addrepo=fbs,file:///run/install/repo/fbs-repo"),
        "{menu}"
    );

    let second = respin(&folders, &new, "second.iso")
        .arg("--updates")
        .arg(&update)
        .run();
    second.assert_exit(2).assert_one_error();
    second.assert_says(&[
        "has /images/updates.img already",
        "hint: start from the image",
    ]);
    let kernel = rpm_of_a_kernel(&built);
    let refused = respin(&folders, image, "kernel.iso")
        .arg("--updates")
        .arg(kernel)
        .run();
    refused.assert_exit(2).assert_one_error();
    refused.assert_says(&["kernel-core.rpm: a kernel is started before any update is there"]);
    assert_nothing_made(&folders, "kernel.iso");
}

fn rpm_of_a_kernel(folder: &Path) -> PathBuf {
    let mut package = PackageBuilder::new("kernel-core", "7", "MIT", "noarch", "a test");
    let file = folder.join("kernel-core.rpm");
    package
        .release("1")
        .build()
        .unwrap()
        .write_file(&file)
        .unwrap();
    file
}

#[test]
fn what_cannot_be_respun_is_named() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let image = image();
    let folders = Folders::new();
    let text = folders.file("text.iso", "no image\n");
    let empty = folders.file("empty.iso", "");
    let mut start = vec![0; 4_000_000];
    File::open(image).unwrap().read_exact(&mut start).unwrap();
    let cut = folders.file("cut.iso", start);
    let missing = folders.top().join("missing.iso");
    for (input, words) in [
        (text.as_path(), "text.iso is not an ISO image"),
        (&empty, "empty.iso is not an ISO image"),
        (&cut, "cut.iso is cut off"),
        (&missing, "missing.iso: No such file"),
        (folders.top(), "is a folder, not an ISO image"),
    ] {
        let done = respin(&folders, input, "new.iso")
            .args(["--volid", "X"])
            .run();
        done.assert_exit(2).assert_one_error().assert_says(&[words]);
    }
    fs::create_dir(folders.top().join("boot")).unwrap();
    fs::create_dir(folders.top().join("boot/grub2")).unwrap();
    folders.file("boot/grub2/grub.cfg", "");
    folders.file("notes", "one");
    fs::create_dir(folders.top().join("other")).unwrap();
    folders.file("other/notes", "another");
    folders.file("there.iso", "");
    folders.file("wrong.ks", "lang\n");
    for (arguments, words) in [
        (&[][..], "nothing is to be changed"),
        (
            &["--add", "boot"],
            "/boot/grub2 is what the image boots from",
        ),
        (
            &["--add", "notes", "--add", "other/notes"],
            "has the same name",
        ),
        (&["--add", "nowhere"], "cannot add nowhere: No such file"),
        (&["--cmdline", "a 'b"], "a quote in it does not end"),
        (&["--volid", "a b"], "cannot be part of a label"),
        (&["--remove-args", "a=b"], "give its name alone"),
        (&["--kickstart", "wrong.ks"], "wrong.ks:1"),
        (&["--kickstart", "none.ks"], "there is no such file"),
        (&["--updates", "notes"], "notes: "),
    ] {
        let done = respin(&folders, image, "new.iso").args(arguments).run();
        done.assert_exit(2).assert_one_error().assert_says(&[words]);
    }
    let done = respin(&folders, image, "there.iso")
        .args(["--volid", "X"])
        .run();
    done.assert_exit(2)
        .assert_says(&["there.iso is there already"]);
    assert_nothing_made(&folders, "new.iso");
}

#[test]
fn a_loader_that_looks_for_the_label_and_is_not_ours_keeps_the_label() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let foreign = folders.top().join("foreign.iso");
    fs::copy(image(), &foreign).unwrap();
    // The same loader with other words: as long, so that nothing else moves.
    let mut bytes = Vec::new();
    File::open(&foreign)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    let ours = b"search --no-floppy --set=root --label Fedora";
    let places: Vec<usize> = (0..bytes.len() - ours.len())
        .filter(|at| bytes[*at..].starts_with(ours))
        .collect();
    // On the image, and in the UEFI partition.
    assert_eq!(places.len(), 2);
    let file = File::options().write(true).open(&foreign).unwrap();
    for at in places {
        file.write_all_at(b"search --set=root --hint cd0  --label", at as u64)
            .unwrap();
    }
    let relabelled = respin(&folders, &foreign, "new.iso")
        .args(["--volid", "QA"])
        .run();
    relabelled.assert_exit(1).assert_one_error().assert_says(&[
        "the boot loader /EFI/BOOT/BOOTX64.EFI looks for the label Fedora-99-x86_64",
        "hint: leave --volid out",
    ]);
    assert_nothing_made(&folders, "new.iso");
    let kept = respin(&folders, &foreign, "new.iso")
        .args(["--cmdline", "a"])
        .run();
    kept.assert_exit(0);
}

#[test]
fn a_respin_that_is_stopped_or_has_no_room_leaves_nothing() {
    if !need::met(&[need::BUILD, &[Need::Tool("unshare")]]) {
        return;
    }
    let image = image();
    let folders = Folders::new();
    // One that hangs after it has read the image: the real one is done too soon to be caught.
    let hanging = "case \"$*\" in *-outdev*) sleep 600 & wait;; *) exec {real} \"$@\";; esac";
    let stubs = Stubs::new(folders.top()).script("xorriso", hanging);
    let mut running = respin(&folders, image, "new.iso")
        .args(["--cmdline", "a"])
        .env("PATH", stubs.path())
        .start();
    running.wait_for_command("iso", "-outdev");
    running.signal(Signal::SIGINT);
    let done = running.finish();
    done.assert_exit(130)
        .assert_says(&["error: the respin was cancelled"]);
    let last = done.events();
    assert_eq!(last.last().unwrap()["outcome"], "cancelled", "{done}");
    assert_nothing_made(&folders, "new.iso");

    let disk = folders.top().join("disk");
    fs::create_dir(&disk).unwrap();
    let small = respin(&folders, image, "disk/new.iso")
        .args(["--cmdline", "a"])
        .on_a_disk(&disk, "20m")
        .run();
    small.assert_exit(3).assert_one_error();
    small.assert_says(&[
        "no space is left on the disk",
        "MiB are needed",
        "hint: free some space",
    ]);
    // One that others fill after it was looked at.
    let filling = "case \"$*\" in *-outdev*) \
        dd if=/dev/zero of=\"$FBS_DISK/full\" bs=1M 2>/dev/null; esac; exec {real} \"$@\"";
    let folder = folders.top().join("filling");
    fs::create_dir(&folder).unwrap();
    let stubs = Stubs::new(&folder).script("xorriso", filling);
    let room = image.metadata().unwrap().len() / (1024 * 1024) + 40;
    let look = "\"$@\"; code=$?; rm -f \"$FBS_DISK/full\"; ls -A \"$FBS_DISK\"; exit $code";
    let filled = respin(&folders, image, "disk/new.iso")
        .args(["--cmdline", "a"])
        .env("PATH", stubs.path())
        .env("FBS_DISK", &disk)
        .inside(Program::new("sh").args(["-c", look, "sh"]))
        .on_a_disk(&disk, &format!("{room}m"))
        .run();
    filled.assert_exit(3).assert_one_error();
    filled.assert_says(&["no space is left on the disk", "hint: free some space"]);
    // Nothing but events was printed: the folder is empty.
    assert!(
        filled.stdout.iter().all(|line| line.starts_with('{')),
        "{filled}"
    );
    folders.assert_no_process();
}

/// As lorax writes it, shortened.
const LORAX_MENU: &str = "\
search --no-floppy --set=root -l 'Fedora 43 S'
menuentry 'Install Fedora 43 S' --class fedora {
\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=Fedora\\x2043\\x20S quiet
\tinitrd /images/pxeboot/initrd.img
}
";

/// An image with lorax's layout, too small to boot: menus in the image and in the UEFI partition
/// behind it, and loaders that know no label.
fn image_of_lorax(folders: &Folders) -> PathBuf {
    let tree = folders.top().join("lorax");
    for folder in ["EFI/BOOT", "boot/grub2", "images/pxeboot"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    for (path, text) in [
        ("EFI/BOOT/grub.cfg", LORAX_MENU),
        ("boot/grub2/grub.cfg", LORAX_MENU),
        ("EFI/BOOT/BOOTX64.EFI", "MZ"),
        ("images/pxeboot/vmlinuz", "kernel"),
        ("images/pxeboot/initrd.img", "initramfs"),
        (".discinfo", "1\nFedora 43\nx86_64\n"),
        (".treeinfo", "[checksums]\nnotes.txt = sha256:0\n"),
        ("notes.txt", "old"),
    ] {
        fs::write(tree.join(path), text).unwrap();
    }
    fs::write(tree.join("images/eltorito.img"), [7; 4096]).unwrap();
    let (esp, iso) = (
        folders.top().join("esp.img"),
        folders.top().join("lorax.iso"),
    );
    let made = [
        Program::new("mkfs.vfat").arg("-C").arg(&esp).arg("1024"),
        Program::new("mmd")
            .arg("-i")
            .arg(&esp)
            .args(["::EFI", "::EFI/BOOT"]),
        Program::new("mcopy")
            .arg("-i")
            .arg(&esp)
            .arg(tree.join("EFI/BOOT/grub.cfg"))
            .arg("::EFI/BOOT/"),
        Program::new("xorriso")
            .args([
                "-as",
                "mkisofs",
                "-R",
                "-J",
                "-V",
                "Fedora 43 S",
                "--grub2-mbr",
            ])
            .arg("/usr/lib/grub/i386-pc/boot_hybrid.img")
            .args([
                "-partition_offset",
                "16",
                "-appended_part_as_gpt",
                "-append_partition",
                "2",
            ])
            .arg("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
            .arg(&esp)
            .args([
                "-b",
                "images/eltorito.img",
                "-no-emul-boot",
                "-boot-load-size",
                "4",
            ])
            .args([
                "-boot-info-table",
                "--grub2-boot-info",
                "-eltorito-alt-boot",
                "-e",
            ])
            .args([
                "--interval:appended_partition_2:all::",
                "-no-emul-boot",
                "-o",
            ])
            .arg(&iso)
            .arg(&tree),
    ];
    for program in made {
        program.run().assert_exit(0);
    }
    iso
}

#[test]
fn menus_in_the_uefi_partition_of_lorax_are_changed_too() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let lorax = image_of_lorax(&folders);
    let notes = folders.file("notes.txt", "new");
    let kickstart = folders.file("a.ks", "text\n");
    let done = respin(&folders, &lorax, "new.iso")
        .args([
            "--volid",
            "QA-43",
            "--remove-args",
            "quiet",
            "--cmdline",
            "inst.text",
            "--add",
        ])
        .arg(&notes)
        .arg("--kickstart")
        .arg(kickstart)
        .run();
    done.assert_exit(0)
        .assert_says(&["warning: /notes.txt of the image is replaced"]);
    assert!(!done.stderr.contains("inst.stage2"), "{done}");
    let new = folders.top().join("new.iso");
    assert_intact(&folders, &new, "QA-43");
    let area = Program::new("xorriso").args(["-no_rc", "-indev"]).arg(&new);
    let area = area.args(["-report_system_area", "plain"]).run();
    let partition = area.stdout.iter().find_map(|line| {
        let fields: Vec<&str> = line
            .strip_prefix("GPT start and size :")?
            .split_whitespace()
            .collect();
        (fields[0] == "2").then(|| fields[1].parse::<u64>().unwrap())
    });
    let place = format!("{}@@{}", new.display(), partition.unwrap() * 512);
    let in_esp = Program::new("mtype")
        .args(["-i", &place, "::EFI/BOOT/grub.cfg"])
        .run();
    let in_esp = in_esp.assert_exit(0).stdout.join("\n") + "\n";
    let expected = LORAX_MENU
        .replace("-l 'Fedora 43 S'", "-l 'QA-43'")
        .replace(
            "LABEL=Fedora\\x2043\\x20S quiet",
            "LABEL=QA-43 inst.text inst.ks=hd:LABEL=QA-43:/ks.cfg",
        );
    assert_eq!(in_esp, expected);
    for menu in ["/EFI/BOOT/grub.cfg", "/boot/grub2/grub.cfg"] {
        assert_eq!(text_of(&folders, &new, menu), expected);
    }
    let treeinfo = text_of(&folders, &new, "/.treeinfo");
    assert!(
        treeinfo.contains(&format!("notes.txt = sha256:{}", sha256(&notes))),
        "{treeinfo}"
    );
}
