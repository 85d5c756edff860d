//! `fbs kickstart`, beside pykickstart itself and with a real FTP server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use fbs_suite::command::{Finished, Program};
use fbs_suite::{Folders, binaries, python};
use serde_json::Value;

/// The folder with the tests' own kickstarts and scripts.
fn own() -> PathBuf {
    binaries::workspace().join("tests/kickstarts")
}

fn kickstart(folders: &Folders, args: &[&str]) -> Finished {
    folders.fbs("kickstart").args(args).run()
}

/// The kickstarts of a folder, without those below it.
fn kickstarts(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "ks"))
        .collect();
    files.sort();
    files
}

/// Flattens each original, and has pykickstart print both. Gives how many it could not read.
fn compare(version: &str, originals: &[PathBuf]) -> usize {
    let folders = Folders::new();
    let mut paths = Vec::new();
    for (number, original) in originals.iter().enumerate() {
        let flat = folders.top().join(format!("{number}.ks"));
        kickstart(
            &folders,
            &[
                "flatten",
                original.to_str().unwrap(),
                "--output",
                flat.to_str().unwrap(),
            ],
        )
        .assert_exit(0);
        paths.extend([original.clone(), flat]);
    }
    let compared = Program::new(python::interpreter())
        .arg(own().join("compare.py"))
        .arg(version)
        .args(paths)
        .run();
    let compared = compared.assert_exit(0).events();
    assert_eq!(compared.len(), originals.len());
    let outcome = |one: &Value| one["outcome"].as_str().unwrap().to_owned();
    let different: Vec<_> = compared
        .iter()
        .filter(|one| outcome(one) == "different")
        .collect();
    assert!(different.is_empty(), "{different:#?}");
    compared
        .iter()
        .filter(|one| outcome(one) == "unreadable")
        .count()
}

#[test]
fn our_own_flatten_as_with_ksflatten() {
    let mut originals = kickstarts(&own());
    originals.extend(kickstarts(&binaries::workspace().join("examples")));
    assert!(originals.len() >= 2);
    assert_eq!(compare("F43", &originals), 0);
}

/// Fedora's spin kickstarts, which lie beside the project where they are at all.
#[test]
fn those_of_fedora_flatten_as_with_ksflatten() {
    let folder = binaries::workspace().join("../shared/kickstarts");
    if !folder.exists() {
        // Not `eprintln!`, which the test harness keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the kickstarts of Fedora (needs ../shared/kickstarts)"
        );
        return;
    }
    let originals = kickstarts(&folder);
    // pykickstart no longer takes options of the nine for ARM.
    assert_eq!(compare("F21", &originals), 9);
    assert_eq!(originals.len(), 47);
}

#[test]
fn over_ftp() {
    let mut server = Program::new(python::interpreter())
        .arg(own().join("ftp_server.py"))
        .arg(own())
        .start();
    let port = server.wait_for("its port", Value::is_number);
    let folders = Folders::new();
    let local = kickstart(
        &folders,
        &["flatten", own().join("live.ks").to_str().unwrap()],
    );
    let url = format!("ftp://127.0.0.1:{port}/live.ks");
    let remote = kickstart(&folders, &["flatten", &url]);
    assert_eq!(remote.assert_exit(0).stdout, local.assert_exit(0).stdout);
    let missing = format!("ftp://127.0.0.1:{port}/none.ks");
    kickstart(&folders, &["flatten", &missing])
        .assert_exit(4)
        .assert_one_error()
        .assert_says(&["none.ks: the server answers \"550 No such file or directory.\""]);
}

