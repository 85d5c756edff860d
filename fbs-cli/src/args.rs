//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use image_builder::spec::{Arch, ImageType, Location, Override, Package, Release, Timeout};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the build, the check or the boot test failed
  2    wrong usage, or a wrong spec
  3    the host lacks something: a tool, a privilege, space
  4    the network or a remote service failed
  130  cancelled

Environment:
  FBS_CACHE_DIR   caches shared by all builds (default /var/cache/fbs)";

/// From a small build spec to a tested Fedora image
#[derive(Debug, Parser)]
#[command(name = "fbs", version, after_help = EXIT_CODES, max_term_width = 80)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the image of a spec on this host
    Build(Build),
    /// Print what a build would do, every command line included
    Plan(Plan),
    /// Report every mistake of a spec
    Check(Check),
    /// Write a commented sample spec
    New(New),
    /// Read, check and change kickstarts
    Kickstart(KickstartArgs),
    /// List what is inside an ISO, from the ISO alone
    Verify(Verify),
    /// Boot an ISO in QEMU and wait for a line on its serial console
    BootTest(BootTest),
    /// Say which backends work on this host, and what is missing
    Doctor(Doctor),
}

/// A spec, and what is to be otherwise than it says.
#[derive(Debug, ClapArgs)]
pub(crate) struct SpecArgs {
    /// The build spec: INI, or TOML or JSON by its ending
    pub(crate) conf: PathBuf,
    /// Set KEY, or KEY of SECTION, to VALUE whatever the spec says
    #[arg(long, value_name = "[SECTION.]KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// As --set release=N
    #[arg(long, value_name = "N")]
    pub(crate) release: Option<String>,
    /// As --set backend=NAME: auto, native or lorax
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    /// As --set boot_test=FIRMWARE: none, bios, uefi or both
    #[arg(long, value_name = "FIRMWARE")]
    pub(crate) boot_test: Option<String>,
    /// As --set staging=DIR, counted from the current folder
    #[arg(long, value_name = "DIR")]
    pub(crate) staging: Option<PathBuf>,
    /// As --set outdir=DIR, counted from the current folder
    #[arg(long, value_name = "DIR")]
    pub(crate) outdir: Option<PathBuf>,
    /// As --set workdir=DIR, counted from the current folder
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Print one JSON object per event on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Print the whole plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Print the mistakes as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct New {
    /// The kind of image: boot, dvd or live
    pub(crate) image_type: ImageType,
    /// The release: a number, rawhide or eln
    #[arg(long, default_value = "43", value_name = "N")]
    pub(crate) release: Release,
    /// The architecture [default: that of the host that builds]
    #[arg(long)]
    pub(crate) arch: Option<Arch>,
    /// Packages, @groups and -exclusions to put in, separated by commas
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LIST",
        allow_hyphen_values = true
    )]
    pub(crate) packages: Vec<Package>,
    /// Write to FILE, which must not exist, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct KickstartArgs {
    #[command(subcommand)]
    pub(crate) command: KickstartCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KickstartCommand {
    /// Make one text of a kickstart and all that it includes
    Flatten(Flatten),
    /// Report every mistake of a kickstart
    Check(CheckKickstart),
    /// Add a repository
    AddRepo(AddRepo),
    /// List the packages it asks for, or add some
    Packages(PickPackages),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Flatten {
    /// The kickstart: a file, or an http, https or ftp URL
    pub(crate) file: Location,
    /// Write to OUT, which must not exist, instead of standard output
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckKickstart {
    /// The kickstart: a file, or an http, https or ftp URL
    pub(crate) file: Location,
    /// Print the mistakes as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    group = clap::ArgGroup::new("url").required(true),
    override_usage = "fbs kickstart add-repo [OPTIONS] --name <NAME> --baseurl <URL> <FILE>"
)]
pub(crate) struct AddRepo {
    /// The kickstart: a file, or an http, https or ftp URL
    pub(crate) file: Location,
    /// The repository's name
    #[arg(long)]
    pub(crate) name: String,
    /// The folder that holds repodata/
    #[arg(long, group = "url", value_name = "URL")]
    pub(crate) baseurl: Option<String>,
    /// A list of such folders
    #[arg(long, group = "url", value_name = "URL")]
    pub(crate) mirrorlist: Option<String>,
    /// A metalink
    #[arg(long, group = "url", value_name = "URL")]
    pub(crate) metalink: Option<String>,
    /// Of two that have the same package the one with the lower cost counts
    #[arg(long, value_name = "N")]
    pub(crate) cost: Option<u32>,
    /// Packages that are not taken from it, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) excludepkgs: Vec<String>,
    /// The only packages that are taken from it, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) includepkgs: Vec<String>,
    /// Write to OUT, which must not exist, instead of standard output
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PickPackages {
    /// The kickstart: a file, or an http, https or ftp URL
    pub(crate) file: Location,
    /// Print the kickstart with these packages, @groups and -exclusions added,
    /// separated by commas
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LIST",
        allow_hyphen_values = true,
        conflicts_with = "json"
    )]
    pub(crate) add: Vec<Package>,
    /// Write to OUT, which must not exist, instead of standard output
    #[arg(long, short, value_name = "OUT", requires = "add")]
    pub(crate) output: Option<PathBuf>,
    /// Print the list as JSON, with options and places
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// The image
    pub(crate) iso: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FirmwareArg {
    Bios,
    Uefi,
    Both,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BootTest {
    /// The image
    pub(crate) iso: PathBuf,
    /// The firmware to boot it with
    #[arg(long, value_enum, default_value_t = FirmwareArg::Both)]
    pub(crate) firmware: FirmwareArg,
    /// The line on the serial console that says the image is up, as a regular
    /// expression [default: a login prompt, systemd's multi-user or graphical
    /// target, or the installer's start]
    #[arg(long, value_name = "REGEX")]
    pub(crate) expect: Option<String>,
    /// How long each boot may take: 90s, 10m
    #[arg(long, default_value = "10m", value_name = "TIME")]
    pub(crate) timeout: Timeout,
    /// Keep the serial log and the screenshot in DIR
    #[arg(long, short, default_value = ".", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// The guest's memory
    #[arg(long, default_value_t = 2048, value_name = "MIB")]
    pub(crate) memory: u32,
    /// The guest's architecture [default: this host's]
    #[arg(long)]
    pub(crate) arch: Option<Arch>,
    /// Print the verdicts and what leads to them as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_help_fits_80_columns() {
        let mut command = Args::command();
        command.build();
        fits(&mut command);
    }

    fn fits(command: &mut clap::Command) {
        for sub in command.get_subcommands_mut() {
            let help = sub.render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
            fits(sub);
        }
    }
}
