//! RPMs to measure with: many small ones and few large ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use md5::Digest;
use rpm::{BuildConfig, CompressionType, Dependency, FileOptions, PackageBuilder};

/// They are made side by side.
const THREADS: usize = 2;

/// 1,000 RPMs of 40 kB to 14 MB, with 5 to 250 files each, made once.
pub(crate) fn make_pool(folder: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(folder).expect("the folder can be made");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= 1000 {
                        return;
                    }
                    let path = folder.join(format!("bench{number:04}-1.0-1.fc43.x86_64.rpm"));
                    if !path.exists() {
                        let fresh = path.with_extension("new");
                        make(number, &fresh);
                        fs::rename(fresh, path).expect("the file can be renamed");
                    }
                }
            });
        }
    });
    find(folder)
}

fn make(number: usize, path: &Path) {
    let mut seed = 0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1);
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    // Many small ones and few large ones, 1.7 MB in the mean.
    let size = 40_000.0 * f64::powf(350.0, (random() % 1000) as f64 / 1000.0) * 0.75;
    let files = 5 + (random() % 246) as usize;
    let name = format!("bench{number:04}");
    let mut builder = PackageBuilder::new(&name, "1.0", "MIT", "x86_64", "A package to measure");
    builder
        .using_config(BuildConfig::v4().compression(CompressionType::None))
        .release("1.fc43")
        .description("One of a thousand packages\nthat differ in size and content.");
    for file in 0..files {
        let mut content = Vec::with_capacity(size as usize / files + 8);
        while content.len() < size as usize / files {
            content.extend_from_slice(&random().to_le_bytes());
        }
        let folder = ["bin", "lib64/bench", "share/doc/bench", "share/locale/de"][file % 4];
        let place = FileOptions::new(format!(
            "/usr/{folder}/{name}/topic{}.{file}",
            random() % 5000
        ));
        builder
            .with_file_contents(content, place)
            .expect("a file can be added");
    }
    for number in 0..30 {
        let library = format!("lib{:03}.so.6(GLIBC_2.{number})(64bit)", random() % 200);
        builder.requires(Dependency::any(library));
        builder.provides(Dependency::eq(
            format!("thing{:04}", random() % 9999),
            "1.0",
        ));
        builder.add_changelog_entry(
            "A Packager <a@example.org> - 1.0-1",
            format!("- Change {} of something, for a reason", random() % 100_000),
            1_700_000_000 + number * 1000,
        );
    }
    let package = builder.build().expect("the package can be built");
    package.write_file(path).expect("the file can be written");
    let rpm = fs::read(path).expect("the file can be read");
    fs::write(path, with_md5(&rpm)).expect("the file can be written");
}

/// The RPM with the MD5 of its header and payload in its signature header, as rpm's own builds have
/// it and Koji knows files by it; the crate leaves it out.
///
/// The format: <https://rpm-software-management.github.io/rpm/manual/format_v4.html>
fn with_md5(rpm: &[u8]) -> Vec<u8> {
    const LEAD: usize = 96;
    const MAGIC: usize = 8;
    const INTRO: usize = MAGIC + 8;
    const ENTRY: usize = 16;
    /// RPMSIGTAG_MD5, an array of bytes.
    const TAG: u32 = 1004;
    const BIN: u32 = 7;
    let number = |at: usize| {
        let bytes: [u8; 4] = rpm[at..at + 4].try_into().expect("four bytes are four");
        u32::from_be_bytes(bytes)
    };
    let (entries, stored) = (number(LEAD + MAGIC), number(LEAD + MAGIC + 4));
    let index = LEAD + INTRO;
    let store = index + ENTRY * entries as usize;
    let end = store + stored as usize;
    // The next header begins at a multiple of 8.
    let rest = &rpm[end.next_multiple_of(8)..];
    let sum = md5::Md5::digest(rest);
    let mut out = rpm[..LEAD + MAGIC].to_vec();
    for word in [entries + 1, stored + sum.len() as u32] {
        out.extend(word.to_be_bytes());
    }
    out.extend(&rpm[index..store]);
    for word in [TAG, BIN, stored, sum.len() as u32] {
        out.extend(word.to_be_bytes());
    }
    out.extend(&rpm[store..end]);
    out.extend(sum);
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend(rest);
    out
}

/// The RPMs in `folder` and below it, sorted by name.
pub(crate) fn find(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rpm") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn size(file: &Path) -> u64 {
    file.metadata().map_or(0, |meta| meta.len())
}
