//! The binaries under test.
//!
//! Cargo builds the binaries of a package for that package's own tests only, and these tests are
//! in another one. So Cargo is asked to: where `make test` has built the workspace that takes a
//! fraction of a second, and a stale binary is never tested.
//!
//! It is built in the way of `make test`, with all features, or the whole tree would be compiled
//! twice. That makes no other `fbs`: it has every feature of the library anyway, but the mocks.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::command::Program;

/// `fbs`.
pub fn fbs() -> PathBuf {
    binary("fbs")
}

/// `fbs-http`.
pub fn fbs_http() -> PathBuf {
    binary("fbs-http")
}

/// The sources' top folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the binaries and the folders of tests are: `target/debug`.
pub fn profile_folder() -> PathBuf {
    // target/debug/deps/boot_image-0123456789abcdef
    let test = std::env::current_exe().expect("the test knows its own path");
    let folder = test.parent().and_then(Path::parent);
    folder.expect("a test is in target/PROFILE/deps").to_owned()
}

fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build);
    let path = profile_folder().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace` first, or the tests by Cargo",
        path.display()
    );
    path
}

fn build() {
    // Cargo sets it for the tests that it runs.
    let Some(cargo) = std::env::var_os("CARGO") else {
        return;
    };
    let mut build = Program::new(cargo)
        .args(["build", "--workspace", "--all-targets", "--all-features"])
        .arg("--quiet")
        .folder(workspace());
    if profile_folder().ends_with("release") {
        build = build.arg("--release");
    }
    // The build script of ring looks at these. With those of the test that asks, it and all that is
    // built on TLS would be compiled again, and once more for whoever runs Cargo next.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            build = build.without_env(&name);
        }
    }
    build.run().assert_exit(0);
}
