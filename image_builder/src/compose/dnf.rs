//! dnf 4 and dnf5 behind one adapter: their configuration, command lines, progress and errors.
//!
//! Installing is done in two steps: the first, with network, solves and downloads into the host's
//! cache; the second, without network and in a sandbox, runs the transaction from the cache.
//! Facts that the two differ in are from the documentation of
//! [dnf 4](https://dnf.readthedocs.io/en/latest/command_ref.html) and
//! [dnf5](https://dnf5.readthedocs.io/en/latest/).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::sandbox;
use crate::host::DnfVersion;
use crate::plan::InstallOptions;
use crate::process::Invocation;
use crate::repository::Repository;
use crate::source_date::dated;
use crate::spec::{Arch, Release};

/// Everything that a dnf run for one root needs to know.
#[derive(Debug, Clone)]
pub struct Dnf<'a> {
    /// Which one.
    pub version: DnfVersion,
    /// The root to install into.
    pub root: &'a Path,
    /// The configuration file, written by [`Dnf::config`].
    pub config: &'a Path,
    /// A home folder with the `.rpmmacros` of [`Dnf::macros`].
    pub home: &'a Path,
    /// Repository metadata and packages, shared by all builds of the host.
    pub cache: &'a Path,
    /// `$releasever`.
    pub release: &'a Release,
    /// `$basearch`.
    pub arch: Arch,
    /// How packages are installed.
    pub install: &'a InstallOptions,
}

