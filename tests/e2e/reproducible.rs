//! The same spec and packages give the same bytes: whatever the folders, the hour, the time zone, the
//! host's name, the locale and the umask are, and whether anything was downloaded before.

use std::fs;
use std::path::{Path, PathBuf};

use fbs_suite::command::Program;
use fbs_suite::delivery::{assert_same_image, sha256};
use fbs_suite::tools::Stubs;
use fbs_suite::{Delivery, Folders, binaries, need, release, turn};
use serde_json::Value;

/// `fbs build` of `spec` with a work folder, a staging folder and a cache of its own.
fn build(folders: &Folders, spec: &Path, name: &str, cache: &str) -> Program {
    let own = |part: &str| {
        let path = folders.top().join(format!("{name}-{part}"));
        fs::create_dir_all(&path).unwrap();
        path
    };
    Program::new(binaries::fbs())
        .arg("build")
        .arg(spec)
        .arg("--workdir")
        .arg(own("work"))
        .arg("--staging")
        .arg(own("staging"))
        .set("99_url", release::packages())
        .set("backend", "native")
        .env("FBS_CACHE_DIR", folders.top().join(cache))
        .env("FBS_STATE_DIR", folders.state())
        .folder(folders.top())
}

/// The same by somebody else, elsewhere.
fn elsewhere(program: Program) -> Program {
    let script = "umask 077; hostname elsewhere; exec \"$@\"";
    program
        .env("TZ", "Asia/Tokyo")
        .env("LC_ALL", "C")
        .env("LANG", "de_DE.UTF-8")
        .inside(Program::new("unshare").args(["--uts", "sh", "-c", script, "sh"]))
}

/// What a build handed over, and its images by their names without the time.
fn images(folders: &Folders, name: &str) -> (Delivery, Vec<(String, PathBuf)>) {
    let staging = folders.top().join(format!("{name}-staging"));
    let mut deliveries = fbs_suite::folders::entries(&staging);
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    let delivery = Delivery::of(deliveries.remove(0));
    let own = delivery.report["name"].as_str().unwrap().to_owned();
    let isos = fbs_suite::folders::entries(&delivery.folder);
    let mut isos: Vec<_> = isos
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "iso"))
        .map(|path| {
            let file = path.file_name().unwrap().to_string_lossy();
            (file.replace(&own, "image"), path)
        })
        .collect();
    isos.sort();
    (delivery, isos)
}

/// The images of the builds `a` and `b` are the same, byte for byte. Gives the report of `a`.
fn assert_alike(folders: &Folders, count: usize) -> Value {
    let ((one, a), (other, b)) = (images(folders, "a"), images(folders, "b"));
    assert_eq!(a.len(), count, "{a:?}");
    assert_eq!(b.len(), count, "{b:?}");
    for ((name, a), (same_name, b)) in a.iter().zip(&b) {
        assert_eq!(name, same_name);
        assert_same_image(name, a, b);
    }
    let date = &one.report["source_date_epoch"];
    assert_eq!(*date, other.report["source_date_epoch"]);
    one.report.clone()
}

#[test]
fn boot_images_are_the_same_from_two_empty_caches() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let spec = folders.spec();
    let small = |program: Program| {
        program
            .set("packages", "@core")
            .set("compression", "zstd:1")
    };
    let a = small(build(&folders, &spec, "a", "cache-a"));
    a.run().assert_exit(0);
    // The root of the other is in memory until that turns out to be too small.
    let shrink = format!(
        "case \"$*\" in *--cacheonly*) mount -o remount,size=64m {}/2*/memory;; esac\n\
         exec {{real}} \"$@\"",
        folders.top().join("b-work").display()
    );
    let stubs = Stubs::new(folders.top()).script("dnf", &shrink);
    let b = small(build(&folders, &spec, "b", "cache-b")).env("PATH", stubs.path());
    elsewhere(b).run().assert_exit(0);
    let (b, _) = images(&folders, "b");
    let words = "Install root:: it does not fit memory: once more, on the disk";
    assert!(b.log.contains(words), "{}", b.log);
    let report = assert_alike(&folders, 1);
    let date = &report["source_date_epoch"];
    assert_eq!(date["from"], "package", "{date}");
    // The newest package is one of the image, and tells the time itself.
    let package = date["package"].as_str().unwrap();
    let packages = report["packages"].as_array().unwrap();
    assert!(packages.iter().any(|one| one == package), "{package}");

    // Another time makes another image, which says so.
    let dated =
        small(build(&folders, &spec, "c", "cache-a")).env("SOURCE_DATE_EPOCH", "1700000000");
    dated.run().assert_exit(0);
    let (c, isos) = images(&folders, "c");
    assert_eq!(c.report["source_date_epoch"]["from"], "environment");
    assert_eq!(
        c.report["image"]["discinfo"].as_str().unwrap()[..13],
        *"1700000000.0\n"
    );
    let (_, first) = images(&folders, "a");
    assert_ne!(sha256(&isos[0].1), sha256(&first[0].1));
}

