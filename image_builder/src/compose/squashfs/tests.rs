use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::*;
use crate::context::BuildContext;
use crate::process::Invocation;

const TIME: u32 = 1_700_000_000;

const METHODS: [Method; 4] = [
    Method::Zstd { level: 3 },
    Method::Xz { filter: None },
    Method::Xz {
        filter: Some(MachineCode::X86),
    },
    Method::Lz4,
];

fn options(method: Method, block_size: u32) -> Options {
    Options {
        method,
        block_size,
        time: TIME,
    }
}

/// Bytes that hardly become less, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// Words that become much less.
fn words(seed: usize, length: usize) -> Vec<u8> {
    let words = ["root", "image", "squash", "block", "fedora", "packed"];
    let text: String = (0..)
        .map(|n| words[(n * 7 + seed + n / 5) % words.len()])
        .take(length / 4 + 1)
        .collect();
    text.into_bytes()[..length].to_vec()
}

fn packing<'a>(
    root: &'a Path,
    image: &'a Path,
    index: &'a Path,
    options: Options,
    known: &'a KnownBlocks,
) -> Packing<'a> {
    Packing {
        root,
        emptied: &["dev"],
        image,
        index,
        options,
        known,
        processors: 3,
    }
}

struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        fs::create_dir(lab.root()).unwrap();
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path("root")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Packs the root as `name`.
    fn pack(&self, name: &str, options: Options, known: &KnownBlocks) -> Packed {
        let (image, index) = (self.path(name), self.path(&format!("{name}.blocks")));
        let mut all = 0;
        let watch = &mut |done, total| {
            assert!(done <= total);
            all = done;
            true
        };
        let root = self.root();
        let packing = packing(&root, &image, &index, options, known);
        let packed = pack(packing, &|| (), watch).unwrap();
        assert_eq!(all, packed.unpacked);
        assert_eq!(packed.size, image.metadata().unwrap().len());
        packed
    }

    fn known(&self, name: &str) -> KnownBlocks {
        let mut known = KnownBlocks::default();
        let index = self.path(&format!("{name}.blocks"));
        known.add(&self.path(name), &index).unwrap();
        known
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A root with one of everything.
fn everything(lab: &Lab) {
    lab.write("empty", b"");
    lab.write("etc/small", b"a small file\n");
    lab.write("etc/same", b"a small file\n");
    lab.write("usr/bin/large", &noise(1, 400_000));
    lab.write("usr/bin/other", &words(3, 700_001));
    lab.write("usr/bin/same", &noise(1, 400_000));
    lab.write("usr/lib/a block", &words(5, 131_072));
    lab.write("usr/lib/a byte less", &words(6, 131_071));
    lab.write("dev/left-out", b"not in the image");
    fs::create_dir_all(lab.root().join("srv/deep/er/and/deeper")).unwrap();
    for number in 0..3000 {
        lab.write(
            &format!("many/name {number:05} of a folder that is large"),
            b"",
        );
    }
    let sparse = File::create(lab.root().join("sparse")).unwrap();
    sparse.write_all_at(b"a beginning", 0).unwrap();
    sparse.write_all_at(b"an end", 3_000_000).unwrap();
    let zeros = File::create(lab.root().join("zeros")).unwrap();
    zeros.set_len(500_000).unwrap();
    let root = lab.root();
    symlink("etc/small", root.join("link")).unwrap();
    fs::hard_link(root.join("etc/small"), root.join("usr/hard")).unwrap();
    fs::hard_link(root.join("usr/bin/large"), root.join("a hard one")).unwrap();
    mknod(&root.join("fifo"), SFlag::S_IFIFO, Mode::S_IRUSR, 0).unwrap();
    fs::set_permissions(root.join("etc"), Permissions::from_mode(0o2750)).unwrap();
    fs::set_permissions(root.join("usr/bin/other"), Permissions::from_mode(0o4711)).unwrap();
    if is_root() {
        let device = |name: &str, kind, device| {
            mknod(&root.join(name), kind, Mode::S_IRUSR, device).unwrap();
        };
        device("disk", SFlag::S_IFBLK, makedev(259, 70_000));
        device("terminal", SFlag::S_IFCHR, makedev(4, 64));
        std::os::unix::fs::chown(root.join("etc/same"), Some(70_000), Some(12)).unwrap();
        // CAP_NET_RAW, permitted and effective.
        let ping = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for name in ["usr/bin/other", "etc/small"] {
            xattr::set(root.join(name), "security.capability", &ping).unwrap();
        }
        xattr::set(root.join("etc"), "trusted.a", b"1").unwrap();
        xattr::set(root.join("link"), "trusted.b", &noise(4, 300)).unwrap();
    }
}

/// What of a file has to come back.
type Seen = (
    u32,
    u32,
    u32,
    u64,
    u64,
    i64,
    Vec<u8>,
    Vec<(String, Vec<u8>)>,
);

fn seen(top: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut found = BTreeMap::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let content = match meta.file_type() {
                kind if kind.is_dir() => {
                    folders.push(path.clone());
                    Vec::new()
                }
                kind if kind.is_symlink() => {
                    let target = fs::read_link(&path).unwrap();
                    target.into_os_string().into_encoded_bytes()
                }
                kind if kind.is_file() => fs::read(&path).unwrap(),
                _ => meta.rdev().to_le_bytes().to_vec(),
            };
            let mut attributes: Vec<(String, Vec<u8>)> = (xattr::list(&path).unwrap())
                .map(|name| {
                    let value = xattr::get(&path, &name).unwrap().unwrap_or_default();
                    (name.into_string().unwrap(), value)
                })
                .collect();
            attributes.sort();
            let links = if meta.is_dir() { 0 } else { meta.nlink() };
            let one = (
                meta.mode(),
                meta.uid(),
                meta.gid(),
                links,
                content.len() as u64,
                meta.mtime(),
                content,
                attributes,
            );
            found.insert(path.strip_prefix(top).unwrap().to_owned(), one);
        }
    }
    found
}