impl Dnf<'_> {
    /// The configuration file's text. Repositories stand in it, so that no repository of the
    /// host can slip in.
    #[must_use]
    pub fn config(
        repositories: &[Repository],
        proxy: Option<&str>,
        install: &InstallOptions,
    ) -> String {
        let mut text = format!(
            "[main]\nplugins=0\nbest=1\nskip_if_unavailable=0\ninstall_weak_deps={weak}\nkeepcache=1\n\
             tsflags={flags}\ndiskspacecheck=1\nclean_requirements_on_remove=0\n\
             timeout={timeout}\nretries={retries}\nmax_parallel_downloads=6\ngpgcheck=0\n",
            weak = u8::from(install.weak_dependencies),
            flags = if install.documentation { "" } else { "nodocs" },
            timeout = install.connection_seconds.unwrap_or(30),
            retries = install.retries.unwrap_or(3),
        );
        if install.multilib {
            text.push_str("multilib_policy=all\n");
        }
        if let Some(proxy) = proxy {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "proxy={proxy}");
        }
        for repository in repositories {
            let _ = write!(text, "\n{}", repository.section());
        }
        text
    }

    /// The text of `.rpmmacros` in [`Dnf::home`]: where the release keeps its package database,
    /// which on another distribution is not where the host's rpm would put it (Debian's default
    /// is a folder in the user's home), and the translations that are installed.
    #[must_use]
    pub fn macros(release: &Release, install: &InstallOptions) -> String {
        let mut text = format!("%_dbpath {}\n", database(release));
        if let Some(languages) = &install.languages {
            let list = match languages.is_empty() {
                // No locale has this name, so no translation is installed.
                true => "none".to_owned(),
                false => languages.join(":"),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "%_install_langs {list}");
        }
        text
    }

    /// Solves and downloads `packages` into the cache; installs nothing.
    #[must_use]
    pub fn download(&self, packages: &[String]) -> Invocation {
        self.install(packages, "--downloadonly")
    }

    /// Solves `packages` and goes no further, for what that says of them.
    #[must_use]
    pub fn dry_run(&self, packages: &[String]) -> Invocation {
        self.install(packages, "--assumeno").probe()
    }

    /// Installs `packages` from the cache, in a sandbox without network.
    #[must_use]
    pub fn transaction(&self, packages: &[String]) -> Invocation {
        let install = dated(self.install(packages, "--cacheonly"));
        sandbox::beside(self.root, install)
    }

    /// Writes down in the root's package database, from the cache, what `packages` brings; no file
    /// is installed and nothing of a package runs. rpm checks the transaction as any other.
    #[must_use]
    pub fn record(&self, packages: &[String]) -> Invocation {
        let install = self.install(packages, "--cacheonly").args([
            "--setopt=tsflags=justdb,noscripts,notriggers",
            "--setopt=diskspacecheck=0",
        ]);
        sandbox::beside(self.root, install)
    }

    /// Fetches the metadata of the repositories into the cache; those that cannot be had are passed
    /// over.
    #[must_use]
    pub fn fetch_metadata(&self) -> Invocation {
        self.base()
            .args(["--setopt=skip_if_unavailable=1", "makecache"])
    }

    fn install(&self, packages: &[String], how: &str) -> Invocation {
        // "-name" leaves a package out, as in a kickstart.
        let excluded = packages.iter().filter_map(|name| name.strip_prefix('-'));
        // A kickstart writes "@^" before an environment; dnf takes groups and environments alike.
        let wanted = packages
            .iter()
            .filter(|name| !name.starts_with('-'))
            .map(|name| {
                name.strip_prefix("@^")
                    .map_or_else(|| name.clone(), |id| format!("@{id}"))
            });
        let mut options = Vec::new();
        if self.install.ignore_missing {
            options.push(match self.version {
                DnfVersion::Dnf4 => "--setopt=strict=0",
                DnfVersion::Dnf5 => "--skip-unavailable",
            });
        }
        if self.install.ignore_broken {
            options.push("--skip-broken");
        }
        let (before, behind) = match self.version {
            DnfVersion::Dnf4 => (options, Vec::new()),
            // dnf5 takes these behind the subcommand only.
            DnfVersion::Dnf5 => (Vec::new(), options),
        };
        self.base()
            .args(excluded.map(|name| format!("--exclude={name}")))
            .args(before)
            .args(["install", how])
            .args(behind)
            .args(wanted)
    }

    /// Asks for the newest version of each of `names` in the repositories; a line each, for
    /// [`newest`].
    #[must_use]
    pub fn query_newest(&self, names: &[&str]) -> Invocation {
        // dnf5 writes no line ends of its own. dnf 4 does; its empty lines are skipped.
        self.base()
            .args(["--quiet", "repoquery", "--latest-limit=1"])
            .option(
                "--queryformat",
                "%{name}|%{epoch}|%{version}|%{release}|%{arch}\\n",
            )
            .args(names.iter().copied())
    }

    /// Asks what is in groups and environments; the answer is for
    /// [`group_info`](super::groups::group_info).
    #[must_use]
    pub fn group_info(&self, names: &[&str]) -> Invocation {
        // dnf 4 tells ids to those only who want to hear all.
        let how = match self.version {
            DnfVersion::Dnf4 => "--verbose",
            DnfVersion::Dnf5 => "--quiet",
        };
        self.base()
            .args([how, "group", "info", "--hidden"])
            .args(names.iter().copied())
    }

    /// The cache, as dnf is told of it. Until dnf 4 has read its configuration it puts the install
    /// root before the path, and keeps a list of repositories there: the image would have this host's
    /// folders in it. Climbing up first, both are the same folder.
    fn cache_folder(&self) -> String {
        let up = match self.version {
            DnfVersion::Dnf4 => "/..".repeat(DEEPEST),
            DnfVersion::Dnf5 => String::new(),
        };
        format!("{up}{}", self.cache.display())
    }

    /// What every command line begins with.
    fn base(&self) -> Invocation {
        let mut dnf = Invocation::new(match self.version {
            DnfVersion::Dnf4 => "dnf",
            DnfVersion::Dnf5 => "dnf5",
        })
        .arg("-y")
        .option("--config", self.config.display())
        .option("--installroot", self.root.display());
        if self.version == DnfVersion::Dnf5 {
            // dnf5 reads configuration and variables from the install root otherwise.
            dnf = dnf.arg("--use-host-config");
        }
        dnf.option("--releasever", self.release)
            .option("--forcearch", self.arch)
            // On the command line a path is the host's; in the file dnf 4 would put the install
            // root before it.
            .option("--setopt=cachedir", self.cache_folder())
            .option("--setopt=reposdir", self.home.join("no-repos.d").display())
            .option("--setopt=varsdir", self.home.join("no-vars").display())
            .env("HOME", self.home.to_string_lossy())
            .env("LC_ALL", "C.UTF-8")
    }
}

