//! `fbs verify --compare`: what differs between two real images, and whose files they are.

use std::path::{Path, PathBuf};

use fbs_suite::command::Program;
use fbs_suite::{Finished, Folders, binaries, need, release, turn};
use serde_json::Value;

fn compare(folders: &Folders, old: &Path, new: &Path, more: &[&str]) -> Finished {
    let compare = folders.fbs("verify").arg("--compare").arg(old).arg(new);
    compare.args(more).run()
}

/// The one part of a comparison with this name.
fn part<'a>(comparison: &'a Value, name: &str) -> &'a Vec<Value> {
    let parts = comparison["parts"].as_array().unwrap();
    let part = parts.iter().find(|part| part["part"] == name);
    part.unwrap_or_else(|| panic!("no {name} in {comparison}"))["files"]
        .as_array()
        .unwrap()
}

fn file<'a>(files: &'a [Value], path: &str) -> &'a Value {
    let found = files.iter().find(|file| file["path"] == path);
    found.unwrap_or_else(|| panic!("no {path} in {files:?}"))
}

/// An image with `fbs-hello`, of the release or of its updates.
fn build(folders: &Folders, updates: bool) -> PathBuf {
    let build = folders
        .build()
        .set("packages", "@core;fbs-hello")
        .set("compression", "fast");
    let build = match updates {
        true => build
            .set("updates", "1")
            .set("99-updates_url", release::updates()),
        false => build,
    };
    build.run().assert_exit(0);
    let last = folders.deliveries().pop().unwrap();
    last.iso().unwrap()
}

#[test]
fn what_differs_is_told_with_the_package_first() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    let old = build(&folders, false);

    // A copy is the same, in no time.
    let copy = folders.top().join("copy.iso");
    std::fs::copy(&old, &copy).unwrap();
    let same = compare(&folders, &old, &copy, &[]);
    assert_eq!(
        same.assert_exit(0).stdout.last().unwrap(),
        "the images are identical"
    );

    // A file is added and the label changed, as by hand.
    let changed = folders.top().join("changed.iso");
    let added = folders.file("hello.txt", "hello\n");
    let xorriso = Program::new("xorriso")
        .args(["-no_rc", "-indev"])
        .arg(format!("stdio:{}", old.display()))
        .args(["-outdev"])
        .arg(format!("stdio:{}", changed.display()))
        .args(["-boot_image", "any", "replay", "-volid", "OTHER", "-map"])
        .arg(added)
        .args(["/hello.txt", "-chmod", "0400", "/.discinfo", "--"]);
    xorriso.run().assert_exit(0);
    let told = compare(&folders, &old, &changed, &["--json"]);
    let told = told.assert_exit(1).json();
    assert_eq!(told["identical"], false);
    assert_eq!(told["packages"]["changed"], Value::Array(Vec::new()));
    let volume = told["volume"].as_array().unwrap();
    let label = volume.iter().find(|one| one["what"] == "volume label");
    let label = label.unwrap();
    assert_eq!(
        (&label["old"], &label["new"]),
        (&"Fedora-99-x86_64".into(), &"OTHER".into())
    );
    let disc = part(&told, "disc");
    assert_eq!(file(disc, "hello.txt")["fate"], "added");
    let discinfo = &file(disc, ".discinfo")["differences"][0];
    assert_eq!(discinfo["what"], "mode");
    assert_eq!(
        (&discinfo["old"], &discinfo["new"]),
        (&"0444".into(), &"0400".into())
    );
    // What is the same is not unpacked.
    assert_eq!(told["parts"].as_array().unwrap().len(), 1);

    // Another version of one package.
    let new = build(&folders, true);
    let told = compare(&folders, &old, &new, &["--json"]);
    let told = told.assert_exit(1).json();
    let pairs = told["packages"]["changed"].as_array().unwrap();
    let pair = pairs.iter().find(|pair| pair["name"] == "fbs-hello");
    let pair = pair.unwrap();
    assert_ne!(pair["old"], pair["new"]);
    let files = part(&told, "root image");
    let owned = files.iter().filter(|file| file["package"] == pair["new"]);
    assert!(owned.count() > 0, "{files:?}");
    let database = file(files, "usr/lib/sysimage/rpm/rpmdb.sqlite");
    let what = database["differences"].as_array().unwrap();
    assert!(what.iter().any(|one| one["what"] == "content"), "{what:?}");
    let lines = compare(&folders, &old, &new, &[]);
    let lines = lines.assert_exit(1).stdout.clone();
    let at = |words: &str| {
        let at = lines.iter().position(|line| line.contains(words));
        at.unwrap_or_else(|| panic!("no {words} in {lines:#?}"))
    };
    let change = format!("~ {} -> ", pair["old"].as_str().unwrap());
    assert!(at(&change) < at("disc (") && at("disc (") < at("root image "));
    folders.assert_nothing_left();
}

#[test]
fn what_cannot_be_compared_is_named() {
    let folders = Folders::new();
    let text = folders.file("text", "x".repeat(64 * 1024));
    let missing = folders.top().join("missing.iso");
    for (old, new, words) in [
        (&text, &missing, "is not an ISO image"),
        (&missing, &text, "missing.iso"),
        (&text, &text, "is not an ISO image"),
    ] {
        let told = compare(&folders, old, new, &[]);
        told.assert_exit(2).assert_one_error().assert_says(&[words]);
    }
    // The flag needs both, and two need the flag.
    for args in [vec!["--compare", "a.iso"], vec!["a.iso", "b.iso"]] {
        let verify = Program::new(binaries::fbs()).arg("verify").args(args);
        verify.run().assert_exit(2);
    }
    // Before or behind the first: the flag's place does not matter.
    let verify = folders
        .fbs("verify")
        .arg(&text)
        .arg("--compare")
        .arg(&missing);
    verify.run().assert_exit(2).assert_one_error();
}
