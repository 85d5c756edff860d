//! Times the stages of a build of the demo image, with zstd and with xz in turn, each from an empty cache,
//! then again with nothing changed and with one package newer; and prints the
//! medians with the memory that was used and the time that is our own: everything but waiting for a
//! program that the build started; and how much of that is overhead, neither packing nor checksums.
//! Beside them stands the floor, below which no build can be: reading the packages once and writing
//! the ISO once.
//!
//! Each build is a process of its own, as users start it: `fbs build`, optimised. `make bench` runs
//! this. `FBS_BENCH_RUNS` sets how many builds of each are timed (default 5).

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use aside::put_aside;
use fbs_suite::{Delivery, Folders, release};
use figures::{ratios, row};
use image_builder::events::Stage;
use image_builder::host::Host;
use image_builder::report::BuildReport;

#[path = "support/aside.rs"]
mod aside;
#[path = "support/demo.rs"]
mod demo;
#[path = "support/figures.rs"]
mod figures;

const COMPRESSIONS: [&str; 2] = ["zstd:3", "xz"];

/// What a build finds in the cache, in the order in which one follows from the other.
const CASES: [&str; 3] = ["an empty cache", "nothing changed", "one package changed"];

const STAGES: [Stage; 9] = [
    Stage::Check,
    Stage::Packages,
    Stage::Root,
    Stage::Initramfs,
    Stage::RootImage,
    Stage::Iso,
    Stage::Verify,
    Stage::Transfer,
    Stage::Clear,
];

fn main() {
    let runs = std::env::var("FBS_BENCH_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(5);
    let host = Host::probe();
    println!(
        "{}, {} processors, {runs} builds each",
        host.system, host.processors
    );
    release::mini();
    let folders = Folders::new();
    let of_each =
        |compression: &&str| CASES.map(|case| (format!("{compression}, {case}"), Vec::new()));
    let mut results: Vec<(String, Vec<Run>)> = COMPRESSIONS.iter().flat_map(of_each).collect();
    // In turn, so that a machine that slows down does so for all. The first round is not counted.
    for round in 0..=runs {
        let mut results = results.iter_mut();
        for compression in COMPRESSIONS {
            put_aside(&folders.cache(), folders.top());
            for case in CASES {
                let run = Run::measure(&folders, compression, case == CASES[2]);
                if let Some((_, runs)) = results.next().filter(|_| round > 0) {
                    runs.push(run);
                }
            }
        }
    }
    for (title, runs) in &results {
        print(title, runs);
    }
}

/// One build.
struct Run {
    report: BuildReport,
    /// From the start of the process to its end.
    seconds: f64,
    floor: Floor,
}

/// What no way of building can do without, in seconds.
struct Floor {
    /// The image's packages, read once; they are in the page cache, as they are for the build.
    reading: f64,
    /// A file of the ISO's bytes, written once.
    writing: f64,
}

impl Floor {
    fn measure(folders: &Folders, delivery: &Delivery) -> Self {
        let packages: Vec<PathBuf> = delivery.packages().iter().map(|name| file(name)).collect();
        let started = Instant::now();
        for package in &packages {
            fs::read(package).unwrap_or_else(|error| panic!("{}: {error}", package.display()));
        }
        let reading = started.elapsed().as_secs_f64();
        let iso = fs::read(delivery.iso().expect("it was built")).expect("it is ours");
        let started = Instant::now();
        let written = folders.file("written.iso", iso);
        let writing = started.elapsed().as_secs_f64();
        fs::remove_file(written).expect("it is ours");
        Self { reading, writing }
    }
}

/// The file of a package, `name-[epoch:]version-release.arch`, in the mini release.
fn file(package: &str) -> PathBuf {
    let name: String = match package.split_once(':') {
        Some((front, version)) => {
            let name = front.rsplit_once('-').map_or(front, |(name, _epoch)| name);
            format!("{name}-{version}")
        }
        None => package.to_owned(),
    };
    let folder = |url: String| PathBuf::from(url.trim_start_matches("file://")).join("Packages");
    let file = folder(release::packages()).join(format!("{name}.rpm"));
    match file.is_file() {
        true => file,
        false => folder(release::updates()).join(format!("{name}.rpm")),
    }
}

impl Run {
    fn measure(folders: &Folders, compression: &str, newer: bool) -> Self {
        let build = demo::build(folders, "examples/boot.conf", newer);
        let done = build.set("compression", compression).run();
        done.assert_exit(0);
        let delivery = folders.delivery();
        let floor = Floor::measure(folders, &delivery);
        let report = serde_json::from_value(delivery.report)
            .unwrap_or_else(|error| panic!("the report: {error}"));
        fs::remove_dir_all(&delivery.folder)
            .unwrap_or_else(|error| panic!("{}: {error}", delivery.folder.display()));
        Self {
            report,
            seconds: done.seconds,
            floor,
        }
    }

    fn stage(&self, stage: Stage) -> f64 {
        let stages = self
            .report
            .stages
            .iter()
            .filter(|record| record.stage == stage);
        stages.map(|record| record.seconds).sum()
    }

    /// Outside the programs: work of our own for which others start one, too, and [overhead](Self::overhead).
    fn own_seconds(&self) -> f64 {
        self.seconds - self.report.time.command_seconds
    }

    /// Neither a program ran, nor work of our own for which others start one: packing, checksums.
    fn overhead(&self) -> f64 {
        self.own_seconds() - self.report.time.work_seconds
    }
}

fn print(title: &str, runs: &[Run]) {
    let size = runs.first().map_or(0, |run| run.report.files[0].size);
    println!("\n{title}: {:.1} MB ISO", size as f64 / 1e6);
    println!("{:<36}{:>9}{:>9}{:>9}", "", "median", "min", "max");
    let show = |name: &str, figure: &dyn Fn(&Run) -> f64| {
        let figures: Vec<f64> = runs.iter().map(figure).collect();
        row(name, &figures);
    };
    for stage in STAGES {
        show(&format!("{} s", stage.title()), &|run| run.stage(stage));
    }
    show("whole build s", &|run| run.seconds);
    show("floor: reading the packages s", &|run| run.floor.reading);
    show("floor: writing the ISO s", &|run| run.floor.writing);
    let of = |figure: fn(&Run) -> f64| -> Vec<f64> { runs.iter().map(figure).collect() };
    let floor = of(|run| run.floor.reading + run.floor.writing);
    row(
        "whole build / floor",
        &ratios(&of(|run| run.seconds), &floor),
    );
    show("outside the programs s", &Run::own_seconds);
    show("of that, neither packing nor checksums s", &Run::overhead);
    show("the same, % of build", &|run| {
        100.0 * run.overhead() / run.seconds
    });
    show("peak memory of ours MiB", &|run| {
        run.report.memory.own_kib as f64 / 1024.0
    });
    show("peak memory of a program MiB", &|run| {
        run.report.memory.command_kib as f64 / 1024.0
    });
}
