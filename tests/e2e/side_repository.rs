//! `fbs siderepo`, `fbs createrepo` and `fbs cache` against a hub with faults: what a hub may
//! answer, and what becomes of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fbs_suite::command::{Finished, Program};
use fbs_suite::folders::entries;
use fbs_suite::need::Need;
use fbs_suite::{Folders, need};
use hub::{Fault, Hub, KnownBy, Times, record};
use nix::sys::signal::Signal;
use rpm::{BuildConfig, PackageBuilder};
use serde_json::Value;

/// A hub with the builds of a test, and `fbs siderepo` for it.
struct Side {
    folders: Folders,
    hub: Hub,
}

impl Side {
    fn new() -> Self {
        Self {
            folders: Folders::new(),
            hub: Hub::empty().unwrap(),
        }
    }

    /// A build of the named RPMs, all of one version; its number.
    fn publish(&self, nvr: &str, rpms: &[(&str, &str)]) -> u64 {
        self.publish_as(built(BuildConfig::v4(), 1_700_000_000), nvr, rpms)
    }

    /// The same with RPMs of another format.
    fn publish_as(&self, config: BuildConfig, nvr: &str, rpms: &[(&str, &str)]) -> u64 {
        let folder = self.folders.top().join(format!("build-{nvr}"));
        fs::create_dir(&folder).unwrap();
        let mut parts = nvr.rsplitn(3, '-');
        let (release, version) = (parts.next().unwrap(), parts.next().unwrap());
        for (name, arch) in rpms {
            let rpm = PackageBuilder::new(name, version, "MIT", arch, "for a test")
                .using_config(config)
                .release(release)
                .build()
                .unwrap();
            rpm.write_file(folder.join(format!("{name}-{version}-{release}.{arch}.rpm")))
                .unwrap();
        }
        self.hub.publish(&folder, Some(nvr)).unwrap()
    }

    fn out(&self) -> PathBuf {
        self.folders.top().join("side")
    }

    fn fbs(&self, command: &str) -> Program {
        self.folders
            .fbs(command)
            .env("FBS_KOJI_HUB", self.hub.hub_url())
            .env("FBS_KOJI_FILES", self.hub.files_url())
            .env("FBS_BODHI", self.hub.files_url())
    }

    fn siderepo(&self, args: &[&str]) -> Program {
        self.fbs("siderepo")
            .args(["--arch", "x86_64"])
            .args(args)
            .arg("--out")
            .arg(self.out())
    }

    fn files(&self) -> Vec<String> {
        names(&self.out())
    }

    /// It failed as it should, and nothing was written.
    fn assert_refused(&self, done: &Finished, exit: i32, words: &[&str]) {
        done.assert_exit(exit).assert_one_error().assert_says(words);
        assert!(!self.out().join("repodata").exists(), "{done}");
        let rpms = self
            .files()
            .into_iter()
            .filter(|name| name.ends_with(".rpm"));
        assert_eq!(rpms.count(), 0, "{done}");
    }
}

/// A format, with the time that an RPM was made at.
fn built(format: BuildConfig, seconds: u32) -> BuildConfig {
    format.reserved_space(None).source_date(seconds)
}

fn names(folder: &Path) -> Vec<String> {
    if !folder.exists() {
        return Vec::new();
    }
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    entries(folder).into_iter().map(name).collect()
}

