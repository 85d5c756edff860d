//! A file of 1 GiB to each kind of staging place on this host: over FTP beside `curl -T`, over SFTP
//! beside `scp`, into a folder of another file system beside `cp --reflink=auto`, in turn. Ours
//! hashes what it sends in the same pass; where the peer's work is said to end with a read-back, so
//! does ours. Prints medians with their spread, the ratios of the speeds, and our memory.
//!
//! `make bench` runs it; `FBS_BENCH_RUNS` sets the number of rounds (default 3).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fbs_suite::Program;
use fbs_suite::ftp::{Options, Vsftpd};
use fbs_suite::noise::noise;
use fbs_suite::ssh::Sshd;
use figures::{ratios, row};
use image_builder::context::CancellationToken;
use image_builder::digest::sha256_file;
use image_builder::plan::Staging;
use image_builder::report;
use image_builder::transfer::{self, Delivery, Progress, StagingSettings};

#[path = "support/figures.rs"]
mod figures;

const SIZE: usize = 1 << 30;

#[tokio::main]
async fn main() {
    let runs: usize = std::env::var("FBS_BENCH_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(3);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let dir = target.join("bench-transfer");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("target/ is ours");
    let file = dir.join("image.iso");
    write(&file);
    let ftp = Vsftpd::start(&dir.join("ftp"), &Options::default());
    let ssh = Sshd::start(&dir.join("ssh"));
    let other = Disk::mount(&dir.join("other"));
    let (far_ftp, far_ssh) = (ftp.make_pub(), dir.join("far"));
    fs::create_dir(&far_ssh).expect("target/ is ours");
    let sha256 = sha256_file(&file).await.expect("it was written");
    let bench = Bench {
        file: &file,
        sha256,
        runs,
    };

    println!("\n1 GiB, seconds");
    println!("{:<36}{:>9}{:>9}{:>9}", "", "median", "min", "max");
    let url = format!("ftp://127.0.0.1:{}/pub", ftp.port);
    let curl = |script: &str| {
        sh(
            script,
            &[("FILE", path(&file)), ("URL", format!("{url}/peer"))],
        )
    };
    let upload = "curl -sS -T \"$FILE\" \"$URL\"";
    let both = format!("{upload} && curl -sS \"$URL\" | sha256sum");
    bench
        .pair("FTP", &far_ftp, &url, Mode::Known, "curl -T", || {
            curl(upload)
        })
        .await;
    bench
        .pair(
            "FTP, hashed",
            &far_ftp,
            &url,
            Mode::Hashed,
            "curl -T",
            || curl(upload),
        )
        .await;
    bench
        .pair(
            "FTP, read back",
            &far_ftp,
            &url,
            Mode::ReadBack,
            "curl twice",
            || curl(&both),
        )
        .await;

    let url = format!("sftp://root@127.0.0.1:{}{}", ssh.port, far_ssh.display());
    let options = format!(
        "-q -P {} -i {} -o UserKnownHostsFile={}",
        ssh.port,
        ssh.key.display(),
        ssh.known_hosts.display()
    );
    let vars = [
        ("FILE", path(&file)),
        ("FAR", format!("root@127.0.0.1:{}/peer", far_ssh.display())),
        ("BACK", path(&dir.join("back"))),
    ];
    let upload = format!("scp {options} \"$FILE\" \"$FAR\"");
    let both = format!("{upload} && scp {options} \"$FAR\" \"$BACK\" && sha256sum \"$BACK\"");
    let settings = StagingSettings {
        identity_file: Some(ssh.key.clone()),
        known_hosts_file: Some(ssh.known_hosts.clone()),
        ..StagingSettings::default()
    };
    let sftp = bench.with(settings);
    sftp.pair("SFTP", &far_ssh, &url, Mode::Known, "scp", || {
        sh(&upload, &vars)
    })
    .await;
    sftp.pair("SFTP, hashed", &far_ssh, &url, Mode::Hashed, "scp", || {
        sh(&upload, &vars)
    })
    .await;
    sftp.pair(
        "SFTP, read back",
        &far_ssh,
        &url,
        Mode::ReadBack,
        "scp twice",
        || sh(&both, &vars),
    )
    .await;

    let vars = [("FILE", path(&file)), ("FAR", path(&other.0.join("peer")))];
    let copy = || sh("cp --reflink=auto \"$FILE\" \"$FAR\"", &vars);
    let name = "folder of another file system";
    bench
        .pair(name, &other.0, &path(&other.0), Mode::Known, "cp", copy)
        .await;
    let near = dir.join("near");
    fs::create_dir(&near).expect("target/ is ours");
    let vars = [("FILE", path(&file)), ("FAR", path(&near.join("peer")))];
    let copy = || sh("cp --reflink=auto \"$FILE\" \"$FAR\"", &vars);
    bench
        .pair("folder", &near, &path(&near), Mode::Known, "cp", copy)
        .await;
    println!(
        "peak memory of our process: {} MiB",
        report::memory().own_kib >> 10
    );
    drop((ftp, ssh, other));
    let _ = fs::remove_dir_all(&dir);
}

struct Bench<'a> {
    file: &'a Path,
    sha256: String,
    runs: usize,
}

