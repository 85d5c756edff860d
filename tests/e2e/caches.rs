//! What builds keep for each other: taken again where nothing changed, brought up to date by the
//! difference where little did, with the same image as from an empty cache; and never half-made.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fbs_suite::command::{Program, eventually};
use fbs_suite::delivery::assert_same_image;
use fbs_suite::need::Need;
use fbs_suite::tools::Stubs;
use fbs_suite::{Delivery, Folders, need, release, turn};
use nix::sys::signal::Signal;
use rpm::{BuildConfig, Dependency, PackageBuilder, Scriptlet};
use serde_json::Value;

/// `fbs build` with a cache and a staging folder of its own.
fn build(folders: &Folders, name: &str, cache: &str, packages: &str) -> Program {
    folders
        .fbs("build")
        .arg(folders.spec())
        .arg("--workdir")
        .arg(folders.work())
        .arg("--staging")
        .arg(folders.top().join(name))
        .set("99_url", release::packages())
        .set("backend", "native")
        .set("packages", packages)
        .set("compression", "zstd:1")
        .env("FBS_CACHE_DIR", folders.top().join(cache))
}

/// With the newer fbs-hello.
fn updated(build: Program) -> Program {
    build
        .set("updates", "yes")
        .set("99-updates_url", release::updates())
}

/// One build: what it handed over, and what it ran.
struct Made {
    delivery: Delivery,
}

impl Made {
    fn by(folders: &Folders, name: &str, build: Program) -> Self {
        build.run().assert_exit(0);
        let mut deliveries = fbs_suite::folders::entries(&folders.top().join(name));
        assert_eq!(deliveries.len(), 1, "{deliveries:?}");
        let delivery = Delivery::of(deliveries.remove(0));
        delivery.assert_outcome("succeeded").assert_files();
        Self { delivery }
    }

    fn iso(&self) -> PathBuf {
        self.delivery.iso().unwrap()
    }

    fn ran(&self, words: &str) -> bool {
        let commands = self.delivery.report["commands"].as_array().unwrap();
        commands
            .iter()
            .any(|record| record["command"].as_str().unwrap().contains(words))
    }

    /// How many blocks of the packed root were there before, and all of them.
    fn blocks(&self) -> (u64, u64) {
        let end = " blocks as they were packed before";
        let mut lines = self.delivery.log.lines();
        let line = lines.find_map(|line| line.strip_suffix(end));
        let line = line.expect("the root was packed");
        let numbers = line.rsplit(", ").next().and_then(|n| n.split_once(" of "));
        let (known, all) = numbers.expect("two numbers");
        (known.parse().unwrap(), all.parse().unwrap())
    }

    fn says(&self, words: &str) {
        let log = &self.delivery.log;
        assert!(log.contains(words), "{words}:\n{log}");
    }
}

const HELLO: &str = "@core;fbs-hello";