#[test]
fn builds_by_name_number_tag_and_update_become_one_repository() {
    let side = Side::new();
    side.publish(
        "alpha-1.0-1.fc43",
        &[
            ("alpha", "x86_64"),
            ("alpha-doc", "noarch"),
            ("alpha", "i686"),
            ("alpha", "aarch64"),
            ("alpha-debuginfo", "x86_64"),
        ],
    );
    let beta = side.publish("beta-2.0-1.fc43", &[("beta", "noarch")]);
    let gamma = side.publish("gamma-3.0-1.fc43", &[("gamma", "noarch")]);
    side.hub.tag("f43-build-side-1", gamma);
    side.publish("delta-4.0-1.fc43", &[("delta", "noarch")]);
    side.hub.insert_update(
        "FEDORA-2026-0123456789",
        record::update("FEDORA-2026-0123456789", &["delta-4.0-1.fc43"]),
    );
    let done = side
        .siderepo(&["--nvr", "alpha-1.0-1.fc43", "--bid", &beta.to_string()])
        .args([
            "--tag",
            "f43-build-side-1",
            "--update",
            "FEDORA-2026-0123456789",
        ])
        .run();
    done.assert_exit(0);
    assert_eq!(done.stdout, [format!("file://{}", side.out().display())]);
    let rpms = [
        "alpha-1.0-1.fc43.x86_64.rpm",
        "alpha-doc-1.0-1.fc43.noarch.rpm",
        "beta-2.0-1.fc43.noarch.rpm",
        "delta-4.0-1.fc43.noarch.rpm",
        "gamma-3.0-1.fc43.noarch.rpm",
    ];
    let mut expected = vec![".fbs-siderepo"];
    expected.extend(rpms);
    expected.push("repodata");
    assert_eq!(side.files(), expected);
    // getBuild and listRPMs for all builds, and one call for the tag.
    assert_eq!(side.hub.round_trips(), 3);

    // What is not wanted any more goes, and nothing is downloaded again.
    let before = side.hub.requests();
    let done = side
        .siderepo(&["--nvr", "alpha-1.0-1.fc43", "--multilib", "--json"])
        .run();
    done.assert_exit(0);
    let result = done.result();
    assert_eq!(result["reused"], 2);
    assert_eq!(result["files"].as_array().unwrap().len(), 3);
    assert_eq!(
        side.hub.requests() - before,
        2 + 1,
        "two calls, and the i686 package"
    );
    assert_eq!(
        side.files(),
        [
            ".fbs-siderepo",
            "alpha-1.0-1.fc43.i686.rpm",
            rpms[0],
            rpms[1],
            "repodata"
        ]
    );
}

#[test]
fn dnf_installs_from_it_by_priority() {
    if !need::met(&[&[Need::Tool("dnf")]]) {
        return;
    }
    let side = Side::new();
    side.publish("alpha-1.0-1.fc43", &[("alpha", "noarch")]);
    side.siderepo(&["--nvr", "alpha-1.0-1.fc43"])
        .run()
        .assert_exit(0);
    let query = Program::new("dnf")
        .args(["--quiet", "--setopt=reposdir=/nowhere"])
        .arg(format!(
            "--repofrompath=side,file://{}",
            side.out().display()
        ))
        .arg(format!(
            "--setopt=cachedir={}",
            side.folders.top().join("dnf").display()
        ))
        .args(["repoquery", "--repo=side", "--qf", "%{name}-%{evr}"])
        .run();
    query.assert_exit(0);
    assert!(
        query.stdout.contains(&"alpha-1.0-1.fc43".to_owned()),
        "{query}"
    );
}

#[test]
fn what_cannot_be_used_is_named_at_once_before_anything_is_downloaded() {
    let side = Side::new();
    side.publish("good-1-1.fc43", &[("good", "noarch")]);
    side.publish("good-2-1.fc43", &[("good", "noarch")]);
    side.publish("other-1-1.fc43", &[("other", "aarch64")]);
    for (number, state) in [(11, 0), (12, 3), (13, 4), (14, 2)] {
        let mut build = record::build(number, &format!("state{state}"), "1", "1.fc43");
        build["state"] = state.into();
        side.hub.insert_build(build);
    }
    let done = side
        .siderepo(&[
            "--nvr",
            "good-1-1.fc43",
            "--nvr",
            "good-2-1.fc43",
            "--nvr",
            "nosuch-1-1",
        ])
        .args([
            "--nvr",
            "other-1-1.fc43",
            "--bid",
            "99",
            "--bid",
            "11",
            "--bid",
            "12",
        ])
        .args(["--bid", "13", "--bid", "14"])
        .run();
    side.assert_refused(
        &done,
        2,
        &[
            "8 builds cannot be used",
            "good-2-1.fc43 is a second build",
            "nosuch-1-1 is not known to the hub",
            "other-1-1.fc43 has no RPM to install for x86_64, only for aarch64",
            "build 99 is not known to the hub",
            "state0-1-1.fc43 (build 11) is still being built",
            "state3-1-1.fc43 (build 12) failed",
            "state4-1-1.fc43 (build 13) was cancelled",
            "state2-1-1.fc43 (build 14) was deleted",
        ],
    );
    assert!(side.hub.requests() <= 3, "nothing was downloaded");
    side.siderepo(&[
        "--nvr",
        "good-1-1.fc43",
        "--nvr",
        "good-2-1.fc43",
        "--allow-two-builds",
    ])
    .run()
    .assert_exit(0);
    let done = side
        .siderepo(&["--nvr", "good-2-1.fc43", "--release", "44"])
        .run();
    done.assert_exit(0);
    done.assert_says(&[
        "warning: good-2-1.fc43 is a build for fc43, and the image is of release 44",
    ]);
}