#[test]
fn a_kickstart_is_checked() {
    let folders = Folders::new();
    let good = own().join("live.ks");
    kickstart(&folders, &["check", good.to_str().unwrap()])
        .assert_exit(0)
        .assert_says(&["live.ks: fine"]);
    let bad = folders.file(
        "bad.ks",
        "lang\nlnag C\nrepo --mane=x\n%packages --nocor=1\nvim emacs\n%end\n",
    );
    let checked = kickstart(&folders, &["check", "--json", bad.to_str().unwrap()]);
    checked.assert_exit(1).assert_one_error().assert_says(&[
        "warning: ",
        "bad.ks:2: lnag: unknown command; did you mean \"lang\"?",
        "bad.ks:1: lang: the locale is missing; it must be given",
        "bad.ks:3: repo: unknown option \"--mane\"; did you mean \"--name\"?",
        "bad.ks:4: %packages: --nocore takes no value; write --nocore alone",
        "bad.ks:5: %packages: \"vim emacs\" is more than one name; write one package a line",
    ]);
    let json = checked.json();
    assert_eq!(json["valid"], false);
    assert_eq!(json["mistakes"].as_array().unwrap().len(), 4);
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_kickstart_is_refused() {
    let folders = Folders::new();
    let page = folders.file("page.ks", "<!DOCTYPE html>\n<html></html>\n");
    let open = folders.file("open.ks", "%post\necho\n");
    let chain = folders.file("chain.ks", "\n%include link.ks\n");
    folders.file("link.ks", "%include gone.ks\n");
    let cycle = folders.file("cycle.ks", "%include cycle.ks\n");
    let big = folders.file("big.ks", "");
    fs::File::options()
        .write(true)
        .open(&big)
        .unwrap()
        .set_len(200 << 20)
        .unwrap();
    for (path, words) in [
        (&page, "page.ks: it is a web page, not a kickstart"),
        (&open, "open.ks:1: %post: the section does not end"),
        (&chain, "gone.ks: there is no such file ("),
        (&cycle, "cycle.ks: it includes itself ("),
        (&big, "big.ks: it is larger than 8 MiB"),
        (
            &folders.top().join("none.ks"),
            "none.ks: there is no such file",
        ),
        (&folders.top().to_owned(), "it is no file"),
    ] {
        kickstart(&folders, &["flatten", path.to_str().unwrap()])
            .assert_exit(2)
            .assert_one_error()
            .assert_says(&[words])
            .assert_within(5.0);
    }
}

#[test]
fn repositories_and_packages_are_added() {
    let folders = Folders::new();
    let file = folders.file(
        "a.ks",
        "# mine\nlang C\n%include b.ks\n%packages\nnano\n%end\n",
    );
    let file = file.to_str().unwrap();
    let out = folders.top().join("out.ks");
    let side = [
        "--name",
        "side",
        "--baseurl",
        "file:///srv/side",
        "--cost",
        "5",
    ];
    let to_out = ["--output", out.to_str().unwrap()];
    kickstart(
        &folders,
        &[&["add-repo", file][..], &side, &to_out].concat(),
    )
    .assert_exit(0);
    assert_eq!(
        fs::read_to_string(&out).unwrap(),
        "# mine\nlang C\n%include b.ks\nrepo --name=side --baseurl=file:///srv/side --cost=5\n%packages\nnano\n%end\n"
    );
    kickstart(
        &folders,
        &[&["add-repo", file][..], &side, &to_out].concat(),
    )
    .assert_exit(2)
    .assert_says(&["it exists and is left as it is"]);
    kickstart(&folders, &[&["add-repo", to_out[1]][..], &side].concat())
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["out.ks:4 has a repository \"side\" already"]);
    kickstart(&folders, &["add-repo", file, "--name", "x"]).assert_exit(2);

    let added = kickstart(&folders, &["packages", file, "--add", "-nano,vim,@core"]);
    assert_eq!(
        added.assert_exit(0).stdout,
        [
            "# mine",
            "lang C",
            "%include b.ks",
            "%packages",
            "-nano",
            "vim",
            "@core",
            "%end"
        ]
    );
    let live = own().join("live.ks");
    let listed = kickstart(&folders, &["packages", live.to_str().unwrap()]);
    assert_eq!(
        listed.assert_exit(0).stdout,
        [
            "@^minimal-environment",
            "@core --nodefaults",
            "@fonts --optional",
            "kernel*",
            "glibc.x86_64",
            "vim",
            "-@dial-up",
            "-emacs",
            "-nano"
        ]
    );
    let json = kickstart(&folders, &["packages", "--json", live.to_str().unwrap()]).json();
    assert_eq!(json["options"]["exclude_weakdeps"], true);
    let place = json["packages"][2]["place"].as_str().unwrap();
    assert!(place.ends_with("parts/packages.ks:2"), "{place}");
}

#[test]
fn a_new_spec_has_the_packages_that_were_picked() {
    let folders = Folders::new();
    let path = folders.top().join("live.conf");
    folders
        .fbs("new")
        .args(["live", "--packages", "vim,@core,-nano", "--output"])
        .arg(&path)
        .run()
        .assert_exit(0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\npackages=vim;@core;-nano\n"), "{text}");
    folders.fbs("check").arg(&path).run().assert_exit(0);
    folders
        .fbs("new")
        .args(["live", "--packages", "vim;rm"])
        .run()
        .assert_exit(2)
        .assert_says(&["\"vim;rm\" is not a package"]);
}
