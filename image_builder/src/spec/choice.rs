//! The options that are one word out of a few: image type, backend, root file system, boot test.

use super::word::word_enum;

word_enum! {
    /// The kind of image.
    ImageType, "an image type", {
        /// A network install ISO (`boot.iso`).
        Boot = "boot",
        /// An install DVD that carries its packages.
        Dvd = "dvd",
        /// A live image.
        Live = "live",
    }
}

word_enum! {
    /// The tool that makes the image.
    #[derive(Default)]
    Backend, "a backend", {
        /// The distribution's tool where it is installed and fits the release, else native.
        #[default]
        Auto = "auto",
        /// The engine of this library.
        Native = "native",
        /// lorax: boot images.
        Lorax = "lorax",
        /// livemedia-creator: live images.
        LivemediaCreator = "livemedia-creator",
        /// livecd-creator: live images.
        LivecdCreator = "livecd-creator",
        /// kiwi-ng: live images.
        Kiwi = "kiwi",
        /// The image-builder command line of osbuild.
        ImageBuilder = "image-builder",
        /// pungi: DVD images of old releases.
        Pungi = "pungi",
    }
}

word_enum! {
    /// The file system of the installer's or the live image's root.
    #[derive(Default)]
    RootFs, "a root file system", {
        /// SquashFS.
        #[default]
        Squashfs = "squashfs",
        /// EROFS.
        Erofs = "erofs",
    }
}

word_enum! {
    /// With which firmware a finished image is booted before it is delivered.
    #[derive(Default)]
    BootTest, "a boot test", {
        /// It is not booted.
        #[default]
        None = "none",
        /// BIOS only.
        Bios = "bios",
        /// UEFI only.
        Uefi = "uefi",
        /// BIOS, then UEFI.
        Both = "both",
    }
}

word_enum! {
    /// Which of the Koji builds that were asked for must have a package in the image.
    #[derive(Default)]
    RequireLanded, "an answer to which builds must have landed", {
        /// Each of them.
        #[default]
        All = "all",
        /// One of them at least.
        Any = "any",
        /// None: what landed is only reported.
        None = "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_defaults_hold() {
        for backend in Backend::ALL {
            assert_eq!(backend.as_str().parse(), Ok(*backend));
        }
        assert_eq!(Backend::default(), Backend::Auto);
        assert_eq!(BootTest::default(), BootTest::None);
        assert_eq!(RootFs::default(), RootFs::Squashfs);
        assert_eq!("DVD".parse(), Ok(ImageType::Dvd));
        assert_eq!(
            "livecd_creator"
                .parse::<Backend>()
                .unwrap_err()
                .hint
                .as_deref(),
            Some("did you mean \"livecd-creator\"?")
        );
    }
}
