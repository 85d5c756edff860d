//! [lorax](https://weldr.io/lorax/lorax.html) as a backend, as of version 46.
//!
//! lorax makes the boot ISO that Fedora itself ships, of the release that it comes from, on a
//! Fedora host. Its options, its output tree and the phrases it logs are those of its source
//! (<https://github.com/weldr/lorax>, `src/pylorax/cmdline`, `templates.d/99-generic`).

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Bootiso, BuildError, Built, explain};
use crate::compose::ComposeError;
use crate::compose::layout::Layout;
use crate::context::{BuildContext, Line};
use crate::events::{Stage, Unit};
use crate::plan::{BuildPlan, Step};
use crate::process::Invocation;
use crate::repository::{Repository, Source};
use crate::spec::{Arch, CompressionAlgorithm};

/// Makes boot ISOs with lorax.
#[derive(Debug, Clone, Copy)]
pub struct Lorax;

/// What lorax logs, in order, as its work goes on.
const PHRASES: [&str; 16] = [
    "checking for root privileges",
    "installing runtime packages",
    "Checking dependencies",
    "packages selected",
    "Downloading packages",
    "Preparing transaction from installation source",
    "doing post-install configuration",
    "backing up installroot",
    "generating kernel module metadata",
    "cleaning unneeded files",
    "verifying the installroot",
    "creating the runtime image",
    "preparing to build output tree and boot images",
    "rebuilding initramfs images",
    "populating output tree and building boot images",
    "writing .treeinfo file",
];

#[async_trait]
impl Bootiso for Lorax {
    fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        vec![Step {
            stage: Stage::Tool,
            commands: vec![invocation(plan)],
        }]
    }

    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        ctx.stage(Stage::Tool, run(plan, ctx))
            .await
            .map_err(|source| {
                let mut error = BuildError::new(Stage::Tool, source);
                error.logs = logs(&files(plan).logs);
                error
            })
    }
}

/// lorax's command line for `plan`.
///
/// A plain repository is given by `-s` and `-m`, as in 2012. One that is checked by signatures,
/// that has a priority, that has only a mirror list (lorax wants at least one `-s` or `--repo`),
/// or whose address lorax would leave out without a word (it skips addresses with "srpm" in
/// them) comes as a `--repo` file.
#[must_use]
pub fn invocation(plan: &BuildPlan) -> Invocation {
    let files = files(plan);
    let mut lorax = Invocation::new("lorax")
        .args(["-p", &plan.product, "-v", &plan.version])
        .args(["-r", &plan.release.to_string()]);
    for repository in &plan.repositories {
        if needs_file(repository) {
            lorax = lorax.arg("--repo").path(&files.repo_file(repository));
            continue;
        }
        for source in &repository.sources {
            lorax = match source {
                Source::BaseUrl(url) => lorax.args(["-s", url]),
                Source::MirrorList(url) | Source::Metalink(url) => lorax.args(["-m", url]),
            };
        }
    }
    if let Some(proxy) = &plan.proxy {
        lorax = lorax.args(["--proxy", proxy]);
    }
    for package in &plan.packages {
        lorax = match package.strip_prefix('-') {
            Some(name) => lorax.args(["-e", name]),
            None => lorax.args(["-i", package]),
        };
    }
    if plan.spec.shared().compression.is_some() {
        lorax = lorax.arg("-c").path(&files.config);
    }
    lorax = lorax
        // One argument: two, as in 2012, are refused.
        .option("--buildarch", plan.arch.basearch())
        .option("--rootfs-type", plan.rootfs)
        .args(["--rootfs-size", "3"])
        .args(["--volid", &plan.volume_id]);
    if plan.arch == Arch::X86_64 {
        // The Mac's boot files need hfsplus-tools, which few hosts have.
        lorax = lorax.arg("--nomacboot");
    }
    lorax
        .arg("--logfile")
        .path(&files.log)
        .arg("--tmp")
        .path(&files.tmp)
        .path(&files.output)
}

/// Where lorax reads and writes.
struct Files {
    config: PathBuf,
    logs: PathBuf,
    log: PathBuf,
    tmp: PathBuf,
    output: PathBuf,
    job: PathBuf,
}

impl Files {
    fn repo_file(&self, repository: &Repository) -> PathBuf {
        self.job.join(format!("{}.repo", repository.id))
    }
}