#[test]
fn nothing_changed_one_package_changed_and_back_again() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let make = |name: &str, build: Program| Made::by(&folders, name, build);
    let cold = make("cold", build(&folders, "cold", "a", HELLO));
    assert!(cold.ran("install --cacheonly") && cold.ran("-- dracut "));
    cold.says("Install root:: miss");
    assert_eq!(cold.blocks().0, 0);

    let again = make("again", build(&folders, "again", "a", HELLO));
    for program in ["dnf", "dracut", "grub-mkimage", "mkisofs"] {
        assert!(!again.ran(&format!("{program} ")), "{program} ran");
    }
    again.says("Install root:: hit");
    again.says("ISO:: hit");
    assert_same_image("cold and again", &cold.iso(), &again.iso());

    // One newer package: its scriptlets run, and nothing that did not change is made again.
    let newer = make("newer", updated(build(&folders, "newer", "a", HELLO)));
    newer.says("1 updated, 0 added, 0 removed");
    newer.says("Initramfs:: hit");
    assert!(newer.ran("rpm --root=") && !newer.ran("install --cacheonly"));
    let (known, all) = newer.blocks();
    assert!(known < all && all - known < all / 50, "{known} of {all}");
    let fresh = make("fresh", updated(build(&folders, "fresh", "b", HELLO)));
    fresh.says("Install root:: miss");
    assert_same_image("newer and fresh", &newer.iso(), &fresh.iso());
    assert!(
        newer
            .delivery
            .packages()
            .contains(&"fbs-hello-1.1-1.noarch".to_owned())
    );

    // An older one, on a root that has the newer.
    let older = make("older", build(&folders, "older", "b", HELLO));
    older.says("1 updated, 0 added, 0 removed");
    assert_same_image("older and cold", &older.iso(), &cold.iso());

    // More, and less again.
    let with_nano = format!("{HELLO};nano");
    let more = make("more", build(&folders, "more", "a", &with_nano));
    more.says("0 updated");
    assert!(more.ran("rpm --root=") && !more.ran("install --cacheonly"));
    let both = make("both", build(&folders, "both", "c", &with_nano));
    assert_same_image("more and both", &more.iso(), &both.iso());
    let less = make("less", build(&folders, "less", "c", HELLO));
    assert!(less.ran(" -e --allmatches") && !less.ran("install --cacheonly"));
    assert_same_image("less and cold", &less.iso(), &cold.iso());
    // Without its base a difference means nothing.
    for root in fbs_suite::folders::entries(&folders.top().join("b/root")) {
        for entry in fbs_suite::folders::entries(&root) {
            let note = fs::read_to_string(entry.join("note.json")).unwrap_or_default();
            if note.contains("\"base\":null") {
                fs::remove_dir_all(entry).unwrap();
            }
        }
    }
    let anew = make("anew", build(&folders, "anew", "b", HELLO));
    anew.says("Install root:: miss");
    assert_same_image("anew and cold", &anew.iso(), &cold.iso());
    // dracut did not run, beside which a root is kept in general.
    anew.says("Initramfs:: hit");
    let kept = make("kept", build(&folders, "kept", "b", HELLO));
    kept.says("Install root:: hit");
    // What a scriptlet made would stay behind.
    let bare = make("bare", build(&folders, "bare", "c", "@core;nano"));
    bare.says("fresh: fbs-hello is to go");
    assert!(bare.ran("install --cacheonly"));

    a_scriptlet_that_fails_in_the_difference_fails_the_build_and_is_not_kept(&folders);
    the_cache_stays_within_its_bounds(&folders);
    folders.assert_nothing_left();
}

fn a_scriptlet_that_fails_in_the_difference_fails_the_build_and_is_not_kept(folders: &Folders) {
    let kept = kinds(folders)["root"]["entries"].clone();
    let faulty = folders
        .faulty_build(&format!("{HELLO};fbs-bad-post"))
        .set("compression", "zstd:1")
        .env("FBS_CACHE_DIR", folders.top().join("a"));
    let failed = faulty.run();
    failed
        .assert_exit(1)
        .assert_says(&["scriptlet", "fbs-bad-post"]);
    let log = folders.delivery().log;
    assert!(
        log.contains("the difference could not be installed"),
        "{log}"
    );
    assert_eq!(kinds(folders)["root"]["entries"], kept);
}

/// What the cache `a` has of each kind.
fn kinds(folders: &Folders) -> Value {
    let list = folders
        .fbs("cache")
        .args(["ls", "--json"])
        .env("FBS_CACHE_DIR", folders.top().join("a"))
        .run();
    list.assert_exit(0).json()
}

#[test]
fn a_build_that_is_killed_leaves_nothing_that_counts() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let mut running = build(&folders, "killed", "a", "@core")
        .arg("--json")
        .start();
    running.wait_for("packages are installed", |event| {
        event["event"] == "progress" && event["stage"] == "root" && event["done"].as_u64() > Some(0)
    });
    running.signal(Signal::SIGKILL);
    let _ = running.finish();
    folders.assert_no_process();
    let mounts = || fbs_suite::processes::mounts(folders.top());
    eventually("the mounts are gone", Duration::from_secs(5), || {
        mounts().is_empty()
    });
    // What dnf leaves when it is killed at another moment, in the cache that all builds share; there is a process of this
    // number, and it is no dnf.
    for lock in ["metadata_lock.pid", "download_lock.pid"] {
        fs::write(folders.top().join("a/dnf").join(lock), "1").unwrap();
    }
    let made = Made::by(&folders, "made", build(&folders, "made", "a", "@core"));
    made.says("Install root:: miss");
    let again = Made::by(&folders, "again", build(&folders, "again", "a", "@core"));
    assert_same_image("made and again", &made.iso(), &again.iso());
}

