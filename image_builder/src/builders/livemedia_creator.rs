//! [livemedia-creator](https://weldr.io/lorax/livemedia-creator.html) as a backend, as of lorax 46.
//!
//! It made Fedora's live images from Fedora 24 to 41. Without a virtual machine it runs the
//! installer on the host: into `/mnt/sysimage`, with its logs in `/tmp`, which it then moves away.
//! So it gets both to itself, and there is one of it at a time. Its options and demands are those
//! of its source (`src/pylorax/cmdline`, `creator.py`, `monitor.py`).

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::tool::{Tool, Ways, files, left_out, move_log};
use super::{BuildError, Built, Live, kickstart_file};
use crate::compose::ComposeError;
use crate::compose::dnf::is_scriptlet_failure;
use crate::compose::files::{make_folder, require};
use crate::compose::namespace;
use crate::context::BuildContext;
use crate::events::Stage;
use crate::kickstart::{InstallUrl, Kickstart, KickstartError};
use crate::plan::{BuildPlan, Step};
use crate::process::Invocation;
use crate::report::NotApplied;
use crate::spec::{Arch, CompressionAlgorithm, RootFs};

/// Makes live images with livemedia-creator.
#[derive(Debug, Clone, Copy)]
pub struct LivemediaCreator;

static WAYS: Ways = Ways {
    name: "livemedia-creator",
    phrases: &[
        "livemedia-creator v",
        "disk_size",
        "Running anaconda",
        "Configuring storage",
        "Starting package installation process",
        "Downloading packages",
        "Preparing transaction",
        "Installing ",
        "Configuring ",
        "Running post-installation scripts",
        "Storing configuration files",
        "working dir is",
        "runtime",
        "Rebuilding initramfs",
        "Building boot.iso",
        "SUMMARY",
    ],
    is_fatal,
    tells: |line| line.contains("ERROR") || is_fatal(line),
    gather,
};

/// What it takes itself for a sign of a failed installation, in the installer's log (`monitor.py`).
fn is_fatal(line: &str) -> bool {
    const SIGNS: [&str; 11] = [
        "Traceback (",
        "traceback script(s) have been run",
        "Out of memory:",
        "Call Trace:",
        "insufficient disk space:",
        "Not enough disk space to download the packages",
        "error populating transaction after",
        "crashed on signal",
        "packaging: Missed: NoSuchPackage",
        "packaging: Installation failed",
        "The following error occurred while installing.  This is a fatal error",
    ];
    !line.contains("IGNORED")
        && (is_scriptlet_failure(line) || SIGNS.iter().any(|sign| line.contains(sign)))
}

/// Only one runs on a host: the installer has one file for its process id.
const LOCK: &str = "/run/lock/fbs-livemedia-creator.lock";

/// Room in the root for a kickstart that does not say how much, in MiB. What is not used takes no
/// space in the image.
const ROOT_MIB: u32 = 10 * 1024;

#[async_trait]
impl Live for LivemediaCreator {
    fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        vec![Step {
            stage: Stage::Tool,
            commands: vec![invocation(plan)],
        }]
    }

    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        let tool = tool(plan);
        tool.stage(ctx, make(&tool, ctx)).await
    }
}

fn tool(plan: &BuildPlan) -> Tool<'_> {
    Tool { plan, ways: &WAYS }
}

/// livemedia-creator's command line for `plan`.
#[must_use]
pub fn invocation(plan: &BuildPlan) -> Invocation {
    let tool = tool(plan);
    // Before our own limit, so that it ends what it has started.
    let minutes = (plan.timeout_seconds * 9 / 10 / 60).max(1);
    let mut lmc = Invocation::new(WAYS.name)
        .args(["--make-iso", "--no-virt", "--iso-only", "--iso-name", IMAGE])
        .arg("--ks")
        .path(&tool.path("live.ks"))
        .option("--project", &plan.product)
        .option("--releasever", &plan.release)
        .option("--volid", &plan.volume_id)
        .option("--rootfs-type", plan.rootfs);
    if plan.rootfs == RootFs::Squashfs && plan.spec.shared().compression.is_some() {
        lmc = lmc.option("--compression", plan.compression.algorithm);
        if let (CompressionAlgorithm::Zstd, Some(level)) =
            (plan.compression.algorithm, plan.compression.level)
        {
            lmc = lmc.option("--compress-arg", format!("-Xcompression-level {level}"));
        }
    }
    if let Some(proxy) = &plan.proxy {
        lmc = lmc.option("--proxy", proxy);
    }
    if plan.arch == Arch::X86_64 {
        // The Mac's boot files need hfsplus-tools, which few hosts have.
        lmc = lmc.arg("--nomacboot");
    }
    let lmc = lmc
        .option("--timeout", minutes)
        .arg("--logfile")
        .path(&tool.log())
        .arg("--tmp")
        .path(&tool.tmp())
        .arg("--resultdir")
        .path(&tool.output());
    namespace::apart_in_turn(Path::new(LOCK), &own_tmp(&tool), lmc)
}

