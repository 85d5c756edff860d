//! Builds with stubs for the host's tools: tools that work, fail, hang, lie and flood.

use std::fs;
use std::path::{Path, PathBuf};

use fbs_suite::delivery::Delivery;
use fbs_suite::folders::entries;
use fbs_suite::need::Need;
use fbs_suite::tools::Stubs;
use fbs_suite::{Finished, Folders, Program, fake, need, turn};

const XORRISO: &[Need] = &[
    Need::Root,
    Need::Tool("xorriso"),
    Need::Tool("mksquashfs"),
    Need::Tool("unsquashfs"),
    Need::Tool("rpm"),
];

/// Writes down its arguments, and finds the folders that it was given.
const LORAX: &str = r#"
top=$(dirname "$(dirname "$0")")
printf '%s\n' "$@" >"$top/argv"
while [ $# -gt 1 ]; do
    [ "$1" = --logfile ] && log=$2
    shift
done
out=$1
echo 'lorax: checking for root privileges' | tee "$log"
"#;

/// Leaves a tree as lorax does, with an ISO of next to nothing: its root has a list of packages.
const TREE: &str = r#"
mkdir -p "$out/images/pxeboot" "$out/../installer/root"
[ -n "$NO_LIST" ] || echo bash-5.2-1.x86_64 >"$out/../installer/root/lorax-packages.log"
mksquashfs "$out/../installer" "$out/images/install.img" -quiet -no-progress
echo kernel >"$out/images/pxeboot/vmlinuz"
echo initramfs >"$out/images/pxeboot/initrd.img"
printf '1700000000.0\nFedora 99\nx86_64\n' >"$out/.discinfo"
printf '[general]\nfamily = Fedora\n' >"$out/.treeinfo"
xorriso -as mkisofs -quiet -R -V "$VOLUME" -o "$out/../boot.iso" -graft-points \
    images="$out/images" 2>&1
mv "$out/../boot.iso" "$out/images/boot.iso"
"#;

fn lorax(folders: &Folders, script: &str) -> Program {
    let stubs = Stubs::new(folders.top()).script("lorax", &format!("{LORAX}{script}"));
    folders
        .fbs_spec("build", &folders.spec())
        .set("backend", "lorax")
        .set("99_url", repository(folders))
        .env("PATH", stubs.path())
        .env("VOLUME", "Fedora-99-x86_64")
}

/// A repository that answers, which is all that is asked of it here.
fn repository(folders: &Folders) -> String {
    let repodata = folders.top().join("os/repodata");
    fs::create_dir_all(&repodata).unwrap();
    fs::write(repodata.join("repomd.xml"), "<repomd/>").unwrap();
    format!("file://{}", folders.top().join("os").display())
}

/// A build that failed with `exit`: it said so, and handed over its log and report.
fn failed(folders: &Folders, done: &Finished, exit: i32, words: &[&str]) -> Delivery {
    done.assert_exit(exit).assert_one_error().assert_says(words);
    let delivery = folders.delivery();
    delivery.assert_outcome("failed").assert_says(&words[..1]);
    delivery.assert_files();
    assert_eq!(delivery.iso(), None);
    assert!(!folders.outdir().exists());
    folders.assert_nothing_left();
    delivery
}

#[test]
fn lorax_is_given_what_the_spec_says() {
    if !need::met(&[XORRISO]) {
        return;
    }
    let folders = Folders::new();
    let done = lorax(&folders, TREE)
        .set("product", "Test Fedora")
        .set("version", "99.1")
        .set("packages", "vim;-nano")
        .set("proxy", "http://me:secret@127.0.0.1:3128")
        .set("compression", "zstd:15")
        .arg("--outdir")
        .arg(folders.outdir())
        .arg("--json")
        .run();
    done.assert_exit(0);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    let work = folders
        .work()
        .join(delivery.report["job"].as_str().unwrap());
    let below = |name: &str| work.join(name).display().to_string();
    let argv = fs::read_to_string(folders.top().join("argv")).unwrap();
    let argv: Vec<&str> = argv.lines().collect();
    let repository = repository(&folders);
    assert_eq!(
        argv,
        [
            "-p",
            "Test Fedora",
            "-v",
            "99.1",
            "-r",
            "99",
            "-s",
            &repository,
            "--proxy",
            "http://me:secret@127.0.0.1:3128",
            "-i",
            "vim",
            "-e",
            "nano",
            "-c",
            &below("lorax.conf"),
            "--buildarch=x86_64",
            "--rootfs-type=squashfs",
            "--rootfs-size",
            "3",
            "--volid",
            "Test-Fedora-99.1-x86_64",
            "--nomacboot",
            "--logfile",
            &below("logs/lorax.log"),
            "--tmp",
            &below("tmp"),
            &below("tree"),
        ]
    );
    // The proxy's password is for lorax alone.
    let said = [&done.stdout.join("\n"), &done.stderr, &delivery.log];
    let said = format!("{said:?}{}", delivery.report);
    assert!(said.contains("http://me:***@127.0.0.1:3128"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    // Its tree is where it was wanted, its log and its image with ours.
    assert!(folders.outdir().join("images/boot.iso").is_file());
    assert!(delivery.names().contains(&"lorax.log".to_owned()));
    assert!(delivery.iso().is_some());
    assert_eq!(delivery.report["backend"]["name"], "lorax");
    folders.assert_nothing_left();
}

#[test]
fn lorax_fails_in_its_own_words() {
    if !need::met(&[XORRISO]) {
        return;
    }
    for (script, exit, words) in [
        (
            "echo 'no match for: anaconda-core'; exit 1",
            1,
            &["no repository has anaconda-core"][..],
        ),
        (
            "echo 'Error fetching metadata for lorax-repo-0: Curl error' >&2; exit 1",
            4,
            &["a download failed: Error fetching metadata for lorax-repo-0"],
        ),
        (
            "echo 'RuntimeError: ran out of luck' >&2; exit 1",
            1,
            &["RuntimeError: ran out of luck", "`lorax ", "exit status 1"],
        ),
        ("kill -9 $$", 1, &["signal 9 (SIGKILL)", "`lorax "]),
    ] {
        let folders = Folders::new();
        let done = lorax(&folders, script).run();
        let delivery = failed(&folders, &done, exit, words);
        // What it logged before is what is needed most.
        assert!(delivery.names().contains(&"lorax.log".to_owned()));
    }
}

#[test]
fn lorax_says_that_it_is_done_and_is_not() {
    if !need::met(&[XORRISO]) {
        return;
    }
    for (script, words) in [
        ("", &["images/boot.iso was to be made and is not there"][..]),
        (
            "mkdir -p $out/images; : >$out/images/boot.iso",
            &["images/boot.iso was to be made"],
        ),
        (
            &format!("{TREE}rm $out/.treeinfo"),
            &[".treeinfo was to be made"],
        ),
        (
            &format!("NO_LIST=1{TREE}"),
            &["no packages are found in the image", "lorax-packages.log"],
        ),
        (
            &format!("{TREE}head -c 99999 /dev/urandom >$out/images/boot.iso"),
            &["is not an ISO image"],
        ),
    ] {
        let folders = Folders::new();
        let done = lorax(&folders, script).run();
        failed(&folders, &done, 1, words);
    }
}

#[test]
fn a_tool_that_hangs_meets_the_builds_time_limit() {
    if !need::met(&[XORRISO]) {
        return;
    }
    let folders = Folders::new();
    // Deaf to the polite signal too, and so is its helper.
    let script = "trap '' TERM; (trap '' TERM; sleep 600) & sleep 600";
    let done = lorax(&folders, script).set("timeout", "2s").run();
    done.assert_within(30.0);
    failed(
        &folders,
        &done,
        1,
        &[
            "the build was ended after its time limit of 2 s",
            "`timeout`",
        ],
    );
}

#[test]
fn a_tool_that_floods_is_kept_up_with() {
    if !need::met(&[XORRISO]) {
        return;
    }
    let folders = Folders::new();
    let flood = "seq 500000; seq 500000 >&2; head -c 1000000 /dev/zero | tr '\\0' x";
    let done = lorax(&folders, &format!("{flood}{TREE}")).run();
    done.assert_exit(0).assert_within(120.0);
    let delivery = folders.delivery();
    let last = delivery
        .log
        .lines()
        .filter(|line| line.ends_with("  500000"));
    assert_eq!(last.count(), 2);
    let own = delivery.report["memory"]["own_kib"].as_u64().unwrap();
    assert!(own < 300 * 1024, "{own} KiB");
    folders.assert_nothing_left();
}

/// A native build whose root is a fake, and one of whose tools is a stub.
fn native(folders: &Folders, tool: &str, script: &str) -> Program {
    let stubs = fake::root(Stubs::new(folders.top()));
    let stubs = match tool {
        "" => stubs,
        _ => stubs.script(tool, script),
    };
    folders
        .build_from(&repository(folders))
        .env("PATH", stubs.path())
}

#[test]
fn the_fake_root_itself_builds() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    native(&folders, "", "").run().assert_exit(0);
    folders
        .delivery()
        .assert_outcome("succeeded")
        .assert_files();
    folders.assert_nothing_left();
}

#[test]
fn each_native_tool_that_lies_is_found_out() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    // Says that it has the live module, and has made nothing.
    let no_initramfs = "case \"$*\" in *'-- dracut '*) \
        echo 'dracut: *** Including module: dmsquash-live ***'; exit;; esac\n";
    let gzip = "case \"$*\" in *'-- dracut '*) \
        echo 'dracut: *** Including module: dmsquash-live ***'\n\
        for shared; do case $shared in */parts) printf '\\037\\213gzip' >$shared/initrd.img;; esac; done; \
        exit;; esac\n";
    let no_module = "case \"$*\" in *'-- dracut '*) exit;; esac\n";
    let broken = "case \"$*\" in *'-- dracut '*) \
        echo 'dracut: *** Including module: dmsquash-live ***'\n\
        echo 'dracut-install: ERROR: installing /usr/bin/x'; exit;; esac\n";
    let no_kernel = "case \"$*\" in *' -- dnf '*) for arg; do case $arg in --installroot=*) \
        mkdir -p ${arg#*=}/usr/lib/sysimage/rpm;; esac; done; exit;; esac\n";
    for (tool, script, words) in [
        (
            "bwrap",
            "exit 0",
            &["usr/lib/sysimage/rpm was to be made"][..],
        ),
        ("bwrap", no_kernel, &["bring no kernel", "add `kernel`"]),
        ("bwrap", no_initramfs, &["initrd.img was to be made"]),
        ("bwrap", no_module, &["left its module dmsquash-live out"]),
        ("bwrap", gzip, &["did not compress with zstd"]),
        (
            "bwrap",
            broken,
            &["could not put everything in", "/usr/bin/x"],
        ),
        ("grub-mkimage", "exit 0", &["eltorito.img was to be made"]),
        ("mkfs.vfat", "exit 0", &["efiboot.img"]),
        (
            "mcopy",
            "exit 0",
            &["efiboot.img/EFI/BOOT/BOOTX64.EFI was to be made"],
        ),
        (
            "mcopy",
            "case $3 in /*.EFI) cut=$(dirname \"$3\")/cut; head -c 9999 \"$3\" >\"$cut\"; \
                exec {real} -i \"$2\" \"$cut\" \"$4\";; esac\nexec {real} \"$@\"",
            &["efiboot.img/EFI/BOOT/BOOTX64.EFI was to be made"],
        ),
        ("xorriso", "exit 0", &["no volume descriptor came"]),
    ] {
        let folders = Folders::new();
        let stubs = fake::root(Stubs::new(folders.top()));
        let stubs = match (tool, script) {
            ("bwrap", lie) => stubs.script("bwrap", &format!("{lie}\n{}", fake::bwrap())),
            _ => stubs.script(tool, script),
        };
        let done = folders
            .build_from(&repository(&folders))
            .env("PATH", stubs.path())
            .arg("--outdir")
            .arg(folders.outdir())
            .run();
        eprintln!("{tool}: {script}\n{}", done.stderr);
        failed(&folders, &done, 1, words);
    }
}

#[test]
fn a_tool_that_fails_is_named_with_its_words() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    for tool in ["grub-mkimage", "mkfs.vfat", "mmd", "xorriso"] {
        let folders = Folders::new();
        let script = format!("echo '{tool} is out of order' >&2; exit 7");
        let done = native(&folders, tool, &script).run();
        let words = [
            &format!("{tool} is out of order"),
            "exit status 7",
            &format!("`{tool} "),
        ];
        failed(&folders, &done, 1, &words);
    }
}

