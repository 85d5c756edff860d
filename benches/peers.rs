//! The demo's boot image by `fbs build` and by each peer that is here, on the same repository with the
//! same packages, alternating: from an empty cache with the same compression and with each tool's own,
//! and again with one package newer. Prints medians with their spread, and the ratios round by round.
//!
//! kiwi is installed by `scripts/kiwi` (`FBS_BENCH_KIWI` names another); lorax and livecd-creator are
//! used where the host has them. `make bench` runs it; `FBS_BENCH_RUNS` sets the number of rounds
//! (default 3).

use std::fs;

use aside::put_aside;
use fbs_suite::{Folders, release};
use figures::{ratios, row};
use image_builder::host::Host;
use peer::{Compression, Image, Peer, Request, fbs};

#[path = "support/aside.rs"]
mod aside;
#[path = "support/demo.rs"]
mod demo;
#[path = "support/figures.rs"]
mod figures;
#[path = "support/kiwi.rs"]
mod kiwi;
#[path = "support/peer.rs"]
mod peer;

/// What is built, and whether with what the builds before it left.
const CASES: [(&str, Request, bool); 5] = [
    ("zstd:3, an empty cache", cold(Compression::Same), false),
    ("zstd:3, nothing changed", cold(Compression::Same), true),
    ("zstd:3, one package newer", newer(Compression::Same), true),
    (
        "zstd:3 for the root alone, an empty cache",
        cold(Compression::SameRoot),
        false,
    ),
    (
        "each tool's own compression, an empty cache",
        cold(Compression::Default),
        false,
    ),
];

const fn cold(compression: Compression) -> Request {
    Request {
        compression,
        newer: false,
    }
}

const fn newer(compression: Compression) -> Request {
    Request {
        compression,
        newer: true,
    }
}

fn main() {
    let runs: usize = std::env::var("FBS_BENCH_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(3);
    let host = Host::probe();
    println!(
        "\n{}, {} processors, {runs} rounds; load before: {}",
        host.system,
        host.processors,
        load()
    );
    release::mini();
    let mut peers: Vec<Contender> = Peer::all().into_iter().map(Contender::new).collect();
    if peers.is_empty() {
        println!("no peer is here: scripts/kiwi installs one");
    }
    let folders = Folders::new();
    let mut ours: [Vec<Image>; CASES.len()] = Default::default();
    // The first round fills the page cache.
    for round in 0..=runs {
        for (number, (_, request, keeps)) in CASES.into_iter().enumerate() {
            if !keeps {
                put_aside(&folders.cache(), folders.top());
            }
            let image = build(&folders, request);
            if round > 0 {
                ours[number].push(image);
            }
            for peer in &mut peers {
                peer.build(number, request, keeps, round > 0);
            }
        }
    }
    for (number, (title, ..)) in CASES.into_iter().enumerate() {
        print(title, number, &ours[number], &peers);
    }
    println!("\nload after: {}", load());
}

/// A peer with what it made in each case.
struct Contender {
    peer: Peer,
    folders: Folders,
    /// Those of earlier rounds, which are removed at the end.
    past: Vec<Folders>,
    images: [Vec<Image>; CASES.len()],
    /// Why there is nothing more of it.
    problem: Option<String>,
}

impl Contender {
    fn new(peer: Peer) -> Self {
        Self {
            peer,
            folders: Folders::new(),
            past: Vec::new(),
            images: Default::default(),
            problem: None,
        }
    }

    fn build(&mut self, case: usize, request: Request, keeps: bool, counts: bool) {
        if self.problem.is_some() {
            return;
        }
        if !keeps {
            let past = std::mem::replace(&mut self.folders, Folders::new());
            self.past.push(past);
        }
        match self.peer.build(&self.folders, request) {
            Ok(image) if counts => self.images[case].push(image),
            Ok(_) => {}
            Err(problem) => self.problem = Some(problem),
        }
    }
}

fn build(folders: &Folders, request: Request) -> Image {
    let done = fbs(folders, "examples/boot.conf", "native", request).run();
    done.assert_exit(0);
    let delivery = folders.delivery();
    let iso = delivery.iso().expect("it was built");
    let bytes = iso.metadata().expect("it is there").len();
    put_aside(&folders.staging(), folders.top());
    Image {
        seconds: done.seconds,
        bytes,
    }
}

fn print(title: &str, case: usize, ours: &[Image], peers: &[Contender]) {
    let seconds = |images: &[Image]| -> Vec<f64> { images.iter().map(|one| one.seconds).collect() };
    let megabytes = |images: &[Image]| images.last().map_or(0.0, |one| one.bytes as f64 / 1e6);
    println!("\n{title}");
    println!("{:<36}{:>9}{:>9}{:>9}", "seconds", "median", "min", "max");
    let mine = seconds(ours);
    row(&format!("fbs ({:.1} MB)", megabytes(ours)), &mine);
    for contender in peers {
        let name = contender.peer.name();
        if let Some(problem) = &contender.problem {
            println!("{name} made no image:\n  {problem}");
            continue;
        }
        let images = &contender.images[case];
        let theirs = seconds(images);
        row(&format!("{name} ({:.1} MB)", megabytes(images)), &theirs);
        let ratios = ratios(&theirs, &mine);
        row(&format!("{name} / fbs"), &ratios);
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        println!("  round by round: {}", each.join(", "));
    }
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
