//! The tools beside which builds are timed.

use std::fs;
use std::path::{Path, PathBuf};

use super::aside::put_aside;
use super::demo;
use fbs_suite::{Folders, Program, binaries, release, tools};

use super::kiwi::Description;

/// What is to be built: the demo's boot image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) compression: Compression,
    /// With the repository that has one package newer.
    pub(crate) newer: bool,
}

/// How the root is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// zstd at level 3, for the initramfs as well.
    Same,
    /// zstd at level 3 for the root, and for the initramfs what the tool takes by itself.
    SameRoot,
    /// What the tool does unless told otherwise.
    Default,
}

/// What was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image {
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
}

/// A tool that makes images.
#[derive(Debug)]
pub(crate) enum Peer {
    /// By its own command line, with a description of ours.
    Kiwi { program: PathBuf },
    /// One of the distribution's, by the command line that `fbs plan` shows.
    Backend { name: &'static str },
}

impl Peer {
    /// Those that are here.
    pub(crate) fn all() -> Vec<Self> {
        let named = std::env::var_os("FBS_BENCH_KIWI").map(PathBuf::from);
        let installed = binaries::workspace().join("target/kiwi/bin/kiwi-ng");
        let kiwi = named
            .or_else(|| Some(installed).filter(|path| path.is_file()))
            .or_else(|| tools::find("kiwi-ng"));
        let backends = [("lorax", "lorax"), ("livecd-creator", "livecd_creator")];
        let backends = backends
            .into_iter()
            .filter(|(program, _)| tools::find(program).is_some());
        kiwi.map(|program| Self::Kiwi { program })
            .into_iter()
            .chain(backends.map(|(_, name)| Self::Backend { name }))
            .collect()
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Kiwi { .. } => "kiwi",
            Self::Backend { name } => name,
        }
    }

    /// Builds in `folders`, which the next build finds as this one left them: what the peer itself keeps.
    pub(crate) fn build(&self, folders: &Folders, request: Request) -> Result<Image, String> {
        match self {
            Self::Kiwi { program } => build_by_kiwi(program, folders, request),
            Self::Backend { name } => build_by_backend(name, folders, request),
        }
    }
}

fn build_by_kiwi(program: &Path, folders: &Folders, request: Request) -> Result<Image, String> {
    let top = folders.top().join("kiwi");
    let (description, target) = (top.join("description"), top.join("target"));
    for folder in [&description, &target] {
        put_aside(folder, folders.top());
    }
    let updates = request.newer.then(release::updates);
    Description {
        repositories: std::iter::once(release::packages())
            .chain(updates)
            .collect(),
        compression: request.compression,
    }
    .write(&description)
    .map_err(|error| error.to_string())?;
    let kiwi = Program::new(program)
        .arg("--shared-cache-dir")
        .arg(top.join("cache"))
        .arg("--temp-dir")
        .arg(&top)
        .args(["--type", "iso", "system", "build", "--description"])
        .arg(&description)
        .arg("--target-dir")
        .arg(&target);
    // Whatever it leaves mounted goes with it.
    let kiwi = kiwi.inside(Program::new("unshare").args(["--mount", "--"]));
    let done = kiwi.run();
    let image = largest_iso(&target);
    match (done.code, image) {
        (Some(0), Some(bytes)) => Ok(Image {
            seconds: done.seconds,
            bytes,
        }),
        _ => Err(last_words(&done.stderr, &done.stdout)),
    }
}

/// As a backend of ours: the seconds are those of the peer's own command.
fn build_by_backend(name: &str, folders: &Folders, request: Request) -> Result<Image, String> {
    let example = match name {
        "lorax" => "examples/boot.conf",
        _ => "examples/live.conf",
    };
    let done = fbs(folders, example, name, request).run();
    let deliveries = folders.deliveries();
    let made = deliveries.first().filter(|_| done.code == Some(0));
    let image = made.and_then(|delivery| {
        let stages = delivery.report["stages"].as_array()?;
        let tool = stages.iter().find(|stage| stage["stage"] == "tool")?;
        Some(Image {
            seconds: tool["seconds"].as_f64()?,
            bytes: delivery.iso()?.metadata().ok()?.len(),
        })
    });
    for delivery in &deliveries {
        fs::remove_dir_all(&delivery.folder).map_err(|error| error.to_string())?;
    }
    image.ok_or_else(|| last_words(&done.stderr, &done.stdout))
}

/// `fbs build` of an example by a backend.
pub(crate) fn fbs(folders: &Folders, example: &str, backend: &str, request: Request) -> Program {
    let build = demo::build(folders, example, request.newer).args(["--backend", backend]);
    match request.compression {
        Compression::Same | Compression::SameRoot => build.set("compression", "zstd:3"),
        Compression::Default => build,
    }
}

fn largest_iso(folder: &Path) -> Option<u64> {
    let files = fbs_suite::folders::entries(folder).into_iter();
    let isos = files.filter(|path| path.extension().is_some_and(|end| end == "iso"));
    isos.filter_map(|iso| Some(iso.metadata().ok()?.len()))
        .max()
        .filter(|bytes| *bytes > 0)
}

fn last_words(stderr: &str, stdout: &[String]) -> String {
    let lines = stdout.iter().map(String::as_str).chain(stderr.lines());
    let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join("\n  ")
}
