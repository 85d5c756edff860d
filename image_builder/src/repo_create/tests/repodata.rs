//! Repodata, compared with what createrepo_c writes, and read by dnf.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::{mini_release, rpm, skip};
use crate::context::BuildContext;
use crate::error::{ErrorKind, StageError};
use crate::process::Invocation;
use crate::repo_create::{Compression, CreateRepo, RepoError, RepoSummary};

/// A folder with `count` small RPMs that were written an hour ago.
fn folder(count: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..count {
        add(dir.path(), &format!("pkg{number}"));
    }
    dir
}

fn add(dir: &Path, name: &str) {
    let path = dir.join(format!("{name}-1.0-1.fc43.x86_64.rpm"));
    fs::write(&path, rpm(name, 500)).unwrap();
    let hour = Duration::from_secs(3600);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(SystemTime::now() - hour)
        .unwrap();
}

fn run(create: &CreateRepo) -> Result<RepoSummary, RepoError> {
    create.run_blocking(&CancellationToken::new())
}

fn create(dir: &Path) -> RepoSummary {
    run(&CreateRepo::new(dir)).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = dir
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The text of the file of `kind` that the repodata of `dir` names.
fn text(dir: &Path, kind: &str) -> String {
    let repodata = dir.join("repodata");
    let names = names(&repodata);
    let name = names
        .iter()
        .find(|name| name.contains(&format!("{kind}.xml")))
        .unwrap();
    let file = File::open(repodata.join(name)).unwrap();
    let mut text = String::new();
    let mut reader: Box<dyn Read> = match name.rsplit_once('.').unwrap().1 {
        "zst" => Box::new(zstd::stream::read::Decoder::new(file).unwrap()),
        "gz" => Box::new(flate2::read::GzDecoder::new(file)),
        _ => Box::new(file),
    };
    reader.read_to_string(&mut text).unwrap();
    text
}

/// The lines of each package's element, sorted and written in one way, by file and checksum.
fn packages(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut packages = BTreeMap::new();
    for package in text.split("<package ").skip(1) {
        let package = package.split("</package>").next().unwrap();
        let lines = package.lines().map(|line| {
            let mut line = line.trim().to_owned();
            for (entity, character) in [
                ("&lt;", "<"),
                ("&gt;", ">"),
                ("&quot;", "\""),
                ("&apos;", "'"),
                ("&#13;", "\r"),
                ("&amp;", "&"),
            ] {
                line = line.replace(entity, character);
            }
            // `<url></url>` is `<url/>`.
            if let Some((tag, rest)) = line.split_once("></")
                && !tag.contains(' ')
            {
                assert!(rest.ends_with('>'));
                line = format!("{tag}/>");
            }
            line
        });
        let mut lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        lines.sort();
        let id = lines
            .iter()
            .find(|line| line.contains("pkgid=\""))
            .unwrap()
            .clone();
        assert!(packages.insert(id, lines).is_none());
    }
    packages
}

async fn program(invocation: Invocation) -> Vec<String> {
    BuildContext::default().query(&invocation).await.unwrap()
}

#[tokio::test]
async fn every_package_is_described_as_createrepo_c_does() {
    if which::which("createrepo_c").is_err() {
        return skip("no createrepo_c");
    }
    let Some(rpms) = mini_release() else {
        return skip("no mini release");
    };
    let (ours, theirs) = (folder(3), tempfile::tempdir().unwrap());
    for path in rpms {
        fs::copy(&path, ours.path().join(path.file_name().unwrap())).unwrap();
    }
    for name in names(ours.path()) {
        fs::hard_link(ours.path().join(&name), theirs.path().join(&name)).unwrap();
    }
    create(ours.path());
    program(
        Invocation::new("createrepo_c")
            .arg("--quiet")
            .arg("--no-database")
            .arg(theirs.path().display().to_string()),
    )
    .await;
    for kind in ["primary", "filelists", "other"] {
        let (ours, theirs) = (text(ours.path(), kind), text(theirs.path(), kind));
        // The root element, with the number of packages.
        assert_eq!(ours.lines().nth(1), theirs.lines().nth(1));
        let (ours, theirs) = (packages(&ours), packages(&theirs));
        assert!(ours.len() > 100);
        for (id, ours) in &ours {
            let mut theirs = theirs[id].clone();
            if *ours != theirs {
                // createrepo_c counts %posttrans among the scriptlets that need a package
                // beforehand since 1.1 (2024), as we do: commit f02f17a.
                let older = |lines: &[String]| {
                    let mut lines: Vec<String> = lines
                        .iter()
                        .map(|line| line.replace(" pre=\"1\"", ""))
                        .collect();
                    lines.sort();
                    lines
                };
                theirs = older(&theirs);
                assert_eq!(older(ours), theirs, "{kind} of {id}");
            }
        }
        assert_eq!(ours.len(), theirs.len());
    }
}

#[tokio::test]
async fn dnf_finds_what_is_in_it() {
    if which::which("dnf").is_err() {
        return skip("no dnf");
    }
    for compression in [Compression::Zstd, Compression::Gzip] {
        let dir = folder(3);
        let comps = dir.path().join("comps.xml");
        fs::write(
            &comps,
            "<?xml version=\"1.0\"?>\n<comps><group><id>things</id><name>Things</name>\
             <uservisible>true</uservisible><packagelist>\
             <packagereq type=\"mandatory\">pkg1</packagereq></packagelist></group></comps>\n",
        )
        .unwrap();
        let mut create = CreateRepo::new(dir.path());
        create.compression = compression;
        create.comps = Some(comps);
        run(&create).unwrap();
        let dnf = |words: &[&str]| {
            let cache = dir.path().join("cache");
            let fixed = [
                "--quiet".to_owned(),
                "--disablerepo=*".to_owned(),
                format!("--repofrompath=side,file://{}", dir.path().display()),
                "--enablerepo=side".to_owned(),
                format!("--setopt=cachedir={}", cache.display()),
                "--setopt=reposdir=/nonexistent".to_owned(),
                "--forcearch=x86_64".to_owned(),
                "--releasever=43".to_owned(),
            ];
            let words = words.iter().map(|word| (*word).to_owned());
            program(Invocation::new("dnf").args(fixed.into_iter().chain(words)))
        };
        let lines = dnf(&["repoquery", "--whatprovides", "virtual(thing)"]).await;
        assert!(
            lines.contains(&"pkg1-0:1.0-1.fc43.x86_64".to_owned()),
            "{lines:?}"
        );
        let lines = dnf(&["repoquery", "--list", "pkg2"]).await;
        assert!(
            lines.contains(&"/usr/share/pkg2/data".to_owned()),
            "{lines:?}"
        );
        let lines = dnf(&["group", "info", "things"]).await;
        assert!(lines.iter().any(|line| line.trim() == "pkg1"), "{lines:?}");
    }
}

#[test]
fn unchanged_rpms_are_not_read_again() {
    let dir = folder(6);
    create(dir.path());
    let before = ["primary", "filelists", "other"].map(|kind| text(dir.path(), kind));
    // Not readable as RPMs any more; who looks only at size and time does not see it.
    let path = dir.path().join("pkg3-1.0-1.fc43.x86_64.rpm");
    let (size, time) = {
        let meta = path.metadata().unwrap();
        (meta.len() as usize, meta.modified().unwrap())
    };
    let original = fs::read(&path).unwrap();
    fs::write(&path, vec![0; size]).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let summary = create(dir.path());
    assert_eq!((summary.packages, summary.reused), (6, 6));
    let after = ["primary", "filelists", "other"].map(|kind| text(dir.path(), kind));
    assert_eq!(before, after);
    fs::write(&path, original).unwrap();

    // One changed, one new, one gone.
    fs::remove_file(dir.path().join("pkg0-1.0-1.fc43.x86_64.rpm")).unwrap();
    add(dir.path(), "added");
    let summary = create(dir.path());
    assert_eq!((summary.packages, summary.reused), (6, 4));
    let primary = text(dir.path(), "primary");
    assert!(primary.contains("<name>added</name>") && !primary.contains("<name>pkg0</name>"));
    assert!(primary.contains(" packages=\"6\">"));
    // What was written this very second may have changed since.
    assert_eq!(create(dir.path()).reused, 5);
}

#[test]
fn old_repodata_that_is_not_ours_or_not_whole_is_not_used() {
    let dir = folder(3);
    create(dir.path());
    let repodata = dir.path().join("repodata");
    let primary = names(&repodata)
        .into_iter()
        .find(|name| name.contains("primary"))
        .unwrap();
    let intact = fs::read(repodata.join(&primary)).unwrap();
    let repomd = fs::read_to_string(repodata.join("repomd.xml")).unwrap();
    let damage: [&dyn Fn(); 5] = [
        &|| fs::write(repodata.join(&primary), &intact[..intact.len() - 9]).unwrap(),
        &|| fs::write(repodata.join(&primary), "").unwrap(),
        &|| fs::remove_file(repodata.join(&primary)).unwrap(),
        &|| fs::write(repodata.join("repomd.xml"), &repomd[..repomd.len() / 2]).unwrap(),
        &|| {
            fs::write(
                repodata.join("repomd.xml"),
                repomd.replace(&primary, "../x.gz"),
            )
            .unwrap()
        },
    ];
    for damage in damage {
        damage();
        let summary = create(dir.path());
        assert_eq!((summary.packages, summary.reused), (3, 0));
        assert_eq!(create(dir.path()).reused, 3);
    }
}

#[test]
fn the_folder_holds_the_new_repodata_and_nothing_else() {
    let dir = folder(2);
    fs::create_dir_all(dir.path().join(".repodata-killed")).unwrap();
    create(dir.path());
    fs::write(dir.path().join("repodata/primary.xml.gz"), "old").unwrap();
    let sub = dir.path().join("Packages/a");
    fs::create_dir_all(&sub).unwrap();
    add(&sub, "abc");
    fs::write(dir.path().join(".half.rpm"), "not yet").unwrap();
    assert_eq!(create(dir.path()).packages, 3);
    assert!(
        text(dir.path(), "primary")
            .contains("<location href=\"Packages/a/abc-1.0-1.fc43.x86_64.rpm\"/>")
    );
    assert_eq!(names(&dir.path().join("repodata")).len(), 4);
    assert_eq!(
        names(dir.path()),
        [
            ".half.rpm",
            "Packages",
            "pkg0-1.0-1.fc43.x86_64.rpm",
            "pkg1-1.0-1.fc43.x86_64.rpm",
            "repodata"
        ]
    );
    // An empty folder is an empty repository.
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(create(empty.path()).packages, 0);
    assert!(text(empty.path(), "other").contains(" packages=\"0\">\n</otherdata>"));
}

#[test]
fn what_others_have_put_into_the_repodata_stays() {
    let dir = folder(1);
    create(dir.path());
    let repodata = dir.path().join("repodata");
    fs::write(repodata.join("mine.txt"), "mine").unwrap();
    fs::create_dir(repodata.join("notes")).unwrap();
    fs::write(repodata.join("notes/a"), "a").unwrap();
    std::os::unix::fs::symlink("nowhere", repodata.join("link")).unwrap();
    add(dir.path(), "more");
    assert_eq!(create(dir.path()).packages, 2);
    let found = names(&repodata);
    assert_eq!(found.len(), 4 + 3, "{found:?}");
    assert_eq!(
        fs::read_to_string(repodata.join("mine.txt")).unwrap(),
        "mine"
    );
    assert_eq!(names(&repodata.join("notes")), ["a"]);
    assert!(repodata.join("link").is_symlink());
}

#[test]
fn what_is_no_folder_is_said_and_left_as_it_is() {
    let dir = folder(1);
    let repodata = dir.path().join("repodata");
    fs::write(&repodata, "mine").unwrap();
    fs::write(dir.path().join(".repodata-mine"), "mine").unwrap();
    let before = names(dir.path());
    let error = run(&CreateRepo::new(dir.path())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} is not a folder", repodata.display())
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(names(dir.path()), before);
    assert_eq!(fs::read_to_string(&repodata).unwrap(), "mine");
    let error = run(&CreateRepo::new(&repodata)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} is not a folder", repodata.display())
    );

    fs::remove_file(&repodata).unwrap();
    for comps in ["nosuch.xml", "."] {
        let mut create = CreateRepo::new(dir.path());
        create.comps = Some(dir.path().join(comps));
        let error = run(&create).unwrap_err();
        assert!(matches!(error, RepoError::Comps { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hint().unwrap().contains("--comps"), "{error}");
    }
    // No more threads than can be started.
    let mut create = CreateRepo::new(dir.path());
    create.workers = 99_999_999;
    assert_eq!(run(&create).unwrap().packages, 1);
}

#[test]
fn all_damaged_files_are_named_and_the_old_repodata_stays() {
    let dir = folder(4);
    create(dir.path());
    let before = names(&dir.path().join("repodata"));
    let good = rpm("x", 5000);
    fs::write(dir.path().join("a-cut.rpm"), &good[..good.len() - 9]).unwrap();
    fs::write(dir.path().join("b-empty.rpm"), "").unwrap();
    fs::write(dir.path().join("c-page.rpm"), "<html>".repeat(99)).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() - 6200] ^= 1;
    fs::write(dir.path().join("d-flipped.rpm"), flipped).unwrap();
    let error = run(&CreateRepo::new(dir.path())).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("4 files are no intact RPMs:\n"),
        "{message}"
    );
    for (file, problem) in [
        ("a-cut.rpm", "it has "),
        ("b-empty.rpm", "it is cut off in its lead"),
        ("c-page.rpm", "it is no RPM: it begins with"),
        ("d-flipped.rpm", "its header SHA-256 is"),
    ] {
        assert!(
            message.contains(&format!("{file}: {problem}")),
            "{file} in {message}"
        );
    }
    assert_eq!(error.hint().unwrap(), "remove or replace these files");
    assert_eq!(names(&dir.path().join("repodata")), before);
    assert_eq!(names(dir.path()).len(), 9);
}

