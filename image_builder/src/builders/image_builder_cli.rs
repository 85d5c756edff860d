//! [image-builder](https://osbuild.org/docs/developer-guide/projects/image-builder/usage/) as a
//! backend, as of version 70: the command line of osbuild, which makes Fedora's boot ISOs from
//! Fedora 45 on.
//!
//! What is in its images is fixed for each release. Its packages come from the plan's repositories
//! (`--force-repo-dir`) and from the side repository (`--extra-repo`); the newest of all is taken.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::tool::{Tool, Ways, move_log, with_proxy};
use super::{Bootiso, BuildError, Built, Live};
use crate::compose::ComposeError;
use crate::compose::dnf::is_scriptlet_failure;
use crate::compose::files::{make_folder, require, write_private};
use crate::compose::namespace;
use crate::context::BuildContext;
use crate::events::Stage;
use crate::http;
use crate::plan::{BuildPlan, SIDE_REPOSITORY, Step};
use crate::process::Invocation;
use crate::repository::{Repository, Source};
use crate::spec::{ImageType, Release};

/// Makes boot ISOs and live images with image-builder.
#[derive(Debug, Clone, Copy)]
pub struct ImageBuilderCli;

static WAYS: Ways = Ways {
    name: "image-builder",
    phrases: &[
        "Manifest generation step",
        "Building manifest",
        "Image building step",
        "Pipeline source org.osbuild",
        "Pipeline build",
        "Pipeline anaconda-tree",
        "Pipeline rootfs-image",
        "Pipeline efiboot-tree",
        "Pipeline bootiso-tree",
        "Pipeline bootiso",
        "Image build successful",
    ],
    is_fatal: is_scriptlet_failure,
    tells: |line| {
        line.starts_with("error: ") || line.starts_with("Error: ") || line.contains("⏹ FAILED")
    },
    gather: |tool| move_log(&tool.output().join(BUILD_LOG), &tool.log()),
};

#[async_trait]
impl Bootiso for ImageBuilderCli {
    fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        steps(plan)
    }

    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        let tool = tool(plan);
        tool.stage(ctx, make(&tool, ctx)).await
    }
}

#[async_trait]
impl Live for ImageBuilderCli {
    fn steps(&self, plan: &BuildPlan) -> Vec<Step> {
        steps(plan)
    }

    async fn build(&self, plan: &BuildPlan, ctx: &BuildContext) -> Result<Built, BuildError> {
        let tool = tool(plan);
        tool.stage(ctx, make(&tool, ctx)).await
    }
}

fn steps(plan: &BuildPlan) -> Vec<Step> {
    vec![Step {
        stage: Stage::Tool,
        commands: vec![invocation(plan)],
    }]
}

fn tool(plan: &BuildPlan) -> Tool<'_> {
    Tool { plan, ways: &WAYS }
}

/// The name of the images in the output folder.
const IMAGE: &str = "image";

/// The log of osbuild, there.
const BUILD_LOG: &str = "image.buildlog";

/// What image-builder calls an image of this type
/// (<https://github.com/osbuild/images>, `data/distrodefs/fedora/imagetypes.yaml`).
fn image_type(image: ImageType) -> &'static str {
    match image {
        ImageType::Live => "workstation-live-installer",
        ImageType::Boot | ImageType::Dvd => "everything-network-installer",
    }
}

/// `fedora-43`, `fedora-rawhide`.
fn distribution(release: &Release) -> String {
    format!("fedora-{release}")
}

/// image-builder's command line for `plan`.
#[must_use]
pub fn invocation(plan: &BuildPlan) -> Invocation {
    let tool = tool(plan);
    let mut command = Invocation::new(WAYS.name)
        .args(["build", image_type(plan.image_type)])
        .args(["--distro", &distribution(&plan.release)])
        .args(["--arch", plan.arch.as_str()])
        .arg("--force-repo-dir")
        .path(&tool.path("repositories"));
    let side = plan.repositories.iter();
    let side = side.filter(|repository| repository.id == SIDE_REPOSITORY);
    for source in side.flat_map(|repository| &repository.sources) {
        command = command.args(["--extra-repo", source.url()]);
    }
    let command = command
        .arg("--output-dir")
        .path(&tool.output())
        .args(["--output-name", IMAGE])
        .arg("--cache")
        .path(&tool.cache())
        .args(["--progress", "verbose", "--with-buildlog"]);
    namespace::apart(with_proxy(plan, command))
}

