//! The command line.

// What is said of an option is its help in a terminal, and no Markdown.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use image_builder::koji::{BuildId, Nvr, SigKey, Tag, UpdateId};
use image_builder::quantity::{Age, ByteSize};
use image_builder::spec::{Arch, ImageType, Location, Override, Package, Proxy, Release, Timeout};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the build, the check or the boot test failed
  2    wrong usage, or a wrong spec
  3    the host lacks something: a tool, a privilege, space
  4    the network or a remote service failed
  130  cancelled

Environment:
  FBS_BROKER       where jobs wait (default: nodes.conf, the configuration)
  FBS_SERVER       the service that is asked instead, as by --server
  FBS_TOKEN        the token that it is shown; FBS_TOKEN_FILE names a file with it
  FBS_CACHE_DIR    caches shared by all builds (default /var/cache/fbs)
  FBS_CONFIG       the service's configuration (default /etc/fbs/fbs.toml, if it is there)
  FBS_KOJI_HUB     the Koji hub (default Fedora's)
  FBS_KOJI_FILES   the folder above packages/ with its files (default Fedora's)
  FBS_BODHI        the Bodhi (default Fedora's)
  FBS_STATE_DIR    which builds there are (default /var/lib/fbs)";

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
    /// Show the log of a build on this host, or follow it while it runs
    Logs(Logs),
    /// Send builds to a queue, for workers to make
    Submit(Submit),
    /// List the jobs of a queue
    Jobs(Jobs),
    /// Tell all that is known of a job: where it waits and why, or what became of it
    Status(Status),
    /// Stop a job, whether it waits or is being built
    Cancel(Cancel),
    /// Send a job once more that has ended
    Retry(Retry),
    /// Take jobs from a queue and build them
    Worker(Worker),
    /// List the workers of a queue
    Workers(Workers),
    /// Read, check and change kickstarts
    Kickstart(KickstartArgs),
    /// Make a repository of Koji builds
    #[command(name = "siderepo")]
    SideRepo(SideRepo),
    /// Write the repodata of a folder of RPMs, or bring it up to date
    #[command(name = "createrepo")]
    CreateRepo(CreateRepo),
    /// Show or prune what builds keep for each other
    Cache(Cache),
    /// Make a new ISO from an existing one: files, boot command line, label,
    /// kickstart, updates of the installer, packages
    Respin(Respin),
    /// List what is inside an ISO, from the ISO alone
    Verify(Verify),
    /// Deliver again what a build could not deliver, or to another place
    Deliver(Deliver),
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
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

/// What is to be otherwise than a spec says.
#[derive(Debug, ClapArgs)]
pub(crate) struct Overrides {
    /// Set KEY, or KEY of SECTION, to VALUE whatever the spec says
    #[arg(long, value_name = "[SECTION.]KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// As --set release=N
    #[arg(long, value_name = "N")]
    pub(crate) release: Option<String>,
    /// As --set backend=NAME: auto, native, lorax, kiwi ...
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    /// As --set boot_test=FIRMWARE: none, bios, uefi or both
    #[arg(long, value_name = "FIRMWARE")]
    pub(crate) boot_test: Option<String>,
    /// As --set staging=PLACE: a folder, counted from the current one, or an
    /// address with its ://; may be given several times
    #[arg(long, value_name = "PLACE")]
    pub(crate) staging: Vec<PathBuf>,
    /// As --set outdir=DIR (of a DVD destdir), counted from the current folder
    #[arg(long, value_name = "DIR")]
    pub(crate) outdir: Option<PathBuf>,
    /// As --set workdir=DIR (of a live image tmpdir), counted from the current folder
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) koji: KojiArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SideRepo {
    #[command(flatten)]
    pub(crate) builds: BuildArgs,
    /// The architecture; noarch packages are always taken [default: this host's]
    #[arg(long)]
    pub(crate) arch: Option<Arch>,
    /// The folder: new, empty, or a side repository that is to be changed
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    /// Print one JSON object per event on standard output, and the repository
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which builds are wanted.
#[derive(Debug, ClapArgs)]
pub(crate) struct BuildArgs {
    /// A build by its name-version-release; may be repeated
    #[arg(long, value_name = "NVR")]
    pub(crate) nvr: Vec<Nvr>,
    /// A build by its number; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) bid: Vec<BuildId>,
    /// The latest builds in a tag or side tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<Tag>,
    /// The builds of a Bodhi update; may be repeated
    #[arg(long, value_name = "FEDORA-...")]
    pub(crate) update: Vec<UpdateId>,
}

/// Which of their packages are taken, and from where.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChoiceArgs {
    /// Take i686 packages for x86_64, too
    #[arg(long)]
    pub(crate) multilib: bool,
    /// Take several builds of one source package
    #[arg(long)]
    pub(crate) allow_two_builds: bool,
    /// Warn of builds for another release than this
    #[arg(long, value_name = "N")]
    pub(crate) release: Option<Release>,
    /// Take copies signed with this key where they are there; may be repeated
    #[arg(long, value_name = "KEYID")]
    pub(crate) sigkey: Vec<SigKey>,
    /// Refuse packages that are not signed with a key in FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) gpgkey: Option<PathBuf>,
    /// The proxy that everything is downloaded through
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<Proxy>,
    #[command(flatten)]
    pub(crate) koji: KojiArgs,
}

/// Which Koji is asked.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct KojiArgs {
    /// The Koji hub that is asked for builds
    #[arg(long, value_name = "URL")]
    pub(crate) koji_hub: Option<String>,
    /// The folder above packages/ with the builds' files
    #[arg(long, value_name = "URL")]
    pub(crate) koji_files: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionArg {
    Zstd,
    Gz,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CreateRepo {
    /// The folder
    pub(crate) dir: PathBuf,
    /// The groups of the repository: a comps.xml
    #[arg(long, value_name = "FILE")]
    pub(crate) comps: Option<PathBuf>,
    /// How the repodata is compressed
    #[arg(long, value_enum, default_value_t = CompressionArg::Zstd)]
    pub(crate) compression: CompressionArg,
    /// Threads that read RPMs, at most 256 [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cache {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Show how much is kept, and since when it was not used
    Ls {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what was not used for long, then what is too much
    Gc {
        /// Keep at most so much: 500M, 20G [default: what the service's
        /// configuration says, else 20G]
        #[arg(long, value_name = "SIZE")]
        max_size: Option<ByteSize>,
        /// Remove what was not used for so long: 12h, 30d
        #[arg(long, default_value = "30d", value_name = "TIME")]
        max_age: Age,
    },
    /// Remove everything that no running build uses
    Clear,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Logs {
    /// The job's id [default: the newest of this host]
    pub(crate) job: Option<String>,
    /// Go on until the build ends
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
}

/// Where jobs wait.
#[derive(Debug, ClapArgs)]
pub(crate) struct PlaceArgs {
    /// The broker's address, amqp:// or amqps:// [default: FBS_BROKER, then
    /// nodes.conf here, then [broker] of the configuration]
    #[arg(long, value_name = "URL")]
    pub(crate) broker: Option<String>,
    /// Without a broker: jobs wait in a file, for workers of this host
    #[arg(long, conflicts_with = "broker")]
    pub(crate) local: bool,
}

/// Who is asked: a service, or the queue itself.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServiceArgs {
    /// The address of a service, https://builds.example.org, instead of a broker's
    /// [default: FBS_SERVER]
    #[arg(long, value_name = "URL", conflicts_with_all = ["broker", "local"])]
    pub(crate) server: Option<String>,
}

/// Whose jobs are meant.
#[derive(Debug, ClapArgs)]
pub(crate) struct QueueArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The architecture whose broker is meant [default: this host's]
    #[arg(long)]
    pub(crate) arch: Option<Arch>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Submit {
    /// The build specs: INI, or TOML or JSON by their ending
    #[arg(required_unless_present = "flush")]
    pub(crate) confs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// What goes first, from -100 to 100: the higher number
    #[arg(long, default_value_t = 0, allow_negative_numbers = true,
          value_parser = clap::value_parser!(i8).range(-100..=100), value_name = "N")]
    pub(crate) priority: i8,
    /// Give it up when it is not done in this time: 90m, 12h, 2d
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) deadline: Option<Age>,
    /// Where there are accounts, only who submits it and administrators see it
    #[arg(long)]
    pub(crate) private: bool,
    /// Follow the jobs until they have ended, show what `fbs build` would show, leave
    /// the log in imagebuilder.log, and end with the exit code of `fbs build`
    #[arg(long)]
    pub(crate) wait: bool,
    /// When the broker cannot be reached, keep the jobs on this host
    #[arg(long)]
    pub(crate) spool: bool,
    /// Send what --spool has kept
    #[arg(long, conflicts_with_all = ["confs", "wait", "spool"])]
    pub(crate) flush: bool,
    /// Print one JSON object per job on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Jobs {
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
    /// Only those that are not done
    #[arg(long)]
    pub(crate) open: bool,
    /// At most so many, the newest first
    #[arg(long, short = 'n', default_value_t = 50, value_name = "N", value_parser = one_or_more)]
    pub(crate) limit: usize,
    /// Print one JSON object per job on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Status {
    /// The job's id
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cancel {
    /// The job's id
    pub(crate) job: String,
    /// Why, for its history
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Retry {
    /// The job's id
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Worker {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// A release that it serves: 43, rawhide; may be repeated
    #[arg(long, required = true, value_name = "R")]
    pub(crate) release: Vec<Release>,
    /// The architecture that it builds for [default: this host's]
    #[arg(long)]
    pub(crate) arch: Option<Arch>,
    /// The builds that it makes at a time
    #[arg(long, default_value_t = NonZeroU16::MIN, value_name = "N")]
    pub(crate) slots: NonZeroU16,
    /// Where it builds and keeps logs, one worker each
    #[arg(long, default_value = "/var/lib/fbs/worker", value_name = "DIR")]
    pub(crate) workdir: PathBuf,
    /// Its name, which no other worker has [default: the host's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// After this time without a word another worker's jobs are taken over
    #[arg(long, default_value = "90s", value_name = "TIME")]
    pub(crate) lost_after: Age,
    /// Serve the logs of its jobs over HTTP, to all who can reach this address
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) monitor: Option<SocketAddr>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Workers {
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
    /// Print one JSON object per worker on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Tell those whom the service's configuration names: by mail, by message, by
    /// webhook
    #[arg(long)]
    pub(crate) notify: bool,
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
    /// The build spec: INI, or TOML or JSON by its ending
    #[arg(required_unless_present = "service")]
    pub(crate) conf: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// Check the configuration of the service instead: the file in FBS_CONFIG, else
    /// /etc/fbs/fbs.toml
    #[arg(long, exclusive = true)]
    pub(crate) service: bool,
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
pub(crate) struct Respin {
    /// The ISO that the new one is made of; it stays as it is
    pub(crate) iso: PathBuf,
    /// The new ISO, which is not there yet
    #[arg(long, short, value_name = "NEW")]
    pub(crate) out: PathBuf,
    /// Put a file or folder at the root of the ISO; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) add: Vec<PathBuf>,
    /// Add these arguments to every kernel line of the boot menus; may be repeated
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true)]
    pub(crate) cmdline: Vec<String>,
    /// Remove these arguments from them, by name, whatever their value
    #[arg(long, value_name = "NAMES")]
    pub(crate) remove_args: Vec<String>,
    /// Set the label (volume id), everywhere the ISO refers to it
    #[arg(long, value_name = "LABEL")]
    pub(crate) volid: Option<String>,
    /// Have the installer follow this kickstart (with what it includes)
    #[arg(long, visible_alias = "ks", value_name = "FILE")]
    pub(crate) kickstart: Option<Location>,
    /// Replace files of the running installer by those of these packages, as
    /// images/updates.img: no scriptlets, no kernel
    #[arg(long, value_name = "RPM", num_args = 1..)]
    pub(crate) updates: Vec<PathBuf>,
    /// The builds of a repository on the ISO that the installer installs from
    #[command(
        flatten,
        next_help_heading = "A repository on the ISO, for the system that is installed"
    )]
    pub(crate) builds: BuildArgs,
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    /// The architecture, where the ISO does not say it [default: this host's]
    #[arg(long)]
    pub(crate) arch: Option<Arch>,
    /// Print one JSON object per event on standard output, and the report
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// The image
    pub(crate) iso: PathBuf,
    /// A second image, for --compare
    #[arg(requires = "compare")]
    pub(crate) other: Option<PathBuf>,
    /// Tell where two images differ: in packages, files and metadata; exit code 1
    /// if they do, 2 if they cannot be compared
    #[arg(long, requires = "other")]
    pub(crate) compare: bool,
    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Deliver {
    /// The build-report.json beside the files, or their folder
    pub(crate) report: PathBuf,
    /// Deliver to this place instead of those that the report has left: a folder,
    /// counted from the current one, or an address with its ://; may be given
    /// several times
    #[arg(long, value_name = "PLACE")]
    pub(crate) staging: Vec<PathBuf>,
    /// Print every event as a JSON object on standard output
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
    #[arg(long, value_name = "REGEX", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) expect: Option<String>,
    /// How long each boot may take: 90s, 10m
    #[arg(long, default_value = "10m", value_name = "TIME")]
    pub(crate) timeout: Timeout,
    /// Keep the serial log and the screenshot in DIR
    #[arg(long, short, default_value = ".", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// The guest's memory, from 256
    #[arg(long, default_value_t = 2048, value_name = "MIB",
          value_parser = clap::value_parser!(u32).range(256..))]
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

/// A time that is not over at once.
fn some_time(text: &str) -> Result<Age, String> {
    match text.parse::<Age>()? {
        age if age.0.is_zero() => Err("it is over at once".to_owned()),
        age => Ok(age),
    }
}

/// A number of things that are to be shown.
fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(number) => Ok(number.get()),
        Err(_) => Err("expected a number from 1 on".to_owned()),
    }
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
    fn values_that_make_no_sense_are_refused() {
        for line in [
            "boot-test a.iso --expect=",
            "boot-test a.iso --memory 0",
            "boot-test a.iso --memory 255",
            "submit a.conf --deadline 0",
            "submit a.conf --deadline 0d",
            "jobs -n 0",
        ] {
            let words = std::iter::once("fbs").chain(line.split(' '));
            let error = Args::try_parse_from(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
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