#[test]
fn live_images_are_the_same_with_a_cache_that_is_warm() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let kickstart = "rootpw secret\nuser --name=anna --password=secret --plaintext\n\
                     services --disabled=systemd-timesyncd\n%packages\n@core\n%end\n\
                     %post\ndate -d \"@$SOURCE_DATE_EPOCH\" >/etc/issue\nmkdir /srv/made\n%end\n";
    folders.file("live.ks", kickstart);
    let spec = "[DEFAULT]\ntype = live\nrelease = 99\nboot_test = none\n[live]\nconfig = live.ks\n";
    let spec = folders.file("live.conf", spec);
    let a = build(&folders, &spec, "a", "cache").set("compression", "zstd:1");
    a.run().assert_exit(0);
    let b = build(&folders, &spec, "b", "cache").set("compression", "zstd:1");
    elsewhere(b).run().assert_exit(0);
    assert_alike(&folders, 1);
}

#[test]
fn dvds_are_the_same_in_two_folders_and_with_a_cache_that_is_warm() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let kickstart = "%packages --exclude-weakdeps\n@core\nfbs-hello\n%end\n";
    folders.file("dvd.ks", kickstart);
    let spec = "[DEFAULT]\ntype = dvd\nrelease = 99\nboot_test = none\nrootfs = erofs\n[dvd]\n\
                config = dvd.ks\n";
    let spec = folders.file("dvd.conf", spec);
    for (name, cache) in [("a", "cache-a"), ("b", "cache-b"), ("c", "cache-a")] {
        let destdir = folders.top().join(format!("{name}-dvd"));
        let dvd = build(&folders, &spec, name, cache).set("destdir", destdir);
        match name {
            "a" => dvd.run(),
            _ => elsewhere(dvd).run(),
        }
        .assert_exit(0);
    }
    assert_alike(&folders, 2);
    // The installer of the last one was in the cache.
    let (warm, isos) = images(&folders, "c");
    for words in ["Install root:: hit", "Initramfs:: hit", "ISO:: hit"] {
        assert!(warm.log.contains(words), "{words}:\n{}", warm.log);
    }
    let (_, cold) = images(&folders, "a");
    assert_eq!(isos.len(), cold.len());
    for ((name, cold), (_, warm)) in cold.iter().zip(&isos) {
        assert_same_image(name, cold, warm);
    }
}

#[test]
fn a_time_that_no_image_can_have_is_refused_before_anything_is_done() {
    let folders = Folders::new();
    let spec = folders.spec();
    for time in ["-1", "yesterday", "1e9", "99999999999"] {
        let build = folders.fbs_spec("build", &spec);
        let build = build.env("SOURCE_DATE_EPOCH", time).run();
        build.assert_exit(2).assert_one_error();
        build.assert_says(&["SOURCE_DATE_EPOCH is", time, "seconds since 1970"]);
    }
    // An empty one is none.
    let plan = folders.fbs_spec("plan", &spec).env("SOURCE_DATE_EPOCH", "");
    plan.run().assert_exit(0);
    folders.assert_no_delivery();
}
