//! The log of a job as a mail can carry it, whatever its length and content.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::redact;

/// How many lines of its end stand in the mail itself.
pub(super) const TAIL_LINES: usize = 60;

/// A log up to this many bytes is attached whole; of a longer one its beginning and its end. As
/// compressed text that is some hundred KiB, and at worst below what mail servers take.
const WHOLE: u64 = 5 * 1024 * 1024;

/// Of a longer one so many bytes of the beginning are attached.
const HEAD: u64 = 1024 * 1024;

/// A longer line of the log is cut in the mail's text; the attachment has it whole.
const LONGEST_LINE: usize = 1000;

/// What a mail has of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LogExtract {
    /// The last [`TAIL_LINES`] lines, as text that any mail can hold.
    pub(super) tail: Vec<String>,
    /// The log, compressed by gzip.
    pub(super) gz: Vec<u8>,
}

/// Reads what a mail has of the log at `path`. `place` is where the whole of it can be read.
/// No more than 5 MiB are read.
pub(super) fn extract(path: &Path, place: &str) -> io::Result<LogExtract> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size <= WHOLE {
        file.take(WHOLE).read_to_end(&mut bytes)?;
    } else {
        (&mut file).take(HEAD).read_to_end(&mut bytes)?;
        let left_out = size - WHOLE;
        writeln!(
            bytes,
            "\n[... {left_out} bytes are left out here; the whole log is {place} ...]"
        )?;
        file.seek(SeekFrom::Start(HEAD + left_out))?;
        file.take(WHOLE - HEAD).read_to_end(&mut bytes)?;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&bytes)?;
    Ok(LogExtract {
        tail: tail(&bytes),
        gz: encoder.finish()?,
    })
}

fn tail(bytes: &[u8]) -> Vec<String> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if text.is_empty() {
        return Vec::new();
    }
    let lines = text.rsplit(|byte| *byte == b'\n').take(TAIL_LINES);
    let mut lines: Vec<String> = lines
        .map(|line| {
            // Four bytes a character at most: a line of any length is not looked at further.
            let cut = line.get(..LONGEST_LINE * 4).unwrap_or(line);
            clean(&redact::passwords(&String::from_utf8_lossy(cut)))
        })
        .collect();
    lines.reverse();
    lines
}

/// `text` without control characters, and no longer than a line of a mail should be.
pub(super) fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let mut line: String = text.chars().take(LONGEST_LINE).map(shown).collect();
    if text.chars().nth(LONGEST_LINE).is_some() {
        line.push_str(" [...]");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;

    fn unpacked(extract: &LogExtract) -> Vec<u8> {
        let mut bytes = Vec::new();
        GzDecoder::new(&extract.gz[..])
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    #[test]
    fn any_bytes_become_lines_and_stay_as_they_are_in_the_attachment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = b"first\n".repeat(100);
        log.extend_from_slice(b"bad \xff\xfe \x1b[31mred\x00\r\n");
        log.extend_from_slice(format!("{}\n", "x".repeat(5000)).as_bytes());
        log.extend_from_slice(b"ftp://me:pw@h/\ttab");
        std::fs::write(&path, &log).unwrap();
        let extract = extract(&path, "/srv/log").unwrap();
        assert_eq!(unpacked(&extract), log);
        assert_eq!(extract.tail.len(), 60);
        let [.., bad, long, last] = &extract.tail[..] else {
            panic!("{:?}", extract.tail);
        };
        assert_eq!(bad, "bad \u{fffd}\u{fffd} \u{fffd}[31mred\u{fffd}\u{fffd}");
        assert_eq!(long.len(), 1006);
        assert_eq!(last, "ftp://me:***@h/\ttab");
    }

    #[test]
    fn of_2_gb_the_beginning_and_the_end_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"begin\n").unwrap();
        file.seek(SeekFrom::Start(2_000_000_000)).unwrap();
        file.write_all(b"\nthe last line\n").unwrap();
        let extract = extract(&path, "http://h/log").unwrap();
        let bytes = unpacked(&extract);
        assert!(bytes.starts_with(b"begin\n") && bytes.ends_with(b"\nthe last line\n"));
        let text = String::from_utf8_lossy(&bytes);
        let left_out = 2_000_000_015 - WHOLE;
        assert!(text.contains(&format!(
            "[... {left_out} bytes are left out here; the whole log is http://h/log ...]"
        )));
        assert!(bytes.len() < 6_000_000 && extract.gz.len() < 100_000);
        assert_eq!(extract.tail.last().unwrap(), "the last line");
    }

    #[test]
    fn an_empty_log_has_no_lines() {
        assert_eq!(tail(b""), [] as [&str; 0]);
        assert_eq!(tail(b"\n"), [] as [&str; 0]);
    }
}
