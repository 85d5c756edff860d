//! Writing a cpio archive in the format that the kernel and dracut unpack ("newc").
//!
//! The format: <https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>.

use std::io::{self, Write};

/// The name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// What an entry says of its file. All owners are root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Without a leading slash.
    pub(super) path: &'a str,
    /// Type and permissions, as `st_mode`.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) mtime: u32,
    /// The bytes of a file, the target of a link, nothing of a folder.
    pub(super) content: &'a [u8],
}

/// Writes entries one after the other.
#[derive(Debug)]
pub(super) struct Writer<W: Write> {
    out: W,
    inode: u32,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, inode: 0 }
    }

    /// Writes `entry`.
    pub(super) fn add(&mut self, entry: Entry<'_>) -> io::Result<()> {
        let size = u32::try_from(entry.content.len())
            .map_err(|_| io::Error::other(format!("{} has 4 GiB or more", entry.path)))?;
        self.inode += 1;
        let name_size = u32::try_from(entry.path.len() + 1).map_err(io::Error::other)?;
        // Inode, mode, owner, group, links, time, size, device, device it stands for, name, check.
        let fields = [
            self.inode,
            entry.mode,
            0,
            0,
            1,
            entry.mtime,
            size,
            0,
            0,
            0,
            0,
            name_size,
            0,
        ];
        self.out.write_all(b"070701")?;
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        self.out.write_all(entry.path.as_bytes())?;
        self.out.write_all(&[0])?;
        self.pad(6 + 13 * 8 + entry.path.len() + 1)?;
        self.out.write_all(entry.content)?;
        self.pad(entry.content.len())
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.inode = 0;
        self.add(Entry {
            path: TRAILER,
            mode: 0,
            mtime: 0,
            content: &[],
        })?;
        Ok(self.out)
    }

    /// Every part begins at a multiple of four.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.out
            .write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_names_and_contents_are_aligned() {
        let mut writer = Writer::new(Vec::new());
        writer
            .add(Entry {
                path: "usr/a",
                mode: 0o100_644,
                mtime: 16,
                content: b"hello",
            })
            .unwrap();
        let bytes = writer.finish().unwrap();
        assert!(bytes.starts_with(b"07070100000001000081a4"));
        assert_eq!(&bytes[6 + 5 * 8..6 + 7 * 8], b"0000001000000005");
        assert_eq!(&bytes[110..116], b"usr/a\0");
        assert_eq!(&bytes[116..124], b"hello\0\0\0");
        assert_eq!(&bytes[124..130], b"070701");
        assert_eq!(bytes.len() % 4, 0);
        assert!(
            bytes
                .windows(TRAILER.len())
                .any(|at| at == TRAILER.as_bytes())
        );
    }
}