/// The ISO's name in the result folder.
const IMAGE: &str = "live.iso";

/// What it has as `/tmp`.
fn own_tmp(tool: &Tool<'_>) -> PathBuf {
    tool.path("installer-tmp")
}

/// The kickstart with what it demands: an installation source, a root of a size, and answers to
/// all that the installer would ask. What it does not accept is taken out.
fn kickstart(plan: &BuildPlan) -> Result<(Kickstart, Vec<NotApplied>), KickstartError> {
    let settings = &plan.kickstart.settings;
    let mut kickstart = kickstart_file::complete(plan)?;
    let display = kickstart.remove_commands(&["text", "cmdline", "graphical"]);
    let removed = display.iter().map(|command| NotApplied {
        place: command.place().to_string(),
        what: command.name().to_owned(),
        reason: "livemedia-creator refuses kickstarts with it".to_owned(),
    });
    let removed = removed.collect();
    if settings.url.is_none()
        && let Some(url) = installation_source(plan)
    {
        kickstart.add_command(&url.to_string())?;
    }
    let has = |name: &str| settings.other.iter().any(|command| command.name() == name);
    let is_root = |mount: &str| mount == "/";
    let root = settings.partitions.iter();
    let answers = [
        (
            root.map(|part| part.value.mountpoint.as_str()).any(is_root),
            format!("part / --size={ROOT_MIB}"),
        ),
        (
            !settings.networks.is_empty(),
            "network --bootproto=dhcp --device=link --activate".to_owned(),
        ),
        (settings.lang.is_some(), "lang en_US.UTF-8".to_owned()),
        (settings.keyboard.is_some(), "keyboard us".to_owned()),
        (settings.timezone.is_some(), "timezone UTC".to_owned()),
        (settings.rootpw.is_some(), "rootpw --lock".to_owned()),
        (
            settings.bootloader.is_some(),
            "bootloader --location=none".to_owned(),
        ),
        (
            has("shutdown") || has("poweroff") || has("reboot") || has("halt"),
            "shutdown".to_owned(),
        ),
    ];
    for (_, command) in answers.iter().filter(|(given, _)| !given) {
        kickstart.add_command(command)?;
    }
    Ok((kickstart, removed))
}

/// The repository that the installer takes as its source: the first that was there before us.
fn installation_source(plan: &BuildPlan) -> Option<InstallUrl> {
    let repository = plan.release_repositories().next()?;
    Some(InstallUrl {
        url: kickstart_file::address(repository)?,
        proxy: repository.proxy.clone(),
        noverifyssl: !repository.verify_tls,
    })
}

async fn make(tool: &Tool<'_>, ctx: &BuildContext) -> Result<Built, ComposeError> {
    let plan = tool.plan;
    let own_tmp = own_tmp(tool);
    make_folder(&own_tmp)?;
    let (text, not_applied) = kickstart(plan)?;
    let record = left_out(ctx, not_applied);
    kickstart_file::write(&tool.path("live.ks"), &text)?;
    tool.run(ctx, &invocation(plan)).await?;
    let iso = tool.output().join(IMAGE);
    require(&iso)?;
    Ok(Built {
        iso: Some(iso),
        kickstart: Some(record),
        ..Built::default()
    })
}

