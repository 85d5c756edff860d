//! Times the stages of a build of the demo image, with zstd and with xz in turn, each from an empty cache,
//! then again with nothing changed and with one package newer; and prints the
//! medians with the memory that was used and the share of time that is our own: everything but
//! waiting for a program that the build started.
//!
//! Each build is a process of its own, as users start it: `fbs build`, optimised. `make bench` runs
//! this. `FBS_BENCH_RUNS` sets how many builds of each are timed (default 5).

use fbs_suite::{Folders, binaries, release};
use image_builder::events::Stage;
use image_builder::host::Host;
use image_builder::report::BuildReport;

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
            std::fs::remove_dir_all(folders.cache()).unwrap_or_else(|error| panic!("{error}"));
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
}

impl Run {
    fn measure(folders: &Folders, compression: &str, newer: bool) -> Self {
        let example = binaries::workspace().join("examples/boot.conf");
        let build = folders
            .fbs_spec("build", &example)
            .set("packages", "@core;fbs-hello")
            .set("compression", compression)
            .set("boot_test", "none");
        let build = match newer {
            true => build
                .set("updates", "yes")
                .set("99-updates_url", release::updates()),
            false => build,
        };
        let done = build.run();
        done.assert_exit(0);
        let delivery = folders.delivery();
        let report = serde_json::from_value(delivery.report)
            .unwrap_or_else(|error| panic!("the report: {error}"));
        std::fs::remove_dir_all(&delivery.folder)
            .unwrap_or_else(|error| panic!("{}: {error}", delivery.folder.display()));
        Self {
            report,
            seconds: done.seconds,
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

    fn own_seconds(&self) -> f64 {
        self.seconds - self.report.time.command_seconds
    }
}

fn print(compression: &str, runs: &[Run]) {
    let size = runs.first().map_or(0, |run| run.report.files[0].size);
    println!("\n{compression}: {:.1} MB ISO", size as f64 / 1e6);
    println!("{:<34}{:>9}{:>9}{:>9}", "", "median", "min", "max");
    for stage in STAGES {
        row(&format!("{} s", stage.title()), runs, |run| {
            run.stage(stage)
        });
    }
    row("whole build s", runs, |run| run.seconds);
    row("outside the programs s", runs, Run::own_seconds);
    row("outside the programs % of build", runs, |run| {
        100.0 * run.own_seconds() / run.seconds
    });
    row("peak memory of ours MiB", runs, |run| {
        run.report.memory.own_kib as f64 / 1024.0
    });
    row("peak memory of a program MiB", runs, |run| {
        run.report.memory.command_kib as f64 / 1024.0
    });
}

fn row(name: &str, runs: &[Run], figure: impl Fn(&Run) -> f64) {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (figures.first(), figures.last()) else {
        return;
    };
    let median = figures[figures.len() / 2];
    println!("{name:<34}{median:>9.2}{min:>9.2}{max:>9.2}");
}
