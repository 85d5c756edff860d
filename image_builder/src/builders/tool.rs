//! One run of a tool of the distribution: its log, its progress, its last words, and what it may
//! leave behind.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{BuildError, Built, explain};
use crate::compose::ComposeError;
use crate::compose::dnf::is_scriptlet_failure;
use crate::compose::files::{make_folder, require};
use crate::context::{BuildContext, CancellationToken, Line};
use crate::events::{Stage, Unit};
use crate::plan::BuildPlan;
use crate::process::{CommandError, Discard, Invocation};
use crate::report::{KickstartRecord, NotApplied};

/// A tool's ways.
pub(super) struct Ways {
    /// Its name.
    pub(super) name: &'static str,
    /// What it says as its work goes on, in order.
    pub(super) phrases: &'static [&'static str],
    /// Whether a line means that the image is no good, whatever the exit status is.
    pub(super) is_fatal: fn(&str) -> bool,
    /// Whether a line of a run that failed tells why.
    pub(super) tells: fn(&str) -> bool,
    /// Brings logs that it left elsewhere to the others, once it has ended.
    pub(super) gather: fn(&Tool<'_>),
}

/// The folders of a tool's run, below the build's work directory.
pub(super) struct Tool<'a> {
    pub(super) plan: &'a BuildPlan,
    pub(super) ways: &'static Ways,
}

impl Tool<'_> {
    /// A file or folder of the run.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.plan.paths.work.join(name)
    }

    /// The folder whose files are delivered.
    pub(super) fn logs(&self) -> PathBuf {
        self.path("logs")
    }

    /// The tool's own log.
    pub(super) fn log(&self) -> PathBuf {
        self.logs().join(format!("{}.log", self.ways.name))
    }

    /// Where it writes what it makes.
    pub(super) fn output(&self) -> PathBuf {
        self.path("result")
    }

    /// Where it keeps what it works on.
    pub(super) fn tmp(&self) -> PathBuf {
        self.path("tmp")
    }

    /// Where it keeps packages between builds.
    pub(super) fn cache(&self) -> PathBuf {
        self.plan.paths.cache.join(self.ways.name)
    }

    /// Does `work` as the stage of tools. Whatever becomes of it, the logs are collected.
    pub(super) async fn stage(
        &self,
        ctx: &BuildContext,
        work: impl Future<Output = Result<Built, ComposeError>>,
    ) -> Result<Built, BuildError> {
        let work = async {
            for folder in [self.logs(), self.tmp(), self.cache()] {
                make_folder(&folder)?;
            }
            let made = work.await;
            detach_loops(ctx, &self.plan.paths.work).await;
            made
        };
        let made = ctx.stage(Stage::Tool, work).await;
        self.copy_log(ctx);
        let logs = files(&self.logs());
        match made {
            Ok(built) => Ok(Built { logs, ..built }),
            Err(source) => Err(BuildError {
                logs,
                ..BuildError::new(Stage::Tool, source)
            }),
        }
    }

    /// Runs it, with its own words for what went wrong.
    pub(super) async fn run(
        &self,
        ctx: &BuildContext,
        invocation: &Invocation,
    ) -> Result<(), ComposeError> {
        let ways = self.ways;
        let fatal: Arc<Mutex<Vec<String>>> = Arc::default();
        let (events, found) = (ctx.events.clone(), fatal.clone());
        let result = ctx
            .run_watched(invocation, move |line| {
                if let Some(percent) = percent(ways.phrases, line) {
                    events.progress(Stage::Tool, percent, 100, Unit::Percent);
                }
                if (ways.is_fatal)(line) {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    if found.len() < MOST_LINES {
                        found.push(line.trim().to_owned());
                    }
                }
                Line::Keep
            })
            .await;
        (ways.gather)(self);
        let fatal = std::mem::take(&mut *fatal.lock().unwrap_or_else(PoisonError::into_inner));
        match result {
            Ok(_) if fatal.is_empty() => Ok(()),
            Ok(_) => Err(self.words(fatal)),
            Err(error) if error.tail().is_empty() && fatal.is_empty() => {
                Err(ComposeError::Command(error))
            }
            Err(error) => Err(self.failure(error, fatal)),
        }
    }

    /// Why it failed: as a package manager says it, or in a line that tells, in what it printed
    /// or in its logs.
    fn failure(&self, error: CommandError, fatal: Vec<String>) -> ComposeError {
        if !fatal.is_empty() {
            return self.words(fatal);
        }
        let known = explain(error, &self.plan.paths.work);
        let ComposeError::Command(error) = known else {
            return known;
        };
        let printed = error.tail().iter().map(String::as_str);
        let mut lines = telling(self.ways.tells, printed);
        if lines.is_empty() {
            let logs = files(&self.logs());
            let texts = logs.iter().filter_map(|log| std::fs::read(log).ok());
            let texts: Vec<String> = texts
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .collect();
            lines = telling(
                self.ways.is_fatal,
                texts.iter().flat_map(|text| text.lines()),
            );
        }
        match lines.is_empty() {
            true => ComposeError::Command(error),
            false => self.words(lines),
        }
    }

    fn words(&self, lines: Vec<String>) -> ComposeError {
        match lines.iter().any(|line| is_scriptlet_failure(line)) {
            true => ComposeError::Scriptlet(lines),
            false => ComposeError::Tool {
                tool: self.ways.name,
                lines,
            },
        }
    }

    /// The spec's `logfile`. That it cannot be written is no fault of the image.
    fn copy_log(&self, ctx: &BuildContext) {
        let live = self.plan.image.live();
        let Some(to) = live.and_then(|live| live.log.as_ref()) else {
            return;
        };
        let from = self.log();
        if !from.is_file() {
            return;
        }
        let parent = to.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = parent.and_then(|()| std::fs::copy(from, to)) {
            ctx.events
                .warn(format!("the logfile {}: {error}", to.display()));
        }
    }
}

