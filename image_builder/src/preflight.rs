//! What can be known to go wrong is found out before work starts: privileges, tools, space,
//! repositories, folders.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use url::Url;

use crate::cache;
use crate::context::BuildContext;
use crate::destdir::{self, DestdirError};
use crate::error::{ErrorKind, StageError};
use crate::host::{Host, Missing, free_bytes};
use crate::http;
use crate::outdir::{self, OutdirError};
use crate::plan::{BuildPlan, Paths, Staging};
use crate::process::{CommandError, Invocation};
use crate::quantity::ByteSize;
use crate::redact;
use crate::repository::{Repository, Source};
use crate::spec::{Backend, CompressionAlgorithm, RootFs};
use crate::transfer::{Courier, TransferError};

/// Why a build does not start.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The user is not root.
    #[error("building an image needs root: packages are installed with their owners and modes")]
    NotRoot,
    /// Tools are missing.
    #[error("this host lacks:{}", .missing.iter().map(|need| format!("\n  {need}")).collect::<String>())]
    Missing {
        /// What.
        missing: Vec<Missing>,
        /// The command that installs it.
        install: Option<String>,
    },
    /// mkfs.erofs is older than the compression, or was built without it.
    #[error("this host's mkfs.erofs cannot compress with {0}")]
    ErofsCompression(CompressionAlgorithm),
    /// A disk is too full to begin with.
    #[error("{} has {} MiB of free space, and {} MiB are needed", .path.display(), .free_mib, .needed_mib)]
    Space {
        /// The folder.
        path: PathBuf,
        /// What is there.
        free_mib: u64,
        /// What is needed.
        needed_mib: u64,
    },
    /// A folder cannot be made or written to.
    #[error("{}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// The folder for the tree cannot be used.
    #[error(transparent)]
    Outdir(#[from] OutdirError),
    /// The folder for a DVD cannot be used.
    #[error(transparent)]
    Destdir(#[from] DestdirError),
    /// A repository does not answer as one.
    #[error("the repository {id} at {url} {problem}")]
    Repository {
        /// Its name in the spec.
        id: String,
        /// Its address, without a password.
        url: String,
        /// What is wrong.
        problem: String,
        /// Whether it may be well later.
        transient: bool,
    },
    /// The proxy's address is not one.
    #[error("the proxy cannot be used: {0}")]
    Proxy(String),
    /// The staging place cannot be used.
    #[error(transparent)]
    Staging(#[from] TransferError),
    /// The build was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
}

impl PreflightError {
    /// Whether the host and the places of delivery had been found well by then: it is a build that has failed, and not one
    /// that cannot begin here.
    #[must_use]
    pub fn is_after_staging(&self) -> bool {
        matches!(self, Self::Repository { .. } | Self::Proxy(_))
    }
}

impl StageError for PreflightError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotRoot
            | Self::Missing { .. }
            | Self::ErofsCompression(_)
            | Self::Space { .. }
            | Self::Folder { .. } => ErrorKind::Host,
            Self::Outdir(_) | Self::Proxy(_) => ErrorKind::Usage,
            Self::Destdir(error) => error.kind(),
            Self::Repository { .. } => ErrorKind::Network,
            Self::Staging(error) => error.kind(),
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Repository {
                transient: true,
                ..
            }
        )
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotRoot => "run it as root, as in `sudo fbs build ...`".to_owned(),
            Self::Missing {
                install: Some(install),
                ..
            } => format!("run `{install}`"),
            Self::ErofsCompression(_) => {
                "set `compression = lz4` or `rootfs = squashfs`, or install erofs-utils 1.8 or newer"
                    .to_owned()
            }
            Self::Space { .. } => {
                "free some space, or name a folder on a larger disk (`workdir` in the spec, \
                 FBS_CACHE_DIR for the cache)"
                    .to_owned()
            }
            Self::Outdir(error) => return error.hint(),
            Self::Destdir(error) => return error.hint(),
            Self::Repository { id, .. } => {
                format!("check `{id}_url` and `{id}_mirror` in the spec, and `proxy`")
            }
            Self::Staging(error) => return error.hint(),
            _ => return None,
        })
    }
}

/// Free space that the work directory of a small boot image fills, in MiB. A larger image fails
/// later, with an error that says so.
const WORK_MIB: u64 = 1024;

