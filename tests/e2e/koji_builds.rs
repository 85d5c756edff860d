//! Images with builds that are in no repository: they win over the release's packages, and the
//! report proves that they are there.

use std::fs;
use std::path::Path;

use fbs_suite::command::Program;
use fbs_suite::{Folders, need, release, turn};
use hub::Hub;
use mini_release::Repository;

/// A hub with one build for each of the RPMs, which are found by their beginning below `from`.
fn hub_with(folders: &Folders, from: Repository, rpms: &[(&str, &str)]) -> Hub {
    let hub = Hub::empty().unwrap();
    let packages = release::mini()
        .root()
        .join(release::mini().folder(from))
        .join("Packages");
    for (nvr, start) in rpms {
        let folder = folders.top().join(nvr);
        fs::create_dir(&folder).unwrap();
        let mut found = packages.read_dir().unwrap().map(|entry| entry.unwrap());
        let rpm = found
            .find(|entry| entry.file_name().to_string_lossy().starts_with(start))
            .unwrap_or_else(|| panic!("{start} is not in {}", packages.display()));
        fs::copy(rpm.path(), folder.join(rpm.file_name())).unwrap();
        hub.publish(&folder, Some(nvr)).unwrap();
    }
    hub
}

fn with_hub(build: Program, hub: &Hub) -> Program {
    build
        .arg("--koji-hub")
        .arg(hub.hub_url())
        .arg("--koji-files")
        .arg(hub.files_url())
}

#[test]
fn a_newer_build_lands_and_what_did_not_says_why() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    let hub = hub_with(
        &folders,
        Repository::Updates,
        &[("fbs-hello-1.1-1", "fbs-hello-1.1-1")],
    );
    let left_out = folders.top().join("other");
    fs::create_dir(&left_out).unwrap();
    let rpm = rpm::PackageBuilder::new("fbs-left-out", "2.0", "MIT", "noarch", "not wanted");
    let mut rpm = rpm;
    rpm.release("1")
        .build()
        .unwrap()
        .write_file(left_out.join("a.rpm"))
        .unwrap();
    let number = hub.publish(&left_out, Some("fbs-left-out-2.0-1")).unwrap();
    let build = || {
        with_hub(folders.build(), &hub)
            .set("packages", "@core;fbs-hello")
            .set("nvr", "fbs-hello-1.1-1;")
            .set("bid", number.to_string())
    };
    let built = build().set("require_landed", "any").run();
    built.assert_exit(0);
    built.assert_says(&[
        "fbs-hello-1.1-1: 1 of 1 package landed",
        "fbs-hello-1.1-1.noarch (the very file, by its checksum)",
        "fbs-left-out-2.0-1: 0 of 1 package landed",
        "fbs-left-out-2.0-1.noarch (not pulled in by the package set)",
    ]);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    let side = &delivery.report["side_repository"];
    assert_eq!(side["proved"], true);
    assert_eq!(side["builds"][0]["nvr"], "fbs-hello-1.1-1");
    assert_eq!(side["builds"][0]["landed"][0]["evidence"], "checksum");
    assert_eq!(side["builds"][1]["missing"][0]["reason"], "not_pulled_in");
    assert!(
        delivery
            .packages()
            .contains(&"fbs-hello-1.1-1.noarch".to_owned())
    );
    let stages: Vec<_> = delivery.report["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["stage"].clone())
        .collect();
    assert_eq!(stages[..2], ["check", "side_repository"]);

    // By default each build must have landed.
    let failed = build().run();
    failed.assert_exit(1).assert_one_error().assert_says(&[
        "the image does not hold what was asked for",
        "fbs-left-out-2.0-1: not pulled in by the package set",
        "require_landed",
    ]);
    let delivery = folders.deliveries().remove(1);
    delivery.assert_outcome("failed");
    assert_eq!(delivery.report["error"]["stage"], "verify");
    folders.assert_nothing_left();
}

#[test]
fn an_older_build_is_honoured_and_says_so() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    let hub = hub_with(
        &folders,
        Repository::Release,
        &[("fbs-hello-1.0-1", "fbs-hello-1.0-1")],
    );
    let built = with_hub(folders.build(), &hub)
        .set("packages", "@core;fbs-hello")
        .set("updates", "1")
        .set("99-updates_url", release::updates())
        .set("nvr", "fbs-hello-1.0-1")
        .run();
    built.assert_exit(0).assert_says(&[
        "fbs-hello-1.0-1.noarch is older than 1.1-1 of the release",
        "fbs-hello-1.0-1: 1 of 1 package landed",
    ]);
    assert!(
        folders
            .delivery()
            .packages()
            .contains(&"fbs-hello-1.0-1.noarch".to_owned())
    );
    folders.assert_nothing_left();
}

#[test]
fn a_build_that_the_hub_does_not_know_stops_before_any_package_is_fetched() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let hub = Hub::empty().unwrap();
    let failed = with_hub(folders.build(), &hub)
        .set("nvr", "nosuch-1-1;other-2-2")
        .run();
    failed.assert_exit(2).assert_one_error().assert_says(&[
        "making the side repository: 2 builds cannot be used",
        "nosuch-1-1 is not known",
        "other-2-2 is not known",
    ]);
    let delivery = folders.delivery();
    delivery.assert_outcome("failed");
    assert_eq!(delivery.report["error"]["stage"], "side_repository");
    assert_eq!(delivery.report["commands"].as_array().unwrap().len(), 0);
    assert!(!Path::new(&folders.outdir()).exists());
    folders.assert_nothing_left();
}
