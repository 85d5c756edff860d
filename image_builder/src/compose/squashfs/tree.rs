//! What is in a folder: read once, in an order that depends on the names alone.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::metadata::too_large;
use super::named;
use super::xattrs::{self, Xattrs};

/// A folder and all below it. Of a folder the children come one behind the other; a file with several names is there
/// once.
#[derive(Debug)]
pub(super) struct Tree {
    /// The first is the top folder.
    pub(super) nodes: Vec<Node>,
    /// The top folder's path.
    pub(super) top: std::path::PathBuf,
    pub(super) xattrs: Xattrs,
    /// In files.
    pub(super) bytes: u64,
}

/// A file, folder, link or device.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    /// Permissions alone.
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// In seconds since 1970.
    pub(super) modified: u32,
    /// Its names in the tree; of a folder, with those in itself and its children.
    pub(super) links: u32,
    /// Which of [`Tree::xattrs`].
    pub(super) xattrs: Option<u32>,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    /// Its children, by name.
    Folder(Vec<(OsString, usize)>),
    File(FileData),
    Link(Vec<u8>),
    BlockDevice(u32),
    CharacterDevice(u32),
    Fifo,
    Socket,
}

/// A file's size, and where its data is once that is written.
#[derive(Debug, Clone, Default)]
pub(super) struct FileData {
    pub(super) size: u64,
    /// Of the first block.
    pub(super) start: u64,
    /// Of each block what is stored of it.
    pub(super) blocks: Vec<u32>,
    /// The fragment, and where in it.
    pub(super) fragment: Option<(u32, u32)>,
    /// Bytes of it that are zeros and not stored.
    pub(super) sparse: u64,
}

impl Tree {
    /// Reads the folder `top`. Folders in `emptied` count as empty; no time is later than `latest`.
    pub(super) fn scan(top: &Path, emptied: &[&str], latest: u32) -> io::Result<Self> {
        let mut scan = Scan {
            tree: Self {
                nodes: Vec::new(),
                top: top.to_owned(),
                xattrs: Xattrs::default(),
                bytes: 0,
            },
            emptied: emptied.iter().map(|name| top.join(name)).collect(),
            latest,
            linked: HashMap::new(),
        };
        let meta = top.symlink_metadata().map_err(named(top))?;
        let node = scan.node(top, &meta)?;
        scan.tree.nodes.push(node);
        scan.fill(0, top)?;
        Ok(scan.tree)
    }

    /// The children of a folder; none of anything else.
    pub(super) fn children(&self, node: usize) -> &[(OsString, usize)] {
        match &self.nodes[node].kind {
            NodeKind::Folder(children) => children,
            _ => &[],
        }
    }

    pub(super) fn is_folder(&self, node: usize) -> bool {
        matches!(self.nodes[node].kind, NodeKind::Folder(_))
    }
}

struct Scan {
    tree: Tree,
    emptied: Vec<std::path::PathBuf>,
    latest: u32,
    /// Files with several names, by device and inode.
    linked: HashMap<(u64, u64), usize>,
}

impl Scan {
    /// Reads what is in the folder `node`.
    fn fill(&mut self, node: usize, folder: &Path) -> io::Result<()> {
        if self.emptied.iter().any(|emptied| emptied == folder) {
            return Ok(());
        }
        let mut names: Vec<OsString> = Vec::new();
        for entry in fs::read_dir(folder).map_err(named(folder))? {
            names.push(entry.map_err(named(folder))?.file_name());
        }
        names.sort_unstable_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        let mut children = Vec::with_capacity(names.len());
        for name in names {
            let path = folder.join(&name);
            let meta = path.symlink_metadata().map_err(named(&path))?;
            let child = self.child(&path, &meta)?;
            children.push((name, child));
        }
        let folders: Vec<(OsString, usize)> = (children.iter())
            .filter(|(_, child)| self.tree.is_folder(*child))
            .cloned()
            .collect();
        let this = &mut self.tree.nodes[node];
        this.links = u32::try_from(folders.len() + 2).map_err(|_| too_large("folders"))?;
        this.kind = NodeKind::Folder(children);
        for (name, child) in folders {
            self.fill(child, &folder.join(name))?;
        }
        Ok(())
    }

    fn child(&mut self, path: &Path, meta: &Metadata) -> io::Result<usize> {
        let known = (meta.dev(), meta.ino());
        let has_names = meta.nlink() > 1 && !meta.is_dir();
        if has_names && let Some(node) = self.linked.get(&known) {
            self.tree.nodes[*node].links += 1;
            return Ok(*node);
        }
        let node = self.node(path, meta)?;
        let number = self.tree.nodes.len();
        self.tree.nodes.push(node);
        if has_names {
            self.linked.insert(known, number);
        }
        Ok(number)
    }

    fn node(&mut self, path: &Path, meta: &Metadata) -> io::Result<Node> {
        let kind = meta.file_type();
        let kind = if kind.is_dir() {
            NodeKind::Folder(Vec::new())
        } else if kind.is_file() {
            self.tree.bytes += meta.len();
            NodeKind::File(FileData {
                size: meta.len(),
                ..FileData::default()
            })
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(named(path))?;
            NodeKind::Link(target.into_os_string().into_vec())
        } else if kind.is_block_device() {
            NodeKind::BlockDevice(device(meta.rdev()))
        } else if kind.is_char_device() {
            NodeKind::CharacterDevice(device(meta.rdev()))
        } else if kind.is_fifo() {
            NodeKind::Fifo
        } else {
            NodeKind::Socket
        };
        let xattrs = xattrs::read(path).map_err(named(path))?;
        Ok(Node {
            kind,
            // The bits of the kind are told by the inode's.
            mode: u16::try_from(meta.mode() & 0o7777).unwrap_or_default(),
            uid: meta.uid(),
            gid: meta.gid(),
            modified: u32::try_from(meta.mtime().max(0))
                .unwrap_or(u32::MAX)
                .min(self.latest),
            links: 1,
            xattrs: self.tree.xattrs.add(xattrs)?,
        })
    }
}

/// A device's number as the kernel reads it from file systems (`new_decode_dev` in its `kdev_t.h`).
fn device(number: u64) -> u32 {
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    // 12 and 20 bits.
    let bits = (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12);
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default()
}