/// A command of dnf's that fetches the metadata of the repositories anew before anything else: what is in the
/// cache is known to be old.
#[must_use]
pub fn refreshing(mut dnf: Invocation) -> Invocation {
    // Before the subcommand, where both versions look for it.
    dnf.args.insert(0, "--refresh".into());
    dnf
}

/// Folders that a work directory is deep at most, whatever symbolic links it is reached by.
const DEEPEST: usize = 24;

/// A line that [`Dnf::query_newest`] printed: name, epoch, version, release, architecture.
#[must_use]
pub fn newest(line: &str) -> Option<[&str; 5]> {
    let mut parts = line.trim().split('|');
    let mut part = || parts.next().filter(|part| !part.is_empty());
    Some([part()?, part()?, part()?, part()?, part()?])
}

/// Where `release` keeps its rpm database: since Fedora 36 in /usr
/// (<https://fedoraproject.org/wiki/Changes/RelocateRPMToUsr>).
#[must_use]
pub fn database(release: &Release) -> &'static str {
    match release.number() {
        Some(number) if number < 36 => "/var/lib/rpm",
        _ => "/usr/lib/sysimage/rpm",
    }
}

/// How far a transaction has come, from a line of dnf's: `(done, total)` packages.
#[must_use]
pub fn progress(line: &str) -> Option<(u64, u64)> {
    // dnf 4: "  Installing       : glibc-2.36-9.x86_64                 2/167"
    // dnf5:  "[ 3/15] Installing glibc-0:2.36-9.x86_64   100% | ..."
    let fraction = if let Some(rest) = line.strip_prefix('[') {
        let (fraction, rest) = rest.split_once(']')?;
        rest.trim_start()
            .starts_with("Installing ")
            .then_some(fraction)?
    } else {
        let line = line.trim();
        let what = line.split_once(" :")?.0.trim_end();
        matches!(what, "Installing" | "Upgrading").then(|| line.rsplit(' ').next())??
    };
    let (done, total) = fraction.split_once('/')?;
    Some((done.trim().parse().ok()?, total.trim().parse().ok()?))
}

/// How far a download has come, from a line of dnf's: `(done, total)` packages.
#[must_use]
pub fn download_progress(line: &str) -> Option<(u64, u64)> {
    // dnf 4: "(12/182): glibc-2.36-9.x86_64.rpm      45 MB/s | 2.6 MB     00:00"
    // dnf5:  "[ 3/15] glibc-0:2.36-9.x86_64  100% |  30.0 MiB/s | ..."
    let (fraction, _) = match line.strip_prefix('(') {
        Some(rest) => rest.split_once("):")?,
        None => line.strip_prefix('[')?.split_once(']')?,
    };
    let (done, total) = fraction.split_once('/')?;
    Some((done.trim().parse().ok()?, total.trim().parse().ok()?))
}

/// A line that says that a scriptlet failed. dnf ends with status 0 all the same.
#[must_use]
pub fn is_scriptlet_failure(line: &str) -> bool {
    (line.contains("rror in ") && line.contains(" scriptlet in rpm package"))
        || (line.contains("scriptlet failed") && line.contains("exit status"))
        || line.contains(">>> Scriptlet failed")
}

/// What dnf's last lines say is wrong, where we know the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// Packages or groups that no repository has.
    Unknown(Vec<String>),
    /// The set has a conflict or an unmet requirement; the lines that explain it.
    Unsolvable(Vec<String>),
    /// A repository or a package could not be fetched; the line that says so.
    Download(String),
    /// The disk is full.
    NoSpace,
    /// A package's signature is not good; the line that says so.
    Signature(String),
}

/// Whether dnf failed only because of another one, which shares its cache: it took the lock of the metadata away in the
/// same moment (dnf 4 looks at it and removes it in two steps, `dnf/lock.py`), or was just putting newer metadata in
/// the place of those in the cache. Nothing was done then, and the same may be tried again.
#[must_use]
pub fn was_disturbed(lines: &[String]) -> bool {
    let disturbed = |line: &String| {
        (line.contains("[Errno 2]") && line.contains("_lock.pid"))
            || line.contains("Cache-only enabled but no cache for")
    };
    lines.iter().any(disturbed)
}

