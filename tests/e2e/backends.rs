//! Live images and DVDs made by the distribution's tools: stubs that work, fail, hang and lie, and
//! kiwi itself where it is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fbs_suite::command::eventually;
use fbs_suite::delivery::Delivery;
use fbs_suite::folders::entries;
use fbs_suite::need::Need;
use fbs_suite::processes;
use fbs_suite::tools::{self, Stubs};
use fbs_suite::{Finished, Folders, Program, need, python};
use nix::sys::signal::Signal;

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Tool("xorriso"),
    Need::Tool("mksquashfs"),
    Need::Tool("unsquashfs"),
    Need::Tool("debugfs"),
    Need::Tool("mkfs.ext4"),
    Need::Tool("rpm"),
    Need::Tool("unshare"),
    Need::Tool("setpriv"),
    Need::Tool("flock"),
    Need::Tool("fsck.erofs"),
];

/// A backend and the stub of its tool.
struct Backend {
    name: &'static str,
    program: &'static str,
    /// Finds the ISO that it is to write, and its log, in its arguments.
    arguments: &'static str,
    image: &'static str,
}

const LIVECD: Backend = Backend {
    name: "livecd-creator",
    program: "livecd-creator",
    arguments: r#"
for arg; do
    case $previous in -f) label=$arg;; -o) out=$arg;; -c) config=$arg;; esac
    case $arg in --logfile=*) log=${arg#*=};; esac
    previous=$arg
done
iso=$out/$label.iso
"#,
    image: "live",
};

const LIVEMEDIA: Backend = Backend {
    name: "livemedia-creator",
    program: "livemedia-creator",
    arguments: r#"
for arg; do
    case $previous in --resultdir) out=$arg;; --ks) config=$arg;; --logfile) log=$arg;; esac
    previous=$arg
done
[ -e "$out" ] && { echo "The results_dir ($out) should not exist" >&2; exit 1; }
mkdir -p "$out" "$(dirname "$log")/anaconda"
iso=$out/live.iso
echo 'ERR packaging: nothing yet' >/tmp/packaging.log
echo 'installer' >"$(dirname "$log")/anaconda/program.log"
"#,
    image: "live",
};

const KIWI: Backend = Backend {
    name: "kiwi",
    program: "kiwi-ng",
    arguments: r#"
for arg; do
    case $previous in --target-dir) out=$arg;; --description) config=$arg/config.xml;; --logfile) log=$arg;; esac
    previous=$arg
done
iso=$out/Fedora.x86_64-99.iso
"#,
    image: "live",
};

const IMAGE_BUILDER: Backend = Backend {
    name: "image-builder",
    program: "image-builder",
    arguments: r#"
for arg; do
    case $previous in --output-dir) out=$arg;; --output-name) name=$arg;; --force-repo-dir) config=$arg/fedora-99.json;; esac
    previous=$arg
done
iso=$out/$name.iso
log=$out/$name.buildlog
"#,
    image: "live",
};

const PUNGI: Backend = Backend {
    name: "pungi",
    program: "pungi",
    arguments: r#"
for arg; do
    case $previous in --destdir) out=$arg;; -c) config=$arg;; esac
    previous=$arg
done
mkdir -p "$out/99/Server/x86_64/iso" "$out/99/Server/x86_64/os" "$out/logs"
iso=$out/99/Server/x86_64/iso/Fedora-99-x86_64-DVD.iso
log=$out/logs/x86_64.log
echo checksums >"$out/99/Server/x86_64/iso/Fedora-99-x86_64-CHECKSUM"
"#,
    image: "dvd",
};

const ALL: [&Backend; 5] = [&LIVECD, &LIVEMEDIA, &KIWI, &IMAGE_BUILDER, &PUNGI];

/// Writes down what it was given, and says that it begins.
const BEGIN: &str = r#"
top=$(dirname "$(dirname "$0")")
printf '%s\n' "$@" >"$top/argv"
cp -p "$config" "$top/config"
echo "$0 begins" | tee "$log"
"#;

/// An ISO of next to nothing, as live images are: a squashfs with an ext4 image in it, with a list
/// of packages in that.
const IMAGE: &str = r#"
set -e
mkdir -p "$top/made/root" "$top/made/squash/LiveOS" "$top/made/disc/LiveOS"
echo bash-5.2-1.x86_64 >"$top/made/root/lorax-packages.log"
mkdir -p "$top/made/tree/root" && mv "$top/made/root/lorax-packages.log" "$top/made/tree/root/"
mkfs.ext4 -q -d "$top/made/tree" "$top/made/squash/LiveOS/rootfs.img" 4M
mksquashfs "$top/made/squash" "$top/made/disc/LiveOS/squashfs.img" -quiet -no-progress
xorriso -as mkisofs -quiet -R -V Fedora -o "$iso" "$top/made/disc" 2>&1
"#;

