//! [livecd-creator](https://github.com/livecd-tools/livecd-tools) as a backend, as of version 31.
//!
//! It made Fedora's live images until Fedora 23, and those of this service in 2012. It reads a
//! kickstart, installs with dnf 4 into a loop-mounted ext4 image, and packs that image into
//! squashfs. Its options are those of `tools/livecd-creator` in its source.

use async_trait::async_trait;

use super::tool::{Tool, Ways, nothing_to_gather};
use super::{BuildError, Built, Live, kickstart_file};
use crate::compose::ComposeError;
use crate::compose::dnf::is_scriptlet_failure;
use crate::compose::files::{make_folder, require, write_private};
use crate::compose::namespace;
use crate::context::BuildContext;
use crate::events::Stage;
use crate::plan::{BuildPlan, Step};
use crate::process::Invocation;
use crate::spec::{Arch, CompressionAlgorithm};

/// Makes live images with livecd-creator.
#[derive(Debug, Clone, Copy)]
pub struct LivecdCreator;

static WAYS: Ways = Ways {
    name: "livecd-creator",
    phrases: &[
        "Using label",
        "selected group",
        "selected package",
        "Installing",
        "Running scriptlet",
        "Verifying",
        "Setting SELinux contexts",
        "Parallel mksquashfs",
    ],
    is_fatal: is_scriptlet_failure,
    tells: |line| {
        [
            "Error creating Live CD",
            "creation failed",
            "kickstart error",
            "must have at least one",
        ]
        .iter()
        .any(|words| line.contains(words))
    },
    gather: nothing_to_gather,
};

#[async_trait]
impl Live for LivecdCreator {
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

/// livecd-creator's command line for `plan`. Repositories are given as dnf's sections, which say
/// more than a kickstart can: priorities and keys.
#[must_use]
pub fn invocation(plan: &BuildPlan) -> Invocation {
    let tool = tool(plan);
    let title = plan.image.live().map_or(&plan.title, |live| &live.title);
    let mut livecd = Invocation::new(WAYS.name)
        .arg("-c")
        .path(&tool.path("live.ks"))
        .args(["-f", &plan.volume_id])
        .option("--title", title)
        .option("--product", &plan.product)
        .option("--releasever", &plan.release)
        .arg("-t")
        .path(&tool.tmp())
        .option("--cache", tool.cache().display())
        .option("--logfile", tool.log().display())
        .option("--repo", tool.path("live.repo").display())
        .arg("-o")
        .path(&tool.output());
    if plan.spec.shared().compression.is_some() {
        livecd = livecd.option("--compression-type", compression(plan));
    }
    if plan.arch == Arch::X86_64 {
        // The Mac's boot files need hfsplus-tools, which few hosts have.
        livecd = livecd.arg("--nomacboot");
    }
    namespace::apart(livecd.arg("--verbose"))
}

fn compression(plan: &BuildPlan) -> String {
    let compression = plan.compression;
    match (compression.algorithm, compression.level) {
        (CompressionAlgorithm::Zstd, Some(level)) => format!("zstd -Xcompression-level {level}"),
        (algorithm, _) => algorithm.to_string(),
    }
}

/// The repositories as dnf reads them, with the plan's proxy.
fn sections(plan: &BuildPlan) -> String {
    let sections = plan.repositories.iter().map(|repository| {
        let mut repository = repository.clone();
        if repository.proxy.is_none() {
            repository.proxy.clone_from(&plan.proxy);
        }
        repository.section()
    });
    sections.collect::<Vec<_>>().join("\n")
}

async fn make(tool: &Tool<'_>, ctx: &BuildContext) -> Result<Built, ComposeError> {
    let plan = tool.plan;
    make_folder(&tool.output())?;
    kickstart_file::write(&tool.path("live.ks"), &kickstart_file::complete(plan)?)?;
    write_private(&tool.path("live.repo"), &sections(plan))?;
    tool.run(ctx, &invocation(plan)).await?;
    let iso = tool.output().join(format!("{}.iso", plan.volume_id));
    require(&iso)?;
    Ok(Built {
        iso: Some(iso),
        ..Built::default()
    })
}

#[cfg(test)]
mod tests {
    use super::kickstart_file::tests::plan;
    use super::*;

    const SPEC: &str = "[DEFAULT]\ntype=live\nrelease=43\nbackend=livecd-creator\n\
                        [live]\n43_url=http://r/os\n";

    #[test]
    fn the_exact_command_line() {
        let plan = plan(&format!("{SPEC}label=FedoraDesktop\ntitle=Desktop\n"), "");
        assert_eq!(
            invocation(&plan).to_string(),
            "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc -- \
             livecd-creator -c /w/live.ks -f FedoraDesktop --title=Desktop --product=Fedora \
             --releasever=43 -t /w/tmp --cache=/c/livecd-creator \
             --logfile=/w/logs/livecd-creator.log --repo=/w/live.repo -o /w/result --nomacboot \
             --verbose"
        );
    }

    #[test]
    fn its_compression_is_one_argument() {
        let plan = plan(&format!("{SPEC}compression=zstd:15\n"), "");
        let args = invocation(&plan).args;
        let given = "--compression-type=zstd -Xcompression-level 15";
        assert!(args.contains(&given.to_owned()), "{args:?}");
    }

    #[test]
    fn the_side_repository_has_priority_and_every_one_the_proxy() {
        let plan = plan(&format!("{SPEC}bid=7\nproxy=http://p:1\n"), "");
        assert_eq!(
            sections(&plan),
            "[fbs-side]\nname=fbs-side\nenabled=1\nbaseurl=file:///w/side\npriority=1\n\
             proxy=http://p:1\ngpgcheck=0\n\n\
             [43]\nname=43\nenabled=1\nbaseurl=http://r/os\nproxy=http://p:1\ngpgcheck=0\n"
        );
    }

    #[test]
    fn without_a_kickstart_the_image_can_boot_all_the_same() {
        let plan = plan(&format!("{SPEC}packages=vim\n"), "");
        let kickstart = kickstart_file::complete(&plan).unwrap().to_string();
        for package in ["vim", "kernel", "dracut-live", "grub2-efi-x64-cdboot"] {
            assert!(kickstart.contains(&format!("\n{package}\n")), "{kickstart}");
        }
        assert!(
            plan.notes
                .iter()
                .any(|note| note.contains("kernel, dracut-live, "))
        );
    }
}
