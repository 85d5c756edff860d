//! Live images of the mini release: what their kickstarts ask for is in them, and whatever a
//! kickstart has in it, the host is not touched.

use std::fs;
use std::path::{Path, PathBuf};

use fbs_suite::command::Program;
use fbs_suite::need::Need;
use fbs_suite::{Delivery, Folders, binaries, need, release, turn};

const SPEC: &str = "[DEFAULT]\ntype = live\nrelease = 99\n[live]\nconfig = live.ks\n";

/// `fbs build` of a kickstart with the mini release's packages.
fn build(folders: &Folders, kickstart: &str) -> Program {
    folders.file("live.ks", kickstart);
    let spec = folders.file("live.conf", SPEC);
    folders
        .fbs("build")
        .arg(spec)
        .arg("--staging")
        .arg(folders.staging())
        .set("tmpdir", folders.work())
        .set("99_url", release::packages())
        .set("backend", "native")
}

/// A file of the ISO.
fn on_the_iso(folders: &Folders, delivery: &Delivery, name: &str) -> PathBuf {
    let to = folders.top().join(name.replace('/', "-"));
    let extract = Program::new("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(delivery.iso().unwrap())
        .args(["-extract", &format!("/{name}")])
        .arg(&to);
    extract.run().assert_exit(0);
    to
}

/// The files of the image's root.
fn unpacked(folders: &Folders, delivery: &Delivery) -> PathBuf {
    let packed = on_the_iso(folders, delivery, "LiveOS/squashfs.img");
    let root = folders.top().join("unpacked");
    let unpack = Program::new("unsquashfs")
        .args(["-quiet", "-no-progress", "-d"])
        .arg(&root)
        .arg(packed);
    unpack.run().assert_exit(0);
    root
}

fn read(root: &Path, name: &str) -> String {
    fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_example_boots_from_a_root_of_erofs_and_its_script_greets() {
    if !need::met(&[need::BUILD, need::BOOT, &[Need::Tool("mkfs.erofs")]]) {
        return;
    }
    let _turn = turn::take();
    release::mini();
    let folders = Folders::warm();
    let built = folders
        .fbs("build")
        .arg(binaries::workspace().join("examples/live.conf"))
        .arg("--staging")
        .arg(folders.staging())
        .set("tmpdir", folders.work())
        .set("backend", "native")
        // The other images that are booted have squashfs.
        .set("rootfs", "erofs")
        // A DVD boots by UEFI, and a boot ISO by both: their loaders are made by the same code.
        .args(["--boot-test", "bios"])
        .run();
    built.assert_exit(0);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    let console = fs::read(delivery.folder.join("boot-bios.serial.log")).unwrap();
    let console = String::from_utf8_lossy(&console);
    assert!(console.contains("Hello from the kickstart"), "{console}");
    assert!(console.contains("mini-live login:"), "{console}");
    let root = &delivery.report["image"]["root_image"];
    assert_eq!(root["format"], "erofs");
    assert_eq!(root["compression"], "lz4");
    assert!(delivery.packages().len() > 100);
    let scripts = delivery.report["kickstart"]["scripts"].as_array().unwrap();
    let ended: Vec<_> = scripts
        .iter()
        .map(|script| (script["script"].as_str(), script["outcome"].as_str()))
        .collect();
    assert_eq!(
        ended,
        [
            (Some("%post"), Some("succeeded")),
            (Some("%post --nochroot"), Some("succeeded"))
        ]
    );
    let menu = fs::read_to_string(on_the_iso(&folders, &delivery, "boot/grub2/grub.cfg")).unwrap();
    for words in [
        "menuentry 'Start Fedora Mini Live'",
        "root=live:CDLABEL=Fedora-Live-Mini ",
        " quiet",
        "set timeout=1\n",
        "submenu 'Troubleshooting Fedora'",
    ] {
        assert!(menu.contains(words), "{words}\n{menu}");
    }
    let release = fs::read_to_string(on_the_iso(&folders, &delivery, "os-release")).unwrap();
    assert!(release.contains("Mini Release"), "{release}");
    folders.assert_nothing_left();
}

#[test]
fn what_the_kickstart_asks_for_is_in_the_image_or_told() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    folders.file(
        "packages.ks",
        "%packages --excludedocs\n@standard --nodefaults\n-nano\n%end\n",
    );
    let kickstart = format!(
        "repo --name=mini --baseurl={}\nrepo --name=updates2 --baseurl={} --excludepkgs=nothing\n\
         lang de_DE.UTF-8\nkeyboard de\nnetwork --hostname=pole --bootproto=dhcp\n\
         rootpw --iscrypted $6$saltsalt$hashhash\n\
         group --name=pilots --gid=4711\n\
         user --name=anna --groups=pilots --uid=1234 --password=S3cretWord --plaintext\n\
         sshkey --username=anna \"ssh-ed25519 AAAAC3 anna@example\"\n\
         services --enabled=nosuch.service\nselinux --disabled\nfirewall --disabled\n\
         skipx\nclearpart --all\nreboot\npart / --size=3000 --fstype=ext4\n\
         %include packages.ks\n\
         %post --log=/root/one.log\necho 'one: '; id -u; ls /; touch /etc/one; ls /sbin/init\n%end\n\
         %post --nochroot --log=/two.log\necho two; touch $INSTALL_ROOT/etc/two\n\
         touch /etc/fbs-was-here || true\n%end\n",
        release::packages(),
        release::updates(),
    );
    let built = build(&folders, &kickstart).run();
    built.assert_exit(0);
    built.assert_says(&[
        "live.ks:10: not applied: services: it is not switched",
        "live.ks:14: not applied: clearpart: no disk is partitioned",
        "live.ks:15: not applied: reboot: it is for the installer",
        "live.ks:16: not applied: part / --fstype",
        "live.ks:5: not applied: network:",
    ]);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    let not_applied = delivery.report["kickstart"]["not_applied"]
        .as_array()
        .unwrap();
    assert_eq!(not_applied.len(), 5, "{not_applied:?}");
    let root = unpacked(&folders, &delivery);
    for (name, words) in [
        ("etc/locale.conf", "LANG=\"de_DE.UTF-8\""),
        ("etc/vconsole.conf", "KEYMAP=\"de\""),
        ("etc/hostname", "pole\n"),
        ("etc/passwd", "anna:x:1234:1234:"),
        ("etc/group", "pilots:x:4711:anna"),
        ("etc/shadow", "root:$6$saltsalt$hashhash:"),
        ("etc/shadow", "anna:$6$"),
        (
            "home/anna/.ssh/authorized_keys",
            "ssh-ed25519 AAAAC3 anna@example\n",
        ),
        ("root/one.log", "one: \n0\n"),
    ] {
        assert!(
            read(&root, name).contains(words),
            "{name}: {}",
            read(&root, name)
        );
    }
    assert!(root.join("etc/one").exists() && root.join("etc/two").exists());
    let default = fs::read_link(root.join("etc/systemd/system/default.target")).unwrap();
    assert_eq!(
        default,
        Path::new("/usr/lib/systemd/system/multi-user.target")
    );
    // The second script could not touch the host; its log is beside the image.
    assert!(!Path::new("/etc/fbs-was-here").exists());
    let log = fs::read_to_string(delivery.folder.join("post-2.log")).unwrap();
    assert!(
        log.contains("two\n") && log.contains("Read-only file system"),
        "{log}"
    );
    // The group's packages were looked up; the newer package of the second repository won.
    let packages = delivery.packages();
    let has = |start: &str| packages.iter().any(|package| package.starts_with(start));
    assert!(
        has("gawk-") && has("fbs-hello-1.1-") && !has("nano-"),
        "{packages:?}"
    );
    let report = delivery.report.to_string();
    assert!(!report.contains("S3cretWord") && !delivery.log.contains("S3cretWord"));
    folders.assert_nothing_left();
}

#[test]
fn a_script_that_goes_wrong_is_named_and_the_host_is_not_touched() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    for (script, exit, words) in [
        (
            "%post --erroronfail\necho before\n/no/such/program\nexit 7\n%end\n".to_owned(),
            1,
            &["the %post script of", "live.ks:1 failed with exit status 7 at", "live.ks:3"][..],
        ),
        (
            "%post --interpreter=/usr/bin/nosuch --erroronfail\nx\n%end\n".to_owned(),
            1,
            &["live.ks:1 failed", "/usr/bin/nosuch"],
        ),
        (
            "lang C\n%post\nwhile :; do :; done\n%end\n".to_owned(),
            1,
            &["live.ks:2 was ended: it ran for more than 2 s", "post_timeout"],
        ),
        (
            "%post\nrm -rf --no-preserve-root / 2>/dev/null\n%end\n".to_owned(),
            1,
            &["live.ks:1 removed the installed system"],
        ),
        (
            // It starts in the folder of the spec.
            "%post --nochroot\nset -e\ntest -e precious\nset +e\nrm -f precious\n\
             echo 1 >/proc/sys/vm/panic_on_oom\nmount -o remount,rw / ; mount -t tmpfs none /mnt\n\
             mknod $INSTALL_ROOT/disk b 254 0\ntest -e precious || exit 9\n\
             rm -rf $INSTALL_ROOT/*\n%end\n"
                .to_owned(),
            1,
            &["%post --nochroot", "live.ks:1 removed the installed system"],
        ),
        (
            "%post --nochroot\nmkdir -p $LIVE_ROOT/images\nln -s /etc $LIVE_ROOT/images/pxeboot\n%end\n"
                .to_owned(),
            1,
            &["live.ks:1 left images/pxeboot/vmlinuz in $LIVE_ROOT"],
        ),
        (
            "part / --size=10\n".to_owned(),
            1,
            &["live.ks:1: part / has 10 MiB, and the root takes", "part / --size"],
        ),
        (
            "user --name=-x\n".to_owned(),
            1,
            &["live.ks:1: user:"],
        ),
    ] {
        let folders = Folders::warm();
        let kickstart = format!("{script}%packages\n@core\n%end\n");
        let precious = folders.file("precious", "precious");
        let limit = if script.contains("while") { "2" } else { "60" };
        let built = build(&folders, &kickstart)
            .set("post_timeout", limit)
            .run();
        built.assert_exit(exit).assert_one_error().assert_says(words);
        let delivery = folders.delivery();
        delivery.assert_outcome("failed");
        assert_eq!(delivery.iso(), None);
        assert_eq!(fs::read_to_string(precious).unwrap(), "precious");
        folders.assert_nothing_left();
    }
    assert_eq!(
        fs::read_to_string("/proc/sys/vm/panic_on_oom").unwrap(),
        "0\n"
    );
}