/// A repository that answers, which is all that is asked of it here.
fn repository(folders: &Folders) -> String {
    let repodata = folders.top().join("os/repodata");
    fs::create_dir_all(&repodata).unwrap();
    fs::write(repodata.join("repomd.xml"), "<repomd/>").unwrap();
    format!("file://{}", folders.top().join("os").display())
}

fn build(folders: &Folders, backend: &Backend, script: &str) -> Program {
    let script = format!("{}{BEGIN}{script}", backend.arguments);
    // The installer is looked for, and not started by the stub.
    let stubs = Stubs::new(folders.top())
        .script(backend.program, &script)
        .script("anaconda", "exit 1");
    let spec = format!(
        "[DEFAULT]\ntype = {}\nrelease = 99\nboot_test = none\nbackend = {}\n",
        backend.image, backend.name
    );
    folders
        .fbs_spec("build", &folders.file("image.conf", spec))
        .set("99_url", repository(folders))
        .set("live.tmpdir", folders.work())
        .env("PATH", stubs.path())
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(str::to_owned).collect()
}

/// What a failed build handed over: no image, its log, and what the tool logged before.
fn failed(folders: &Folders, done: &Finished, words: &[&str]) -> Delivery {
    done.assert_exit(1).assert_one_error().assert_says(words);
    let delivery = folders.delivery();
    delivery.assert_outcome("failed").assert_files();
    assert_eq!(delivery.iso(), None);
    folders.assert_nothing_left();
    delivery
}

#[test]
fn a_tool_that_works_leaves_an_image_that_is_read_back() {
    if !need::met(&[NEEDS]) {
        return;
    }
    for backend in ALL {
        let folders = Folders::new();
        let done = build(&folders, backend, IMAGE).run();
        eprintln!("{}: {}", backend.name, done.stderr);
        done.assert_exit(0);
        let delivery = folders.delivery();
        delivery.assert_outcome("succeeded").assert_files();
        assert!(delivery.iso().is_some());
        assert_eq!(delivery.packages(), ["bash-5.2-1.x86_64"]);
        assert_eq!(delivery.report["backend"]["name"], backend.name);
        let layout = &delivery.report["image"]["root_image"]["layout"];
        assert_eq!(layout["path"], "LiveOS/rootfs.img");
        // Its log is delivered, and says what the job's says.
        let begins = |name: &String| {
            let text = fs::read_to_string(delivery.folder.join(name)).unwrap_or_default();
            !name.contains("report") && text.contains(" begins")
        };
        assert_eq!(
            delivery.names().iter().filter(|name| begins(name)).count(),
            2
        );
        // What it was given to read may hold passwords.
        let mode = folders
            .top()
            .join("config")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{}", backend.name);
        folders.assert_nothing_left();
    }
}

