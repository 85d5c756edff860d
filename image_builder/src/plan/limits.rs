//! What of a spec a tool of the distribution decides itself, told before a build begins.

use crate::spec::{Backend, BuildSpec};

/// Notes for what the spec says and the backend cannot be told. What would make another image is
/// refused when the backend is chosen.
pub(super) fn note(spec: &BuildSpec, backend: Backend, side: bool, notes: &mut Vec<String>) {
    let shared = spec.shared();
    let live = spec.live.as_ref();
    let given = [
        ("rootfs", shared.rootfs.is_some()),
        ("compression", shared.compression.is_some()),
        ("label", live.is_some_and(|live| live.label.is_some())),
        ("title", live.is_some_and(|live| live.title.is_some())),
        ("profile", live.is_some_and(|live| live.profile.is_some())),
        (
            "post_timeout",
            live.is_some_and(|live| live.post_timeout.is_some()),
        ),
    ];
    let unknown: &[&str] = match backend {
        // The boot menu is made of product and release.
        Backend::LivemediaCreator => &["title", "profile", "post_timeout"],
        Backend::LivecdCreator => &["profile", "post_timeout"],
        Backend::Kiwi => &["post_timeout"],
        Backend::ImageBuilder => &["rootfs", "compression", "label", "title", "profile"],
        Backend::Pungi => &["rootfs", "compression"],
        Backend::Native => &["profile"],
        Backend::Auto | Backend::Lorax => &[],
    };
    let ignored: Vec<&str> = given
        .into_iter()
        .filter(|(name, given)| *given && unknown.contains(name))
        .map(|(name, _)| name)
        .collect();
    if !ignored.is_empty() {
        let verb = if ignored.len() == 1 { "is" } else { "are" };
        notes.push(format!(
            "{} {verb} not used: {backend} has no such option",
            ignored.join(", ")
        ));
    }
    let takes_the_newest = matches!(
        backend,
        Backend::LivemediaCreator | Backend::ImageBuilder | Backend::Pungi
    );
    if side && takes_the_newest {
        notes.push(format!(
            "{backend} knows no priorities: a Koji build that is older than the release's is not taken"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Format;

    fn notes(backend: Backend, side: bool) -> Vec<String> {
        let text = "[DEFAULT]\ntype=live\nrelease=43\ncompression=zstd\n[live]\ntitle=T\n";
        let spec = BuildSpec::parse(text, Format::Ini, "a.conf").unwrap();
        let mut notes = Vec::new();
        note(&spec, backend, side, &mut notes);
        notes
    }

    #[test]
    fn what_is_not_used_is_told() {
        assert_eq!(
            notes(Backend::ImageBuilder, true),
            [
                "compression, title are not used: image-builder has no such option",
                "image-builder knows no priorities: a Koji build that is older than the release's \
                 is not taken"
            ]
        );
        assert_eq!(
            notes(Backend::LivemediaCreator, false),
            ["title is not used: livemedia-creator has no such option"]
        );
        assert_eq!(notes(Backend::LivecdCreator, true), [""; 0]);
    }
}
