//! What each command of `fbs` says and how it ends.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fbs_suite::command::Program;
use fbs_suite::need::Need;
use fbs_suite::{Folders, binaries, need};

#[test]
fn help_says_how_it_ends() {
    let help = Program::new(binaries::fbs()).arg("--help").run();
    let help = help.assert_exit(0).stdout.join("\n");
    for line in ["Exit codes:", "  130  cancelled", "FBS_CACHE_DIR"] {
        assert!(help.contains(line), "{line}\n{help}");
    }
    Program::new(binaries::fbs())
        .run()
        .assert_exit(2)
        .assert_says(&["Usage: fbs"]);
    Program::new(binaries::fbs())
        .args(["build", "--no-such-option"])
        .run()
        .assert_exit(2)
        .assert_says(&["--no-such-option"]);
}

#[test]
fn a_new_spec_is_right_and_no_file_is_overwritten() {
    let folders = Folders::new();
    for kind in ["boot", "dvd", "live"] {
        for release in ["43", "rawhide"] {
            let path = folders.top().join(format!("{kind}-{release}.conf"));
            let new = |path| {
                folders
                    .fbs("new")
                    .args([kind, "--release", release])
                    .arg("--output")
                    .arg(path)
                    .run()
            };
            new(&path).assert_exit(0);
            folders.fbs("check").arg(&path).run().assert_exit(0);
            let printed = folders.fbs("new").args([kind, "--release", release]).run();
            let printed = printed.assert_exit(0).stdout.join("\n");
            assert_eq!(
                fs::read_to_string(&path).unwrap().trim_end(),
                printed.trim_end()
            );
        }
    }
    let mine = folders.file("mine.conf", "mine");
    folders
        .fbs("new")
        .args(["boot", "--output"])
        .arg(&mine)
        .run()
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["mine.conf: it exists", "--output"]);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    folders.fbs("new").arg("floppy").run().assert_exit(2);
}

#[test]
fn check_says_every_mistake() {
    let folders = Folders::new();
    let spec = folders.file(
        "bad.conf",
        "[DEFAULT]\ntype = boot\nrelease = soon\narch = vax\n[boot]\noutdirr = /srv/x\n",
    );
    let done = folders.fbs("check").arg(&spec).run();
    done.assert_exit(1).assert_one_error().assert_says(&[
        "3 mistakes",
        "bad.conf:3: [DEFAULT] release",
        "bad.conf:4: [DEFAULT] arch",
        "bad.conf:6: [boot] outdirr",
    ]);
    let done = folders.fbs("check").arg(&spec).arg("--json").run();
    let json = done.assert_exit(1).json();
    assert_eq!(json["valid"], false);
    assert_eq!(json["mistakes"].as_array().unwrap().len(), 3);
    // A spec that is not there was not checked.
    folders.fbs("check").arg("none.conf").run().assert_exit(2);
}

#[test]
fn plan_names_every_command_and_does_nothing() {
    let folders = Folders::new();
    let plan = folders.fbs_spec("plan", &folders.spec());
    let plan = plan.args(["--backend", "native"]).run();
    let text = plan.assert_exit(0).stdout.join("\n");
    let mut at = 0;
    for word in [
        " dnf -y ",
        "--downloadonly",
        "bwrap ",
        "-- dnf",
        "mkimage ",
        "mkfs.vfat ",
        "mmd ",
        "mcopy ",
        "dracut ",
        "--kver {kernel-version}",
        "packing the root:\n  (done without a program)",
        "xorriso ",
    ] {
        let next = text[at..].find(word);
        at += next.unwrap_or_else(|| panic!("{word} is missing after {}:\n{text}", &text[..at]));
    }
    // One for lorax too, although it is not installed.
    let plan = folders.fbs_spec("plan", &folders.spec());
    let plan = plan.args(["--backend", "lorax", "--json"]).run();
    let json = plan.assert_exit(0).json();
    assert_eq!(json["steps"][0]["commands"][0]["program"], "lorax");
    folders.assert_no_delivery();
    folders.assert_nothing_left();
}