#[test]
fn rubbish_on_the_command_line_and_in_a_spec() {
    let side = Side::new();
    for (args, words) in [
        (
            &["--nvr", "bash"][..],
            &["--nvr", "bash", "name-version-release"][..],
        ),
        (&["--nvr", "a/../b-1-1"], &["name-version-release"]),
        (&["--nvr", "bash-5-1.x86_64.rpm"], &["not a file"]),
        (&["--bid", "twelve"], &["twelve", "not a build id"]),
        (&["--bid", "bash-5-1"], &["name goes into"]),
        (&["--tag=f 43"], &["tag"]),
        (&["--update", "F-1"], &["not a Bodhi update"]),
        (
            &["--sigkey", "../../x", "--bid", "1"],
            &["not the id of a signing key"],
        ),
        (
            &["--koji-hub", "ftp://h/", "--bid", "1"],
            &["not an address of a Koji"],
        ),
        (&[], &["no build is named"]),
    ] {
        let done = side.siderepo(args).run();
        done.assert_exit(2).assert_says(words);
    }
    assert_eq!(side.hub.requests(), 0);
    let spec = side.folders.spec();
    let done = side
        .folders
        .fbs("plan")
        .arg(&spec)
        .set("nvr", "bash;-x;")
        .set("bid", "x")
        .run();
    done.assert_exit(2)
        .assert_says(&["\"bash\"", "\"-x\"", "\"x\" is not a build id"]);
}

#[test]
fn a_hub_that_answers_badly() {
    let side = Side::new();
    side.publish("alpha-1-1.fc43", &[("alpha", "noarch")]);
    for (fault, words) in [
        (Fault::Html, "HTML"),
        (
            Fault::Body(b"<?xml version='1.0'?><methodResponse><par".to_vec()),
            "ends in the middle",
        ),
        (Fault::Body(vec![b'<'; 100_000]), "the answer of"),
        (Fault::Status(404), "404"),
    ] {
        let shown = format!("{fault:?}");
        side.hub.fail("/kojihub", fault, Times::Always);
        let done = side.siderepo(&["--nvr", "alpha-1-1.fc43"]).run();
        side.assert_refused(&done, 4, &["hub at", words]);
        assert!(done.seconds < 20.0, "{shown}: {done}");
        side.hub.heal();
    }
    // A cut answer and a busy server are tried again.
    side.hub.fail("/kojihub", Fault::Cut(100), Times::Next(1));
    side.hub
        .fail("/kojihub", Fault::Status(503), Times::Next(1));
    side.siderepo(&["--nvr", "alpha-1-1.fc43"])
        .run()
        .assert_exit(0);
}

#[test]
fn ctrl_c_while_the_hub_hangs_and_while_a_file_trickles() {
    let side = Side::new();
    side.publish("alpha-1-1.fc43", &[("alpha", "noarch")]);
    for path in ["/kojihub", ".rpm"] {
        let fault = if path == ".rpm" {
            Fault::Slow(10)
        } else {
            Fault::Hang
        };
        side.hub.fail(path, fault, Times::Always);
        let mut running = side
            .siderepo(&["--nvr", "alpha-1-1.fc43", "--json"])
            .start();
        running.wait_for("the start", |event| event["event"] == "stage_started");
        std::thread::sleep(Duration::from_millis(300));
        running.signal(Signal::SIGINT);
        let done = running.finish();
        side.assert_refused(&done, 130, &["cancelled"]);
        assert!(done.seconds < 10.0, "{done}");
        side.hub.heal();
    }
    side.siderepo(&["--nvr", "alpha-1-1.fc43"])
        .run()
        .assert_exit(0);
}

