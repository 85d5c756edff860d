//! `fbs-test-hub`: the hub as a program, for the demo.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hub::Hub;

/// Serves folders of RPMs as the builds of a Koji hub, on 127.0.0.1
///
/// The first two lines printed are what to put into the environment of fbs.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 80)]
struct Cli {
    /// Folders of RPMs, each one build: DIR, or NAME-VERSION-RELEASE=DIR
    #[arg(value_name = "BUILD")]
    builds: Vec<String>,
    /// A tag that all of them are in
    #[arg(long)]
    tag: Option<String>,
    /// Port to listen at; 0 is any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Milliseconds that every answer takes longer
    #[arg(long, default_value_t = 0, value_name = "MS")]
    latency: u64,
}

fn main() -> ExitCode {
    match serve(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let hub = Hub::empty_at(cli.port)?;
    hub.set_latency(Duration::from_millis(cli.latency));
    println!("FBS_KOJI_HUB={}", hub.hub_url());
    println!("FBS_KOJI_FILES={}", hub.files_url());
    for build in &cli.builds {
        let (nvr, folder) = match build.split_once('=') {
            Some((nvr, folder)) => (Some(nvr), PathBuf::from(folder)),
            None => (None, PathBuf::from(build)),
        };
        let id = hub.publish(&folder, nvr)?;
        if let Some(tag) = &cli.tag {
            hub.tag(tag, id);
        }
        println!("build {id}: {}", folder.display());
    }
    hub.wait();
    Ok(())
}
