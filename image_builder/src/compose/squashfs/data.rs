//! What is in the files: read by one thread, in the order of the tree; compressed, or taken from where it is known, by
//! others; and written by the one that asked, in the order in which it was read.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use super::blocks::{self, Index, KnownBlocks, Name, PLAIN};
use super::compressor::Compressor;
use super::metadata::too_large;
use super::tree::{FileData, NodeKind, Tree};
use super::{Image, Options, Packing, named};

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) index: Index,
    /// The table of fragments.
    pub(super) fragments: Vec<u8>,
    pub(super) blocks: u64,
    pub(super) reused: u64,
}

/// So many pieces are on their way for each processor: as many blocks of memory.
const ON_THEIR_WAY: usize = 4;

/// The name of a block of zeros, which is not stored.
const ZEROS: Name = [0; 32];

/// Writes the data of all files of `tree`, and notes there where it is.
pub(super) fn write<T>(
    tree: &mut Tree,
    out: &mut Image<'_>,
    packing: Packing<'_>,
    begin: &(dyn Fn() -> T + Sync),
    watch: &mut dyn FnMut(u64, u64) -> bool,
) -> io::Result<Data> {
    let Packing { options, known, .. } = packing;
    let processors = packing.processors.max(1);
    let (work, to_do) = mpsc::channel();
    let to_do = Mutex::new(to_do);
    let (done, results) = mpsc::channel();
    let (begun, ended) = mpsc::sync_channel(processors * ON_THEIR_WAY);
    let read = &*tree;
    let (data, files) = thread::scope(|scope| {
        for _ in 0..processors {
            let done = done.clone();
            let to_do = &to_do;
            scope.spawn(move || {
                let _begun = begin();
                pack(to_do, &done, options, known);
            });
        }
        let reader = Reader {
            tree: read,
            block_size: options.block_size as usize,
            lines: Lines { work, done, begun },
            number: 0,
            packed: vec![false; read.nodes.len()],
            small: HashMap::new(),
            fragment: Vec::new(),
            members: blocks::named_by_files(),
            fragments: 0,
            files: Vec::new(),
        };
        let reader = scope.spawn(move || {
            let _begun = begin();
            reader.run()
        });
        let mut writer = Writer {
            out,
            total: read.bytes,
            told: 0,
            data: Data::default(),
            file: FileData::default(),
            names: Sha256::new(),
            begun_at: 0,
            files: Vec::new(),
            by_content: HashMap::new(),
        };
        let written = writer.run(&results, &ended, watch);
        // Whoever waits for this one sees that it is gone.
        drop((results, ended));
        let small = reader.join();
        written?;
        let small = small.unwrap_or_else(|_| Err(io::Error::other("reading the files failed")))?;
        let mut files = writer.files;
        files.extend(small);
        Ok::<_, io::Error>((writer.data, files))
    })?;
    for (node, data) in files {
        tree.nodes[node].kind = NodeKind::File(data);
    }
    watch(tree.bytes, tree.bytes);
    Ok(data)
}

/// A piece of work, in the order of the image.
enum Work {
    /// The next block of a file.
    Block(Vec<u8>),
    /// A block of small files, and its name.
    Fragment(Vec<u8>, Name),
}

/// What comes next in the image.
enum Done {
    Block(Stored),
    /// A block of so many zeros.
    Zeros(u64),
    /// The blocks of the file, which has this size, are all there.
    FileEnd(usize, u64),
    Fragment(Stored),
}

/// A block as it is stored.
struct Stored {
    name: Name,
    bytes: Vec<u8>,
    /// Their number, and [`PLAIN`].
    stored: u32,
    unpacked: u64,
    is_known: bool,
}

type Numbered<T> = (u64, T);

/// Where what is read goes.
struct Lines {
    work: Sender<Numbered<Work>>,
    done: Sender<Numbered<io::Result<Done>>>,
    /// One for each piece that is on its way.
    begun: SyncSender<()>,
}

/// Reads the files.
struct Reader<'a> {
    tree: &'a Tree,
    block_size: usize,
    lines: Lines,
    /// Of the next piece.
    number: u64,
    /// Nodes that were met: one with several names is packed once.
    packed: Vec<bool>,
    /// Small files by content: the fragment, and where in it.
    small: HashMap<Name, (u32, u32)>,
    /// The one that is open.
    fragment: Vec<u8>,
    /// The names of the files in it, from which it has its own: their bytes need not be hashed once more.
    members: Sha256,
    /// Those before it.
    fragments: u32,
    /// Small files.
    files: Vec<(usize, FileData)>,
}

/// The reader's end when whoever writes is gone, and knows why.
struct Gone;