fn files(plan: &BuildPlan) -> Files {
    let layout = Layout::new(&plan.paths.work);
    let job = layout.job().to_owned();
    let logs = job.join("logs");
    Files {
        config: job.join("lorax.conf"),
        log: logs.join("lorax.log"),
        tmp: job.join("tmp"),
        output: layout.tree(),
        logs,
        job,
    }
}

fn needs_file(repository: &Repository) -> bool {
    let hidden = |source: &Source| source.url().to_ascii_lowercase().contains("srpm");
    repository.gpg_check
        || repository.priority.is_some()
        || !repository
            .sources
            .iter()
            .any(|source| matches!(source, Source::BaseUrl(_)))
        || repository.sources.iter().any(hidden)
}

/// lorax.conf with the compression that the spec asks for; lorax's own is xz.
fn config(plan: &BuildPlan) -> String {
    let compression = plan.compression;
    let args = match (compression.algorithm, compression.level) {
        (CompressionAlgorithm::Zstd, Some(level)) => format!("-Xcompression-level {level}"),
        _ => String::new(),
    };
    let bcj = match compression.algorithm {
        CompressionAlgorithm::Xz => "on",
        CompressionAlgorithm::Zstd | CompressionAlgorithm::Lz4 => "off",
    };
    format!(
        "[compression]\ntype = {}\nargs = {args}\nbcj = {bcj}\n",
        compression.algorithm
    )
}

async fn run(plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, ComposeError> {
    let files = files(plan);
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ComposeError::Io { path, source }
    };
    for folder in [&files.logs, &files.tmp] {
        std::fs::create_dir_all(folder).map_err(io(folder))?;
    }
    for repository in plan
        .repositories
        .iter()
        .filter(|repository| needs_file(repository))
    {
        let path = files.repo_file(repository);
        std::fs::write(&path, repository.section()).map_err(io(&path))?;
    }
    if plan.spec.shared().compression.is_some() {
        std::fs::write(&files.config, config(plan)).map_err(io(&files.config))?;
    }
    let events = ctx.events.clone();
    ctx.run_watched(&invocation(plan), move |line| {
        if let Some(step) = PHRASES.iter().position(|phrase| line.contains(phrase)) {
            let percent = (step as u64 + 1) * 100 / PHRASES.len() as u64;
            events.progress(Stage::Tool, percent, 100, Unit::Percent);
        }
        Line::Keep
    })
    .await
    .map_err(|error| own_words(&error).unwrap_or_else(|| explain(error, &files.job)))?;
    for name in artifacts(plan.arch) {
        let path = files.output.join(name);
        if !path.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            return Err(ComposeError::MissingArtifact { path });
        }
    }
    Ok(Built {
        iso: Some(files.output.join("images/boot.iso")),
        tree: Some(files.output),
        logs: logs(&files.logs),
        ..Built::default()
    })
}

/// The files that lorax leaves when it did its work: it may exit with 0 without.
fn artifacts(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::S390x => &[
            "images/boot.iso",
            "images/kernel.img",
            "images/initrd.img",
            ".treeinfo",
        ],
        Arch::Ppc64le => &[
            "images/boot.iso",
            "ppc/ppc64/vmlinuz",
            "ppc/ppc64/initrd.img",
            ".treeinfo",
        ],
        _ => &[
            "images/boot.iso",
            "images/pxeboot/vmlinuz",
            "images/pxeboot/initrd.img",
            ".treeinfo",
            ".discinfo",
        ],
    }
}