/// What becomes of the checksum.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// It is known already, as that of an image is whose build has read it back.
    Known,
    /// It is made while the file is sent.
    Hashed,
    /// And the file is read back and compared.
    ReadBack,
}

struct WithSettings<'a> {
    bench: &'a Bench<'a>,
    settings: StagingSettings,
}

impl Bench<'_> {
    fn with(&self, settings: StagingSettings) -> WithSettings<'_> {
        WithSettings {
            bench: self,
            settings,
        }
    }

    async fn pair(
        &self,
        name: &str,
        far: &Path,
        url: &str,
        mode: Mode,
        peer_name: &str,
        peer: impl Fn(),
    ) {
        self.with(StagingSettings::default())
            .pair(name, far, url, mode, peer_name, peer)
            .await;
    }
}

impl WithSettings<'_> {
    /// Ours and the peer in turn; what they leave at the far side is removed between.
    async fn pair(
        &self,
        name: &str,
        far: &Path,
        url: &str,
        mode: Mode,
        peer_name: &str,
        peer: impl Fn(),
    ) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..=self.bench.runs {
            let started = Instant::now();
            self.put(url, mode).await;
            let own = started.elapsed().as_secs_f64();
            empty(far);
            let started = Instant::now();
            peer();
            let other = started.elapsed().as_secs_f64();
            empty(far);
            // The first round fills the page cache.
            if round > 0 {
                ours.push(own);
                theirs.push(other);
            }
        }
        row(name, &ours);
        row(peer_name, &theirs);
        row(&format!("  {peer_name} / ours"), &ratios(&theirs, &ours));
    }

    async fn put(&self, url: &str, mode: Mode) {
        let address: image_builder::spec::Address = url.parse().expect("it is an address");
        let staging = Staging::of(&address, Path::to_owned);
        let settings = StagingSettings {
            read_back: Some(mode == Mode::ReadBack),
            ..self.settings.clone()
        };
        let transfer = transfer::open(&staging, &settings).expect("the settings are right");
        let folder = transfer.reserve("x").await.expect("there is room");
        let delivery = Delivery {
            file: self.bench.file.to_owned(),
            name: "image.iso".to_owned(),
            sha256: (mode == Mode::Known).then(|| self.bench.sha256.clone()),
        };
        let (silent, cancel) = (Progress::silent(), CancellationToken::new());
        let done = transfer.put(&folder, &delivery, &silent, &cancel);
        done.await.expect("it is delivered");
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn sh(script: &str, vars: &[(&str, String)]) {
    let sh = Program::new("sh").args(["-c", script]);
    let sh = vars
        .iter()
        .fold(sh, |sh, (name, value)| sh.env(name, value));
    sh.run().assert_exit(0);
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        let path = entry.path();
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.expect("it can be removed");
    }
}

/// Bytes that do not compress and are not all the same.
fn write(path: &Path) {
    let block = noise(1 << 20);
    let mut file = fs::File::create(path).expect("target/ is ours");
    for _ in 0..SIZE / block.len() {
        file.write_all(&block).expect("there is room");
    }
}

/// A file system in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Self {
        fs::create_dir(at).expect("target/ is ours");
        sh(
            "mount -t tmpfs -o size=2500m tmpfs \"$AT\"",
            &[("AT", path(at))],
        );
        Self(at.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        sh("umount -l \"$AT\"", &[("AT", path(&self.0))]);
    }
}