/// Ends a build on a disk of its own, and copies what is on the disk to `seen` for the test.
const LOOK: &str = r#"
folder=$0
"$@"
code=$?
cp -a "$folder" "$(dirname "$folder")/seen"
exit $code
"#;

/// A build that has `folder` on a disk of so many KiB.
fn on_a_small_disk(folders: &Folders, folder: &Path, kib: u32, build: Program) -> Finished {
    let look = Program::new("sh").args(["-c", LOOK]).arg(folder);
    let done = build
        .inside(look)
        .on_a_disk(folder, &format!("{kib}k"))
        .run();
    done.assert_exit(3)
        .assert_one_error()
        .assert_says(&["No space left on device", "hint: free some space"]);
    folders.assert_no_process();
    done
}

#[test]
fn a_staging_disk_that_is_full() {
    if !need::met(&[need::BUILD, &[Need::Tool("unshare")]]) {
        return;
    }
    // Somebody else fills it while the image is made, to the last byte or nearly so.
    for fill in ["cat /dev/zero", "head -c 66M /dev/zero"] {
        let folders = Folders::new();
        let full = folders.staging().join("other");
        let script = format!(
            "{fill} >{} 2>/dev/null\nexec {{real}} \"$@\"\n",
            full.display()
        );
        let build = native(&folders, "mcopy", &script);
        let done = on_a_small_disk(&folders, &folders.staging(), 70 * 1024, build);
        done.assert_says(&["what was made is in", "\nkept "]);
        // Nothing is lost: image, log and report are kept, and nothing else.
        let job = entries(&folders.work()).remove(0);
        let kept = job.join("outbox");
        assert_eq!(entries(&job), std::slice::from_ref(&kept));
        let files = entries(&kept);
        let image = files
            .iter()
            .find(|file| file.extension().is_some_and(|end| end == "iso"));
        assert!(image.unwrap().metadata().unwrap().len() > 5_000_000);
        let report = fs::read_to_string(kept.join("build-report.json")).unwrap();
        assert!(report.contains("No space left on device"), "{report}");
        let seen = entries(&folders.top().join("seen"));
        assert_eq!(entries(&seen[0]), [] as [PathBuf; 0]);
    }
}

