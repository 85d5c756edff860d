//! What a build handed over.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::binaries;
use crate::command::Program;
use crate::folders::entries;

/// A folder in the staging folder.
#[derive(Debug)]
pub struct Delivery {
    /// The folder.
    pub folder: PathBuf,
    /// `build-report.json`.
    pub report: Value,
    /// The log's text.
    pub log: String,
}

impl Delivery {
    /// Reads a folder that has a report and a log.
    pub fn of(folder: PathBuf) -> Self {
        let path = folder.join("build-report.json");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let report: Value = serde_json::from_str(&text).expect("the report is JSON");
        let log = folder.join(report["log"].as_str().unwrap_or_default());
        let log =
            fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        Self {
            folder,
            report,
            log,
        }
    }

    /// The names of its files.
    pub fn names(&self) -> Vec<String> {
        let name = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        entries(&self.folder).iter().map(name).collect()
    }

    /// The image, if there is one.
    pub fn iso(&self) -> Option<PathBuf> {
        let is_iso = |path: &PathBuf| path.extension().is_some_and(|end| end == "iso");
        entries(&self.folder).into_iter().find(is_iso)
    }

    /// The names of the packages, without version.
    pub fn packages(&self) -> Vec<String> {
        strings(&self.report["packages"])
    }

    /// The build ended so, and its log says the same.
    pub fn assert_outcome(&self, outcome: &str) -> &Self {
        assert_eq!(self.report["outcome"], outcome, "{:#}", self.report);
        let told = format!("Image build {outcome}");
        assert!(self.log.contains(&told), "{}", self.log);
        self
    }

    /// The error of the report and the log have all of `words` in them.
    pub fn assert_says(&self, words: &[&str]) -> &Self {
        let message = self.report["error"]["message"].as_str().unwrap_or_default();
        for words in words {
            assert!(message.contains(words), "{words:?}: {message}");
            for line in words.lines() {
                assert!(self.log.contains(line), "{line:?}: {}", self.log);
            }
        }
        self
    }

    /// Every file of the report is there with the size and the checksum that it says, and every
    /// file that is there is in the report, but for the two that are written last.
    pub fn assert_files(&self) {
        let mut named = Vec::new();
        for file in self.report["files"].as_array().expect("it is a list") {
            let name = file["name"].as_str().expect("a file has a name");
            let path = self.folder.join(name);
            let size = path.metadata().map(|metadata| metadata.len());
            assert_eq!(size.ok(), file["size"].as_u64(), "{name}");
            assert_eq!(Some(sha256(&path).as_str()), file["sha256"].as_str());
            named.push(name.to_owned());
        }
        named.push("build-report.json".to_owned());
        named.push(self.report["log"].as_str().unwrap_or_default().to_owned());
        named.sort();
        assert_eq!(self.names(), named);
    }
}

/// What `openssl` says of a file: unlike Debian's `sha256sum` it uses the processor's instructions for that.
pub fn sha256(path: &Path) -> String {
    let sum = Program::new("openssl")
        .args(["dgst", "-sha256", "-r"])
        .arg(path)
        .run();
    sum.assert_exit(0);
    let line = sum.stdout.first().expect("it printed a line");
    let word = line.split(' ').next().unwrap_or_default();
    word.to_owned()
}

/// The images are the same to the last bit: files, modes, owners, capabilities, packages, all. `what` says
/// which they are.
pub fn assert_same_image(what: &str, a: &Path, b: &Path) {
    if sha256(a) != sha256(b) {
        let compare = Program::new(binaries::fbs())
            .args(["verify", "--compare"])
            .arg(a)
            .arg(b);
        panic!("{what}:\n{}", compare.run().stdout.join("\n"));
    }
}

/// A JSON list of strings.
pub fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("it is a list");
    let word = |word: &Value| word.as_str().expect("it is a string").to_owned();
    list.iter().map(word).collect()
}