/// What a program printed; none if it failed.
async fn run(program: &str, args: &[&Path]) -> Option<Vec<String>> {
    let command = args
        .iter()
        .fold(Invocation::new(program), |command, arg| command.path(arg));
    BuildContext::default().query(&command).await.ok()
}

/// All that is to be in an image of the root.
fn wanted(lab: &Lab) -> BTreeMap<PathBuf, Seen> {
    let mut wanted = seen(&lab.root());
    wanted.remove(Path::new("dev/left-out"));
    for one in wanted.values_mut() {
        one.5 = one.5.min(i64::from(TIME));
    }
    wanted
}

fn assert_same(seen: &BTreeMap<PathBuf, Seen>, wanted: &BTreeMap<PathBuf, Seen>, of: &str) {
    let names = |of: &BTreeMap<PathBuf, Seen>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(seen), names(wanted), "{of}");
    for (path, one) in wanted {
        assert!(seen[path] == *one, "{}: {of}", path.display());
    }
}

#[tokio::test]
async fn everything_comes_back() {
    let has_unsquashfs = which::which("unsquashfs").is_ok();
    let lab = Lab::new();
    everything(&lab);
    let wanted = wanted(&lab);
    for (number, method) in METHODS.into_iter().enumerate() {
        for block_size in [4096, 131_072, 1 << 20] {
            let of = format!("{method:?} {block_size}");
            let name = format!("image-{number}-{block_size}");
            let packed = lab.pack(&name, options(method, block_size), &KnownBlocks::default());
            assert_eq!(
                (packed.reused, packed.inodes),
                (0, wanted.len() as u64 - 1),
                "{of}"
            );
            let image = lab.path(&name);
            if has_unsquashfs {
                let out = lab.path(&format!("{name}.out"));
                let [d, n, q] = ["-d", "-n", "-q"].map(Path::new);
                let unpacked = run("unsquashfs", &[n, q, d, &out, &image]).await;
                assert!(unpacked.is_some(), "{of}");
                assert_same(&seen(&out), &wanted, &of);
            }
            // As the kernel reads it, where it is let.
            let mount = lab.path(&format!("{name}.mounted"));
            fs::create_dir(&mount).unwrap();
            let [read_only, looped, option] = ["ro", "loop", "-o"].map(Path::new);
            let mounted = [option, read_only, option, looped, &image, &mount];
            if is_root() && run("mount", &mounted).await.is_some() {
                let seen = seen(&mount);
                assert!(run("umount", &[&mount]).await.is_some());
                assert_same(&seen, &wanted, &of);
            }
        }
    }
}