#[test]
fn doctor_says_what_works() {
    let folders = Folders::new();
    let text = folders.fbs("doctor").run();
    let json = folders.fbs("doctor").arg("--json").run();
    assert_eq!(text.code, json.code);
    assert!(matches!(json.code, Some(0 | 3)), "{json}");
    let abilities = json.json()["abilities"].clone();
    for ability in abilities.as_array().unwrap() {
        let missing = ability["missing"].as_array().unwrap();
        assert_eq!(ability["works"], missing.is_empty(), "{ability}");
        let name = ability["name"].as_str().unwrap();
        assert!(text.stdout.join("\n").contains(name), "{text}");
        for tool in missing {
            let tool = tool["name"].as_str().unwrap();
            assert!(text.stdout.join("\n").contains(tool), "{tool}: {text}");
        }
    }
    // PATH may hold what is no text.
    let odd = folders.top().join(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).unwrap();
    symlink("/bin/true", odd.join("xorriso")).unwrap();
    let odd = folders.fbs("doctor").arg("--json").env("PATH", &odd).run();
    let found = odd.assert_exit(3).json()["host"]["found"]["xorriso"].clone();
    assert!(found.as_str().unwrap().ends_with("odd\u{fffd}/xorriso"));
    // Without any tool at hand it still says which.
    let bare = folders.fbs("doctor").env("PATH", "/nowhere").run();
    bare.assert_exit(3);
    assert!(
        bare.stdout
            .join("\n")
            .contains("unsquashfs to read the image back")
    );
}

#[test]
fn verify_says_what_is_wrong_with_a_file() {
    if !need::met(&[&[Need::Tool("xorriso")]]) {
        return;
    }
    let folders = Folders::new();
    let text = folders.file("text.iso", "no image at all");
    let zeros = folders.file("zeros.iso", vec![0; 1 << 20]);
    let whole = folders.top().join("whole.iso");
    Program::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-V", "TEST", "-o"])
        .arg(&whole)
        .arg(&zeros)
        .run()
        .assert_exit(0);
    let bytes = fs::read(&whole).unwrap();
    let cut = folders.file("cut.iso", &bytes[..bytes.len() / 2]);
    let verify = |path: &Path| folders.fbs("verify").arg(path).run();
    for (path, exit, words) in [
        (folders.top().join("none.iso"), 2, "No such file"),
        (folders.work(), 2, "is a folder"),
        (text, 2, "is not an ISO image"),
        (zeros.clone(), 2, "is not an ISO image"),
        (cut, 1, "is cut off"),
    ] {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let done = verify(&path);
        done.assert_exit(exit)
            .assert_one_error()
            .assert_says(&[words, &name]);
    }
    // An ISO without a system in it is an ISO.
    let done = folders.fbs("verify").arg(&whole).arg("--json").run();
    let json = done.assert_exit(0).json();
    assert_eq!(json["volume_id"], "TEST");
    assert_eq!(json["packages"]["status"], "unavailable");
    verify(&whole).assert_exit(0);
    folders.assert_nothing_left();
}

/// A disc with nothing to boot.
fn blank_disc(folders: &Folders) -> PathBuf {
    let file = folders.file("file", "nothing to boot");
    let iso = folders.top().join("blank.iso");
    Program::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-V", "BLANK", "-o"])
        .arg(&iso)
        .arg(&file)
        .run()
        .assert_exit(0);
    iso
}

#[test]
fn uefi_that_finds_no_loader_ends_the_wait() {
    if !need::met(&[need::BOOT, &[Need::Tool("xorriso")]]) {
        return;
    }
    let folders = Folders::new();
    let done = folders
        .fbs("boot-test")
        .arg(blank_disc(&folders))
        .args(["--firmware", "uefi", "--timeout", "180s", "--json"])
        .arg("--output")
        .arg(folders.staging())
        .run();
    done.assert_exit(1).assert_says(&["uefi: does not boot"]);
    let last = done.result();
    let verdict = &last["verdicts"][0];
    let kind = verdict["failure"]["kind"].as_str().unwrap();
    assert!(
        ["loader_prompt", "no_bootable_device"].contains(&kind),
        "{verdict:#}"
    );
    let screenshot = Path::new(verdict["screenshot"].as_str().unwrap());
    assert!(screenshot.ends_with("boot-uefi.png"));
    assert!(
        fs::read(screenshot)
            .unwrap()
            .starts_with(b"\x89PNG\r\n\x1a\n")
    );
    folders.assert_nothing_left();
}

