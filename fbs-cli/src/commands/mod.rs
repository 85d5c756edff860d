//! One file a command.

mod boot_test;
mod build;
mod cache;
mod check;
mod createrepo;
mod deliver;
mod doctor;
mod kickstart;
mod logs;
mod new;
mod new_file;
mod plan;
mod queue;
mod respin;
mod server;
mod service;
mod side_request;
mod siderepo;
mod spec;
mod verify;
mod watched;

use image_builder::process::asked_to_end;
use tokio_util::sync::CancellationToken;

use crate::args::{Args, Command};
use crate::exit::Exit;
use crate::output::tell;

/// Runs the command and says how it ended.
pub(crate) async fn run(args: Args) -> Exit {
    match args.command {
        Command::Build(args) => build::run(&args).await,
        Command::Plan(args) => plan::run(&args).await,
        Command::Check(args) => check::run(&args).await,
        Command::New(args) => new::run(&args),
        Command::Kickstart(args) => kickstart::run(&args.command).await,
        Command::Logs(args) => logs::run(&args).await,
        Command::Submit(args) => queue::submit::run(&args).await,
        Command::Jobs(args) => queue::jobs::run(&args).await,
        Command::Status(args) => queue::status::run(&args).await,
        Command::Cancel(args) => queue::cancel::run(&args).await,
        Command::Retry(args) => queue::retry::run(&args).await,
        Command::Worker(args) => queue::worker::run(&args).await,
        Command::Workers(args) => queue::workers::run(&args).await,
        Command::SideRepo(args) => siderepo::run(&args).await,
        Command::CreateRepo(args) => createrepo::run(&args).await,
        Command::Cache(args) => cache::run(&args.command).await,
        Command::Respin(args) => respin::run(&args).await,
        Command::Verify(args) => verify::run(&args).await,
        Command::Deliver(args) => deliver::run(&args).await,
        Command::BootTest(args) => boot_test::run(&args).await,
        Command::Doctor(args) => doctor::run(&args),
    }
}

/// A token that Ctrl-C, SIGTERM and a closed terminal cancel: what runs is ended and cleared away.
fn cancelled_by_signals() -> CancellationToken {
    let cancel = CancellationToken::new();
    match asked_to_end() {
        Ok(mut asked) => {
            let cancel = cancel.clone();
            tokio::spawn(async move {
                if asked.recv().await.is_some() {
                    cancel.cancel();
                }
            });
        }
        Err(error) => tell!("warning: signals cannot be caught: {error}"),
    }
    cancel
}