#[test]
fn the_kickstart_of_the_spec_reaches_the_tool() {
    if !need::met(&[NEEDS]) {
        return;
    }
    for backend in [&LIVECD, &LIVEMEDIA, &PUNGI] {
        let folders = Folders::new();
        let kickstart = folders.file("image.ks", "rootpw secret\n%packages\n@core\n%end\n");
        let done = build(&folders, backend, IMAGE)
            .set("config", &kickstart)
            .set("packages", "vim;-nano")
            .run();
        done.assert_exit(0);
        let config = fs::read_to_string(folders.top().join("config")).unwrap();
        let repository = format!("repo --name=99 --baseurl={}\n", repository(&folders));
        for part in ["rootpw secret\n", &repository, "\nvim\n", "\n-nano\n"] {
            assert!(config.contains(part), "{}: {part}: {config}", backend.name);
        }
        let delivery = folders.delivery();
        let said = format!("{}{}{}", done.stderr, delivery.log, delivery.report);
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn label_title_and_log_go_where_the_spec_wants_them() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let folders = Folders::new();
    let log = folders.top().join("logs/live.log");
    let done = build(&folders, &LIVECD, IMAGE)
        .set("label", "Desktop")
        .set("title", "My Desktop")
        .set("product", "Mine")
        .set("logfile", &log)
        .set("cachedir", folders.cache().join("own"))
        .run();
    done.assert_exit(0);
    assert!(lines(&log)[0].ends_with("livecd-creator begins"));
    let work = folders
        .work()
        .join(folders.delivery().report["job"].as_str().unwrap());
    let below = |name: &str| work.join(name).display().to_string();
    let cache = folders.cache().join("own/livecd-creator");
    assert_eq!(
        lines(&folders.top().join("argv")),
        [
            "-c".to_owned(),
            below("live.ks"),
            "-f".to_owned(),
            "Desktop".to_owned(),
            "--title=My Desktop".to_owned(),
            "--product=Mine".to_owned(),
            "--releasever=99".to_owned(),
            "-t".to_owned(),
            below("tmp"),
            format!("--cache={}", cache.display()),
            format!("--logfile={}", below("logs/livecd-creator.log")),
            format!("--repo={}", below("live.repo")),
            "-o".to_owned(),
            below("result"),
            "--nomacboot".to_owned(),
            "--verbose".to_owned(),
        ]
    );
}

#[test]
fn a_tool_that_fails_says_why_in_its_own_words() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let traceback = "echo 'Traceback (most recent call last):' >>\"$log\"; exit 1";
    for (backend, script, words) in [
        (
            &LIVECD,
            "echo 'Error creating Live CD : Failed to find package vim' >&2; exit 1",
            &["livecd-creator failed", "Failed to find package vim"][..],
        ),
        (
            &LIVECD,
            "echo 'Error in POSTIN scriptlet in rpm package bash'; exit 0",
            &["a package's scriptlet failed", "rpm package bash"],
        ),
        (
            &LIVEMEDIA,
            "echo 'ERR packaging: Installation failed: no space'; exit 0",
            &["livemedia-creator failed", "Installation failed: no space"],
        ),
        // Its own words are in the installer's log alone.
        (
            &LIVEMEDIA,
            "echo 'ERR anaconda crashed on signal 11' >/tmp/anaconda.log; exit 1",
            &["livemedia-creator failed", "crashed on signal 11"],
        ),
        (
            &LIVEMEDIA,
            traceback,
            &["Traceback (most recent call last)"],
        ),
        (
            &KIWI,
            "echo '[ ERROR   ]: 11:02 | KiwiDescriptionInvalid: no good'; exit 1",
            &["kiwi-ng failed", "KiwiDescriptionInvalid: no good"],
        ),
        (
            &IMAGE_BUILDER,
            "echo 'error: cannot depsolve' >&2; exit 1",
            &["image-builder failed", "error: cannot depsolve"],
        ),
        (
            &PUNGI,
            "echo 'out of luck' >&2; exit 3",
            &["`setpriv ... -- pungi ", "exit status 3", "out of luck"],
        ),
    ] {
        let folders = Folders::new();
        let done = build(&folders, backend, script).run();
        eprintln!("{}: {}", backend.name, done.stderr);
        let delivery = failed(&folders, &done, words);
        let names = delivery.names();
        assert!(
            names
                .iter()
                .any(|name| !name.starts_with("build-report") && name.ends_with("log"))
        );
    }
}

#[test]
fn a_tool_that_says_it_is_done_and_is_not_is_found_out() {
    if !need::met(&[NEEDS]) {
        return;
    }
    for backend in ALL {
        for (script, words) in [
            ("", "was to be made and is not there"),
            ("mkdir -p $out; : >$iso", "was to be made and is not there"),
            ("mkdir -p $out; echo junk >$iso", "is not an ISO image"),
        ] {
            let folders = Folders::new();
            let done = build(&folders, backend, script).run();
            eprintln!("{}: {}", backend.name, done.stderr);
            failed(&folders, &done, &[words]);
        }
    }
}

/// Mounts where the host would see it if it shared its mounts, has a loop device, leaves its
/// process group, and is deaf to the polite signal.
const MOUNTS_AND_HANGS: &str = r#"
trap '' TERM
mkdir -p "$top/work/mounted"
mount -t tmpfs none "$top/work/mounted"
truncate -s 1M "$(dirname "$log")/../disk.img"
losetup --find "$(dirname "$log")/../disk.img" || :
setsid sh -c "trap '' TERM; sleep 600" &
touch "$top/hangs"
sleep 600
"#;

/// Those of files in the test's folder, whose name nobody else has: the kernel counts a file's path from the file system
/// on which it lies.
fn loop_devices(folder: &Path) -> Vec<PathBuf> {
    let name = folder.file_name().unwrap();
    let files = entries(Path::new("/sys/block")).into_iter();
    let files =
        files.filter_map(|device| fs::read_to_string(device.join("loop/backing_file")).ok());
    let files = files.map(|text| PathBuf::from(text.trim_end()));
    files
        .filter(|file| file.components().any(|part| part.as_os_str() == name))
        .collect()
}