#[test]
fn a_staging_disk_that_is_too_small_from_the_start() {
    if !need::met(&[need::BUILD, &[Need::Tool("unshare")]]) {
        return;
    }
    let folders = Folders::new();
    let build = native(&folders, "", "").on_a_disk(&folders.staging(), "40m");
    let done = build.run();
    done.assert_exit(3).assert_one_error();
    done.assert_says(&["40 MiB free, too few", "`staging`"]);
    folders.assert_nothing_left();
}

/// The image is whole, its log is not: that is said, there and in the report.
#[test]
fn a_work_disk_that_is_full_for_a_while_cuts_the_log_and_that_is_said() {
    if !need::met(&[need::BUILD, &[Need::Tool("unshare")]]) {
        return;
    }
    let folders = Folders::new();
    let full = folders.work().join("other");
    let full = full.display();
    let script = format!(
        "cat /dev/zero >{full} 2>/dev/null\nseq -f 'line %g' 20000 >&2\nsleep 2\nrm {full}\n\
         exec {{real}} \"$@\"\n",
    );
    let build = native(&folders, "mkfs.vfat", &script);
    let done = build.on_a_disk(&folders.work(), "1100m").run();
    done.assert_exit(0);
    let said = "the log is not whole, lines of it could not be written: No space left on device";
    done.assert_says(&[&format!("warning: {said}")]);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    let error = delivery.report["log_error"].as_str().unwrap();
    assert!(error.contains("No space left on device"), "{error}");
    assert!(delivery.log.contains(said), "{}", delivery.log);
    assert!(!delivery.log.contains("line 19999"));
}

