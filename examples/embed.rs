//! Embeds the library: builds an image from a spec that is made in the program, prints what
//! happens, stops on Ctrl-C, and lists the packages that the finished image holds.
//!
//! ```text
//! make mini-release
//! cargo run --example embed -- target/mini-release/releases/99/Everything/x86_64/os
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use image_builder::error::StageError;
use image_builder::events::{BuildEvent, EventKind, Events};
use image_builder::imagebuilder::{BuildFailure, ImageBuilder};
use image_builder::report::BuildReport;
use image_builder::spec::{BuildSpec, Format};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(repository) = std::env::args().nth(1) else {
        eprintln!("usage: embed REPOSITORY (the folder that holds repodata/, or its URL)");
        return ExitCode::from(2);
    };
    match build(&repository).await {
        Ok(report) => {
            println!("\n{} packages:", report.packages.len());
            for package in &report.packages {
                println!("  {package}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn build(repository: &str) -> Result<BuildReport, Box<dyn std::error::Error>> {
    let text = format!(
        "[DEFAULT]\n\
         type = boot\n\
         release = 99\n\
         staging = ./fbs-images\n\
         [boot]\n\
         99_url = {repository}\n\
         packages = @core;fbs-hello\n"
    );
    // The name stands for the text in mistakes: "embed.rs:6: [boot] 99_url: ...". A text has no
    // folder, so relative paths in it count from the current one.
    let mut spec = BuildSpec::parse(&text, Format::Ini, "embed.rs")?;
    spec.base_dir = Some(std::env::current_dir()?);

    let builder = ImageBuilder::new(spec)
        .with_events(printed())
        .with_cancel(cancelled_by_ctrl_c());
    let plan = builder.plan().await?;
    match builder.build(&plan).await {
        Ok(report) => Ok(report),
        Err(BuildFailure { error, report, .. }) => {
            // The way out, and where the log is: it is delivered even then.
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            if let Some(folder) = report.as_ref().and_then(|report| report.delivered_to()) {
                eprintln!("log in {folder}");
            }
            Err(error.into())
        }
    }
}

/// A stream whose events are printed as they come.
fn printed() -> Events {
    let events = Events::new();
    events.add_sink(Arc::new(|event: &BuildEvent| match &event.kind {
        EventKind::StageStarted { stage } => println!("{} ...", stage.title()),
        EventKind::Artifact { path, size, .. } => println!("{} ({size} bytes)", path.display()),
        EventKind::JobFinished { outcome, seconds } => println!("{outcome} in {seconds} s"),
        _ => {}
    }));
    events
}

/// A token that Ctrl-C cancels.
fn cancelled_by_ctrl_c() -> CancellationToken {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    cancel
}