#[test]
fn boot_test_of_a_disc_that_does_not_boot() {
    if !need::met(&[need::BOOT, &[Need::Tool("xorriso")]]) {
        return;
    }
    let folders = Folders::new();
    let iso = blank_disc(&folders);
    let boot = || {
        folders
            .fbs("boot-test")
            .arg(&iso)
            .args(["--firmware", "bios", "--timeout", "8s", "--output"])
            .arg(folders.staging())
    };
    let done = boot().arg("--json").run();
    done.assert_exit(1).assert_says(&["bios: does not boot"]);
    done.assert_within(60.0);
    let last = done.result();
    assert_eq!(last["verdicts"][0]["passed"], false);
    let serial = last["verdicts"][0]["serial_log"].as_str().unwrap();
    assert!(fs::metadata(serial).is_ok(), "{serial}");

    boot()
        .args(["--expect", "["])
        .run()
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["error: the expected line `[` is not a regular expression: unclosed"]);
    folders
        .fbs("boot-test")
        .arg(folders.top().join("none.iso"))
        .run()
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["none.iso"]);
    folders.assert_nothing_left();
}

#[test]
fn the_service_configuration_holds_where_nothing_else_is_said() {
    let folders = Folders::new();
    let config = folders.file(
        "fbs.toml",
        "[koji]\nhub = \"http://koji.test/kojihub\"\n[cache]\ndir = \"/srv/fbs-cache\"\n",
    );
    let spec = folders.file(
        "boot.conf",
        "[DEFAULT]\ntype = boot\nrelease = 99\nbid = 7\n",
    );
    let plan = |config: &Path| {
        Program::new(binaries::fbs())
            .args(["plan", "--json"])
            .arg(&spec)
            .args(["--set", "99_url=http://127.0.0.1:1/os"])
            .env("FBS_CONFIG", config)
    };
    let koji = |done: fbs_suite::Finished| {
        let plan = done.assert_exit(0).json();
        plan["side"]["koji"]["hub"].as_str().unwrap().to_owned()
    };
    let found = plan(&config).run();
    assert_eq!(found.json()["paths"]["cache"], "/srv/fbs-cache");
    assert_eq!(koji(found), "http://koji.test/kojihub");
    let environment = plan(&config).env("FBS_KOJI_HUB", "http://env.test/kojihub");
    assert_eq!(koji(environment.run()), "http://env.test/kojihub");
    let flag = plan(&config).args(["--koji-hub", "http://flag.test/kojihub"]);
    assert_eq!(koji(flag.run()), "http://flag.test/kojihub");

    let check = |config: &Path| {
        folders
            .fbs("check")
            .arg("--service")
            .env("FBS_CONFIG", config)
            .run()
    };
    check(&config)
        .assert_exit(0)
        .assert_says(&["http://koji.test/kojihub"]);
    let wrong = folders.file("wrong.toml", "[koji]\nhub = \"koji.test\"\n");
    let words = ["wrong.toml", "koji.test", "http"];
    check(&wrong)
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&words);
    plan(&wrong)
        .run()
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&words);
    let absent = folders.top().join("absent.toml");
    plan(&absent)
        .run()
        .assert_exit(2)
        .assert_says(&["absent.toml"]);
}

#[test]
fn folders_of_the_command_line_go_where_the_image_s_kind_has_them() {
    let folders = Folders::new();
    for (kind, tree) in [("boot", Some("/t")), ("dvd", None), ("live", None)] {
        let text = format!("[DEFAULT]\ntype = {kind}\nrelease = 43\n");
        let spec = folders.file("a.conf", text);
        let plan = Program::new(binaries::fbs())
            .args(["plan", "--json", "--workdir", "/w", "--outdir", "/t"])
            .arg(spec)
            .run();
        let plan = plan.assert_exit(0).json();
        assert_eq!(plan["paths"]["work_parent"], "/w", "{kind}");
        assert_eq!(plan["paths"]["tree"].as_str(), tree, "{kind}");
        if kind == "dvd" {
            assert_eq!(plan["image"]["dvd"]["destination"], "/t");
        }
    }
}

/// A line of bash that runs `fbs`, as `$0`.
fn bash(folders: &Folders, line: &str) -> fbs_suite::Finished {
    Program::new("bash")
        .args(["-c", line])
        .arg(binaries::fbs())
        .folder(folders.top())
        .run()
}

