//! [kiwi](https://osinside.github.io/kiwi/) as a backend, as of version 10.3.
//!
//! It makes Fedora's live images since Fedora 42, from descriptions of its own
//! (<https://pagure.io/fedora-kiwi-descriptions>). Where the spec's `config` is the folder of a
//! description, that is what is made; else one is written with what a kickstart says that kiwi
//! knows as well.

mod description;

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::tool::{Tool, Ways, left_out, nothing_to_gather, only_iso, with_proxy};
use super::{BuildError, Built, Live};
use crate::compose::ComposeError;
use crate::compose::dnf::is_scriptlet_failure;
use crate::compose::files::{make_folder, write_private};
use crate::compose::namespace;
use crate::context::BuildContext;
use crate::events::Stage;
use crate::plan::{BuildPlan, SIDE_REPOSITORY, Step};
use crate::process::Invocation;
use crate::repository::{Repository, Source};

/// Makes live images with kiwi.
#[derive(Debug, Clone, Copy)]
pub struct Kiwi;

static WAYS: Ways = Ways {
    name: "kiwi-ng",
    phrases: &[
        "Loading XML description",
        "Preparing new root system",
        "Setting up repository",
        "Installing bootstrap packages",
        "Installing system packages",
        "Importing Image description",
        "Calling config.sh script",
        "Creating system image",
        "Setting up live image bootloader configuration",
        "Creating live ISO boot image",
        "Creating live ISO image",
        "Export rpm packages metadata",
    ],
    is_fatal: is_scriptlet_failure,
    // "[ ERROR   ]: 11:02:03 | KiwiDescriptionInvalid: ..."
    tells: |line| line.contains("ERROR") || line.contains("Kiwi") && line.contains("Error"),
    gather: nothing_to_gather,
};

