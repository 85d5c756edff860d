//! Who makes the image.

use super::{BackendChoice, PlanError};
use crate::host::Host;
use crate::spec::{Arch, Backend, ImageType, Release};

/// The backend that the spec asks for, or the one that fits the host.
pub(super) fn choose(
    wanted: Backend,
    image: ImageType,
    arch: Arch,
    release: &Release,
    host: &Host,
) -> Result<BackendChoice, PlanError> {
    let runs_here =
        host.arch == Some(arch) || (host.arch == Some(Arch::X86_64) && arch == Arch::I686);
    if !runs_here {
        let host = host
            .arch
            .map_or_else(|| "of an unknown kind".to_owned(), |arch| arch.to_string());
        return Err(PlanError::Arch { wanted: arch, host });
    }
    let native_can = matches!(arch, Arch::X86_64 | Arch::Aarch64 | Arch::I686);
    let refuse = |problem: &str| {
        Err(PlanError::Backend {
            backend: wanted,
            problem: problem.to_owned(),
        })
    };
    let choice = |name, reason: String| Ok(BackendChoice { name, reason });
    if image != ImageType::Boot {
        return match wanted {
            Backend::Native if native_can => choice(wanted, "the spec asks for it".to_owned()),
            Backend::Auto if native_can => choice(
                Backend::Native,
                format!("no other tool makes {image} images here"),
            ),
            Backend::Native | Backend::Auto => refuse(&format!("does not make images for {arch}")),
            Backend::Lorax => refuse(&format!("makes boot images, not {image} images")),
            _ => refuse("is not supported yet"),
        };
    }
    match wanted {
        Backend::Native if !native_can => {
            refuse(&format!("does not make images for {arch}; lorax does"))
        }
        Backend::Native | Backend::Lorax => choice(wanted, "the spec asks for it".to_owned()),
        Backend::Auto => {
            let lorax = host.program(&["lorax"]).is_some();
            // lorax makes images of the release that it comes from.
            let fits = host.id == "fedora" && host.version == release.to_string();
            match (lorax, fits) {
                (true, true) => choice(
                    Backend::Lorax,
                    format!("lorax is installed and this is Fedora {release}"),
                ),
                (true, false) if native_can => choice(
                    Backend::Native,
                    format!("lorax is installed, but this is not Fedora {release}"),
                ),
                (false, _) if native_can => {
                    choice(Backend::Native, "lorax is not installed".to_owned())
                }
                _ => choice(
                    Backend::Lorax,
                    format!("the native engine does not make images for {arch}"),
                ),
            }
        }
        Backend::LivemediaCreator | Backend::LivecdCreator => {
            refuse("makes live images, not boot images")
        }
        Backend::Pungi => refuse("makes DVDs, not boot images"),
        Backend::Kiwi | Backend::ImageBuilder => refuse("is not supported yet"),
    }
}