#[test]
fn a_reader_that_goes_stops_nothing() {
    if !need::met(&[&[Need::Tool("xorriso")]]) {
        return;
    }
    let folders = Folders::new();
    let added = folders.file("added.txt", "added");
    Program::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-V", "SMALL", "-o"])
        .arg(folders.top().join("small.iso"))
        .arg(&added)
        .run()
        .assert_exit(0);
    // Nobody reads: neither what is told on the way nor the result.
    for (new, nobody, code) in [
        ("piped.iso", "2>&1 | true", 0),
        ("closed.iso", "2>&- >&-", 0),
        ("full.iso", "2>/dev/full >/dev/full", 3),
    ] {
        let respin = format!("$0 respin small.iso --add added.txt --out {new}");
        bash(
            &folders,
            &format!("{respin} {nobody}; exit ${{PIPESTATUS[0]}}"),
        )
        .assert_exit(code);
        let made = folders.top().join(new);
        let verified = folders.fbs("verify").arg(made).run();
        let text = verified.assert_exit(0).stdout.join("\n");
        assert!(
            text.contains("added.txt") && text.contains(", matches"),
            "{text}"
        );
    }
}

#[test]
fn a_result_that_cannot_be_written_is_none() {
    let folders = Folders::new();
    folders.file("a.conf", "[DEFAULT]\ntype = boot\nrelease = 43\n");
    for command in ["plan a.conf", "plan a.conf --json", "new boot"] {
        bash(&folders, &format!("$0 {command} > /dev/full"))
            .assert_exit(3)
            .assert_one_error()
            .assert_says(&["standard output: No space left on device"]);
        bash(
            &folders,
            &format!("$0 {command} | true; exit ${{PIPESTATUS[0]}}"),
        )
        .assert_exit(0);
    }
}