#[async_trait]
impl Live for Kiwi {
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

/// The folder of a description that is there already.
fn given(plan: &BuildPlan) -> Option<&Path> {
    plan.image.live()?.description.as_deref()
}

/// The folder of the description that is written.
fn written(plan: &BuildPlan) -> PathBuf {
    tool(plan).path("description")
}

/// kiwi's command line for `plan`. A description that is written has everything in it; to one that
/// is there already the spec's packages, repositories, label and release are added.
#[must_use]
pub fn invocation(plan: &BuildPlan) -> Invocation {
    let tool = tool(plan);
    let mut kiwi = Invocation::new(WAYS.name)
        .arg("--logfile")
        .path(&tool.log())
        .arg("--temp-dir")
        .path(&tool.tmp())
        .arg("--shared-cache-dir")
        .path(&tool.cache())
        .args(["--target-arch", plan.arch.as_str(), "--type", "iso"]);
    let profile = plan.image.live().and_then(|live| live.profile.as_deref());
    if let Some(profile) = profile.filter(|_| given(plan).is_some()) {
        kiwi = kiwi.args(["--profile", profile]);
    }
    kiwi = kiwi.args(["system", "build", "--description"]);
    kiwi = match given(plan) {
        Some(folder) => additions(plan, kiwi.path(folder)),
        None => kiwi.path(&written(plan)),
    };
    namespace::apart(with_proxy(
        plan,
        kiwi.arg("--target-dir").path(&tool.output()),
    ))
}

/// What the spec adds to a description that is there already.
fn additions(plan: &BuildPlan, mut kiwi: Invocation) -> Invocation {
    let spec = plan.spec.live.as_ref();
    if spec.is_some_and(|live| live.label.is_some()) {
        let label = format!("volid={}", plan.volume_id);
        kiwi = kiwi.args(["--set-type-attr", &label]);
    }
    kiwi = kiwi.args(["--set-release-version", &plan.release.to_string()]);
    let urls = &plan.spec.shared().repositories;
    let is_added = |repository: &&Repository| {
        let id = &repository.id;
        id == SIDE_REPOSITORY || urls.keys().any(|own| own.to_string() == *id)
    };
    for repository in plan.repositories.iter().filter(is_added) {
        if let Some(text) = add_repo(repository) {
            kiwi = kiwi.args(["--add-repo", &text]);
        }
        for key in &repository.gpg_keys {
            let file = key.strip_prefix("file://").unwrap_or(key);
            kiwi = kiwi.args(["--signing-key", file]);
        }
    }
    for package in &plan.packages {
        kiwi = match package.strip_prefix('-') {
            Some(name) => kiwi.args(["--delete-package", name]),
            None => kiwi.args(["--add-package", package]),
        };
    }
    kiwi
}

/// A repository as `--add-repo` takes it: source, type, alias, priority, whether the image has it,
/// whether signatures are checked, keys, two fields of Debian's, the metadata's signature, and the
/// kind of the source.
fn add_repo(repository: &Repository) -> Option<String> {
    let (source, kind) = source(repository)?;
    Some(format!(
        "{source},rpm-md,{},{},false,{},,,,false,{kind}",
        repository.id,
        priority(repository),
        repository.gpg_check
    ))
}

/// A repository's first address, and what kiwi calls its kind.
fn source(repository: &Repository) -> Option<(&str, &'static str)> {
    let source = repository.sources.first()?;
    let kind = match source {
        Source::BaseUrl(_) => "baseurl",
        Source::MirrorList(_) => "mirrorlist",
        Source::Metalink(_) => "metalink",
    };
    Some((source.url(), kind))
}

/// dnf's, which is handed on to it.
fn priority(repository: &Repository) -> u8 {
    const OF_DNF: u8 = 99;
    repository.priority.unwrap_or(OF_DNF)
}

async fn make(tool: &Tool<'_>, ctx: &BuildContext) -> Result<Built, ComposeError> {
    let plan = tool.plan;
    let mut kickstart = None;
    if given(plan).is_none() {
        let config = written(plan).join("config.xml");
        // It may have passwords.
        write_private(&config, &description::text(plan))?;
        let not_applied = description::not_applied(&plan.kickstart.settings);
        kickstart = Some(left_out(ctx, not_applied));
    }
    make_folder(&tool.output())?;
    tool.run(ctx, &invocation(plan)).await?;
    Ok(Built {
        iso: Some(only_iso(&tool.output())?),
        kickstart,
        ..Built::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::kickstart_file::tests::plan;
    use super::*;

    const SPEC: &str = "[DEFAULT]\ntype=live\nrelease=43\nbackend=kiwi\nbid=7\n\
                        [live]\n43_url=http://r/os\n";

    #[test]
    fn the_exact_command_line() {
        let plan = plan(SPEC, "");
        assert_eq!(
            invocation(&plan).to_string(),
            "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc -- \
             kiwi-ng --logfile /w/logs/kiwi-ng.log --temp-dir /w/tmp \
             --shared-cache-dir /c/kiwi-ng --target-arch x86_64 --type iso system build \
             --description /w/description --target-dir /w/result"
        );
    }

    #[test]
    fn to_a_description_the_spec_is_added() {
        let dir = tempfile::tempdir().unwrap();
        let spec = format!(
            "{SPEC}config={}\nprofile=KDE-Live\nlabel=KDE\npackages=vim;-nano\nupdates=1\n\
             gpgkey=/k\nproxy=http://u:pw@p:1\n",
            dir.path().display()
        );
        let plan = plan(&spec, "");
        let line = invocation(&plan).to_string();
        let (environment, line) = line.split_once(" setpriv ").unwrap();
        assert!(
            environment.contains("http_proxy='http://u:***@p:1'"),
            "{environment}"
        );
        let (_, line) = line.split_once(" --type iso ").unwrap();
        assert_eq!(
            line,
            format!(
                "--profile KDE-Live system build --description {} --set-type-attr volid=KDE \
                 --set-release-version 43 \
                 --add-repo file:///w/side,rpm-md,fbs-side,1,false,false,,,,false,baseurl \
                 --add-repo http://r/os,rpm-md,43,99,false,true,,,,false,baseurl --signing-key /k \
                 --delete-package nano --add-package vim --target-dir /w/result",
                dir.path().display()
            )
            .replace(
                "--delete-package nano --add-package vim",
                "--add-package vim --delete-package nano"
            )
        );
    }
}
