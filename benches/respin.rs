//! A file and a kernel argument more on a boot ISO of 230 MB: `fbs respin` against mkksiso where the
//! host has it, and against the plain commands (xorriso with `replay`, implantisomd5, sha256sum) in
//! any case, in turn. Prints medians with their spread, and the ratios.
//!
//! `make bench` runs it; `FBS_BENCH_RUNS` sets the number of rounds (default 5). The ISO is one of
//! the mini release, with as much on top as makes it so large; `FBS_BENCH_ISO` names another.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fbs_suite::{Folders, Program, binaries, release, tools};
use figures::{ratios, row};

#[path = "support/figures.rs"]
mod figures;

const BYTES: u64 = 230_000_000;

fn main() {
    let runs: usize = std::env::var("FBS_BENCH_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(5);
    let folders = Folders::new();
    let iso = std::env::var_os("FBS_BENCH_ISO").map_or_else(|| image(&folders), PathBuf::from);
    let notes = folders.file("notes.txt", "one line more\n");
    let mkksiso = tools::find("mkksiso");
    println!("\n{:.1} MB ISO", size(&iso) as f64 / 1e6);
    let (mut ours, mut plain, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=runs {
        let first = time(&folders, |out| {
            let respin = folders.fbs("respin").arg(&iso).arg("--add").arg(&notes);
            let respin = respin.args(["--cmdline", "fbs.bench=1", "--out"]).arg(out);
            respin.run().assert_exit(0);
        });
        let second = time(&folders, |out| by_hand(&folders, &iso, &notes, out));
        let third = mkksiso.as_ref().map(|mkksiso| {
            time(&folders, |out| {
                let mkksiso = Program::new(mkksiso).arg("--add").arg(&notes);
                let mkksiso = mkksiso
                    .args(["--cmdline", "fbs.bench=1"])
                    .arg(&iso)
                    .arg(out);
                mkksiso.run().assert_exit(0);
            })
        });
        // The first round fills the page cache.
        if round > 0 {
            ours.push(first);
            plain.push(second);
            theirs.extend(third);
        }
    }
    println!("{:<36}{:>9}{:>9}{:>9}", "seconds", "median", "min", "max");
    row("fbs respin", &ours);
    row("xorriso, implantisomd5, sha256sum", &plain);
    if mkksiso.is_some() {
        row("mkksiso (no SHA-256)", &theirs);
    } else {
        println!("mkksiso is not there: it is in Fedora's package lorax");
    }
    println!("ratios, round by round");
    row("plain commands / fbs", &ratios(&plain, &ours));
    if mkksiso.is_some() {
        row("mkksiso / fbs", &ratios(&theirs, &ours));
    }
}

/// What somebody types who has the changed menu already.
fn by_hand(folders: &Folders, iso: &Path, notes: &Path, out: &Path) {
    let menu = folders.top().join("grub.cfg");
    let _ = fs::remove_file(&menu);
    let extract = Program::new("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(iso)
        .args(["-extract", "/boot/grub2/grub.cfg"])
        .arg(&menu);
    extract.run().assert_exit(0);
    let text = fs::read_to_string(&menu).expect("it was extracted");
    fs::write(
        &menu,
        text.replace("rd.live.image", "rd.live.image fbs.bench=1"),
    )
    .expect("it is ours");
    let write = Program::new("xorriso")
        .arg("-indev")
        .arg(iso)
        .arg("-outdev")
        .arg(out)
        .args(["-boot_image", "any", "replay", "-update"])
        .arg(&menu)
        .args(["/boot/grub2/grub.cfg", "-map"])
        .arg(notes)
        .arg("/notes.txt");
    write.run().assert_exit(0);
    Program::new("implantisomd5").arg(out).run().assert_exit(0);
    Program::new("sha256sum").arg(out).run().assert_exit(0);
}

/// Seconds that `make` takes for a new image.
fn time(folders: &Folders, make: impl Fn(&Path)) -> f64 {
    let out = folders.top().join("new.iso");
    let started = Instant::now();
    make(&out);
    let seconds = started.elapsed().as_secs_f64();
    fs::remove_file(out).expect("it was made");
    seconds
}

fn image(folders: &Folders) -> PathBuf {
    release::mini();
    let example = binaries::workspace().join("examples/boot.conf");
    let build = folders.fbs_spec("build", &example).set("boot_test", "none");
    build.run().assert_exit(0);
    let built = folders.delivery().iso().expect("it was built");
    // Bytes that no file system leaves out.
    let more = usize::try_from(BYTES.saturating_sub(size(&built))).unwrap_or_default();
    let bytes: Vec<u8> = (0..more)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let filler = folders.file("filler", bytes);
    let iso = folders.top().join("large.iso");
    let respin = folders
        .fbs("respin")
        .arg(built)
        .arg("--add")
        .arg(filler)
        .arg("--out");
    respin.arg(&iso).run().assert_exit(0);
    iso
}

fn size(path: &Path) -> u64 {
    path.metadata().expect("it is there").len()
}
