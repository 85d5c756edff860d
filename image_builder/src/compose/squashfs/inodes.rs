//! Inodes and directories.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::compressor::Compressor;
use super::metadata::{BLOCK, Metadata, Place, too_large};
use super::table::NONE_U32;
use super::tree::{FileData, Node, NodeKind, Tree};

/// What is known of all files, as it is stored.
pub(super) struct Inodes {
    pub(super) inodes: Vec<u8>,
    pub(super) directories: Vec<u8>,
    /// Where each inode is, by its number.
    pub(super) by_number: Vec<u8>,
    /// Owners: users and groups.
    pub(super) ids: Vec<u8>,
    /// Where the inode of the top folder is.
    pub(super) root: u64,
}

impl Inodes {
    pub(super) fn of(tree: &Tree, with: &mut Compressor) -> io::Result<Self> {
        let mut making = Making {
            tree,
            with,
            inodes: Metadata::default(),
            directories: Metadata::default(),
            places: vec![None; tree.nodes.len()],
            ids: Vec::new(),
            known_ids: HashMap::new(),
        };
        let listing = making.folder(0, None)?;
        let root = making.inode(0, Some(&listing))?;
        let mut by_number = Vec::with_capacity(making.places.len() * 8);
        for place in &making.places {
            by_number.extend(place.unwrap_or_default().reference().to_le_bytes());
        }
        let Making {
            with,
            inodes,
            directories,
            ids,
            ..
        } = making;
        Ok(Self {
            inodes: inodes.finish(with)?,
            directories: directories.finish(with)?,
            by_number,
            ids: ids.into_iter().flat_map(u32::to_le_bytes).collect(),
            root: root.reference(),
        })
    }
}

struct Making<'a> {
    tree: &'a Tree,
    with: &'a mut Compressor,
    inodes: Metadata,
    directories: Metadata,
    /// Where the inode of each node is, once it is written.
    places: Vec<Option<Place>>,
    ids: Vec<u32>,
    known_ids: HashMap<u32, u16>,
}

/// Where the names in a folder are.
#[derive(Debug)]
struct Listing {
    place: Place,
    /// In bytes.
    size: u32,
    /// For a large one: by which name each piece of it begins.
    index: Vec<Piece>,
    /// The number of the folder above.
    parent: u32,
}

#[derive(Debug)]
struct Piece {
    /// Counted from the listing's begin.
    at: u32,
    block: u32,
    name: Vec<u8>,
}

/// Names that follow each other, whose inodes are in one block.
struct Run<'a> {
    block: u32,
    number: u32,
    entries: Vec<(&'a [u8], Place, i16, u16)>,
}

/// In one run there are no more names.
const RUN: usize = 256;

/// Kinds of inodes, of which each has one with more fields.
const FOLDER: u16 = 1;
const FILE: u16 = 2;
const LINK: u16 = 3;
const BLOCK_DEVICE: u16 = 4;
const CHARACTER_DEVICE: u16 = 5;
const FIFO: u16 = 6;
const SOCKET: u16 = 7;
const WITH_MORE: u16 = 7;

/// Numbers of inodes begin with 1.
fn number(node: usize) -> io::Result<u32> {
    u32::try_from(node + 1).map_err(|_| too_large("files"))
}

impl Making<'_> {
    /// Writes the inodes of all that is in a folder, and its listing. The inodes of one folder's children follow each
    /// other, which keeps its listing short.
    fn folder(&mut self, node: usize, parent: Option<u32>) -> io::Result<Listing> {
        let tree = self.tree;
        let children = tree.children(node);
        let own = number(node)?;
        let mut listings = HashMap::new();
        for (_, child) in children {
            if tree.is_folder(*child) {
                listings.insert(*child, self.folder(*child, Some(own))?);
            }
        }
        for (_, child) in children {
            if self.places[*child].is_none() {
                self.inode(*child, listings.get(child))?;
            }
        }
        let parent = match parent {
            Some(parent) => parent,
            // That of the top folder is one that no file has.
            None => number(tree.nodes.len())?,
        };
        let mut listing = Listing {
            place: self.directories.place()?,
            size: 0,
            index: Vec::new(),
            parent,
        };
        let mut run: Option<Run<'_>> = None;
        for (name, child) in children {
            let place = self.places[*child].unwrap_or_default();
            let number = number(*child)?;
            let kind = kind(&tree.nodes[*child].kind);
            if let Some(done) = run.take_if(|run| !run.takes(place, number)) {
                self.list(&done, &mut listing)?;
            }
            let run = run.get_or_insert_with(|| Run {
                block: place.block,
                number,
                entries: Vec::new(),
            });
            let ahead = run.ahead(number).unwrap_or_default();
            run.entries.push((name.as_bytes(), place, ahead, kind));
        }
        if let Some(done) = run {
            self.list(&done, &mut listing)?;
        }
        Ok(listing)
    }

    fn list(&mut self, run: &Run<'_>, listing: &mut Listing) -> io::Result<()> {
        let place = self.directories.place()?;
        let last = listing.index.last().map_or(0, |piece| piece.at);
        if (listing.size - last) as usize >= BLOCK
            && let Some((name, ..)) = run.entries.first()
        {
            listing.index.push(Piece {
                at: listing.size,
                block: place.block,
                name: name.to_vec(),
            });
        }
        // At most 256.
        let count = u32::try_from(run.entries.len() - 1).unwrap_or_default();
        let mut bytes = Vec::new();
        for field in [count, run.block, run.number] {
            bytes.extend(field.to_le_bytes());
        }
        for (name, place, ahead, kind) in &run.entries {
            bytes.extend(place.offset.to_le_bytes());
            bytes.extend(ahead.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            // From 1 to 255.
            let length = u16::try_from(name.len() - 1).map_err(|_| too_large("a name"))?;
            bytes.extend(length.to_le_bytes());
            bytes.extend_from_slice(name);
        }
        self.directories.write(&bytes, self.with)?;
        let size = listing.size as usize + bytes.len();
        listing.size = u32::try_from(size).map_err(|_| too_large("a folder"))?;
        Ok(())
    }

    /// Writes an inode; of a folder, with the place of its listing.
    fn inode(&mut self, node: usize, listing: Option<&Listing>) -> io::Result<Place> {
        let tree = self.tree;
        let this = &tree.nodes[node];
        let (more, rest) = match &this.kind {
            NodeKind::Folder(_) => {
                let listing = listing.ok_or_else(|| io::Error::other("a folder has no listing"))?;
                folder_fields(this, listing)?
            }
            NodeKind::File(file) => file_fields(this, file)?,
            NodeKind::Link(target) => {
                let size = u32::try_from(target.len()).map_err(|_| too_large("a link"))?;
                let mut fields = words(&[this.links, size]);
                fields.extend_from_slice(target);
                with_xattrs(this, fields)
            }
            NodeKind::BlockDevice(device) | NodeKind::CharacterDevice(device) => {
                with_xattrs(this, words(&[this.links, *device]))
            }
            NodeKind::Fifo | NodeKind::Socket => with_xattrs(this, words(&[this.links])),
        };
        let kind = kind(&this.kind) + if more { WITH_MORE } else { 0 };
        let mut bytes = Vec::with_capacity(16 + rest.len());
        for short in [kind, this.mode, self.id(this.uid)?, self.id(this.gid)?] {
            bytes.extend(short.to_le_bytes());
        }
        bytes.extend(this.modified.to_le_bytes());
        bytes.extend(number(node)?.to_le_bytes());
        bytes.extend(rest);
        let place = self.inodes.place()?;
        self.inodes.write(&bytes, self.with)?;
        self.places[node] = Some(place);
        Ok(place)
    }

    /// The number of a user or group in the table of these.
    fn id(&mut self, id: u32) -> io::Result<u16> {
        if let Some(number) = self.known_ids.get(&id) {
            return Ok(*number);
        }
        let number = u16::try_from(self.ids.len()).map_err(|_| too_large("owners"))?;
        self.ids.push(id);
        self.known_ids.insert(id, number);
        Ok(number)
    }
}