fn the_cache_stays_within_its_bounds(folders: &Folders) {
    let bytes = |kinds: &Value| -> u64 {
        [
            "rpms",
            "dnf",
            "solution",
            "root",
            "inputs",
            "initramfs",
            "image",
            "iso",
        ]
        .iter()
        .map(|kind| kinds[kind]["bytes"].as_u64().unwrap())
        .sum()
    };
    let before = kinds(folders);
    assert!(bytes(&before) > 30 << 20, "{before}");
    let config = folders.file("fbs.toml", "[cache]\nmax_size = \"30M\"\n");
    let small = build(folders, "small", "a", HELLO).env("FBS_CONFIG", config);
    let made = Made::by(folders, "small", small);
    made.says("were too much and are removed");
    let kept = kinds(folders);
    assert!(bytes(&kept) <= 30 << 20, "{kept}");
}

/// A repository of two packages whose scriptlets each make an account with the highest number that is free.
fn repository_with_accounts(folders: &Folders) -> String {
    let repository = folders.top().join("accounts");
    fs::create_dir(&repository).unwrap();
    for name in ["fbs-account-a", "fbs-account-b"] {
        let script = format!(
            "n=999\nwhile IFS=: read -r _ _ number _; do\n\
             [ \"$number\" != \"$n\" ] || n=$((n - 1))\ndone </etc/passwd\n\
             echo \"{name}:x:$n:$n::/:/bin/false\" >>/etc/passwd\necho \"{name}:x:$n:\" >>/etc/group\n"
        );
        let mut package = PackageBuilder::new(name, "1", "MIT", "noarch", "has an account");
        package
            .release("1")
            .using_config(BuildConfig::v4().source_date(1_767_225_600))
            .requires(Dependency::any("bash"))
            .requires(Dependency::any("setup"))
            .post_install_script(Scriptlet::new(script));
        package.build().unwrap().write_to(&repository).unwrap();
    }
    folders
        .fbs("createrepo")
        .arg(&repository)
        .run()
        .assert_exit(0);
    format!("file://{}", repository.display())
}

#[test]
fn a_difference_that_makes_accounts_is_installed_afresh() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let url = repository_with_accounts(&folders);
    let make = |name: &str, cache: &str, packages: &str| {
        let build = build(&folders, name, cache, packages);
        let build = build.set("updates", "yes").set("99-updates_url", &url);
        Made::by(&folders, name, build)
    };
    let both = "@core;fbs-account-a;fbs-account-b";
    let cold = make("cold", "empty", both);
    for one in ["a", "b"] {
        make(
            &format!("only-{one}"),
            one,
            &format!("@core;fbs-account-{one}"),
        );
        let warm = make(&format!("both-{one}"), one, both);
        warm.says("0 updated, 1 added, 0 removed");
        warm.says("fresh: the difference changes etc/group");
        assert_same_image("cold and warm", &cold.iso(), &warm.iso());
    }
}

#[test]
fn a_cache_that_is_full_fails_no_build() {
    if !need::met(&[
        need::BUILD,
        &[Need::Tool("unshare"), Need::Tool("fallocate")],
    ]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let cache = folders.top().join("a");
    fs::create_dir(&cache).unwrap();
    // Large enough at the check, and for the ISO until that is written; then something else takes the space.
    let take = format!(
        "free=$(df --output=avail -B1 {cache} | tail -n 1)\n\
         [ \"$free\" = 0 ] || fallocate -l \"$free\" {cache}/ballast\nexec {{real}} \"$@\"",
        cache = cache.display()
    );
    let stubs = Stubs::new(folders.top()).script("xorriso", &take);
    let small = build(&folders, "small", "a", "@core")
        .env("PATH", stubs.path())
        .on_a_disk(&cache, "400m");
    let made = Made::by(&folders, "small", small);
    made.says(&format!("ISO:: not kept in {}: ", cache.display()));
    made.says("No space left on device");
    // Not even the root fits.
    let full = build(&folders, "full", "a", "@core").on_a_disk(&cache, "260m");
    let full = Made::by(&folders, "full", full);
    full.says(&format!("not kept in {}: ", cache.display()));
    assert_same_image("small and full", &made.iso(), &full.iso());
}

#[test]
fn a_size_that_is_none_is_refused() {
    let folders = Folders::new();
    let wrong = folders.file("fbs.toml", "[cache]\nmax_size = \"plenty\"\n");
    let refused = build(&folders, "refused", "a", HELLO).env("FBS_CONFIG", wrong);
    refused
        .run()
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["plenty", "line 2", "20G"]);
}
