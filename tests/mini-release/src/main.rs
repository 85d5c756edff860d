//! The command line of the mini release.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mini_release::{Error, MiniRelease, Repository, Server};

/// Makes a small RPM release from Debian packages.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the release, or reuse a current one
    Make {
        /// Folder of the release
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Folder in which Debian's packages are kept
        #[arg(long, value_name = "DIR")]
        cache: Option<PathBuf>,
    },
    /// Serve a release over HTTP; the first line printed is its URL
    Serve {
        /// Folder of the release
        dir: PathBuf,
        /// Address to listen at; port 0 is any free one
        #[arg(long, default_value = "127.0.0.1:0")]
        addr: SocketAddr,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Make { out, cache } => make(&out, cache.as_deref()),
        Command::Serve { dir, addr } => serve(&dir, addr),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn make(out: &std::path::Path, cache: Option<&std::path::Path>) -> Result<(), Error> {
    let release = MiniRelease::make(out, cache)?;
    let how = if release.is_reused() {
        "is current"
    } else {
        "is made"
    };
    eprintln!("Mini Release {} {how}", release.number());
    for repository in Repository::ALL {
        println!("{}", release.file_url(repository));
    }
    Ok(())
}

fn serve(dir: &std::path::Path, addr: SocketAddr) -> Result<(), Error> {
    let failed = |source| Error::Io {
        path: dir.to_owned(),
        source,
    };
    dir.read_dir().map_err(failed)?;
    let server = Server::start_at(dir, addr).map_err(|source| Error::Io {
        path: addr.to_string().into(),
        source,
    })?;
    println!("{}", server.url());
    server.wait();
    Ok(())
}