/// Reads the lines that dnf printed before it failed.
#[must_use]
pub fn complaint(lines: &[String]) -> Option<Complaint> {
    let find = |words: &[&str]| {
        lines
            .iter()
            .find(|line| words.iter().any(|word| line.contains(word)))
            .cloned()
    };
    if find(&["No space left on device", "At least ", "not enough space"])
        .is_some_and(|line| !line.contains("At least") || line.contains("more space needed"))
    {
        return Some(Complaint::NoSpace);
    }
    let unknown: Vec<String> = lines.iter().filter_map(|line| unknown_name(line)).collect();
    if !unknown.is_empty() {
        return Some(Complaint::Unknown(unknown));
    }
    if let Some(line) = find(&[
        "is not signed",
        "GPG check FAILED",
        "Signature verification",
    ]) {
        return Some(Complaint::Signature(line));
    }
    if let Some(start) = lines
        .iter()
        .position(|line| line.trim_start().starts_with("Problem"))
    {
        let reasons = lines[start..]
            .iter()
            .take_while(|line| line.starts_with(' ') || line.trim_start().starts_with("Problem"))
            .take(12)
            .map(|line| line.trim().to_owned())
            .collect();
        return Some(Complaint::Unsolvable(reasons));
    }
    find(&[
        "Failed to download",
        "Error downloading packages",
        "Cannot download",
        "No more mirrors to try",
        "All mirrors were tried",
        "Curl error",
        "Librepo error",
    ])
    .map(|line| Complaint::Download(line.trim().to_owned()))
}

fn unknown_name(line: &str) -> Option<String> {
    let line = line.trim();
    // dnf 4 and dnf5: "No match for argument: kernel-99"; dnf 4 for groups:
    // "Module or Group 'nosuch' is not available."
    if let Some(name) = line.strip_prefix("No match for argument: ") {
        return Some(name.trim().to_owned());
    }
    let rest = line.strip_prefix("Module or Group '")?;
    let name = rest
        .strip_suffix("' is not available.")
        .or_else(|| rest.split('\'').next())?;
    Some(format!("@{name}"))
}

