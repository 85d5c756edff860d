//! Tests of the side repository against a small server with faults, real RPMs, createrepo_c and dnf.

mod cache;
mod download;
mod faults;
mod headers;
mod package_xml;
mod repodata;
mod server;
#[cfg(feature = "signatures")]
mod signatures;

use std::path::{Path, PathBuf};

use rpm::{BuildConfig, CompressionType, Dependency, FileOptions, PackageBuilder};

use super::{Download, RemoteCopy, RpmCheck};

/// An RPM of its own name and content, of about `size` bytes.
fn rpm(name: &str, size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    package(name, size)
        .build()
        .unwrap()
        .write(&mut bytes)
        .unwrap();
    bytes
}

/// What [`rpm`] builds.
fn package(name: &str, size: usize) -> PackageBuilder {
    let mut seed = name.bytes().fold(1u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let content: Vec<u8> = (0..size)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as u8
        })
        .collect();
    let mut builder = PackageBuilder::new(name, "1.0", "MIT", "x86_64", "A package for tests");
    builder
        .using_config(
            BuildConfig::v4()
                .compression(CompressionType::None)
                .source_date(1_700_000_000u32),
        )
        .release("1.fc43")
        .description("Lines <and> \"signs\" & more\nthat XML must escape.")
        .requires(Dependency::greater_eq("glibc", "2.40"))
        .requires(Dependency::any("/bin/sh"))
        .provides(Dependency::eq("virtual(thing)", "2:1~rc1"))
        .add_changelog_entry(
            "A Tester <a@example.org> - 1.0-1",
            "- first",
            1_700_000_000u32,
        );
    builder
        .with_file_contents(content, FileOptions::new(format!("/usr/share/{name}/data")))
        .unwrap();
    builder
        .with_file_contents("#!/bin/sh\n", FileOptions::new(format!("/usr/bin/{name}")))
        .unwrap();
    builder
}

/// The MD5 of header and payload, as Koji would tell it.
fn sigmd5(rpm: &[u8]) -> String {
    let mut check = RpmCheck::new(super::Expected::default());
    check.update(rpm).unwrap();
    check.finish().unwrap().sigmd5
}

/// The download of `content` as `<name>.rpm` from `urls`.
fn download(name: &str, content: &[u8], urls: &[String]) -> Download {
    let copy = |url: &String| RemoteCopy {
        url: url.parse().unwrap(),
        size: Some(content.len() as u64),
    };
    Download {
        copies: urls.iter().map(copy).collect(),
        file_name: format!("{name}.rpm"),
        payload_hash: Some(sigmd5(content).parse().unwrap()),
        sha256: None,
    }
}

/// The RPMs of the mini release, if it was made; `make test` makes it.
fn mini_release() -> Option<Vec<PathBuf>> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/mini-release/releases");
    let mut folders = vec![target];
    let mut rpms = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().ok()? {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rpm") {
                rpms.push(path);
            }
        }
    }
    (!rpms.is_empty()).then_some(rpms)
}

/// Says that the calling test is skipped; where all must run, fails it.
fn skip(reason: &str) {
    let required = std::env::var_os("FBS_TESTS_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "this test may not be skipped: {reason}");
    eprintln!("skipped: {reason}");
}
