//! The Python tools that ours is compared with.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::binaries;
use crate::command::Program;
use crate::turn;

/// The folder with the programs of the environment that `make-venv` makes: pykickstart, productmd,
/// the SPDX tools, Fedora's client of the message bus, an FTP and a mail server.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let _alone = turn::lock("python");
        let venv = binaries::profile_folder().join("test-venv");
        Program::new(binaries::workspace().join("tests/suite/make-venv"))
            .arg(&venv)
            .run()
            .assert_exit(0);
        venv.join("bin")
    })
}

/// Its interpreter.
pub fn interpreter() -> PathBuf {
    programs().join("python")
}