#[test]
fn an_image_does_not_depend_on_where_and_by_how_many_it_is_made() {
    let image = |processors| {
        let lab = Lab::new();
        for number in 0..200 {
            let length = 1000 * (number % 9) + number;
            lab.write(&format!("share/{number}"), &words(number, length));
        }
        lab.write("large", &words(2, 2_000_000));
        for (path, _) in seen(&lab.root()) {
            let file = File::open(lab.root().join(path)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        let file = File::open(lab.root()).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        let (root, image, index) = (lab.root(), lab.path("image"), lab.path("index"));
        let known = KnownBlocks::default();
        let packing = Packing {
            processors,
            ..packing(&root, &image, &index, options(METHODS[0], 16_384), &known)
        };
        let threads = AtomicUsize::new(0);
        let begin = || threads.fetch_add(1, Ordering::Relaxed);
        pack(packing, &begin, &mut |_, _| true).unwrap();
        assert_eq!(threads.into_inner(), processors.max(1) + 1);
        (fs::read(&image).unwrap(), fs::read(&index).unwrap())
    };
    let one = image(1);
    for processors in [0, 2, 7] {
        assert!(image(processors) == one, "{processors}");
    }
}

#[test]
fn what_did_not_change_is_taken_and_the_image_is_the_same() {
    for method in METHODS {
        let lab = Lab::new();
        for number in 0..300 {
            let length = 700 * (number % 30) + 1;
            lab.write(
                &format!("share/{}/{number}", number % 7),
                &words(number, length),
            );
        }
        lab.write("bin/large", &noise(1, 3_000_000));
        lab.write("bin/words", &words(9, 2_000_000));
        let options = options(method, 65_536);
        let first = lab.pack("first", options, &KnownBlocks::default());
        assert_eq!(first.reused, 0);

        let again = lab.pack("again", options, &lab.known("first"));
        assert_eq!((again.reused, again.blocks), (first.blocks, first.blocks));
        assert!(lab.bytes("again") == lab.bytes("first"), "{method:?}");

        // A small file longer, one new, one gone, and a byte of a large one.
        lab.write("share/0/0", &words(77, 5000));
        lab.write("share/0/new", &words(78, 600));
        fs::remove_file(lab.root().join("share/3/3")).unwrap();
        File::options()
            .write(true)
            .open(lab.root().join("bin/large"))
            .unwrap()
            .write_all_at(b"!", 1_000_000)
            .unwrap();
        let mut known = lab.known("again");
        known
            .add(&lab.path("first"), &lab.path("first.blocks"))
            .unwrap();
        let newer = lab.pack("newer", options, &known);
        let fresh = lab.pack("fresh", options, &KnownBlocks::default());
        assert!(lab.bytes("newer") == lab.bytes("fresh"), "{method:?}");
        assert!(lab.bytes("newer.blocks") == lab.bytes("fresh.blocks"));
        assert_eq!((newer.blocks, fresh.reused), (fresh.blocks, 0));
        let missed = newer.blocks - newer.reused;
        // Those two, and the fragments up to where one ends again behind the same file.
        assert!(missed > 2 && missed * 3 < newer.blocks, "{newer:?}");
    }
}

#[test]
fn equal_files_are_stored_once() {
    let lab = Lab::new();
    let options = options(METHODS[0], 131_072);
    lab.write("a", &noise(1, 1_000_000));
    lab.write("b", b"small");
    let one = lab.pack("one", options, &KnownBlocks::default());
    lab.write("c", &noise(1, 1_000_000));
    lab.write("d", b"small");
    let two = lab.pack("two", options, &KnownBlocks::default());
    assert_eq!((two.blocks, two.size), (one.blocks, one.size));
    assert_eq!(two.unpacked, 2 * one.unpacked);
}

#[tokio::test]
async fn an_empty_folder_is_packed() {
    let lab = Lab::new();
    let packed = lab.pack(
        "image",
        options(METHODS[0], 131_072),
        &KnownBlocks::default(),
    );
    assert_eq!((packed.inodes, packed.blocks, packed.size), (1, 0, PADDING));
    if which::which("unsquashfs").is_ok() {
        let list = run("unsquashfs", &[Path::new("-l"), &lab.path("image")]).await;
        assert_eq!(list.unwrap().last().unwrap(), "squashfs-root");
    }
}

#[test]
fn a_list_of_blocks_that_is_not_of_the_image_is_refused() {
    let lab = Lab::new();
    lab.write("a", &noise(1, 1_000_000));
    let options = options(METHODS[0], 131_072);
    lab.pack("image", options, &KnownBlocks::default());
    let (image, index) = (lab.path("image"), lab.path("image.blocks"));
    let whole = fs::read(&index).unwrap();
    let mut known = KnownBlocks::default();
    for wrong in [&whole[..whole.len() - 1], b"something else", b""] {
        fs::write(&index, wrong).unwrap();
        let error = known.add(&image, &index).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    fs::write(&index, &whole).unwrap();
    let cut = lab.path("cut");
    fs::write(&cut, &lab.bytes("image")[..5000]).unwrap();
    let error = known.add(&cut, &index).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let packed = lab.pack("again", options, &known);
    assert_eq!(packed.reused, 0);
}

#[test]
fn a_block_that_cannot_be_read_is_compressed() {
    let lab = Lab::new();
    lab.write("a", &noise(1, 1_000_000));
    let options = options(METHODS[0], 131_072);
    lab.pack("image", options, &KnownBlocks::default());
    let known = lab.known("image");
    let before = lab.bytes("image");
    File::options()
        .write(true)
        .open(lab.path("image"))
        .unwrap()
        .set_len(300_000)
        .unwrap();
    let packed = lab.pack("again", options, &known);
    assert_eq!((packed.reused, packed.blocks), (2, 8));
    assert!(lab.bytes("again") == before);
}

#[test]
fn it_can_be_stopped_and_says_what_failed() {
    let lab = Lab::new();
    lab.write("a", &noise(1, 4_000_000));
    let zstd = options(METHODS[0], 4096);
    let known = KnownBlocks::default();
    let (root, image, index) = (lab.root(), lab.path("image"), lab.path("index"));
    let packing = packing(&root, &image, &index, zstd, &known);
    let mut calls = 0;
    let stop = &mut |_, _| {
        calls += 1;
        calls < 5
    };
    let error = pack(packing, &|| (), stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(calls, 5);

    // The image is there already.
    let all = &mut |_, _| true;
    let error = pack(packing, &|| (), all).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("/image: "), "{error}");

    let nowhere = lab.path("nowhere");
    let other = Packing {
        root: &nowhere,
        ..packing
    };
    let error = pack(other, &|| (), all).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("/nowhere: "), "{error}");

    // A disk that is full.
    if Path::new("/dev/full").exists() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut out = Image {
            file: &full,
            path: Path::new("/dev/full"),
            at: 0,
        };
        let mut tree = Tree::scan(&root, &[], TIME).unwrap();
        let error = data::write(&mut tree, &mut out, packing, &|| (), all).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}

#[test]
fn a_file_cannot_be_taken_for_a_list_of_files() {
    use sha2::Digest;
    let list = noise(5, 400);
    let of_files: [u8; 32] = blocks::named_by_files()
        .chain_update(&list)
        .finalize()
        .into();
    assert_ne!(blocks::named_by_bytes(&list), of_files);
}
