//! What a respin did: as JSON for programs, as text for people.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a respin did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RespinReport {
    /// Counts up when a field changes its meaning; now 1.
    pub version: u32,
    /// The new image.
    pub image: PathBuf,
    /// The image that it was made of.
    pub source: PathBuf,
    /// The label of the new image.
    pub label: String,
    /// Its size in bytes.
    pub size: u64,
    /// The size of the image that it was made of, in bytes.
    pub source_size: u64,
    /// Its SHA-256, as hex.
    pub sha256: String,
    /// The implanted checksum by which it checks itself, as hex.
    pub media_md5: String,
    /// From the start to the finished image.
    pub seconds: f64,
    /// What was changed.
    pub changes: Vec<Change>,
}

/// The version of [`RespinReport`].
pub const VERSION: u32 = 1;

/// One thing that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of change it is.
    pub kind: ChangeKind,
    /// What was done, for people.
    pub what: String,
    /// Files of the image that are new or another, relative to its root.
    pub files: Vec<String>,
    /// What the change does not do.
    pub limits: Vec<String>,
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Files on the medium.
    Files,
    /// Kernel arguments.
    CommandLine,
    /// The label.
    Label,
    /// A kickstart.
    Kickstart,
    /// Files laid over the running installer.
    Updates,
    /// Packages for the system that is installed.
    Repository,
}

impl ChangeKind {
    fn title(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::CommandLine => "command line",
            Self::Label => "label",
            Self::Kickstart => "kickstart",
            Self::Updates => "updates",
            Self::Repository => "repository",
        }
    }
}

/// The report as text. Ends with a newline.
#[must_use]
pub fn render(report: &RespinReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "image         {}", report.image.display());
    let _ = writeln!(text, "made of       {}", report.source.display());
    let _ = writeln!(text, "label         {}", report.label);
    let grown = i128::from(report.size) - i128::from(report.source_size);
    let _ = writeln!(text, "size          {} bytes ({grown:+})", report.size);
    let _ = writeln!(text, "sha256        {}", report.sha256);
    let _ = writeln!(text, "media md5     {}", report.media_md5);
    let _ = writeln!(text, "took          {:.2} s", report.seconds);
    for change in &report.changes {
        let _ = writeln!(text, "\n{:<14}{}", change.kind.title(), change.what);
        for file in &change.files {
            let _ = writeln!(text, "  /{file}");
        }
        for limit in &change.limits {
            let _ = writeln!(text, "  limit: {limit}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_was_done_and_what_was_not() {
        let report = RespinReport {
            version: VERSION,
            image: "/new.iso".into(),
            source: "/old.iso".into(),
            label: "QA".into(),
            size: 100,
            source_size: 120,
            sha256: "ab".into(),
            media_md5: "cd".into(),
            seconds: 0.5,
            changes: vec![Change {
                kind: ChangeKind::Files,
                what: "notes".into(),
                files: vec!["notes".into()],
                limits: vec!["none is installed".into()],
            }],
        };
        let text = render(&report);
        assert!(text.contains("size          100 bytes (-20)\n"), "{text}");
        assert!(text.ends_with("files         notes\n  /notes\n  limit: none is installed\n"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["changes"][0]["kind"], "files");
        assert_eq!(
            serde_json::from_value::<RespinReport>(json).unwrap(),
            report
        );
    }
}