/// lorax's own phrases for what dnf says in others.
fn own_words(error: &crate::process::CommandError) -> Option<ComposeError> {
    let find = |words: &str| error.tail().iter().find(|line| line.contains(words));
    if let Some(line) = find("Error fetching metadata for") {
        return Some(ComposeError::Download(line.trim().to_owned()));
    }
    // "no match for: anaconda-core", "No package anaconda-core found"
    let unknown: Vec<String> = error
        .tail()
        .iter()
        .filter_map(|line| {
            let (_, name) = line
                .split_once("no match for: ")
                .or_else(|| line.split_once("no package matched "))?;
            Some(name.trim().to_owned())
        })
        .collect();
    (!unknown.is_empty()).then_some(ComposeError::UnknownPackages(unknown))
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let entries = folder
        .read_dir()
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let mut logs: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    logs.sort();
    logs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::complete;
    use crate::plan::{KickstartPlan, PlanOptions};
    use crate::spec::{BuildSpec, Format};

    fn plan(more: &str) -> BuildPlan {
        let text = format!(
            "[DEFAULT]\ntype = boot\nrelease = 43\nbackend = lorax\n[boot]\n\
             43_url = http://r/os\n{more}"
        );
        let spec = BuildSpec::parse(&text, Format::Ini, "boot.conf").unwrap();
        let now = "2026-11-21T09:42:24Z".parse().unwrap();
        let options = PlanOptions::new(now, "/", "/c");
        let mut plan =
            BuildPlan::new(&spec, &KickstartPlan::default(), &complete(), &options).unwrap();
        plan.paths.work = "/w".into();
        plan
    }

    #[test]
    fn the_exact_command_line() {
        assert_eq!(
            invocation(&plan("")).to_string(),
            "lorax -p Fedora -v 43 -r 43 -s http://r/os --buildarch=x86_64 \
             --rootfs-type=squashfs --rootfs-size 3 --volid Fedora-43-x86_64 --nomacboot \
             --logfile /w/logs/lorax.log --tmp /w/tmp /w/tree"
        );
    }

    #[test]
    fn proxy_mirror_packages_and_compression_are_passed() {
        let plan = plan(
            "43_mirror = http://m/metalink?a\nproxy = http://me:secret@proxy:3128\n\
             packages = vim;-nano\ncompression = zstd:15\n",
        );
        let lorax = invocation(&plan);
        let line = lorax.to_string();
        for part in [
            " -s http://r/os -m 'http://m/metalink?a' ",
            " --proxy 'http://me:***@proxy:3128' ",
            " -i vim -e nano ",
            " -c /w/lorax.conf ",
        ] {
            assert!(line.contains(part), "{part}\n{line}");
        }
        assert!(
            lorax
                .args
                .contains(&"http://me:secret@proxy:3128".to_owned())
        );
        assert_eq!(
            config(&plan),
            "[compression]\ntype = zstd\nargs = -Xcompression-level 15\nbcj = off\n"
        );
    }

    #[test]
    fn what_a_plain_address_cannot_say_comes_as_a_file() {
        let checked = plan("gpgkey = /k\n");
        let line = invocation(&checked).to_string();
        assert!(
            line.contains(" --repo /w/43.repo ") && !line.contains(" -s "),
            "{line}"
        );
        assert_eq!(
            checked.repositories[0].section(),
            "[43]\nname=43\nenabled=1\nbaseurl=http://r/os\ngpgcheck=1\ngpgkey=file:///k\n"
        );
        assert!(needs_file(&Repository::new(
            "m",
            vec![Source::MirrorList("http://m".into())]
        )));
        assert!(needs_file(&Repository::new(
            "s",
            vec![Source::BaseUrl("http://SRPMS/".into())]
        )));
    }

    #[test]
    fn the_side_repository_comes_as_a_file_with_its_priority() {
        let with_side = plan("nvr = bash-5.3-1.fc43\n");
        let line = invocation(&with_side).to_string();
        assert!(
            line.contains(" --repo /w/fbs-side.repo ") && line.contains(" -s http://r/os "),
            "{line}"
        );
        let section = with_side.repositories[0].section();
        assert!(section.starts_with("[fbs-side]\n"), "{section}");
        assert!(section.contains("\npriority=1\ngpgcheck=0\n"), "{section}");
    }

    #[test]
    fn its_words_are_understood() {
        let failed = |line: &str| crate::process::CommandError::Failed {
            command: "lorax".into(),
            exit: crate::process::Exit::Code(1),
            tail: vec![line.to_owned()],
            duration: std::time::Duration::ZERO,
        };
        let error = own_words(&failed(
            "Error fetching metadata for lorax-repo-0: Curl error",
        ));
        assert!(matches!(error, Some(ComposeError::Download(_))));
        let error = own_words(&failed("2026: no match for: anaconda-core"));
        assert!(
            matches!(error, Some(ComposeError::UnknownPackages(names)) if names == ["anaconda-core"])
        );
        assert!(own_words(&failed("Traceback")).is_none());
    }
}