impl Run<'_> {
    fn ahead(&self, number: u32) -> Option<i16> {
        i16::try_from(i64::from(number) - i64::from(self.number)).ok()
    }

    fn takes(&self, place: Place, number: u32) -> bool {
        self.entries.len() < RUN && self.block == place.block && self.ahead(number).is_some()
    }
}

fn kind(kind: &NodeKind) -> u16 {
    match kind {
        NodeKind::Folder(_) => FOLDER,
        NodeKind::File(_) => FILE,
        NodeKind::Link(_) => LINK,
        NodeKind::BlockDevice(_) => BLOCK_DEVICE,
        NodeKind::CharacterDevice(_) => CHARACTER_DEVICE,
        NodeKind::Fifo => FIFO,
        NodeKind::Socket => SOCKET,
    }
}

/// Whether an inode has more fields, and all behind those that each inode has.
type Fields = (bool, Vec<u8>);

fn folder_fields(node: &Node, listing: &Listing) -> io::Result<Fields> {
    // "." and ".." are counted with three bytes.
    let size = listing.size + 3;
    if let Ok(size) = u16::try_from(size)
        && listing.index.is_empty()
        && node.xattrs.is_none()
    {
        let mut fields = words(&[listing.place.block, node.links]);
        fields.extend(size.to_le_bytes());
        fields.extend(listing.place.offset.to_le_bytes());
        fields.extend(listing.parent.to_le_bytes());
        return Ok((false, fields));
    }
    let mut fields = words(&[node.links, size, listing.place.block, listing.parent]);
    let pieces = u16::try_from(listing.index.len()).map_err(|_| too_large("a folder"))?;
    fields.extend(pieces.to_le_bytes());
    fields.extend(listing.place.offset.to_le_bytes());
    fields.extend(node.xattrs.unwrap_or(NONE_U32).to_le_bytes());
    for piece in &listing.index {
        let length = u32::try_from(piece.name.len() - 1).map_err(|_| too_large("a name"))?;
        fields.extend(words(&[piece.at, piece.block, length]));
        fields.extend_from_slice(&piece.name);
    }
    Ok((true, fields))
}

fn file_fields(node: &Node, file: &FileData) -> io::Result<Fields> {
    let (fragment, offset) = file.fragment.unwrap_or((NONE_U32, 0));
    let narrow = (u32::try_from(file.start), u32::try_from(file.size));
    let mut fields;
    let more = match narrow {
        (Ok(start), Ok(size)) if node.links == 1 && node.xattrs.is_none() && file.sparse == 0 => {
            fields = words(&[start, fragment, offset, size]);
            false
        }
        _ => {
            fields = Vec::new();
            for long in [file.start, file.size, file.sparse] {
                fields.extend(long.to_le_bytes());
            }
            let xattrs = node.xattrs.unwrap_or(NONE_U32);
            fields.extend(words(&[node.links, fragment, offset, xattrs]));
            true
        }
    };
    fields.extend(words(&file.blocks));
    Ok((more, fields))
}

fn with_xattrs(node: &Node, mut fields: Vec<u8>) -> Fields {
    if let Some(xattrs) = node.xattrs {
        fields.extend(xattrs.to_le_bytes());
    }
    (node.xattrs.is_some(), fields)
}

fn words(fields: &[u32]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect()
}
