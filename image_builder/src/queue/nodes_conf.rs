//! `nodes.conf`, which told the programs of 2012 where the brokers are:
//!
//! ```ini
//! [x86_64]
//! broker_url="amqp://guest@localhost//"
//! ```

use std::path::Path;

use crate::spec::ini;

/// Its name, in the current folder.
pub const NODES_CONF: &str = "nodes.conf";

/// The broker of an architecture, if the file names one.
///
/// # Errors
///
/// What is wrong with the file, with the line.
pub fn broker_url(path: &Path, arch: &str) -> Result<Option<String>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let document = ini::read(&text, &path.to_string_lossy());
    if let Some(mistake) = document.mistakes.first() {
        return Err(mistake.to_string());
    }
    let found = document
        .entries
        .iter()
        .find(|entry| entry.section == arch && entry.key.eq_ignore_ascii_case("broker_url"));
    let unquoted = |value: &str| {
        let quotes: &[char] = &['"', '\''];
        value.trim().trim_matches(quotes).to_owned()
    };
    Ok(found
        .map(|entry| unquoted(&entry.value))
        .filter(|url| !url.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_2012_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes.conf");
        let text = "[i686]\nbroker_url=\"amqp://guest@localhost//\"\n\n\n[x86_64]\n\
                    broker_url='amqp://guest@10.0.0.27//'\n[s390x]\nbroker_url=\n";
        std::fs::write(&path, text).unwrap();
        let url = |arch| broker_url(&path, arch).unwrap();
        assert_eq!(url("i686").as_deref(), Some("amqp://guest@localhost//"));
        assert_eq!(url("x86_64").as_deref(), Some("amqp://guest@10.0.0.27//"));
        assert_eq!(url("s390x"), None);
        assert_eq!(url("aarch64"), None);
        std::fs::write(&path, "broker_url=x\n[").unwrap();
        assert!(
            broker_url(&path, "i686")
                .unwrap_err()
                .contains("nodes.conf")
        );
    }
}