#[test]
fn a_known_checksum_is_taken_and_the_file_not_hashed() {
    let dir = folder(2);
    let mut create = CreateRepo::new(dir.path());
    let known = "ab".repeat(32);
    create.known = HashMap::from([("pkg0-1.0-1.fc43.x86_64.rpm".to_owned(), known.clone())]);
    run(&create).unwrap();
    assert!(text(dir.path(), "primary").contains(&known));
    // It also tells that a file is another one than the old repodata knows.
    create.known = HashMap::from([("pkg0-1.0-1.fc43.x86_64.rpm".to_owned(), "cd".repeat(32))]);
    assert_eq!(run(&create).unwrap().reused, 1);
}

#[test]
fn one_at_a_time_and_not_when_cancelled() {
    let dir = folder(2);
    let folder = File::open(dir.path()).unwrap();
    folder.lock().unwrap();
    let error = run(&CreateRepo::new(dir.path())).unwrap_err();
    assert!(matches!(error, RepoError::Busy(_)) && error.is_transient());
    drop(folder);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = CreateRepo::new(dir.path())
        .run_blocking(&cancel)
        .unwrap_err();
    assert!(matches!(error, RepoError::Cancelled));
    assert_eq!(names(dir.path()).len(), 2);
    let mut create = CreateRepo::new(dir.path());
    create.comps = Some(dir.path().join("pkg0-1.0-1.fc43.x86_64.rpm"));
    let error = run(&create).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is no groups file (comps): it is not UTF-8")
    );
}
