//! Kickstarts: read, flattened, understood, edited and printed.
//!
//! A [`Kickstart`] is the text line for line, each with its [`Place`]; what is only read is
//! printed byte for byte as it was, commands that mean nothing to us included. Its
//! [`settings`](Kickstart::settings) are what it asks for, as values.
//!
//! ```
//! use image_builder::kickstart::{Kickstart, SectionKind};
//!
//! let text = "\
//! lang en_US.UTF-8 # plain
//! repo --name=fedora --mirrorlist=http://mirrors/?arch=$basearch --cost=500
//! unheard --of
//! %packages --excludedocs
//! @core
//! -nano
//! %end
//! %post --erroronfail
//! touch /etc/here
//! %end
//! ";
//! let kickstart = Kickstart::parse(text, "live.ks")?;
//! assert_eq!(kickstart.to_string(), text);
//!
//! let settings = kickstart.settings()?;
//! assert_eq!(settings.lang.as_ref().unwrap().locale, "en_US.UTF-8");
//! assert_eq!(settings.repos[0].cost, Some(500));
//! let packages = settings.packages.as_ref().unwrap();
//! assert!(packages.options.exclude_docs);
//! assert_eq!(packages.groups[0].name, "core");
//! assert_eq!(packages.excluded[0].place.to_string(), "live.ks:6");
//! let post = &settings.scripts[0];
//! assert_eq!((post.kind, post.in_root), (SectionKind::Post, true));
//! assert_eq!(post.text(), "touch /etc/here\n");
//! // Line 1 of the script, as its interpreter counts.
//! assert_eq!(post.place_of(1).unwrap().to_string(), "live.ks:9");
//! // What nobody carried out is known, and can be told.
//! assert_eq!(settings.other[0].name(), "unheard");
//! # Ok::<(), image_builder::kickstart::KickstartError>(())
//! ```
//!
//! [`Reader`] follows `%include` and `%ksappend`, within limits and by what the author of a text is
//! trusted with. Whoever makes an image reads so: `Reader::flatten`, then `settings`, in which no
//! directive is left.

mod arguments;
mod commands;
mod document;
mod edit;
mod error;
mod fetch;
#[cfg(feature = "ftp")]
mod ftp;
mod of_spec;
mod packages;
mod parser;
mod place;
mod reader;
mod repo;
mod scripts;
mod secret;
mod settings;
mod system;
mod text;
mod words;

#[cfg(test)]
mod tests;

pub use document::{Command, Include, Item, Kickstart, Line, Section, SectionKind, SectionLine};
pub use error::{KickstartError, Mistake, Unreadable};
pub use of_spec::{config, flattened_config, of_spec};
pub use packages::{Group, GroupContent, PackageOptions, Packages};
pub use place::{Origin, Place, Placed, Source};
pub use reader::{Limits, Reader};
pub use repo::{InstallUrl, Repo, RepoUrl};
pub use scripts::Script;
pub use secret::Secret;
pub use settings::Settings;
pub use system::{
    Bootloader, Firewall, Firstboot, Keyboard, Lang, Network, Partition, Password, RootPassword,
    Selinux, Services, SshKey, Timezone, User, UserGroup, Xconfig,
};
