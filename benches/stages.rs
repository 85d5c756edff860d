//! Times the stages of a build of the demo image, with zstd and with xz in turn, and prints the
//! medians with the memory that was used and the share of time that is our own: everything but
//! waiting for a program that the build started.
//!
//! `make bench` runs it. `FBS_BENCH_RUNS` sets how many builds of each are timed (default 5).

use std::path::{Path, PathBuf};
use std::time::Instant;

use image_builder::events::Stage;
use image_builder::host::Host;
use image_builder::imagebuilder::ImageBuilder;
use image_builder::plan::PlanOptions;
use image_builder::report::BuildReport;
use image_builder::spec::{BuildSpec, Override};

const COMPRESSIONS: [&str; 2] = ["zstd:3", "xz"];

const STAGES: [Stage; 8] = [
    Stage::Check,
    Stage::Packages,
    Stage::Root,
    Stage::Initramfs,
    Stage::RootImage,
    Stage::Iso,
    Stage::Verify,
    Stage::Transfer,
];

#[tokio::main]
async fn main() {
    let runs = std::env::var("FBS_BENCH_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(5);
    let host = Host::probe();
    println!(
        "{}, {} processors, {runs} builds each",
        host.system, host.processors
    );
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    let mut results: Vec<Vec<Run>> = COMPRESSIONS.iter().map(|_| Vec::new()).collect();
    // In turn, so that a machine that slows down does so for both. The first round fills caches.
    for round in 0..=runs {
        for (compression, results) in COMPRESSIONS.iter().zip(&mut results) {
            let run = Run::measure(&folder, compression).await;
            if round > 0 {
                results.push(run);
            }
        }
    }
    for (compression, runs) in COMPRESSIONS.iter().zip(&results) {
        print(compression, runs);
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// One build.
struct Run {
    report: BuildReport,
    /// From the spec's text to the delivered report and the removed work directory.
    seconds: f64,
}

impl Run {
    async fn measure(folder: &Path, compression: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let staging = folder.join("images");
        let set = [
            ("compression", compression.to_owned()),
            ("boot_test", "none".to_owned()),
            ("staging", staging.display().to_string()),
            ("workdir", folder.join("work").display().to_string()),
        ];
        let set = set.map(|(key, value)| Override::new(key, value));
        let options = PlanOptions {
            cache_dir: folder.join("cache"),
            ..PlanOptions::from_environment()
        };
        let started = Instant::now();
        let spec = BuildSpec::load_with(root.join("examples/boot.conf"), &set)
            .unwrap_or_else(|error| panic!("{error}"));
        let builder = ImageBuilder::new(spec).with_options(options);
        let plan = builder.plan().unwrap_or_else(|error| panic!("{error}"));
        let report = builder
            .build(&plan)
            .await
            .unwrap_or_else(|failure| panic!("{failure}"));
        let seconds = started.elapsed().as_secs_f64();
        let _ = std::fs::remove_dir_all(&staging);
        Self { report, seconds }
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