#[test]
fn files_that_are_not_what_they_should_be_are_fetched_again_and_then_refused() {
    let side = Side::new();
    side.publish("alpha-1-1.fc43", &[("alpha", "noarch")]);
    let nvr = ["--nvr", "alpha-1-1.fc43"];
    for (fault, exit, words) in [
        (Fault::Corrupt, 4, "refused"),
        (Fault::Short(500), 4, "refused"),
        (Fault::Html, 4, "refused"),
        (Fault::Status(404), 4, "is not there"),
    ] {
        side.hub.fail(".rpm", fault, Times::Always);
        let done = side.siderepo(&nvr).run();
        side.assert_refused(&done, exit, &["alpha-1-1.fc43.noarch.rpm", words]);
        side.hub.heal();
    }
    for fault in [
        Fault::Corrupt,
        Fault::Short(500),
        Fault::Cut(300),
        Fault::Status(503),
    ] {
        side.hub.fail(".rpm", fault, Times::Next(1));
        side.siderepo(&nvr).run().assert_exit(0);
        side.fbs("cache").arg("clear").run().assert_exit(0);
        fs::remove_dir_all(side.out()).unwrap();
    }
}

#[test]
fn rpms_that_the_hub_knows_by_a_digest_of_their_header() {
    let side = Side::new();
    side.hub.know_rpms_by(KnownBy::HeaderDigest);
    let formats = [
        ("alpha", BuildConfig::v4(), "header SHA-256"),
        ("beta", BuildConfig::v6(), "header SHA3-256"),
    ];
    for (name, format, _) in formats {
        let format = built(format, 1_700_000_000);
        side.publish_as(format, &format!("{name}-1-1.fc43"), &[(name, "noarch")]);
    }
    let args = ["--nvr", "alpha-1-1.fc43", "--nvr", "beta-1-1.fc43"];
    side.siderepo(&args).run().assert_exit(0);
    let files = side.files();
    assert_eq!(
        files[1..3],
        ["alpha-1-1.fc43.noarch.rpm", "beta-1-1.fc43.noarch.rpm"]
    );
    // The cache knows them by the same.
    let again = side.siderepo(&args).arg("--json").run();
    let result = again.assert_exit(0).result();
    assert_eq!(result["reused"], 2);

    for (name, format, digest) in formats {
        let side = Side::new();
        side.hub.know_rpms_by(KnownBy::HeaderDigest);
        let nvr = format!("{name}-1-1.fc43");
        side.publish_as(built(format, 1_600_000_000), &nvr, &[(name, "noarch")]);
        let rpm = format!("{nvr}.noarch.rpm");
        side.hub.fail(&rpm, Fault::Corrupt, Times::Always);
        let done = side.siderepo(&["--nvr", &nvr]).run();
        side.assert_refused(&done, 4, &[&rpm]);
        side.hub.heal();
        // Intact, and of the same name, but made at another time.
        let other = side.folders.top().join("build-other-1-1.fc43");
        side.publish_as(
            built(format, 1_700_000_000),
            "other-1-1.fc43",
            &[(name, "noarch")],
        );
        side.hub.insert_file(
            &format!("/packages/{name}/1/1.fc43/noarch/{rpm}"),
            fs::read(other.join(&rpm)).unwrap(),
        );
        let done = side.siderepo(&["--nvr", &nvr]).run();
        side.assert_refused(&done, 4, &[&rpm, digest, "instead of"]);
    }
}

