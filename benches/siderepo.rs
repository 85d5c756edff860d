//! From the names of 20 builds to a finished repository of their 300 RPMs, from a hub whose answers
//! take 20 ms: `fbs siderepo` against `koji download-build` for each build and `createrepo_c
//! --workers 2 --no-database` behind it, in turn. Prints medians with their spread, and the ratio.
//!
//! `make bench` runs it; `FBS_BENCH_RUNS` sets the number of rounds (default 3). The peer is Koji's
//! own command line client, which `scripts/koji-client` installs; `FBS_BENCH_KOJI` names another.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use figures::{ratios, row};
use hub::Hub;
use image_builder::context::BuildContext;
use image_builder::process::Invocation;
use rpm_pool::{find, make_pool, size};

#[path = "support/figures.rs"]
mod figures;
#[path = "support/rpm_pool.rs"]
mod rpm_pool;

const BUILDS: usize = 20;
const RPMS: usize = 300;
const LATENCY: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let runs: usize = std::env::var("FBS_BENCH_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(3);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let pool = make_pool(&target.join("bench-rpms"));
    let dir = target.join("bench-siderepo");
    let _ = fs::remove_dir_all(&dir);
    let hub = Hub::empty().expect("the hub starts");
    let nvrs = publish(&hub, &pool[..RPMS], &dir.join("builds"));
    hub.set_latency(LATENCY);
    let fbs = target.join("release/fbs");
    assert!(
        fbs.is_file(),
        "{} is missing: `make bench` builds it",
        fbs.display()
    );
    let koji = std::env::var_os("FBS_BENCH_KOJI")
        .map_or_else(|| target.join("koji-client/bin/koji"), PathBuf::from);
    let peer = koji.is_file();
    let bytes: u64 = pool[..RPMS].iter().map(|file| size(file)).sum();
    println!(
        "\n{BUILDS} builds, {RPMS} RPMs, {:.1} MB, {} ms",
        bytes as f64 / 1e6,
        LATENCY.as_millis()
    );
    let (mut ours, mut again, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=runs {
        let _ = fs::remove_dir_all(dir.join("cache"));
        let first = time(side_repo(&fbs, &hub, &nvrs, &dir)).await;
        let second = time(side_repo(&fbs, &hub, &nvrs, &dir)).await;
        let other = match peer {
            true => Some(time(download_builds(&koji, &hub, &nvrs, &dir)).await),
            false => None,
        };
        // The first round fills the page cache.
        if round > 0 {
            ours.push(first);
            again.push(second);
            theirs.extend(other);
        }
    }
    println!("{:<36}{:>9}{:>9}{:>9}", "seconds", "median", "min", "max");
    row("fbs siderepo", &ours);
    row("fbs siderepo, RPMs in the cache", &again);
    if peer {
        row("koji download-build, createrepo_c", &theirs);
        println!("ratios, round by round");
        row("koji and createrepo_c / fbs", &ratios(&theirs, &ours));
    } else {
        println!(
            "{} is not there: nothing to compare with (scripts/koji-client)",
            koji.display()
        );
    }
    let _ = fs::remove_dir_all(&dir);
}

/// Puts the RPMs into the hub as equal builds; their names.
fn publish(hub: &Hub, rpms: &[PathBuf], dir: &Path) -> Vec<String> {
    let mut nvrs = Vec::new();
    for (number, rpms) in rpms.chunks(RPMS / BUILDS).enumerate() {
        let nvr = format!("build{number:02}-1.0-1.fc43");
        let folder = dir.join(&nvr);
        fs::create_dir_all(&folder).expect("the folder can be made");
        for rpm in rpms {
            let name = rpm.file_name().expect("a file has a name");
            fs::hard_link(rpm, folder.join(name)).expect("a link can be made");
        }
        hub.publish(&folder, Some(&nvr)).expect("they are RPMs");
        nvrs.push(nvr);
    }
    nvrs
}

async fn side_repo(fbs: &Path, hub: &Hub, nvrs: &[String], dir: &Path) {
    let out = dir.join("ours");
    let _ = fs::remove_dir_all(&out);
    let mut command = Invocation::new(fbs.display().to_string())
        .args(["siderepo", "--arch", "x86_64", "--out"])
        .path(&out)
        .env("FBS_KOJI_HUB", hub.hub_url())
        .env("FBS_KOJI_FILES", hub.files_url())
        .env("FBS_CACHE_DIR", dir.join("cache").display().to_string());
    for nvr in nvrs {
        command = command.args(["--nvr", nvr]);
    }
    run(command).await;
    assert_eq!(find(&out).len(), RPMS);
}

/// As somebody does it by hand: one client for each build, one file after the other.
async fn download_builds(koji: &Path, hub: &Hub, nvrs: &[String], dir: &Path) {
    let out = dir.join("theirs");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).expect("the folder can be made");
    let config = dir.join("koji.conf");
    let files = hub.files_url();
    let text = format!(
        "[koji]\nserver = {}\ntopurl = {}\n",
        hub.hub_url(),
        files.trim_end_matches('/')
    );
    fs::write(&config, text).expect("the file can be written");
    for nvr in nvrs {
        let command = Invocation::new(koji.display().to_string())
            .arg("-c")
            .path(&config)
            .args(["--noauth", "download-build", "--noprogress", "--quiet"])
            .args(["--arch", "x86_64", "--arch", "noarch"])
            .arg(nvr)
            .cwd(&out);
        run(command).await;
    }
    let create = Invocation::new("createrepo_c")
        .args(["--quiet", "--no-database", "--workers", "2"])
        .path(&out);
    run(create).await;
    assert_eq!(find(&out).len(), RPMS);
}

async fn time(work: impl Future<Output = ()>) -> f64 {
    let started = Instant::now();
    work.await;
    started.elapsed().as_secs_f64()
}

async fn run(command: Invocation) {
    let done = BuildContext::default().run(&command).await;
    done.unwrap_or_else(|error| panic!("{error}: {}", error.tail().join("\n")));
}