/// Free space for downloads, in MiB.
const CACHE_MIB: u64 = 256;

/// Checks everything that can be checked before the work begins. The work directory's parent and
/// the staging folder exist afterwards.
///
/// # Errors
///
/// The first of [`PreflightError`]; no folder is there then that was not there before.
pub async fn check(
    plan: &BuildPlan,
    host: &Host,
    staging: &Courier,
    ctx: &BuildContext,
) -> Result<(), PreflightError> {
    let new = new_folders(&plan.paths);
    let checked = check_each(plan, host, staging, ctx).await;
    if checked.is_err() {
        for folder in new {
            // One that is in use by now is not empty, and stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
    checked
}

/// The folders that a check makes and that are not there yet, the deepest first.
fn new_folders(paths: &Paths) -> Vec<PathBuf> {
    let staging = paths.staging.iter().filter_map(|place| match place {
        Staging::Folder(folder) => Some(folder),
        Staging::Server(_) => None,
    });
    let mut new: Vec<PathBuf> = [&paths.work_parent, &paths.cache]
        .into_iter()
        .chain(staging)
        .flat_map(|folder| folder.ancestors())
        .filter(|folder| folder.symlink_metadata().is_err())
        .map(Path::to_owned)
        .collect();
    new.sort_unstable();
    new.reverse();
    new
}

async fn check_each(
    plan: &BuildPlan,
    host: &Host,
    staging: &Courier,
    ctx: &BuildContext,
) -> Result<(), PreflightError> {
    if !host.is_root {
        return Err(PreflightError::NotRoot);
    }
    if !plan.missing.is_empty() {
        return Err(PreflightError::Missing {
            missing: plan.missing.clone(),
            install: host.install_command(&plan.missing),
        });
    }
    if let Some(tree) = &plan.paths.tree {
        outdir::check(tree)?;
    }
    destdir::check(plan)?;
    check_erofs(plan, ctx).await?;
    check_space(&plan.paths.work_parent, WORK_MIB)?;
    make_room(&plan.paths.cache, CACHE_MIB, ctx).await;
    check_space(&plan.paths.cache, CACHE_MIB)?;
    tokio::select! {
        checked = staging.check() => checked?,
        () = ctx.cancel.cancelled() => return Err(PreflightError::Cancelled),
    }
    let client = http::client(plan.proxy.as_deref()).map_err(PreflightError::Proxy)?;
    // The side repository is made later.
    let work = check_repositories(plan.release_repositories(), &client);
    tokio::select! {
        result = work => result,
        () = ctx.cancel.cancelled() => Err(PreflightError::Cancelled),
    }
}

/// mkfs.erofs of the host must know the compression; which it does depends on its version and on
/// how it was built, and its help lists them: `Available compressors are: lz4hc, lz4`.
async fn check_erofs(plan: &BuildPlan, ctx: &BuildContext) -> Result<(), PreflightError> {
    let algorithm = plan.compression.algorithm;
    // All of them know lz4.
    if plan.backend.name != Backend::Native
        || plan.rootfs != RootFs::Erofs
        || algorithm == CompressionAlgorithm::Lz4
    {
        return Ok(());
    }
    let help = Invocation::new("mkfs.erofs").arg("--help").probe();
    match ctx.query(&help).await {
        Err(CommandError::Cancelled { .. }) => Err(PreflightError::Cancelled),
        Ok(lines) if !lists(&lines, algorithm) => Err(PreflightError::ErofsCompression(algorithm)),
        // One that cannot be asked is left to speak for itself.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn lists(help: &[String], algorithm: CompressionAlgorithm) -> bool {
    let mut words = help
        .iter()
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
    words.any(|word| word == algorithm.as_str())
}

/// Removes from the cache what was not used for longest, as long as its disk is too full to begin with.
async fn make_room(cache: &Path, needed_mib: u64, ctx: &BuildContext) {
    let folder = cache.to_owned();
    let made = tokio::task::spawn_blocking(move || {
        match free_bytes(&folder) {
            Ok(free) if free >= needed_mib << 20 => return Ok(cache::Pruned::default()),
            // Where there is no folder, there is nothing in it either.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(cache::Pruned::default());
            }
            _ => {}
        }
        cache::clear_leftovers(&folder)?;
        cache::make_room(&folder, needed_mib << 20, SystemTime::now())
    })
    .await;
    match made.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
        Ok(pruned) if pruned.entries > 0 => ctx.events.info(format!(
            "Cache:: the disk of {} is full: {} entries that were not used for longest are removed, {}",
            cache.display(),
            pruned.entries,
            ByteSize(pruned.bytes)
        )),
        Ok(_) => {}
        Err(error) => ctx
            .events
            .warn(format!("{}: {error}", cache.display())),
    }
}

fn check_space(folder: &Path, needed_mib: u64) -> Result<(), PreflightError> {
    let fail = |source| PreflightError::Folder {
        path: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(fail)?;
    let free_mib = free_bytes(folder).map_err(fail)? / (1024 * 1024);
    if free_mib < needed_mib {
        return Err(PreflightError::Space {
            path: folder.to_owned(),
            free_mib,
            needed_mib,
        });
    }
    Ok(())
}

/// Each repository must answer by one of its sources.
async fn check_repositories<'a>(
    repositories: impl IntoIterator<Item = &'a Repository>,
    client: &reqwest::Client,
) -> Result<(), PreflightError> {
    for repository in repositories {
        let mut first = None;
        for source in &repository.sources {
            match probe(source, client).await {
                Ok(()) => {
                    first = None;
                    break;
                }
                Err(problem) => first = first.or(Some((source, problem))),
            }
        }
        if let Some((source, Problem { words, transient })) = first {
            return Err(PreflightError::Repository {
                id: repository.id.clone(),
                url: redact::passwords(source.url()).into_owned(),
                problem: words,
                transient,
            });
        }
    }
    Ok(())
}

struct Problem {
    words: String,
    transient: bool,
}

impl Problem {
    fn lasting(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            transient: false,
        }
    }
}