impl Reader<'_> {
    /// Gives where the small files are.
    fn run(mut self) -> io::Result<Vec<(usize, FileData)>> {
        let top = self.tree.top.clone();
        let read = match self.folder(0, &top) {
            Ok(Ok(())) => self.end_fragment(),
            Ok(Err(Gone)) => Err(Gone),
            Err(error) => self.send(|lines, number| lines.done.send((number, Err(error))).is_ok()),
        };
        // Without the writer nobody looks at it.
        let _ = read;
        Ok(self.files)
    }

    fn folder(&mut self, node: usize, path: &Path) -> io::Result<Result<(), Gone>> {
        let tree = self.tree;
        for (name, child) in tree.children(node) {
            if std::mem::replace(&mut self.packed[*child], true) {
                continue;
            }
            let path = path.join(name);
            let read = match &tree.nodes[*child].kind {
                NodeKind::Folder(_) => self.folder(*child, &path)?,
                NodeKind::File(file) if file.size > 0 => self.file(*child, &path, file.size)?,
                _ => Ok(()),
            };
            if read.is_err() {
                return Ok(read);
            }
        }
        Ok(Ok(()))
    }

    fn file(&mut self, node: usize, path: &Path, size: u64) -> io::Result<Result<(), Gone>> {
        let mut file = (OpenOptions::new().read(true))
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(path)
            .map_err(named(path))?;
        let mut left = size;
        while left > 0 {
            // No more than a block.
            let length = usize::try_from(left).map_or(self.block_size, |l| l.min(self.block_size));
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes).map_err(named(path))?;
            left -= length as u64;
            let sent = if size < self.block_size as u64 {
                self.small(node, path, &bytes)
            } else if bytes.iter().all(|byte| *byte == 0) {
                self.done(Done::Zeros(length as u64))
            } else {
                self.work(Work::Block(bytes))
            };
            if sent.is_err() {
                return Ok(sent);
            }
        }
        if size < self.block_size as u64 {
            return Ok(Ok(()));
        }
        Ok(self.done(Done::FileEnd(node, size)))
    }

    /// Puts a small file into the fragment that is open, unless one of the same content is in another.
    fn small(&mut self, node: usize, path: &Path, bytes: &[u8]) -> Result<(), Gone> {
        let name: Name = Sha256::digest(bytes).into();
        let place = match self.small.get(&name) {
            Some(place) => *place,
            None => {
                if self.fragment.len() + bytes.len() > self.block_size {
                    self.end_fragment()?;
                }
                // Less than a block.
                let offset = u32::try_from(self.fragment.len()).unwrap_or_default();
                let place = (self.fragments, offset);
                self.fragment.extend_from_slice(bytes);
                self.members.update(name);
                self.members.update((bytes.len() as u64).to_le_bytes());
                self.small.insert(name, place);
                let relative = path.strip_prefix(&self.tree.top).unwrap_or(path);
                if ends_fragment(relative, bytes.len(), self.block_size) {
                    self.end_fragment()?;
                }
                place
            }
        };
        let file = FileData {
            size: bytes.len() as u64,
            fragment: Some(place),
            ..FileData::default()
        };
        self.files.push((node, file));
        Ok(())
    }

    fn end_fragment(&mut self) -> Result<(), Gone> {
        if self.fragment.is_empty() {
            return Ok(());
        }
        self.fragments += 1;
        let fragment = std::mem::take(&mut self.fragment);
        let members = std::mem::replace(&mut self.members, blocks::named_by_files());
        let name = members.finalize().into();
        self.work(Work::Fragment(fragment, name))
    }

    fn work(&mut self, work: Work) -> Result<(), Gone> {
        self.send(|lines, number| lines.work.send((number, work)).is_ok())
    }

    fn done(&mut self, done: Done) -> Result<(), Gone> {
        self.send(|lines, number| lines.done.send((number, Ok(done))).is_ok())
    }

    fn send(&mut self, send: impl FnOnce(&Lines, u64) -> bool) -> Result<(), Gone> {
        if self.lines.begun.send(()).is_err() || !send(&self.lines, self.number) {
            return Err(Gone);
        }
        self.number += 1;
        Ok(())
    }
}

/// Whether a fragment ends behind a small file.
///
/// Small files fill one fragment after the other, so that one byte more in one of them would move all that follow, and
/// no block of those would be known. So a fragment ends behind some files whatever is in it: behind which is told by
/// their names, and happens about once in [`RUN`] fragments.
fn ends_fragment(relative: &Path, bytes: usize, block_size: usize) -> bool {
    // FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>).
    let hash = (relative.as_os_str().as_bytes().iter())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash % (RUN * block_size) as u64 <= bytes as u64
}

/// Fragments that follow each other, on the average.
const RUN: usize = 8;