#[test]
fn a_tool_that_hangs_meets_the_builds_time_limit() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let folders = Folders::new();
    let done = build(&folders, &LIVECD, MOUNTS_AND_HANGS)
        .set("timeout", "4s")
        .run();
    done.assert_within(30.0);
    fs::remove_dir(folders.work().join("mounted")).unwrap();
    let words = "the build was ended after its time limit of 4 s";
    failed(&folders, &done, &[words]);
    assert_eq!(loop_devices(folders.top()), [] as [PathBuf; 0]);
}

#[test]
fn a_cancelled_tool_leaves_nothing_mounted_and_nothing_running() {
    if !need::met(&[NEEDS]) {
        return;
    }
    for backend in ALL {
        let folders = Folders::new();
        let running = build(&folders, backend, MOUNTS_AND_HANGS).start();
        let hangs = folders.top().join("hangs");
        eventually("the tool hangs", Duration::from_secs(20), || hangs.exists());
        // What it mounted is there for it alone.
        assert_eq!(processes::mounts(folders.top()), [] as [String; 0]);
        running.signal(Signal::SIGINT);
        running.finish().assert_exit(130);
        fs::remove_dir(folders.work().join("mounted")).unwrap();
        folders
            .delivery()
            .assert_outcome("cancelled")
            .assert_files();
        folders.assert_nothing_left();
        assert_eq!(loop_devices(folders.top()), [] as [PathBuf; 0]);
    }
}

#[test]
fn a_tool_does_not_outlive_a_service_that_is_killed() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let folders = Folders::new();
    let script = "mount -t tmpfs none $out; touch $top/hangs; sleep 600";
    let running = build(&folders, &LIVECD, script).start();
    let hangs = folders.top().join("hangs");
    eventually("the tool hangs", Duration::from_secs(20), || hangs.exists());
    assert!(!processes::of(folders.top()).is_empty());
    running.signal(Signal::SIGKILL);
    let _killed = running.finish();
    folders.assert_no_process();
    assert_eq!(processes::mounts(folders.top()), [] as [String; 0]);
}

#[test]
fn a_backend_that_cannot_is_refused_before_anything_is_done() {
    let folders = Folders::new();
    let spec = "[DEFAULT]\ntype = boot\nrelease = 43\nbackend = livecd-creator\n";
    let spec = folders.file("image.conf", spec);
    let done = folders.fbs_spec("build", &spec).run();
    done.assert_exit(2).assert_one_error().assert_says(&[
        "the backend livecd-creator makes live images, not boot images",
        "set `backend` to native, lorax or image-builder",
    ]);
    folders.assert_no_delivery();
}

#[test]
fn a_tool_that_is_missing_is_named_with_its_package() {
    if !need::met(&[&[Need::Root, Need::Debian]]) {
        return;
    }
    let folders = Folders::new();
    let spec = "[DEFAULT]\ntype = live\nrelease = 43\nbackend = kiwi\nboot_test = none\n";
    let spec = folders.file("image.conf", spec);
    let path = tools::path_without(folders.top(), &["kiwi-ng"]);
    let done = folders.fbs_spec("build", &spec).env("PATH", path).run();
    done.assert_exit(3)
        .assert_one_error()
        .assert_says(&["kiwi-ng the backend itself (package kiwi)"]);
}

#[test]
fn kiwi_itself_takes_the_description_that_is_written() {
    if !need::met(&[NEEDS, &[Need::Tool("python3")]]) {
        return;
    }
    let kiwi = python::programs().join("kiwi-ng");
    let folders = Folders::new();
    // It is asked instead of run: there is no Fedora to install from here.
    let ask = format!(
        "exec {} --kiwi-file config.xml image info --description \"$(dirname \"$config\")\"",
        kiwi.display()
    );
    let kickstart = folders.file(
        "image.ks",
        "lang de_DE.UTF-8\nkeyboard --vckeymap=de-latin1\ntimezone Europe/Berlin --utc\n\
         rootpw --plaintext 'a<b&\"c'\n%packages --excludedocs\n@core\n@^minimal-environment\n%end\n",
    );
    let done = build(&folders, &KIWI, &ask)
        .set("config", &kickstart)
        .set("title", "A & \"B\" <C>")
        .set("compression", "zstd")
        .set("packages", "vim;-nano")
        .run();
    // It has taken it, and made no image.
    let delivery = failed(&folders, &done, &["/result/*.iso was to be made"]);
    let names = "Loading XML description";
    assert!(delivery.log.contains(names), "{}", delivery.log);
}