#[test]
fn what_cannot_be_done_is_said_and_leaves_everything_as_it_was() {
    let folders = Folders::new();
    folders.file("a.conf", "[DEFAULT]\ntype = boot\nrelease = 43\n");
    folders.file("bad.conf", "[DEFAULT]\ntype = boot\nrelease = soon\n");
    folders.file("bad2.conf", "[DEFAULT]\ntype = floppy\nrelease = 43\n");
    folders.file(
        "paths.conf",
        "[DEFAULT]\ntype = boot\nrelease = 43\n[boot]\noutdir = /srv/x\n",
    );
    folders.file("ks.cfg", "lang en_US.UTF-8\n");
    folders.file("text.iso", "no image at all");
    for folder in ["not-a-repository", "wait/imagebuilder.log"] {
        fs::create_dir_all(folders.top().join(folder)).unwrap();
    }
    folders.file("not-a-repository/repodata", "mine");
    let full = "mkdir -p full && unshare --mount bash -c 'mount -t tmpfs -o size=4k full full; \
                head -c 4096 /dev/zero > full/fill; $0";
    let local = "FBS_STATE_DIR=$PWD/state $0";
    for (line, code, words) in [
        // Names that are not UTF-8, and folders that are gone.
        (
            "$0 check --json $'n\\xff.conf'".to_owned(),
            2,
            &["there is no spec"][..],
        ),
        (
            "FBS_CACHE_DIR=$'/tmp/c\\xff' $0 cache ls --json".to_owned(),
            0,
            &[],
        ),
        (
            "FBS_CACHE_DIR=$'/tmp/c\\xff' $0 plan a.conf --json".to_owned(),
            2,
            &[r#""/tmp/c\xFF" cannot stand in JSON"#, "--json"],
        ),
        (
            "$0 plan a.conf --staging $'nu\\xff'".to_owned(),
            2,
            &[r#"--staging "nu\xFF": the name is not UTF-8"#],
        ),
        (
            "$0 deliver . --staging $'nu\\xff'".to_owned(),
            2,
            &[r#"--staging "nu\xFF": the name is not UTF-8"#],
        ),
        (
            "conf=$PWD/a.conf; mkdir gone; cd gone; rmdir ../gone; $0 plan $conf --outdir x"
                .to_owned(),
            2,
            &["--outdir \"x\"", "current folder", "the whole path"],
        ),
        // Files that cannot be written.
        (
            format!("{full} new boot -o full/x; code=$?; ls full; exit $code' $0"),
            3,
            &["full/x: No space"],
        ),
        (
            format!("{full} kickstart flatten ks.cfg -o full/x; code=$?; ls full; exit $code' $0"),
            3,
            &["full/x: No space"],
        ),
        (
            "$0 new boot -o no/such/x".to_owned(),
            2,
            &["no folder no/such", "--output"],
        ),
        (
            "$0 new boot -o a.conf/x".to_owned(),
            2,
            &["a.conf/x: Not a directory"],
        ),
        (
            "$0 respin text.iso --add a.conf --out new.iso".to_owned(),
            2,
            &["is not an ISO image"],
        ),
        (
            "$0 boot-test text.iso --output out".to_owned(),
            2,
            &["is not an ISO image"],
        ),
        (
            "$0 verify --compare text.iso text.iso".to_owned(),
            2,
            &["is not an ISO image"],
        ),
        (
            "$0 respin text.iso --volid '' --out new.iso".to_owned(),
            2,
            &["the new label: \"\" is not a label"],
        ),
        (
            "$0 createrepo a.conf".to_owned(),
            2,
            &["a.conf is not a folder"],
        ),
        (
            "$0 createrepo not-a-repository".to_owned(),
            2,
            &["repodata is not a folder"],
        ),
        (
            "$0 deliver .".to_owned(),
            2,
            &["./build-report.json: No such file"],
        ),
        // Passwords.
        (
            "$0 siderepo --nvr a-1-1 --out x --proxy ftp://u:SECRET@h".to_owned(),
            2,
            &["invalid value 'ftp://u:***@h' for '--proxy"],
        ),
        (
            "$0 plan a.conf --set 43_url=ftp:/u:SECRET@h".to_owned(),
            2,
            &["--set 43_url=ftp:/u:***@h"],
        ),
        // Jobs.
        (
            "$0 submit --local bad.conf bad2.conf".to_owned(),
            2,
            &["bad.conf:3:", "bad2.conf:2:"],
        ),
        (
            "$0 submit --local paths.conf".to_owned(),
            2,
            &["paths.conf:5: [boot] outdir"],
        ),
        (
            format!("cd wait && {local} submit --local --wait ../a.conf"),
            2,
            &["imagebuilder.log: Is a directory", "--wait"],
        ),
        (
            format!("cd wait && {local} jobs --local"),
            0,
            &["no jobs at"],
        ),
    ] {
        let done = bash(&folders, &line);
        done.assert_exit(code).assert_says(words);
        let said = &done.stderr;
        assert!(
            !said.contains("panicked") && !said.contains("SECRET"),
            "{done}"
        );
        assert_ne!(done.stdout, ["fill", "x"], "{done}");
    }
    assert_eq!(
        fs::read_to_string(folders.top().join("not-a-repository/repodata")).unwrap(),
        "mine"
    );
    assert!(!folders.top().join("new.iso").exists());
}

#[test]
fn check_finds_what_is_right_alone_and_not_together() {
    let folders = Folders::new();
    for (kind, keys, place) in [
        (
            "dvd",
            "nosource = yes\nsourceisos = yes",
            ":5: [DEFAULT] sourceisos: ",
        ),
        (
            "boot",
            "rootfs = erofs\ncompression = xz",
            ":5: [DEFAULT] compression: ",
        ),
        ("boot", "updates = yes", ":4: [DEFAULT] updates: "),
        (
            "boot",
            "backend = livecd-creator",
            ":4: [DEFAULT] backend: ",
        ),
        (
            "boot",
            "packages = vim\nbackend = image-builder",
            ":5: [DEFAULT] backend: ",
        ),
    ] {
        let text = format!("[DEFAULT]\ntype = {kind}\nrelease = rawhide\n{keys}\n");
        let spec = folders.file("a.conf", text);
        let done = folders.fbs("check").arg(&spec).run();
        done.assert_exit(1).assert_one_error().assert_says(&[place]);
        let done = folders.fbs("check").arg(&spec).arg("--json").run();
        let json = done.assert_exit(1).json();
        assert_eq!(json["valid"], false);
        assert_eq!(json["mistakes"].as_array().unwrap().len(), 1, "{json}");
        folders.fbs("plan").arg(&spec).run().assert_exit(2);
    }
}

#[test]
fn a_build_is_cancelled_while_it_waits_for_its_kickstart() {
    let folders = Folders::new();
    // The kernel accepts connections for it, and nobody answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.ks", listener.local_addr().unwrap());
    let text = format!("[DEFAULT]\ntype = live\nrelease = 43\n[live]\nconfig = {url}\n");
    folders.file("a.conf", text);
    let done = bash(
        &folders,
        "timeout --preserve-status --signal=INT 2 $0 build a.conf",
    );
    done.assert_exit(130)
        .assert_one_error()
        .assert_says(&["the build was cancelled"]);
    done.assert_within(10.0);
}
