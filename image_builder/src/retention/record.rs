//! What is known of the images of a job.

use std::fmt;

use jiff::Timestamp;

use crate::jobs::JobId;

/// The images that were delivered of a job, all together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// The job.
    pub job: JobId,
    /// The id of the folder that they are in: [`super::ImageFolder::id`].
    pub folder: String,
    /// How many bytes they have, or had. None: the job left no image.
    pub bytes: u64,
    /// When the job ended that left them.
    pub delivered: Timestamp,
    /// Who wants them to stay.
    pub pinned: Option<Pin>,
    /// When people were told that they will go.
    pub warned: Option<Timestamp>,
    /// When they went.
    pub removed: Option<Removal>,
}

/// Who wants images to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The account.
    pub by: String,
    /// Since when.
    pub time: Timestamp,
}

/// When images went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// When.
    pub time: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// Why images go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// They are old.
    Age,
    /// All together take too much space.
    Space,
    /// Somebody else has removed them.
    Gone,
}

impl Reason {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Age, Self::Space, Self::Gone];

    /// `age`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Space => "space",
            Self::Gone => "gone",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Behind "because": `its time was over`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "its time was over",
            Self::Space => "the space was needed",
            Self::Gone => "somebody deleted it on the host",
        })
    }
}

impl ImageRecord {
    /// That of images that were just found.
    #[must_use]
    pub fn new(job: JobId, folder: impl Into<String>, bytes: u64, delivered: Timestamp) -> Self {
        Self {
            job,
            folder: folder.into(),
            bytes,
            delivered,
            pinned: None,
            warned: None,
            removed: None,
        }
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.bytes > 0 && self.removed.is_none()
    }
}