/// The record of a kickstart of which this was left out, which the log says too.
pub(super) fn left_out(ctx: &BuildContext, not_applied: Vec<NotApplied>) -> KickstartRecord {
    for part in &not_applied {
        ctx.events.warn(part.to_string());
    }
    KickstartRecord {
        not_applied,
        scripts: Vec::new(),
    }
}

/// For a tool that leaves its logs where they are wanted.
pub(super) fn nothing_to_gather(_: &Tool<'_>) {}

/// Renames a log. One that cannot be had is not worth an error.
pub(super) fn move_log(from: &Path, to: &Path) {
    let _ = std::fs::rename(from, to);
}

/// How many lines an error message has.
const MOST_LINES: usize = 6;

/// The last lines of `text` that tell something.
fn telling<'a>(tells: fn(&str) -> bool, text: impl Iterator<Item = &'a str>) -> Vec<String> {
    let lines: Vec<&str> = text.filter(|line| tells(line)).collect();
    let last = &lines[lines.len().saturating_sub(MOST_LINES)..];
    last.iter().map(|line| line.trim().to_owned()).collect()
}

/// How far a line says that the tool has come.
fn percent(phrases: &[&str], line: &str) -> Option<u64> {
    let step = phrases.iter().rposition(|phrase| line.contains(phrase))?;
    Some((step as u64 + 1) * 100 / (phrases.len() as u64 + 1))
}

/// The files in a folder, by name.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The one ISO that a tool left in `folder`, which may exit with 0 without.
pub(super) fn only_iso(folder: &Path) -> Result<PathBuf, ComposeError> {
    let is_iso = |path: &PathBuf| path.extension().is_some_and(|end| end == "iso");
    let iso = files(folder).into_iter().find(is_iso);
    let iso = iso.unwrap_or_else(|| folder.join("*.iso"));
    require(&iso)?;
    Ok(iso)
}

/// A tool that is killed leaves the loop devices that it did not ask the kernel to free by
/// itself; each keeps a file of the work directory alive.
async fn detach_loops(ctx: &BuildContext, work: &Path) {
    let entries = Path::new("/sys/block").read_dir().into_iter().flatten();
    let devices = entries.filter_map(|entry| {
        let device = entry.ok()?;
        let file = std::fs::read_to_string(device.path().join("loop/backing_file")).ok()?;
        is_below(Path::new(file.trim_end()), work)
            .then(|| Path::new("/dev").join(device.file_name()))
    });
    for device in devices {
        let detach = Invocation::new("losetup").arg("--detach").path(&device);
        // Also when the build was cancelled.
        let detached = ctx
            .run_into(&detach, Arc::new(Discard), &CancellationToken::new())
            .await;
        if let Err(error) = detached {
            ctx.events.warn(format!("{}: {error}", device.display()));
        }
    }
}

/// Whether a file that the kernel names lies in the work folder of a job. A tool has mounts of its own, so that the kernel
/// counts the file's path from the file system that it lies on: what it has in common with ours are the folder's name,
/// which is the job's, and what follows.
fn is_below(file: &Path, work: &Path) -> bool {
    work.file_name()
        .is_some_and(|job| file.components().any(|part| part.as_os_str() == job))
}

/// Environment variables that have the tool's downloads go through the plan's proxy.
pub(super) fn with_proxy(plan: &BuildPlan, tool: Invocation) -> Invocation {
    match &plan.proxy {
        Some(proxy) => ["http_proxy", "https_proxy", "ftp_proxy"]
            .into_iter()
            .fold(tool, |tool, name| tool.env(name, proxy)),
        None => tool,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_device_of_a_job_is_known_whatever_its_file_system_is_mounted_as() {
        let work = Path::new("/srv/work/20261123T145755573-12i1u7sa");
        for (file, ours) in [
            ("/srv/work/20261123T145755573-12i1u7sa/disk.img", true),
            // Where /srv is a file system of its own.
            (
                "/work/20261123T145755573-12i1u7sa/tmp/disk.img (deleted)",
                true,
            ),
            ("/20261123T145755573-12i1u7sa/disk.img", true),
            ("/srv/work/20261123T145755573-12i1u7sb/disk.img", false),
            ("/srv/work/disk.img", false),
        ] {
            assert_eq!(is_below(Path::new(file), work), ours, "{file}");
        }
    }

    #[test]
    fn phrases_tell_how_far_it_is() {
        let phrases = ["Installing", "Packing", "Writing the ISO"];
        assert_eq!(percent(&phrases, "[ INFO ]: Installing packages"), Some(25));
        assert_eq!(percent(&phrases, "Writing the ISO"), Some(75));
        assert_eq!(percent(&phrases, "something else"), None);
    }

    #[test]
    fn the_last_lines_that_tell_something_are_kept() {
        let text: Vec<String> = (0..20).map(|n| format!(" error {n}\nnoise")).collect();
        let lines = telling(
            |line| line.contains("error"),
            text.iter().flat_map(|text| text.lines()),
        );
        assert_eq!(lines.len(), MOST_LINES);
        assert_eq!(lines[MOST_LINES - 1], "error 19");
    }

    #[test]
    fn no_iso_is_no_image() {
        let dir = tempfile::tempdir().unwrap();
        let error = only_iso(dir.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("/*.iso was to be made and is not there"),
            "{error}"
        );
        std::fs::write(dir.path().join("a.iso"), "").unwrap();
        only_iso(dir.path()).unwrap_err();
        std::fs::write(dir.path().join("a.iso"), "x").unwrap();
        assert_eq!(only_iso(dir.path()).unwrap(), dir.path().join("a.iso"));
    }
}