#[test]
fn a_disk_that_is_too_full_for_the_tree() {
    if !need::met(&[need::BUILD, &[Need::Tool("unshare")]]) {
        return;
    }
    let folders = Folders::new();
    let disk = folders.top().join("disk");
    fs::create_dir(&disk).unwrap();
    let build = native(&folders, "", "");
    let build = build.arg("--outdir").arg(disk.join("tree"));
    let done = on_a_small_disk(&folders, &disk, 4096, build);
    done.assert_says(&["outdir ", "disk/tree", "`outdir`"]);
    // Half a tree is none; the image itself has been delivered.
    assert_eq!(entries(&folders.top().join("seen")), [] as [PathBuf; 0]);
    let delivery = folders.delivery();
    delivery.assert_outcome("failed").assert_files();
    assert!(delivery.iso().is_some());
    folders.assert_nothing_left();
}

#[test]
fn the_tree_of_an_earlier_build_is_kept_when_a_later_one_fails() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let outdir: PathBuf = folders.outdir();
    let stubs = fake::root(Stubs::new(folders.top()));
    let build = || {
        folders
            .build_from(&repository(&folders))
            .env("PATH", stubs.path())
            .arg("--outdir")
            .arg(&outdir)
    };
    build().run().assert_exit(0);
    let first = fs::read(outdir.join("images/boot.iso")).unwrap();
    fs::write(outdir.join("notes"), "of an earlier build").unwrap();

    let broken = build().set("boot_test", "none").set("timeout", "1s");
    let broken = broken.env("FBS_STUB_MIB", "2000").run();
    broken.assert_exit(1).assert_says(&["time limit of 1 s"]);
    assert!(fs::read(outdir.join("images/boot.iso")).unwrap() == first);

    build().run().assert_exit(0);
    assert!(fs::read(outdir.join("images/boot.iso")).unwrap() != first);
    assert!(!outdir.join("notes").exists());
    folders.assert_nothing_left();
}
