//! pungi as a backend: the one that made Fedora's DVDs until Fedora 30, from a kickstart, as this
//! service called it in 2012.
//!
//! Its options and its tree are those of pungi 2.12 and 4 (`pungi`, not `pungi-koji`, which makes
//! whole composes). It does all four stages; which, the spec says.

use std::path::PathBuf;

use async_trait::async_trait;

use super::tool::{Tool, Ways, files, nothing_to_gather};
use super::{BuildError, Built, Dvd, kickstart_file};
use crate::compose::ComposeError;
use crate::compose::dnf::is_scriptlet_failure;
use crate::compose::files::require;
use crate::compose::namespace;
use crate::context::BuildContext;
use crate::events::Stage;
use crate::plan::{BuildPlan, DvdPlan, ImagePlan, Step};
use crate::process::Invocation;
use crate::spec::{Stage as DvdStage, defaults};

/// Makes install DVDs with pungi.
#[derive(Debug, Clone, Copy)]
pub struct Pungi;

static WAYS: Ways = Ways {
    name: "pungi",
    phrases: &[
        "Getting a source for",
        "Checking deps",
        "Downloading",
        "Writing comps",
        "Making repodata",
        "installing runtime packages",
        "creating the runtime image",
        "rebuilding initramfs images",
        "Generating install iso",
        "Running mkisofs",
        "Writing checksum",
    ],
    is_fatal: is_scriptlet_failure,
    tells: |line| line.contains("ERROR") || line.contains("Error: "),
    gather: nothing_to_gather,
};

#[async_trait]
impl Dvd for Pungi {
    fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        vec![Step {
            stage: Stage::Tool,
            commands: dvd(plan)
                .map(|dvd| invocation(plan, dvd))
                .into_iter()
                .collect(),
        }]
    }

    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        let tool = Tool { plan, ways: &WAYS };
        let Some(dvd) = dvd(plan) else {
            return Ok(Built::default());
        };
        let built = tool.stage(ctx, make(&tool, dvd, ctx)).await;
        // Its own logs lie beside the tree.
        let logs = files(&dvd.destination.join("logs"));
        match built {
            Ok(mut built) => {
                built.logs.extend(logs);
                Ok(built)
            }
            Err(mut error) => {
                error.logs.extend(logs);
                Err(error)
            }
        }
    }
}

fn dvd(plan: &BuildPlan) -> Option<&DvdPlan> {
    match &plan.image {
        ImagePlan::Dvd(dvd) => Some(dvd),
        ImagePlan::Boot | ImagePlan::Live(_) => None,
    }
}

fn kickstart(tool: &Tool<'_>) -> PathBuf {
    tool.path("dvd.ks")
}

/// pungi's command line, in the order of 2012.
fn invocation(plan: &BuildPlan, dvd: &DvdPlan) -> Invocation {
    let tool = Tool { plan, ways: &WAYS };
    let bug_url = dvd.bug_url.as_deref().unwrap_or(defaults::BUG_URL);
    let mut pungi = Invocation::new(WAYS.name)
        .args(["--name", &plan.product, "--ver", &plan.version])
        .args(["--flavor", &dvd.flavor])
        .arg("--destdir")
        .path(&dvd.destination)
        .arg("--cachedir")
        .path(&tool.cache())
        .args(["--bugurl", bug_url]);
    if !dvd.sources {
        pungi = pungi.arg("--nosource");
    }
    if dvd.source_iso {
        pungi = pungi.arg("--sourceisos");
    }
    if dvd.force {
        pungi = pungi.arg("--force");
    }
    pungi = match dvd.stages.is_all() {
        true => pungi.arg("--all-stages"),
        false => pungi.args(dvd.stages.iter().map(DvdStage::option)),
    };
    let pungi = pungi.arg("-c").path(&kickstart(&tool));
    // It keeps some of its work in the current folder.
    namespace::apart(pungi.cwd(&plan.paths.work))
}

/// Where pungi puts the tree and the ISOs of an architecture.
fn arch_folder(plan: &BuildPlan, dvd: &DvdPlan) -> PathBuf {
    dvd.destination
        .join(&plan.version)
        .join(&dvd.flavor)
        .join(plan.arch.basearch())
}

