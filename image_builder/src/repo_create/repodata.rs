//! Repodata for a folder of RPMs.
//!
//! Each RPM is read once, hashed and rendered by as many threads as there are processors; meanwhile
//! three more compress what is rendered, in the order of the files. The new repodata appears by
//! one rename when all of it is written.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::error::RepoError;
use super::fault::RpmFault;
use super::folder;
use super::metadata_file::{Compression, MetadataFile, Sum};
use super::package_xml::{Listed, PackageReader, PackageXml};
use super::previous::Previous;
use super::repomd::{self, Record};
use crate::context::BuildContext;
use crate::error::ErrorKind;
use crate::events::{Work, seconds};

/// The root element of one of the three files: all but the number of packages.
pub(super) struct Root {
    kind: &'static str,
    pub(super) start: &'static str,
    pub(super) end: &'static str,
}

/// Those of `primary`, `filelists` and `other`, as `createrepo_c` writes them.
pub(super) const ROOTS: [Root; 3] = [
    Root {
        kind: "primary",
        start: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                <metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
                xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"",
        end: "</metadata>\n",
    },
    Root {
        kind: "filelists",
        start: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                <filelists xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"",
        end: "</filelists>\n",
    },
    Root {
        kind: "other",
        start: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                <otherdata xmlns=\"http://linux.duke.edu/metadata/other\" packages=\"",
        end: "</otherdata>\n",
    },
];

/// More threads than this read no faster, and each takes memory.
const MOST_WORKERS: usize = 256;

/// Makes a folder of RPMs a repository: writes its `repodata/`, or brings it up to date.
#[derive(Debug, Clone)]
pub struct CreateRepo {
    /// The folder. RPMs in folders below it belong to the repository as well.
    pub dir: PathBuf,
    /// The groups of the repository, `comps.xml`.
    pub comps: Option<PathBuf>,
    /// How the repodata is compressed.
    pub compression: Compression,
    /// Threads that read RPMs; of more than 256 none has anything to do.
    pub workers: usize,
    /// The SHA-256 in hex of RPMs that were verified already, by their path below `dir`: only
    /// their headers are read.
    pub known: HashMap<String, String>,
    /// The time that the repodata and all files are said to be of, in seconds since 1970: the same
    /// RPMs then give the same bytes, and each of them is read. Their real times when absent.
    pub date: Option<u64>,
}