/// The file for `--force-repo-dir`: the plan's repositories, by architecture, with the text of
/// their keys
/// (<https://osbuild.org/docs/on-premises/installation/managing-repositories/>).
async fn repositories(plan: &BuildPlan) -> Result<Value, ComposeError> {
    let mut list = Vec::new();
    for repository in plan.release_repositories() {
        let mut keys = Vec::new();
        for key in repository.gpg_keys.iter().filter(|_| repository.gpg_check) {
            keys.push(key_text(key, plan.proxy.as_deref()).await?);
        }
        list.push(entry(repository, &keys));
    }
    Ok(json!({ plan.arch.as_str(): list }))
}

fn entry(repository: &Repository, keys: &[String]) -> Value {
    let mut entry = json!({
        "name": repository.id,
        "check_gpg": repository.gpg_check,
        "gpgkeys": keys,
    });
    for source in &repository.sources {
        let name = match source {
            Source::BaseUrl(_) => "baseurl",
            Source::MirrorList(_) => "mirrorlist",
            Source::Metalink(_) => "metalink",
        };
        entry[name] = source.url().into();
    }
    if !repository.verify_tls {
        entry["ignore_ssl"] = true.into();
    }
    entry
}

async fn key_text(key: &str, proxy: Option<&str>) -> Result<String, ComposeError> {
    if key.starts_with("http") {
        let fetched = http::fetch(key, proxy).await;
        return fetched
            .map_err(|problem| ComposeError::Download(format!("the key {key}: {problem}")));
    }
    let path = std::path::Path::new(key.strip_prefix("file://").unwrap_or(key));
    std::fs::read_to_string(path).map_err(|source| ComposeError::Io {
        path: path.to_owned(),
        source,
    })
}

async fn make(tool: &Tool<'_>, ctx: &BuildContext) -> Result<Built, ComposeError> {
    let plan = tool.plan;
    make_folder(&tool.output())?;
    let file = format!("repositories/{}.json", distribution(&plan.release));
    // An address may have a password.
    let text = format!("{:#}\n", repositories(plan).await?);
    write_private(&tool.path(&file), &text)?;
    tool.run(ctx, &invocation(plan)).await?;
    let iso = tool.output().join(format!("{IMAGE}.iso"));
    require(&iso)?;
    Ok(Built {
        iso: Some(iso),
        ..Built::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::kickstart_file::tests::plan;
    use super::*;

    fn spec(image: &str, more: &str) -> String {
        format!(
            "[DEFAULT]\ntype={image}\nrelease=43\nbackend=image-builder\n43_url=http://r/os\n{more}"
        )
    }

    #[test]
    fn the_exact_command_line() {
        for (image, name) in [
            ("boot", "everything-network-installer"),
            ("live", "workstation-live-installer"),
        ] {
            assert_eq!(
                invocation(&plan(&spec(image, "bid=7\n"), "")).to_string(),
                format!(
                    "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
                     --mount-proc -- image-builder build {name} --distro fedora-43 --arch x86_64 \
                     --force-repo-dir /w/repositories --extra-repo file:///w/side \
                     --output-dir /w/result --output-name image --cache /c/image-builder \
                     --progress verbose --with-buildlog"
                )
            );
        }
    }

    #[tokio::test]
    async fn its_repositories_have_the_text_of_their_keys() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n").unwrap();
        let more = format!(
            "43_mirror=http://m/metalink?a\ngpgkey={}\nbid=7\n",
            key.display()
        );
        let repositories = repositories(&plan(&spec("boot", &more), "")).await.unwrap();
        assert_eq!(
            repositories,
            json!({"x86_64": [{
                "name": "43",
                "baseurl": "http://r/os",
                "metalink": "http://m/metalink?a",
                "check_gpg": true,
                "gpgkeys": ["-----BEGIN PGP PUBLIC KEY BLOCK-----\n"],
            }]})
        );
    }

    #[tokio::test]
    async fn a_key_that_is_not_there_is_named() {
        let error = repositories(&plan(&spec("boot", "gpgkey=/no/such/key\n"), "")).await;
        assert!(error.unwrap_err().to_string().starts_with("/no/such/key: "));
    }
}
