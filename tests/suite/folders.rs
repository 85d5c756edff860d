//! The folders of one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use crate::command::{Program, eventually};
use crate::delivery::Delivery;
use crate::{binaries, processes, release, turn};

/// A spec of the mini release, a work, a staging and a cache folder, and a place for the tree.
/// All of it goes when this is dropped.
#[derive(Debug)]
pub struct Folders {
    dir: TempDir,
    cache: PathBuf,
}

impl Folders {
    /// New ones, below `target/`: images are larger than a `/tmp` in memory.
    pub fn new() -> Self {
        let parent = binaries::profile_folder().join("e2e");
        fs::create_dir_all(&parent).expect("target/ is ours");
        let dir = tempfile::Builder::new()
            .prefix("fbs-")
            .tempdir_in(parent)
            .expect("target/ is ours");
        let cache = dir.path().join("cache");
        let folders = Self { dir, cache };
        for folder in [folders.work(), folders.staging(), folders.cache()] {
            fs::create_dir(folder).expect("it is new");
        }
        folders
    }

    /// As [`new`](Self::new), with a cache that all tests of this `fbs` share: for those to which it makes
    /// no difference whether a part was made by them.
    pub fn warm() -> Self {
        Self {
            cache: warm_cache(),
            ..Self::new()
        }
    }

    /// The folder that holds them all.
    pub fn top(&self) -> &Path {
        self.dir.path()
    }

    /// The spec's `workdir`.
    pub fn work(&self) -> PathBuf {
        self.top().join("work")
    }

    /// The spec's `staging`.
    pub fn staging(&self) -> PathBuf {
        self.top().join("staging")
    }

    /// The spec's `outdir`, which is not there yet.
    pub fn outdir(&self) -> PathBuf {
        self.top().join("tree")
    }

    /// `FBS_CACHE_DIR`.
    pub fn cache(&self) -> PathBuf {
        self.cache.clone()
    }

    /// `FBS_STATE_DIR`, which is not there yet.
    pub fn state(&self) -> PathBuf {
        self.top().join("state")
    }

    /// A file with `text` in it.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.top().join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// A spec with no more than must be in one, and no boot test.
    pub fn spec(&self) -> PathBuf {
        let text = "[DEFAULT]\ntype = boot\nrelease = 99\nboot_test = none\n";
        self.file("boot.conf", text)
    }

    /// `fbs COMMAND`, with the test's cache.
    pub fn fbs(&self, command: &str) -> Program {
        Program::new(binaries::fbs())
            .arg(command)
            .env("FBS_CACHE_DIR", self.cache())
            .env("FBS_STATE_DIR", self.state())
            .env("TMPDIR", self.top())
            .folder(self.top())
    }

    /// `fbs COMMAND SPEC` with the test's folders, but none for the tree.
    pub fn fbs_spec(&self, command: &str, spec: &Path) -> Program {
        self.fbs(command)
            .arg(spec)
            .arg("--workdir")
            .arg(self.work())
            .arg("--staging")
            .arg(self.staging())
    }

    /// `fbs build` of the mini release's packages by the native engine.
    pub fn build(&self) -> Program {
        self.build_from(&release::packages())
    }

    /// `fbs build` of the packages at `url` by the native engine.
    pub fn build_from(&self, url: &str) -> Program {
        self.fbs_spec("build", &self.spec())
            .set("99_url", url)
            .set("backend", "native")
    }

    /// `fbs build` with the packages that fail at hand; `package` is installed.
    pub fn faulty_build(&self, package: &str) -> Program {
        self.build()
            .set("updates", "1")
            .set("99-updates_url", release::faulty())
            .set("packages", package)
    }

    /// What was handed over, in the order of time.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let mut folders: Vec<PathBuf> = entries(&self.staging());
        folders.sort();
        folders.into_iter().map(Delivery::of).collect()
    }

    /// What the one build of the test handed over.
    pub fn delivery(&self) -> Delivery {
        let mut deliveries = self.deliveries();
        assert_eq!(deliveries.len(), 1, "{deliveries:?}");
        deliveries.remove(0)
    }

    /// Nothing was handed over.
    pub fn assert_no_delivery(&self) {
        assert_eq!(entries(&self.staging()), [] as [PathBuf; 0]);
    }

    /// No process runs, nothing is mounted, and the builds' own folders are gone.
    pub fn assert_nothing_left(&self) {
        self.assert_no_process();
        assert_eq!(processes::mounts(self.top()), [] as [String; 0]);
        if self.work().exists() {
            assert_eq!(entries(&self.work()), [] as [PathBuf; 0]);
        }
        // Neither in the staging folder nor beside the tree.
        let hidden = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with('.') || name.contains("fbs-inspect")
        };
        let strays: Vec<PathBuf> = entries(&self.staging())
            .into_iter()
            .chain(entries(self.top()))
            .filter(hidden)
            .collect();
        assert_eq!(strays, [] as [PathBuf; 0]);
    }

    /// No process has to do with the test's folders any more. The kernel may still be ending
    /// those of a sandbox, which takes moments.
    pub fn assert_no_process(&self) {
        let gone = || processes::of(self.top()).is_empty();
        let found = processes::of(self.top());
        eventually(&format!("{found:#?} end"), Duration::from_secs(5), gone);
    }
}

impl Default for Folders {
    fn default() -> Self {
        Self::new()
    }
}

/// The shared cache. What another `fbs` made would not be a test of this one, so it goes.
fn warm_cache() -> PathBuf {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let _finding = turn::lock("e2e-warm.lock");
        let fbs = binaries::fbs().metadata().and_then(|file| file.modified());
        let made = fbs.expect("it was built").duration_since(UNIX_EPOCH);
        let parent = binaries::profile_folder().join("e2e-warm");
        let cache = parent.join(made.unwrap_or_default().as_nanos().to_string());
        for other in entries(&parent).into_iter().filter(|path| *path != cache) {
            // A test of another run may still use it.
            let _ = fs::remove_dir_all(other);
        }
        fs::create_dir_all(&cache).expect("target/ is ours");
        cache
    };
    CACHE.get_or_init(find).clone()
}

/// The paths in a folder; none where there is no folder.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}
