//! Kickstarts: read, flattened, understood, edited and printed.
//!
//! A [`Kickstart`] is the text line for line, each with its [`Place`]; what is only read is
//! printed byte for byte as it was, commands that mean nothing to us included.
//!
//! ```
//! use image_builder::kickstart::{Kickstart, SectionKind};
//!
//! let text = "lang C # plain\nunheard --of\n%packages\n@core\n%end\n";
//! let kickstart = Kickstart::parse(text, "live.ks")?;
//! let names: Vec<&str> = kickstart.commands().map(|command| command.name()).collect();
//! assert_eq!(names, ["lang", "unheard"]);
//! let section = kickstart.sections().next().unwrap();
//! assert_eq!((section.kind(), section.text().as_str()), (SectionKind::Packages, "@core\n"));
//! assert_eq!(section.place().to_string(), "live.ks:3");
//! assert_eq!(kickstart.to_string(), text);
//! # Ok::<(), image_builder::kickstart::KickstartError>(())
//! ```

mod document;
mod error;
mod parser;
mod place;
mod text;
mod words;

pub use document::{Command, Include, Item, Kickstart, Line, Section, SectionKind, SectionLine};
pub use error::{KickstartError, Mistake, Unreadable};
pub use place::{Origin, Place, Placed, Source};