/// The cache folder of a host's dnf runs below `cache`.
#[must_use]
pub fn cache_folder(cache: &Path) -> PathBuf {
    cache.join("dnf")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Source;

    fn dnf(version: DnfVersion) -> Dnf<'static> {
        Dnf {
            install: Box::leak(Box::default()),
            version,
            root: Path::new("/w/root"),
            config: Path::new("/w/dnf.conf"),
            home: Path::new("/w/home"),
            cache: Path::new("/c/dnf"),
            release: &Release::Number(43),
            arch: Arch::X86_64,
        }
    }

    #[test]
    fn a_lock_that_another_dnf_has_taken_away_is_no_failure_of_the_packages() {
        let lost = "[Errno 2] No such file or directory: '/../../cache/dnf/metadata_lock.pid'";
        assert!(was_disturbed(&[
            "Last metadata".to_owned(),
            lost.to_owned()
        ]));
        let replaced = "Error: Cache-only enabled but no cache for '99'";
        assert!(was_disturbed(&[replaced.to_owned()]));
        assert_eq!(complaint(&[lost.to_owned()]), None);
        let other = "[Errno 2] No such file or directory: '/root/etc/passwd'";
        assert!(!was_disturbed(&[other.to_owned()]));
    }

    #[test]
    fn both_versions_get_their_command_line() {
        let packages = ["@core", "@^minimal", "kernel", "-man-db"].map(str::to_owned);
        let download = dnf(DnfVersion::Dnf4).download(&packages).to_string();
        assert_eq!(
            download.replace("/..", ""),
            "HOME=/w/home LC_ALL=C.UTF-8 dnf -y --config=/w/dnf.conf --installroot=/w/root \
             --releasever=43 --forcearch=x86_64 --setopt=cachedir=/c/dnf \
             --setopt=reposdir=/w/home/no-repos.d --setopt=varsdir=/w/home/no-vars \
             --exclude=man-db install --downloadonly @core @minimal kernel"
        );
        let transaction = dnf(DnfVersion::Dnf5).transaction(&packages).to_string();
        assert!(
            transaction.contains("-- dnf5 -y --config=/w/dnf.conf"),
            "{transaction}"
        );
        assert!(transaction.contains(" --use-host-config "), "{transaction}");
        assert!(
            transaction.ends_with(" install --cacheonly @core @minimal kernel"),
            "{transaction}"
        );
    }

    #[test]
    fn the_configuration_holds_the_repositories_and_nothing_of_the_host() {
        let mut updates = Repository::new(
            "43-updates",
            vec![Source::Metalink("https://m/?a&b".into())],
        );
        updates.gpg_check = true;
        updates.gpg_keys = vec!["file:///k/one".into(), "file:///k/two".into()];
        let mut side = Repository::new("side", vec![Source::BaseUrl("file:///w/side".into())]);
        side.priority = Some(1);
        let text = Dnf::config(
            &[updates, side],
            Some("http://proxy:3128"),
            &InstallOptions::default(),
        );
        assert!(text.starts_with("[main]\nplugins=0\n"));
        assert!(text.contains("\nproxy=http://proxy:3128\n"));
        assert!(text.contains(
            "\n[43-updates]\nname=43-updates\nenabled=1\nmetalink=https://m/?a&b\ngpgcheck=1\n\
             gpgkey=file:///k/one file:///k/two\n"
        ));
        assert!(text.contains("\nbaseurl=file:///w/side\npriority=1\ngpgcheck=0\n"));
    }

    #[test]
    fn the_newest_versions_are_asked_for_and_read() {
        let line = dnf(DnfVersion::Dnf5)
            .query_newest(&["bash", "vim"])
            .to_string();
        assert!(
            line.ends_with(
                " --quiet repoquery --latest-limit=1 \
                 '--queryformat=%{name}|%{epoch}|%{version}|%{release}|%{arch}\\n' bash vim"
            ),
            "{line}"
        );
        assert_eq!(
            newest("vim-minimal|2|9.1|3.fc43|x86_64"),
            Some(["vim-minimal", "2", "9.1", "3.fc43", "x86_64"])
        );
        for line in ["", "Last metadata expiration check: 0:00:01 ago", "a|0|1|2"] {
            assert_eq!(newest(line), None, "{line}");
        }
    }

    #[test]
    fn options_of_a_kickstart_reach_dnf() {
        let install = InstallOptions {
            weak_dependencies: true,
            documentation: true,
            languages: Some(vec!["en".into(), "de".into()]),
            ignore_missing: true,
            ignore_broken: true,
            multilib: true,
            connection_seconds: Some(5),
            retries: Some(9),
            ..InstallOptions::default()
        };
        let text = Dnf::config(&[], None, &install);
        for line in [
            "install_weak_deps=1",
            "tsflags=",
            "timeout=5",
            "retries=9",
            "multilib_policy=all",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        let release = Release::Number(43);
        assert!(Dnf::macros(&release, &install).contains("\n%_install_langs en:de\n"));
        for (version, expected) in [
            (
                DnfVersion::Dnf4,
                " --setopt=strict=0 --skip-broken install --downloadonly vim",
            ),
            (
                DnfVersion::Dnf5,
                " install --downloadonly --skip-unavailable --skip-broken vim",
            ),
        ] {
            let dnf = Dnf {
                install: &install,
                ..dnf(version)
            };
            let line = dnf.download(&["vim".to_owned()]).to_string();
            assert!(line.ends_with(expected), "{line}");
        }
    }

    #[test]
    fn a_solution_is_written_down_without_running_anything() {
        let packages = ["@core".to_owned()];
        for (version, program) in [(DnfVersion::Dnf4, "dnf"), (DnfVersion::Dnf5, "dnf5")] {
            let line = dnf(version).record(&packages).to_string();
            assert!(line.contains(" --unshare-net "), "{line}");
            assert!(line.contains(&format!(" -- {program} -y ")), "{line}");
            let end = " install --cacheonly @core --setopt=tsflags=justdb,noscripts,notriggers \
                       --setopt=diskspacecheck=0";
            assert!(line.ends_with(end), "{line}");
        }
        let line = dnf(DnfVersion::Dnf4).fetch_metadata().to_string();
        assert!(
            line.ends_with(" --setopt=skip_if_unavailable=1 makecache"),
            "{line}"
        );
    }

    #[test]
    fn metadata_that_is_old_is_fetched_by_the_command_that_needs_it() {
        let packages = ["kernel".to_owned()];
        for (version, program) in [(DnfVersion::Dnf4, "dnf"), (DnfVersion::Dnf5, "dnf5")] {
            let line = refreshing(dnf(version).download(&packages)).to_string();
            assert!(
                line.contains(&format!(" {program} --refresh -y ")),
                "{line}"
            );
            assert!(line.ends_with(" install --downloadonly kernel"), "{line}");
        }
    }

    #[test]
    fn the_database_moved_with_fedora_36() {
        assert_eq!(database(&Release::Number(35)), "/var/lib/rpm");
        assert_eq!(database(&Release::Number(36)), "/usr/lib/sysimage/rpm");
        assert_eq!(database(&Release::Rawhide), "/usr/lib/sysimage/rpm");
    }

    #[test]
    fn progress_of_both_versions_is_read() {
        for (line, expected) in [
            (
                "  Installing       : glibc-2.36-9.x86_64               2/167 ",
                Some((2, 167)),
            ),
            (
                "  Running scriptlet: glibc-2.36-9.x86_64               2/167 ",
                None,
            ),
            (
                "[ 3/15] Installing glibc-0:2.36-9.x86_64 100% | 1 MiB/s",
                Some((3, 15)),
            ),
            ("[ 3/15] glibc-0:2.36-9.x86_64 100% | 1 MiB/s", None),
            ("Complete!", None),
        ] {
            assert_eq!(progress(line), expected, "{line}");
        }
        let line = "(12/182): glibc-2.36-9.x86_64.rpm    45 MB/s | 2.6 MB     00:00";
        assert_eq!(download_progress(line), Some((12, 182)));
        assert_eq!(
            download_progress("[ 3/15] glibc-0:2.36 100% | x"),
            Some((3, 15))
        );
    }

    #[test]
    fn failed_scriptlets_are_seen() {
        for line in [
            "Error in POSTIN scriptlet in rpm package fbs-bad-post",
            "warning: %post(fbs-bad-post-1.0-1.noarch) scriptlet failed, exit status 1",
            ">>> Scriptlet failed: POSTIN",
        ] {
            assert!(is_scriptlet_failure(line), "{line}");
        }
        assert!(!is_scriptlet_failure(
            "  Running scriptlet: bash-5.2-1.x86_64   1/1"
        ));
    }

    #[test]
    fn dnf_s_words_are_understood() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            complaint(&lines(
                "No match for argument: kernel-99\nModule or Group 'nosuch' is not available.\n\
                 Error: Unable to find a match: kernel-99"
            )),
            Some(Complaint::Unknown(vec![
                "kernel-99".into(),
                "@nosuch".into()
            ]))
        );
        assert_eq!(
            complaint(&lines(
                "Error: \n Problem: conflicting requests\n  - nothing provides x needed by y\n(try z)"
            )),
            Some(Complaint::Unsolvable(vec![
                "Problem: conflicting requests".into(),
                "- nothing provides x needed by y".into()
            ]))
        );
        assert_eq!(
            complaint(&lines(
                "Error: Error downloading packages:\n  Curl error (7)"
            )),
            Some(Complaint::Download(
                "Error: Error downloading packages:".into()
            ))
        );
        assert_eq!(
            complaint(&lines(
                "error: unpacking of archive failed: No space left on device"
            )),
            Some(Complaint::NoSpace)
        );
        assert_eq!(
            complaint(&lines(
                "   At least 12MB more space needed on the /w/root filesystem."
            )),
            Some(Complaint::NoSpace)
        );
        assert_eq!(complaint(&lines("Complete!")), None);
    }
}
