//! What a real hub was asked and what it answered, byte for byte. `captures/README.md` lists them
//! and says where they come from.

use std::path::Path;

use serde_json::Value;

/// One call and its answer.
#[derive(Debug, Clone)]
pub struct Capture {
    /// `01-getBuild-nvr`.
    pub name: String,
    /// The body as it was sent; empty if it was not kept.
    pub request: Vec<u8>,
    /// The body as it was received.
    pub response: Vec<u8>,
    /// What Python makes of it; a fault is `{"__fault__": [code, text]}`. None if the answer is no
    /// XML-RPC.
    pub decoded: Option<Value>,
}

/// All captures in the order of their names.
///
/// # Panics
///
/// When their folder in the source tree cannot be read.
pub fn captures() -> Vec<Capture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut found: Vec<Capture> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.split_once(".response.")?.0;
            let read = |end: &str| std::fs::read(folder.join(format!("{name}{end}"))).ok();
            Some(Capture {
                name: name.to_owned(),
                request: read(".request.xml").unwrap_or_default(),
                response: std::fs::read(entry.path()).ok()?,
                decoded: read(".decoded.json").and_then(|json| serde_json::from_slice(&json).ok()),
            })
        })
        .collect();
    assert!(!found.is_empty(), "no captures in {}", folder.display());
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}