#[test]
fn a_script_that_may_fail_and_one_that_leaves_a_daemon_end_well() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    let logfile = folders.top().join("live.log");
    let built = build(
        &folders,
        "%packages\n@core\n%end\n%post\nexit 3\n%end\n\
         %post\nsetsid sleep 1000 >/dev/null 2>&1 &\necho $! started\n%end\n",
    )
    .set("logfile", &logfile)
    .run();
    built.assert_exit(0);
    built.assert_says(&[
        "warning: the %post script of",
        "live.ks:4 failed with exit status 3",
    ]);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    let scripts = &delivery.report["kickstart"]["scripts"];
    assert_eq!(scripts[0]["outcome"], "failed");
    assert_eq!(scripts[0]["exit"]["code"], 3);
    assert_eq!(scripts[1]["outcome"], "succeeded");
    let log = fs::read_to_string(logfile).unwrap();
    assert!(log.contains("failed with exit status 3"), "{log}");
    folders.assert_nothing_left();
}

#[test]
fn a_script_that_fills_the_disk_is_ended() {
    if !need::met(&[need::BUILD, &[Need::Tool("unshare")]]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    let built = build(
        &folders,
        "%packages\n@core\n%end\n%post\nwhile :; do cat /usr/bin/* >>/full; done\n%end\n",
    )
    .on_a_disk(&folders.work(), "1400m")
    .run();
    built.assert_exit(3).assert_one_error().assert_says(&[
        "the %post script of",
        "live.ks:4 was ended: it left no space",
        "tmpdir",
    ]);
    folders.delivery().assert_outcome("failed");
    folders.assert_nothing_left();
}

#[test]
fn a_kickstart_that_cannot_be_used() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::warm();
    let huge = folders.file("huge.ks", "");
    fs::File::options()
        .write(true)
        .open(&huge)
        .unwrap()
        .set_len(200 << 20)
        .unwrap();
    folders.file(
        "page.ks",
        "<!DOCTYPE html>\n<html><body>404</body></html>\n",
    );
    folders.file("open.ks", "lang C\n%packages\n@core\n");
    folders.file("loop.ks", "%include loop.ks\n");
    for (name, words) in [
        ("nosuch.ks", &["nosuch.ks"][..]),
        ("page.ks", &["page.ks", "web page"]),
        ("huge.ks", &["huge.ks"]),
        ("open.ks", &["open.ks:2", "%packages", "%end"]),
        ("loop.ks", &["loop.ks:1"]),
    ] {
        let done = build(&folders, "")
            .set("config", folders.top().join(name))
            .run();
        done.assert_exit(2).assert_one_error().assert_says(words);
        folders.assert_no_delivery();
        folders.assert_nothing_left();
    }
    // What no repository has is all named at once, before anything is installed.
    let _turn = turn::take();
    let unknown = build(
        &folders,
        "%packages\n@core\n@nosuch-group\nnosuch-one\nnosuch-two\n%end\n",
    )
    .run();
    unknown.assert_exit(1).assert_one_error().assert_says(&[
        "@nosuch-group",
        "nosuch-one",
        "nosuch-two",
    ]);
    let delivery = folders.delivery();
    let stages = delivery.report["stages"].as_array().unwrap();
    assert!(
        stages.iter().all(|stage| stage["stage"] != "root"),
        "{stages:?}"
    );
    folders.assert_nothing_left();
}