async fn make(tool: &Tool<'_>, dvd: &DvdPlan, ctx: &BuildContext) -> Result<Built, ComposeError> {
    let plan = tool.plan;
    kickstart_file::write(&kickstart(tool), &kickstart_file::complete(plan)?)?;
    tool.run(ctx, &invocation(plan, dvd)).await?;
    let folder = arch_folder(plan, dvd);
    let tree = folder.join("os");
    let mut built = Built {
        tree: tree.is_dir().then_some(tree),
        ..Built::default()
    };
    if dvd.stages.contains(DvdStage::CreateIso) {
        let (iso, extra) = images(plan, folder.join("iso"))?;
        built.iso = Some(iso);
        built.extra = extra;
    }
    Ok(built)
}

/// The DVD, and what is beside it: the network installer and the checksums. pungi 2 and 4 name
/// them differently, and a small DVD is not called one.
fn images(plan: &BuildPlan, folder: PathBuf) -> Result<(PathBuf, Vec<PathBuf>), ComposeError> {
    let name = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let mut found = files(&folder);
    let is_dvd = |path: &PathBuf| {
        let name = name(path);
        name.ends_with(".iso") && !name.contains("netinst") && !name.contains("source")
    };
    let Some(at) = found.iter().position(is_dvd) else {
        let arch = plan.arch.basearch();
        let expected = format!("{}-{}-{arch}-DVD.iso", plan.product, plan.version);
        return Err(ComposeError::MissingArtifact {
            path: folder.join(expected),
        });
    };
    let iso = found.remove(at);
    require(&iso)?;
    Ok((iso, found))
}

#[cfg(test)]
mod tests {
    use super::kickstart_file::tests::plan;
    use super::*;

    const SPEC: &str = "[DEFAULT]\ntype=dvd\nrelease=20\nbackend=pungi\n[dvd]\nname=fedora\n\
                        20_url=http://r/os\ndestdir=/d\n";

    fn line(more: &str) -> String {
        let plan = plan(&format!("{SPEC}{more}"), "");
        invocation(&plan, dvd(&plan).unwrap()).to_string()
    }

    const APART: &str =
        "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc --";

    #[test]
    fn the_exact_command_line_of_2012() {
        assert_eq!(
            line("flavor=Desktop\nversion=20\ncachedir=/c\nbugurl=http://bugs/\nforce=1\n"),
            format!(
                "cd /w && {APART} pungi --name fedora --ver 20 --flavor Desktop --destdir /d \
                 --cachedir /c/pungi --bugurl http://bugs/ --nosource --force --all-stages \
                 -c /w/dvd.ks"
            )
        );
    }

    #[test]
    fn some_stages_and_sources() {
        let line = line("stage=-G -C\nnosource=0\nsourceisos=1\n");
        assert!(
            line.ends_with(" --bugurl https://bugzilla.redhat.com --sourceisos -G -C -c /w/dvd.ks"),
            "{line}"
        );
    }

    #[test]
    fn its_images_are_found_whatever_it_calls_them() {
        let plan = plan(SPEC, "");
        for (dvd, others) in [
            (
                "fedora-20-x86_64-DVD.iso",
                &["fedora-20-x86_64-CHECKSUM", "fedora-20-x86_64-netinst.iso"],
            ),
            (
                "fedora-DVD-x86_64-20.iso",
                &["fedora-20-x86_64-CHECKSUM", "fedora-netinst-x86_64-20.iso"],
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for name in others.iter().chain(&[dvd]) {
                std::fs::write(dir.path().join(name), "x").unwrap();
            }
            let (iso, extra) = images(&plan, dir.path().to_owned()).unwrap();
            assert_eq!(iso, dir.path().join(dvd));
            assert_eq!(extra, others.map(|name| dir.path().join(name)));
        }
        let error = images(&plan, "/nowhere".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nowhere/fedora-20-x86_64-DVD.iso was to be made and is not there"
        );
    }
}
