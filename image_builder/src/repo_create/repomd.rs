//! `repomd.xml`: which files the repodata has, with their checksums.

use std::fmt::Write as _;

use super::metadata_file::Sum;

/// A file of repodata, as `repomd.xml` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// `primary`, `filelists`, `other`, `group`.
    pub(super) kind: String,
    /// Its name in the folder `repodata`.
    pub(super) file: String,
    /// The file itself.
    pub(super) packed: Sum,
    /// What is in it; `None` for a file that is not compressed.
    pub(super) open: Option<Sum>,
}

/// The text of a `repomd.xml` that was made at `time`, in seconds since 1970.
pub(super) fn write(records: &[Record], time: u64) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <repomd xmlns=\"http://linux.duke.edu/metadata/repo\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n  \
         <revision>{time}</revision>\n"
    );
    for Record {
        kind,
        file,
        packed,
        open,
    } in records
    {
        // Writing to a String cannot fail.
        let _ = writeln!(
            xml,
            "  <data type=\"{kind}\">\n    \
             <checksum type=\"sha256\">{}</checksum>",
            packed.sha256
        );
        if let Some(open) = open {
            let _ = writeln!(
                xml,
                "    <open-checksum type=\"sha256\">{}</open-checksum>",
                open.sha256
            );
        }
        let _ = writeln!(
            xml,
            "    <location href=\"repodata/{file}\"/>\n    \
             <timestamp>{time}</timestamp>\n    \
             <size>{}</size>",
            packed.size
        );
        if let Some(open) = open {
            let _ = writeln!(xml, "    <open-size>{}</open-size>", open.size);
        }
        xml.push_str("  </data>\n");
    }
    xml.push_str("</repomd>\n");
    xml
}

/// A `repomd.xml` of ours: when it was made, and its records. `None` for anything else.
pub(super) fn read(xml: &str) -> Option<(u64, Vec<Record>)> {
    let time = between(xml, "<revision>", "</revision>")?.parse().ok()?;
    let mut records = Vec::new();
    for data in xml.split("<data type=\"").skip(1) {
        let (kind, rest) = data.split_once("\">")?;
        let (data, _) = rest.split_once("</data>")?;
        let sum = |checksum: &str, size: &str| {
            Some(Sum {
                sha256: between(data, &format!("<{checksum} type=\"sha256\">"), "</")?.to_owned(),
                size: between(data, &format!("<{size}>"), "</")?.parse().ok()?,
            })
        };
        records.push(Record {
            kind: kind.to_owned(),
            file: between(data, "<location href=\"repodata/", "\"/>")?.to_owned(),
            packed: sum("checksum", "size")?,
            open: sum("open-checksum", "open-size"),
        });
    }
    Some((time, records))
}

/// What stands between the first `start` and the `end` behind it.
pub(super) fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let sum = |size| Sum {
            size,
            sha256: "ab".repeat(32),
        };
        let records = [
            Record {
                kind: "primary".to_owned(),
                file: "x-primary.xml.zst".to_owned(),
                packed: sum(10),
                open: Some(sum(100)),
            },
            Record {
                kind: "group".to_owned(),
                file: "x-comps.xml".to_owned(),
                packed: sum(20),
                open: None,
            },
        ];
        let xml = write(&records, 1_700_000_000);
        assert_eq!(read(&xml), Some((1_700_000_000, records.to_vec())));
        for end in 0..xml.len() {
            // Cut anywhere: no panic, no endless loop.
            let _ = read(&xml[..end]);
        }
        assert_eq!(read("<html>"), None);
    }
}