/// The installer's logs lie in a folder of their own, or, where it was ended, still in its `/tmp`.
/// One of them has the name of another: `program.log`.
fn gather(tool: &Tool<'_>) {
    let is_log = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with("log") || name.starts_with("anaconda-tb-")
    };
    let moved = files(&tool.logs().join("anaconda"));
    let left = files(&own_tmp(tool)).into_iter().filter(is_log);
    for log in moved.into_iter().chain(left) {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        let to = tool.logs().join(format!("anaconda-{name}"));
        move_log(&log, &to);
    }
}

#[cfg(test)]
mod tests {
    use super::kickstart_file::tests::plan;
    use super::*;

    const SPEC: &str = "[DEFAULT]\ntype=live\nrelease=43\nbackend=livemedia-creator\n\
                        [live]\n43_url=http://r/os\n";

    #[test]
    fn the_exact_command_line() {
        let plan = plan(&format!("{SPEC}label=FWL\nproduct=Test\ntimeout=2h\n"), "");
        assert_eq!(
            invocation(&plan).to_string(),
            format!(
                "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc \
                 -- flock --no-fork --verbose /run/lock/fbs-livemedia-creator.lock \
                 sh -c '{}' sh /w/installer-tmp -- \
             livemedia-creator --make-iso --no-virt --iso-only --iso-name live.iso \
             --ks /w/live.ks --project=Test --releasever=43 --volid=FWL --rootfs-type=squashfs \
             --nomacboot --timeout=108 --logfile /w/logs/livemedia-creator.log --tmp /w/tmp \
             --resultdir /w/result",
                namespace::OWN_TMP
            )
        );
        let brief = invocation(&plan).brief();
        assert!(
            brief.starts_with("setpriv ... -- livemedia-creator --make-iso "),
            "{brief}"
        );
    }

    #[test]
    fn proxy_and_compression_are_passed() {
        let plan = plan(
            &format!("{SPEC}compression=zstd:15\nproxy=http://u:pw@p:1\n"),
            "",
        );
        let line = invocation(&plan).to_string();
        assert!(
            line.contains(
                " --compression=zstd '--compress-arg=-Xcompression-level 15' \
                 '--proxy=http://u:***@p:1' "
            ),
            "{line}"
        );
    }

    #[test]
    fn a_kickstart_has_what_it_demands() {
        let plan = plan(
            &format!("{SPEC}bid=7\nconfig=a.ks\n"),
            "text\nlang de_DE.UTF-8\n%packages\n@core\n%end\n",
        );
        let (text, removed) = kickstart(&plan).unwrap();
        assert_eq!(
            text.to_string(),
            "lang de_DE.UTF-8\nrepo --name=fbs-side --baseurl=file:///w/side\n\
             repo --name=43 --baseurl=http://r/os\nurl --url=http://r/os\n\
             part / --size=10240\nnetwork --bootproto=dhcp --device=link --activate\n\
             keyboard us\ntimezone UTC\nrootpw --lock\nbootloader --location=none\nshutdown\n\
             %packages\n@core\ndracut-live\n%end\n"
        );
        assert_eq!(
            (removed[0].place.as_str(), removed[0].what.as_str()),
            ("image.ks:1", "text")
        );
    }

    #[test]
    fn a_kickstart_that_has_it_stays_as_it_is() {
        let own = "url --url=http://own/\nlang C\nkeyboard us\ntimezone UTC\nrootpw x\n\
                   network --bootproto=dhcp\npart / --size=9\nbootloader --timeout=1\npoweroff\n\
                   %packages\ndracut-live\n%end\n";
        let spec =
            "[DEFAULT]\ntype=live\nrelease=43\nbackend=livemedia-creator\n[live]\nconfig=a.ks\n";
        let (text, removed) = kickstart(&plan(spec, own)).unwrap();
        assert_eq!(text.to_string(), own);
        assert_eq!(removed, []);
    }

    #[test]
    fn its_signs_of_failure_are_known() {
        for line in [
            "11:02 ERR packaging: Installation failed: no space",
            "Error in POSTIN scriptlet in rpm package bash",
            "Traceback (most recent call last):",
        ] {
            assert!(is_fatal(line), "{line}");
        }
        assert!(!is_fatal("IGNORED Traceback (most recent call last):"));
        assert!(!is_fatal("Installing bash"));
    }
}