/// Compresses what comes, until no more comes.
fn pack(
    to_do: &Mutex<Receiver<Numbered<Work>>>,
    done: &Sender<Numbered<io::Result<Done>>>,
    options: Options,
    known: &KnownBlocks,
) {
    let mut compressor = None;
    loop {
        let next = to_do.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, work)) = next else {
            return;
        };
        // The writer waits for each number.
        let stored = catch_unwind(AssertUnwindSafe(|| {
            let compressor = match &mut compressor {
                Some(compressor) => compressor,
                none => none.insert(Compressor::new(options.method, options.block_size)?),
            };
            Ok(match work {
                Work::Block(bytes) => {
                    let name = blocks::named_by_bytes(&bytes);
                    Done::Block(store(bytes, name, compressor, known)?)
                }
                Work::Fragment(bytes, name) => {
                    Done::Fragment(store(bytes, name, compressor, known)?)
                }
            })
        }));
        let stored = stored.unwrap_or_else(|_| Err(io::Error::other("compressing failed")));
        if done.send((number, stored)).is_err() {
            return;
        }
    }
}

fn store(
    bytes: Vec<u8>,
    name: Name,
    with: &mut Compressor,
    known: &KnownBlocks,
) -> io::Result<Stored> {
    let unpacked = bytes.len() as u64;
    // One that cannot be read is compressed as any other.
    if let Ok(Some((bytes, stored))) = known.read(&name) {
        return Ok(Stored {
            name,
            bytes,
            stored,
            unpacked,
            is_known: true,
        });
    }
    let (bytes, flag) = match with.compress(&bytes)? {
        Some(packed) => (packed.to_vec(), 0),
        None => (bytes, PLAIN),
    };
    // At most a MiB.
    let stored = u32::try_from(bytes.len()).map_err(|_| too_large("a block"))? | flag;
    Ok(Stored {
        name,
        bytes,
        stored,
        unpacked,
        is_known: false,
    })
}

/// Writes what was compressed.
struct Writer<'a, 'b> {
    out: &'a mut Image<'b>,
    total: u64,
    /// Bytes of files that are written.
    told: u64,
    data: Data,
    /// The file whose blocks come.
    file: FileData,
    /// Its blocks' names.
    names: Sha256,
    /// How long the index was when they began to come.
    begun_at: usize,
    files: Vec<(usize, FileData)>,
    by_content: HashMap<(u64, Name), FileData>,
}

impl Writer<'_, '_> {
    fn run(
        &mut self,
        results: &Receiver<Numbered<io::Result<Done>>>,
        ended: &Receiver<()>,
        watch: &mut dyn FnMut(u64, u64) -> bool,
    ) -> io::Result<()> {
        let mut early = BTreeMap::new();
        let mut next = 0;
        self.begin_file();
        // It ends with the last who could send.
        for (number, done) in results {
            early.insert(number, done);
            while let Some(done) = early.remove(&next) {
                self.write(done?)?;
                next += 1;
                // Whoever reads may go on.
                let _ = ended.recv();
                if !watch(self.told, self.total) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
        }
        Ok(())
    }

    fn begin_file(&mut self) {
        self.file = FileData {
            start: self.out.at,
            ..FileData::default()
        };
        self.names = Sha256::new();
        self.begun_at = self.data.index.len();
    }

    fn write(&mut self, done: Done) -> io::Result<()> {
        match done {
            Done::Block(block) => {
                self.names.update(block.name);
                self.file.blocks.push(block.stored);
                self.store(&block)
            }
            Done::Zeros(length) => {
                self.names.update(ZEROS);
                self.file.blocks.push(0);
                self.file.sparse += length;
                self.told += length;
                Ok(())
            }
            Done::FileEnd(node, size) => {
                self.end_file(node, size);
                Ok(())
            }
            Done::Fragment(block) => {
                let fragments = &mut self.data.fragments;
                fragments.extend(self.out.at.to_le_bytes());
                fragments.extend(block.stored.to_le_bytes());
                fragments.extend(0_u32.to_le_bytes());
                self.store(&block)?;
                // It lies between two files.
                self.begin_file();
                Ok(())
            }
        }
    }

    fn store(&mut self, block: &Stored) -> io::Result<()> {
        self.data.index.push(block.name, self.out.at, block.stored);
        self.data.blocks += 1;
        self.data.reused += u64::from(block.is_known);
        self.told += block.unpacked;
        self.out.append(&block.bytes)
    }

    /// One whose content is there already takes no room: what comes next is written over it.
    fn end_file(&mut self, node: usize, size: u64) {
        let content = (size, self.names.clone().finalize().into());
        let mut file = std::mem::take(&mut self.file);
        file.size = size;
        match self.by_content.get(&content) {
            Some(same) => {
                let stored = file.blocks.iter().filter(|stored| **stored != 0).count() as u64;
                self.data.blocks -= stored;
                self.data.index.truncate(self.begun_at);
                self.out.at = file.start;
                file = same.clone();
            }
            None => {
                self.by_content.insert(content, file.clone());
            }
        }
        self.files.push((node, file));
        self.begin_file();
    }
}
