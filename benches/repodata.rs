//! Times repodata for 20, 200 and 1,000 RPMs, and for those of the mini release, in turn: ours,
//! `createrepo_c --workers 2 --no-database`, and the limit: SHA-256 of the same bytes by as many
//! threads. Prints medians with their spread, and the ratios round by round.
//!
//! `cargo bench --bench repodata` runs it; the RPMs (1.7 GB) are made in `target/` the first time.
//! `FBS_BENCH_RUNS` sets the number of rounds (default 7).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use image_builder::context::BuildContext;
use image_builder::process::Invocation;
use image_builder::repo_create::{Compression, CreateRepo};
use rpm::{BuildConfig, CompressionType, Dependency, FileOptions, PackageBuilder};
use sha2::{Digest, Sha256};

/// As `createrepo_c`'s; the machines of this field have more, and this one has two.
const WORKERS: usize = 2;

const NAMES: [&str; 6] = [
    "sha256 of the bytes",
    "ours, zstd",
    "ours, gzip",
    "ours, checksums known",
    "ours, nothing changed",
    "createrepo_c, gzip",
];

#[tokio::main]
async fn main() {
    let runs: usize = std::env::var("FBS_BENCH_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(7);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let pool = make_pool(&target.join("bench-rpms"));
    let mut sets = vec![
        ("20", pool[..20].to_vec()),
        ("200", pool[..200].to_vec()),
        ("1000", pool),
    ];
    let mini = find(&target.join("mini-release/releases"));
    if !mini.is_empty() {
        sets.push(("mini release", mini));
    }
    for (name, files) in sets {
        let dir = target.join("bench-repo");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("the folder can be made");
        for file in &files {
            let name = file.file_name().expect("a file has a name");
            fs::hard_link(file, dir.join(name)).expect("a link can be made");
        }
        let bytes: u64 = files.iter().map(|file| size(file)).sum();
        println!(
            "\n{name}: {} RPMs, {:.1} MB",
            files.len(),
            bytes as f64 / 1e6
        );
        measure(&dir, runs).await;
        let _ = fs::remove_dir_all(&dir);
    }
}

/// Times every contender `runs` times, in turn, so that a machine that slows down does so for all.
async fn measure(dir: &Path, runs: usize) {
    let files = find(dir);
    let known: HashMap<String, String> = files
        .iter()
        .zip(hash(&files))
        .map(|(file, sha256)| {
            let name = file.file_name().unwrap_or_default();
            (name.to_string_lossy().into_owned(), sha256)
        })
        .collect();
    let mut times: [Vec<f64>; NAMES.len()] = std::array::from_fn(|_| Vec::new());
    // The first round fills the page cache.
    for round in 0..=runs {
        for (index, times) in times.iter_mut().enumerate() {
            // All but `nothing changed`, which comes right after a run that leaves repodata.
            if index != 4 {
                let _ = fs::remove_dir_all(dir.join("repodata"));
            }
            let mut create = CreateRepo::new(dir);
            create.workers = WORKERS;
            let started = Instant::now();
            match index {
                0 => drop(hash(&files)),
                5 => createrepo_c(dir).await,
                2 => {
                    create.compression = Compression::Gzip;
                    run(&create).await;
                }
                3 => {
                    create.known.clone_from(&known);
                    run(&create).await;
                }
                _ => run(&create).await,
            }
            if round > 0 {
                times.push(started.elapsed().as_secs_f64());
            }
        }
    }
    println!("{:<26}{:>9}{:>9}{:>9}", "seconds", "median", "min", "max");
    for (name, times) in NAMES.iter().zip(&times) {
        row(name, times.clone(), 4);
    }
    // The least disturbed run of each, where other work goes on beside the bench.
    let best = |index: usize| times[index].iter().copied().fold(f64::MAX, f64::min);
    println!(
        "best against best: ours / sha256 {:.2}, createrepo_c / ours {:.2}",
        best(1) / best(0),
        best(5) / best(1)
    );
    let ratio = |name: &str, one: usize, other: usize| {
        let ratios = times[one].iter().zip(&times[other]);
        row(name, ratios.map(|(one, other)| one / other).collect(), 2);
    };
    println!("ratios, round by round");
    ratio("ours / sha256", 1, 0);
    ratio("createrepo_c / ours", 5, 1);
    ratio("createrepo_c / ours gzip", 5, 2);
    ratio("createrepo_c / sha256", 5, 0);
}

fn row(name: &str, mut figures: Vec<f64>, digits: usize) {
    figures.sort_by(f64::total_cmp);
    if let (Some(min), Some(max)) = (figures.first(), figures.last()) {
        let median = figures[figures.len() / 2];
        println!("{name:<26}{median:>9.digits$}{min:>9.digits$}{max:>9.digits$}");
    }
}

async fn run(create: &CreateRepo) {
    create
        .run(&BuildContext::default())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}

async fn createrepo_c(dir: &Path) {
    let command = Invocation::new("createrepo_c")
        .arg("--quiet")
        .arg("--no-database")
        .arg("--workers")
        .arg(WORKERS.to_string())
        .arg(dir.display().to_string());
    let done = BuildContext::default().run(&command).await;
    done.unwrap_or_else(|error| panic!("{error}"));
}

/// The SHA-256 of each file, the work shared by [`WORKERS`] threads.
fn hash(files: &[PathBuf]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let mut sums: Vec<(usize, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WORKERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut sums = Vec::new();
                    let mut chunk = vec![0; 256 * 1024];
                    loop {
                        let index = next.fetch_add(1, Relaxed);
                        let Some(path) = files.get(index) else {
                            return sums;
                        };
                        let mut file = File::open(path).expect("the file opens");
                        let mut hash = Sha256::new();
                        loop {
                            match file.read(&mut chunk).expect("the file can be read") {
                                0 => break,
                                count => hash.update(&chunk[..count]),
                            }
                        }
                        let sum = hash.finalize();
                        let hex = sum.iter().map(|byte| format!("{byte:02x}")).collect();
                        sums.push((index, hex));
                    }
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|sums| sums.expect("no panic")).collect()
    });
    sums.sort();
    sums.into_iter().map(|(_, sum)| sum).collect()
}

/// 1,000 RPMs of 40 kB to 14 MB, with 5 to 250 files each, made once.
fn make_pool(folder: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(folder).expect("the folder can be made");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
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
}

/// The RPMs in `folder` and below it, sorted by name.
fn find(folder: &Path) -> Vec<PathBuf> {
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

fn size(file: &Path) -> u64 {
    file.metadata().map_or(0, |meta| meta.len())
}