async fn probe(source: &Source, client: &reqwest::Client) -> Result<(), Problem> {
    let address = match source {
        Source::BaseUrl(url) => format!("{}/repodata/repomd.xml", url.trim_end_matches('/')),
        Source::MirrorList(url) | Source::Metalink(url) => url.clone(),
    };
    let url =
        Url::parse(&address).map_err(|error| Problem::lasting(format!("is no URL: {error}")))?;
    if url.scheme() == "file" {
        let path = url
            .to_file_path()
            .unwrap_or_else(|()| PathBuf::from(url.path()));
        return match path.is_file() {
            true => Ok(()),
            false => Err(Problem::lasting(format!("has no {}", path.display()))),
        };
    }
    if !matches!(url.scheme(), "http" | "https") {
        // dnf reads ftp; we do not, and leave it to dnf to say what is wrong.
        return Ok(());
    }
    let answer = client.get(url).send().await.map_err(|error| Problem {
        words: format!("cannot be reached: {}", http::reason(&error)),
        transient: true,
    })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let what = match source {
        Source::BaseUrl(_) => "repodata/repomd.xml",
        Source::MirrorList(_) | Source::Metalink(_) => "it",
    };
    Err(Problem {
        words: format!("answers {status} when asked for {what}"),
        transient: status.is_server_error(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Key, Kind, Store};
    use crate::compose::mounts::{Memory, apart};
    use crate::host::tests::complete;
    use crate::plan::{KickstartPlan, PlanOptions};
    use crate::spec::{BuildSpec, Format};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers one request with `answer`; hangs when it is empty.
    async fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        format!("http://user:secret@{address}/os/")
    }

    async fn problem(url: String) -> PreflightError {
        let client = http::client(None).unwrap();
        let repository = Repository::new("43", vec![Source::BaseUrl(url)]);
        check_repositories(&[repository], &client)
            .await
            .unwrap_err()
    }

    #[tokio::test]
    async fn a_repository_that_is_not_there_is_named_without_its_password() {
        let error =
            problem(server("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await).await;
        let words = error.to_string();
        assert!(
            words.starts_with("the repository 43 at http://user:***@127.0.0.1:"),
            "{words}"
        );
        assert!(
            words.ends_with("/os/ answers 404 Not Found when asked for repodata/repomd.xml"),
            "{words}"
        );
        assert!(!error.is_transient());
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(error.hint().unwrap().contains("`43_url`"));
    }

    #[tokio::test]
    async fn a_refused_connection_says_so() {
        let error = problem("http://127.0.0.1:1/os".into()).await;
        assert!(error.to_string().contains("cannot be reached: "), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
        assert!(error.is_transient());
    }

    #[tokio::test]
    async fn a_folder_without_metadata_is_no_repository() {
        let dir = tempfile::tempdir().unwrap();
        let url = Url::from_file_path(dir.path()).unwrap().to_string();
        let error = problem(url.clone()).await;
        assert!(error.to_string().contains("repodata/repomd.xml"), "{error}");
    }

    #[tokio::test]
    async fn one_source_that_answers_is_enough() {
        let good = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let sources = vec![
            Source::BaseUrl("http://127.0.0.1:1/".into()),
            Source::MirrorList(good),
        ];
        let client = http::client(None).unwrap();
        check_repositories(&[Repository::new("43", sources)], &client)
            .await
            .unwrap();
    }

    #[test]
    fn mkfs_erofs_says_what_it_knows() {
        // Of erofs-utils 1.5, and of 1.8.
        let old = [
            " -zX[,Y]  X=compressor",
            "Available compressors are: lz4hc, lz4",
        ];
        let new = [
            "    -zX[,level=Y]   X=compressor (Y=compression level)",
            "      lz4",
            "      zstd           [,level=<0-22>=3] [,dictsize=<dictsize>]",
        ];
        for (help, known) in [(&old[..], false), (&new[..], true)] {
            let help: Vec<String> = help.iter().map(|&line| line.to_owned()).collect();
            assert_eq!(lists(&help, CompressionAlgorithm::Zstd), known);
            assert!(lists(&help, CompressionAlgorithm::Lz4));
        }
    }

    #[tokio::test]
    async fn a_cache_that_fills_its_disk_makes_room_for_the_build() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("disk");
        let done = apart(move || async move {
            let disk = Memory::mount(&at, 5 << 20).unwrap();
            let cache = disk.path();
            for name in ["a", "b", "c"] {
                let store = Store::new(cache, Kind::Image);
                let fresh = store.fresh().unwrap();
                std::fs::write(fresh.data(), vec![0; 1 << 20]).unwrap();
                store.put(&Key::of(&name), &fresh, ()).unwrap();
            }
            check_space(cache, 2).unwrap_err();
            make_room(cache, 2, &BuildContext::default()).await;
            check_space(cache, 2).unwrap();
            // One is enough.
            let usage = cache::usage(cache).unwrap();
            assert_eq!(usage.iter().map(|usage| usage.entries).sum::<u64>(), 2);
            make_room(&cache.join("new"), 2, &BuildContext::default()).await;
        });
        done.await.unwrap();
    }

    #[tokio::test]
    async fn a_check_that_fails_leaves_no_folder_that_it_made() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        std::fs::create_dir(top.join("a")).unwrap();
        let text = format!(
            "[DEFAULT]\ntype=boot\nrelease=43\narch=x86_64\nbackend=native\n43_url=/no/repository\n\
             staging={0}/a/b/c;{0}/a/b/d\n[boot]\nworkdir={0}/w/x\n",
            top.display()
        );
        let spec = BuildSpec::parse(&text, Format::Ini, "a.conf").unwrap();
        let now = "2026-11-21T09:42:24Z".parse().unwrap();
        let options = PlanOptions::new(now, top, top.join("cache/of/it"));
        let host = complete();
        let plan = BuildPlan::new(&spec, &KickstartPlan::default(), &host, &options).unwrap();
        let staging = Courier::new(&plan.paths.staging, &[]).unwrap();
        let error = check(&plan, &host, &staging, &BuildContext::default())
            .await
            .unwrap_err();
        assert!(
            matches!(error, PreflightError::Repository { .. }),
            "{error}"
        );
        let left: Vec<_> = top
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a"]);
        assert_eq!(top.join("a").read_dir().unwrap().count(), 0);
    }

    #[test]
    fn too_little_space_is_said_in_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let error = check_space(dir.path(), u64::MAX).unwrap_err();
        assert!(error.to_string().contains("MiB are needed"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Host);
        check_space(&dir.path().join("new/folder"), 1).unwrap();
    }
}
