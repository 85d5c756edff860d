//! The Python tools that ours is compared with.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::binaries;
use crate::command::Program;
use crate::turn;

/// The folder with the programs of the environment that `make-venv` makes: pykickstart, productmd,
/// the SPDX tools, Fedora's client of the message bus, servers, schemathesis.
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

/// The file of a package of the environment.
pub fn file(name: &str) -> PathBuf {
    let lib = programs().with_file_name("lib");
    let pythons = lib.read_dir().expect("the environment has a lib");
    let mut found = pythons.map(|python| {
        let python = python.expect("it can be read").path();
        python.join("site-packages").join(name)
    });
    found
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} is not in {}", lib.display()))
}

/// Runs SQL on a SQLite file by the system's Python, as another process would; gives the rows as Python writes them.
pub fn sql(file: &Path, statement: &str) -> String {
    let script = "import sqlite3, sys\n\
                  with sqlite3.connect(sys.argv[1], timeout=20) as file:\n    \
                  print(file.execute(sys.argv[2]).fetchall())\n";
    let done = Program::new("python3")
        .args(["-c", script])
        .arg(file)
        .arg(statement)
        .run();
    done.assert_exit(0);
    done.stdout.join("\n")
}
