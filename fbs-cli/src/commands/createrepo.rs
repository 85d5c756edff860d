//! `fbs createrepo`.

use image_builder::context::BuildContext;
use image_builder::error::{ErrorKind, StageError};
use image_builder::events::Events;
use image_builder::repo_create::{Compression, CreateRepo};

use super::cancelled_by_signals;
use crate::args::{self, CompressionArg};
use crate::exit::{self, Exit};
use crate::output::tell;

pub(crate) async fn run(args: &args::CreateRepo) -> Exit {
    let ctx = BuildContext::new(Events::new(), cancelled_by_signals());
    let mut repo = CreateRepo::new(&args.dir);
    repo.comps = args.comps.clone();
    repo.compression = match args.compression {
        CompressionArg::Zstd => Compression::Zstd,
        CompressionArg::Gz => Compression::Gzip,
    };
    if let Some(workers) = args.workers {
        repo.workers = workers.get();
    }
    match repo.run(&ctx).await {
        Ok(done) => {
            tell!(
                "{}: {} packages, {} of them unchanged, in {:.2} s",
                args.dir.display(),
                done.packages,
                done.reused,
                done.seconds
            );
            Exit::Done
        }
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            exit::say(&error);
            Exit::Cancelled
        }
        Err(error) => exit::error(&error),
    }
}