#[test]
fn hostile_names_and_sizes_are_refused_and_nothing_is_written_elsewhere() {
    let side = Side::new();
    for (number, (key, value)) in [
        ("name", "../../../evil"),
        ("name", "/etc/evil"),
        ("version", "1\n2"),
        ("arch", "noarch/../../x"),
        ("payloadhash", "../../../../evil"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = 100 + number as u64;
        side.hub
            .insert_build(record::build(id, "evil", "1", &format!("{number}.fc43")));
        let mut rpm = record::rpm(id, id, "evil", "1", "1.fc43", "noarch");
        rpm[key] = value.into();
        side.hub.insert_rpm(rpm);
        let done = side.siderepo(&["--bid", &id.to_string()]).run();
        let exit = if key == "arch" { 2 } else { 4 };
        side.assert_refused(&done, exit, &["evil-1-"]);
    }
    side.hub
        .insert_build(record::build(200, "huge", "1", "1.fc43"));
    let mut huge = record::rpm(200, 200, "huge", "1", "1.fc43", "noarch");
    // No disk has that much space, and no 32 bits hold it.
    huge["size"] = Value::from(1_u64 << 60);
    side.hub.insert_rpm(huge);
    let done = side.siderepo(&["--bid", "200"]).run();
    side.assert_refused(
        &done,
        3,
        &["free space", "to be downloaded", "FBS_CACHE_DIR"],
    );
    let mut three_gib = record::rpm(201, 201, "big", "1", "1.fc43", "noarch");
    three_gib["size"] = Value::from(3_u64 << 30);
    side.hub
        .insert_build(record::build(201, "big", "1", "1.fc43"));
    side.hub.insert_rpm(three_gib);
    side.hub.insert_file(
        "/packages/big/1/1.fc43/noarch/big-1-1.fc43.noarch.rpm",
        b"no RPM".to_vec(),
    );
    let done = side.siderepo(&["--bid", "201"]).run();
    side.assert_refused(&done, 4, &["big-1-1.fc43.noarch.rpm"]);
    assert_eq!(
        names(side.folders.top())
            .iter()
            .filter(|name| name.contains("evil"))
            .count(),
        0
    );
    assert!(!Path::new("/etc/evil").exists());
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let side = Side::new();
    side.publish("alpha-1-1.fc43", &[("alpha", "noarch")]);
    fs::create_dir(side.out()).unwrap();
    fs::write(side.out().join("thesis.txt"), "years of work").unwrap();
    let done = side.siderepo(&["--nvr", "alpha-1-1.fc43"]).run();
    side.assert_refused(&done, 2, &["side is not empty", "left as it is"]);
    assert_eq!(side.files(), ["thesis.txt"]);
    assert_eq!(side.hub.requests(), 0);
}

#[test]
fn createrepo_and_the_cache() {
    let side = Side::new();
    side.publish(
        "alpha-1-1.fc43",
        &[("alpha", "noarch"), ("alpha-doc", "noarch")],
    );
    let folder = side.folders.top().join("build-alpha-1-1.fc43");
    // What changed within the last seconds is read again: its time may not tell the next change.
    for rpm in entries(&folder) {
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        File::options()
            .write(true)
            .open(rpm)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    let create = || side.fbs("createrepo").arg(&folder).run();
    create()
        .assert_exit(0)
        .assert_says(&["2 packages, 0 of them unchanged"]);
    create()
        .assert_exit(0)
        .assert_says(&["2 packages, 2 of them unchanged"]);
    fs::write(folder.join("broken.rpm"), "no RPM").unwrap();
    create()
        .assert_exit(1)
        .assert_one_error()
        .assert_says(&["1 file is no intact RPM", "broken.rpm"]);
    let missing = side
        .fbs("createrepo")
        .arg(side.folders.top().join("nowhere"))
        .run();
    missing
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["there is no folder ", "nowhere"]);

    side.siderepo(&["--nvr", "alpha-1-1.fc43"])
        .run()
        .assert_exit(0);
    let list = side.fbs("cache").args(["ls", "--json"]).run();
    assert_eq!(list.assert_exit(0).json()["rpms"]["entries"], 2);
    side.fbs("cache")
        .args(["gc", "--max-size", "1T", "--max-age", "1d"])
        .run()
        .assert_exit(0)
        .assert_says(&["0 entries removed"]);
    side.fbs("cache")
        .args(["gc", "--max-size", "1"])
        .run()
        .assert_exit(0)
        .assert_says(&["2 entries removed"]);
    side.fbs("cache")
        .args(["gc", "--max-size", "lots"])
        .run()
        .assert_exit(2)
        .assert_says(&["20G"]);
    // What was placed is a link of its own.
    assert!(side.out().join("alpha-1-1.fc43.noarch.rpm").is_file());
}
