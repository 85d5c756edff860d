//! Why a kickstart cannot be used.

use std::fmt;
use std::io;

use super::place::Place;
use crate::error::{ErrorKind, StageError};
use crate::spec::ValueError;

/// Why a kickstart cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KickstartError {
    /// A text cannot be had.
    #[error("cannot read the kickstart {name}: {problem}{}", way(.included_at.as_ref(), .name))]
    Unreadable {
        /// The file or URL as it was written, without a password.
        name: String,
        /// The line that asked for it; `None` for the first text.
        included_at: Option<Place>,
        /// Why.
        problem: Unreadable,
    },
    /// The text has mistakes: all that were found, one a line.
    #[error("{}", lines(.0))]
    Invalid(Vec<Mistake>),
    /// What was to be written into a kickstart cannot stand in one.
    #[error("{0}")]
    Edit(ValueError),
}

/// Why a text cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// It is a folder, a device or a pipe.
    #[error("it is no file")]
    NoFile,
    /// The system refuses it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It holds bytes that are no UTF-8.
    #[error("byte {offset} in line {line} is not UTF-8")]
    NotUtf8 {
        /// The line of the first bad byte, counted from 1.
        line: usize,
        /// Its offset in the text, counted from 0.
        offset: usize,
    },
    /// It is larger than a kickstart may be.
    #[error("it is larger than {} MiB", .limit / (1024 * 1024))]
    TooLarge {
        /// How many bytes it may have.
        limit: u64,
    },
    /// All texts together are larger than they may be.
    #[error("with it, all included texts are larger than {} MiB", .limit / (1024 * 1024))]
    TooLargeInAll {
        /// How many bytes they may have.
        limit: u64,
    },
    /// It is a web page.
    #[error("it is a web page, not a kickstart")]
    Html,
    /// It is on the way to itself.
    #[error("it includes itself")]
    Cycle,
    /// It is included by what is included by ...
    #[error("texts may be included {limit} deep")]
    TooDeep {
        /// How deep.
        limit: usize,
    },
    /// Too many texts are included.
    #[error("at most {limit} texts may be included")]
    TooMany {
        /// How many.
        limit: usize,
    },
    /// A text from elsewhere names a file of this machine.
    #[error("only a local file may include local files")]
    Local,
    /// Its address is that of a host that only this machine can reach.
    #[error("{0} is an internal address")]
    Internal(String),
    /// It is no address to read from.
    #[error("{0}")]
    Address(ValueError),
    /// The program was built without what reads it.
    #[error("this program was built without the feature \"ftp\"")]
    NoFtp,
    /// The server, or the way to it, failed.
    #[error("{0}")]
    Network(String),
    /// The server has no such text, or does not give it.
    #[error("the server answers {0}")]
    Refused(String),
    /// Reading all texts took too long.
    #[error("reading all texts took longer than {seconds} s")]
    TimedOut {
        /// How long it may take.
        seconds: u64,
    },
}

impl StageError for KickstartError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable { problem, .. } => match problem {
                Unreadable::Network(_) | Unreadable::Refused(_) | Unreadable::TimedOut { .. } => {
                    ErrorKind::Network
                }
                _ => ErrorKind::Usage,
            },
            Self::Invalid(_) | Self::Edit(_) => ErrorKind::Usage,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreadable {
                problem: Unreadable::Network(_) | Unreadable::TimedOut { .. },
                ..
            }
        )
    }

    fn hint(&self) -> Option<String> {
        let Self::Unreadable { problem, .. } = self else {
            return None;
        };
        let hint = match problem {
            Unreadable::Html => {
                "the address of the text itself is wanted, not that of a page about it"
            }
            Unreadable::Local => {
                "name it by a URL, or make one text of all with `fbs kickstart flatten`"
            }
            Unreadable::NoFtp => "serve the kickstart over http, or build with `--features ftp`",
            Unreadable::NotUtf8 { .. } => "save the kickstart as UTF-8 text",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// The way to a text that cannot be had, if another asked for it.
fn way(included_at: Option<&Place>, name: &str) -> String {
    let Some(place) = included_at else {
        return String::new();
    };
    let mut way: Vec<String> = place.chain().iter().map(ToString::to_string).collect();
    way.push(name.to_owned());
    format!(" ({})", way.join(" -> "))
}

fn lines(mistakes: &[Mistake]) -> String {
    let lines: Vec<_> = mistakes.iter().map(Mistake::to_string).collect();
    lines.join("\n")
}

/// One mistake in a kickstart. `Display` is one line:
/// `live.ks:12: repo: unknown option --nam; did you mean "--name"?`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line.
    pub place: Place,
    /// The command or the section, if the line has one.
    pub subject: Option<String>,
    /// What is wrong, and what would be right.
    pub error: ValueError,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(subject) = &self.subject {
            write!(f, "{subject}: ")?;
        }
        write!(f, "{}", self.error)?;
        let chain = self.place.chain();
        for place in chain.iter().rev().skip(1) {
            write!(f, ", included at {place}")?;
        }
        Ok(())
    }
}
