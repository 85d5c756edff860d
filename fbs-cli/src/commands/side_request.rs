//! Builds that are named on the command line, and where they come from.

use image_builder::host::Host;
use image_builder::koji::{BuildRef, ChooseOptions, KojiConfig};
use image_builder::plan::PlanOptions;
use image_builder::repo_create::{Keyring, RepoCreateOptions, SideRepoError, SideRequest};
use image_builder::spec::Arch;

use crate::args::{BuildArgs, ChoiceArgs};

pub(super) fn request(args: &BuildArgs) -> SideRequest {
    let named = args.nvr.iter().cloned().map(BuildRef::from);
    let numbered = args.bid.iter().copied().map(BuildRef::from);
    SideRequest {
        builds: named.chain(numbered).collect(),
        tags: args.tag.clone(),
        updates: args.update.clone(),
    }
}

pub(super) fn options(
    args: &ChoiceArgs,
    arch: Option<Arch>,
    environment: PlanOptions,
) -> Result<RepoCreateOptions, SideRepoError> {
    let (hub, files) = (&args.koji.koji_hub, &args.koji.koji_files);
    // A hub and its files go together.
    let koji = match hub {
        Some(_) => KojiConfig::new(hub.as_deref(), files.as_deref())?,
        None => KojiConfig::new(
            environment.koji_hub.as_deref(),
            files.as_deref().or(environment.koji_files.as_deref()),
        )?,
    };
    let keyring = args.gpgkey.as_ref().map(|path| {
        let wrong = |problem: String| SideRepoError::Key {
            address: path.display().to_string(),
            problem,
        };
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        Keyring::from_armored(&text).map_err(|error| wrong(error.to_string()))
    });
    let arch = arch.or_else(|| Host::probe().arch);
    Ok(RepoCreateOptions {
        koji,
        bodhi: environment.bodhi,
        proxy: args
            .proxy
            .as_ref()
            .map(|proxy| proxy.as_written().to_owned()),
        cache: environment.current_dir.join(environment.cache_dir),
        choose: ChooseOptions {
            multilib: args.multilib,
            allow_two_builds_of_one_package: args.allow_two_builds,
            signed_by: args.sigkey.clone(),
            release: args.release.clone(),
            ..ChooseOptions::new(arch.unwrap_or(Arch::X86_64))
        },
        keyring: keyring.transpose()?,
    })
}