/// What [`CreateRepo::run`] did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepoSummary {
    /// RPMs in the repository.
    pub packages: usize,
    /// Those of them that were not read, because the old repodata has them.
    pub reused: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl CreateRepo {
    /// Repodata for `dir`, compressed with Zstandard, with all processors.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            comps: None,
            compression: Compression::default(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            known: HashMap::new(),
            date: None,
        }
    }

    /// Writes the repodata. The old is in place until the new is complete, and then gone.
    ///
    /// # Errors
    ///
    /// [`RepoError`]; the repodata is as it was then.
    pub async fn run(&self, ctx: &BuildContext) -> Result<RepoSummary, RepoError> {
        let (job, cancel) = (self.clone(), ctx.cancel.clone());
        let _working = ctx.working(Work::Repodata);
        let done = tokio::task::spawn_blocking(move || job.run_blocking(&cancel)).await;
        let summary = done.unwrap_or_else(|error| Err(RepoError::io(&self.dir)(error.into())))?;
        ctx.events.info(format!(
            "repodata of {}: {} packages ({} unchanged) in {:.2} s",
            self.dir.display(),
            summary.packages,
            summary.reused,
            summary.seconds
        ));
        Ok(summary)
    }

    /// As [`run`](Self::run), for programs without an async runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn run_blocking(&self, cancel: &CancellationToken) -> Result<RepoSummary, RepoError> {
        let started = Instant::now();
        if !self.dir.is_dir() {
            return Err(match self.dir.exists() {
                true => RepoError::NotAFolder(self.dir.clone()),
                false => RepoError::NoFolder(self.dir.clone()),
            });
        }
        let lock = folder::lock(&self.dir)?;
        folder::check_repodata(&self.dir)?;
        let files = folder::rpms(&self.dir)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let time = self.date.unwrap_or(now);
        // By their real times files are known to be as they were.
        let previous = match self.date {
            Some(_) => Previous::default(),
            None => Previous::read(&self.dir),
        };
        let fresh = folder::Fresh::create(&self.dir)?;
        let (mut records, reused) = self.write(&files, &previous, fresh.path(), cancel)?;
        if let Some(comps) = &self.comps {
            records.push(self.add_comps(comps, fresh.path())?);
        }
        let repomd = fresh.path().join("repomd.xml");
        fs::write(&repomd, repomd::write(&records, time)).map_err(RepoError::io(&repomd))?;
        fresh.install()?;
        drop(lock);
        Ok(RepoSummary {
            packages: files.len(),
            reused,
            seconds: seconds(started.elapsed()),
        })
    }

    /// Whether the repodata of `dir` is that of the RPMs there, by their names and sizes. Blocks.
    ///
    /// # Errors
    ///
    /// [`RepoError::Io`]
    pub fn is_current(dir: &Path) -> Result<bool, RepoError> {
        let previous = Previous::read(dir);
        let files = folder::rpms(dir)?;
        for href in &files {
            let path = dir.join(href);
            let size = path.metadata().map_err(RepoError::io(&path))?.len();
            if previous.size(href) != Some(size) {
                return Ok(false);
            }
        }
        Ok(previous.len() == files.len())
    }

    fn workers(&self) -> usize {
        self.workers.clamp(1, MOST_WORKERS)
    }

    /// Writes the three files into `target`.
    fn write(
        &self,
        files: &[String],
        previous: &Previous,
        target: &Path,
        cancel: &CancellationToken,
    ) -> Result<(Vec<Record>, usize), RepoError> {
        let (next, reused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let mut senders = Vec::new();
            let writers = ROOTS.each_ref().map(|root| {
                let (sender, receiver) = mpsc::channel();
                senders.push(sender);
                scope.spawn(move || self.write_file(root, files.len(), &receiver, target))
            });
            let readers: Vec<_> = (0..self.workers())
                .map(|_| {
                    let senders = senders.clone();
                    scope
                        .spawn(|| self.read_files(files, &next, &reused, previous, senders, cancel))
                })
                .collect();
            drop(senders);
            let mut damaged = Vec::new();
            for reader in readers {
                damaged.extend(joined(&self.dir, reader.join())?);
            }
            if cancel.is_cancelled() {
                return Err(RepoError::Cancelled);
            }
            if !damaged.is_empty() {
                damaged.sort_by(|(one, _), (other, _)| one.cmp(other));
                return Err(RepoError::Damaged(damaged));
            }
            let mut records = Vec::new();
            for writer in writers {
                records.push(joined(target, writer.join())?);
            }
            Ok((records, reused.load(Relaxed)))
        })
    }

    /// Reads some files after the others until none is left; gives those that are damaged.
    fn read_files(
        &self,
        files: &[String],
        next: &AtomicUsize,
        reused: &AtomicUsize,
        previous: &Previous,
        writers: Vec<mpsc::Sender<Batch>>,
        cancel: &CancellationToken,
    ) -> Result<Vec<(PathBuf, RpmFault)>, RepoError> {
        let mut damaged = Vec::new();
        let mut reader = PackageReader::default();
        while let Some(range) = self.claim(files.len(), next) {
            let mut xml = PackageXml::default();
            for href in &files[range.clone()] {
                if cancel.is_cancelled() {
                    return Ok(damaged);
                }
                let path = self.dir.join(href);
                let known = self.known.get(href).map(String::as_str);
                let mut read = || -> io::Result<Result<(), RpmFault>> {
                    let mut file = File::open(&path)?;
                    let meta = file.metadata()?;
                    if let Some(parts) = previous.get(href, meta.len(), meta.mtime(), known) {
                        reused.fetch_add(1, Relaxed);
                        xml.add(parts);
                        return Ok(Ok(()));
                    }
                    let listed = Listed {
                        href,
                        size: meta.len(),
                        time: self.date.unwrap_or(meta.mtime().try_into().unwrap_or(0)),
                        sha256: known,
                    };
                    reader.read(&mut file, listed, &mut xml)
                };
                if let Err(fault) = read().map_err(RepoError::io(&path))? {
                    damaged.push((path, fault));
                }
            }
            let texts = [xml.primary, xml.filelists, xml.other];
            for (writer, text) in writers.iter().zip(texts) {
                let range = range.clone();
                // A writer that has ended has an error of its own to tell.
                let _ = writer.send(Batch { range, text });
            }
        }
        Ok(damaged)
    }

    /// The next files for a thread: several, as a small RPM takes less time than waking a thread
    /// up does; towards the end fewer, so that no thread is left with many.
    fn claim(&self, count: usize, next: &AtomicUsize) -> Option<Range<usize>> {
        let end = |start: usize| {
            let left = count.checked_sub(start).filter(|left| *left > 0)?;
            Some(start + (left / (8 * self.workers())).clamp(1, 16))
        };
        let start = next.fetch_update(Relaxed, Relaxed, end).ok()?;
        Some(start..end(start)?)
    }

    /// Compresses the elements of `count` packages, in the order of the files.
    fn write_file(
        &self,
        root: &Root,
        count: usize,
        batches: &mpsc::Receiver<Batch>,
        target: &Path,
    ) -> Result<Record, RepoError> {
        let name = format!("{}.xml.{}", root.kind, self.compression.extension());
        let path = target.join(&name);
        let write = || -> io::Result<(Sum, Sum)> {
            let mut file = MetadataFile::new(File::create_new(&path)?, self.compression)?;
            writeln!(file, "{}{count}\">", root.start)?;
            // What came before its turn, by its first file.
            let mut waiting = BTreeMap::new();
            let mut turn = 0;
            for batch in batches {
                waiting.insert(batch.range.start, batch);
                while let Some(batch) = waiting.remove(&turn) {
                    file.write_all(&batch.text)?;
                    turn = batch.range.end;
                }
            }
            // Less than promised: a file was damaged, and nobody will use this.
            file.write_all(root.end.as_bytes())?;
            file.finish()
        };
        let (open, packed) = write().map_err(RepoError::io(&path))?;
        self::record(root.kind, &name, packed, Some(open), target)
    }

    fn add_comps(&self, comps: &Path, target: &Path) -> Result<Record, RepoError> {
        let xml = fs::read(comps).map_err(|error| match ErrorKind::of_io(&error) {
            ErrorKind::Usage => RepoError::Comps {
                path: comps.to_owned(),
                problem: error.to_string(),
            },
            _ => RepoError::io(comps)(error),
        })?;
        let problem = match std::str::from_utf8(&xml) {
            Err(_) => Some("it is not UTF-8".to_owned()),
            Ok(text) if !text.contains("<comps") => Some("it has no <comps> element".to_owned()),
            Ok(_) => None,
        };
        if let Some(problem) = problem {
            return Err(RepoError::Comps {
                path: comps.to_owned(),
                problem,
            });
        }
        // Not compressed: some readers of groups know only some compressions.
        let path = target.join("comps.xml");
        fs::write(&path, &xml).map_err(RepoError::io(&path))?;
        let sum = Sum::of(&xml);
        self::record("group", "comps.xml", sum, None, target)
    }
}

/// What one of the three files has of some RPMs.
struct Batch {
    /// Which of the files these are.
    range: Range<usize>,
    text: Vec<u8>,
}

/// Gives the file `name` its checksum as a prefix, so that a cache between here and dnf never
/// mixes two versions of it.
fn record(
    kind: &str,
    name: &str,
    packed: Sum,
    open: Option<Sum>,
    target: &Path,
) -> Result<Record, RepoError> {
    let file = format!("{}-{name}", packed.sha256);
    let path = target.join(&file);
    fs::rename(target.join(name), &path).map_err(RepoError::io(&path))?;
    Ok(Record {
        kind: kind.to_owned(),
        file,
        packed,
        open,
    })
}

/// The result of a thread; that it panicked is an error like others.
fn joined<T>(
    path: &Path,
    result: std::thread::Result<Result<T, RepoError>>,
) -> Result<T, RepoError> {
    result.unwrap_or_else(|_| Err(RepoError::io(path)(io::Error::other("a thread panicked"))))
}
