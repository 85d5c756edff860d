//! What the command line and the configuration say.

// What is said of an option is its help in a terminal, and no Markdown.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use image_builder::build_monitor::state_dir;
use image_builder::error::{ErrorKind, StageError};
use image_builder::network::leads_here;
use image_builder::service_config::{Auth, ServiceConfig, ServiceConfigError};
use image_builder::spec::Release;
use url::Url;

/// Where it listens unless somebody says otherwise.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// The largest request, in bytes: a kickstart of 200 pages is 1 MB.
const MAX_BODY: u64 = 4 << 20;

/// The releases that are built here unless somebody says otherwise: what Fedora supports, and what comes.
const RELEASES: [&str; 4] = ["43", "44", "45", "rawhide"];

/// The build service over HTTP: REST and web pages
///
/// Alone it is the whole service on one machine: records and queue are files below FBS_STATE_DIR (/var/lib/fbs), and
/// images are built here. With a broker (FBS_BROKER, or [broker] in the configuration) it is a master for the
/// workers there.
#[derive(Debug, Parser)]
#[command(name = "fbs-http", version, max_term_width = 80)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Address and port to listen on, of this machine only [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    /// Where users find it, if that is another address
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// Where the records of jobs are: a file, or postgres://...
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) store: Option<String>,

    /// A release that is built here; may be given several times
    #[arg(long = "release", value_name = "RELEASE")]
    pub(crate) releases: Vec<Release>,

    /// How many images are built here at a time [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<NonZeroU16>,

    /// Build nothing here: others serve the queue
    #[arg(long, conflicts_with_all = ["slots", "releases"])]
    pub(crate) no_worker: bool,
}

/// What is done instead of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Look whether the service could begin: its configuration, and all that it needs
    Check,
}

/// What holds.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<Url>,
    pub(crate) store: StorePlace,
    pub(crate) max_body: usize,
    /// What is built here, if anything is.
    pub(crate) worker: Option<WorkerPlan>,
    /// The folder of what it keeps.
    pub(crate) folder: PathBuf,
    /// The address of the one broker that the environment names.
    pub(crate) broker: Option<String>,
    pub(crate) service: ServiceConfig,
}

/// What is built here.
#[derive(Debug, Clone)]
pub(crate) struct WorkerPlan {
    pub(crate) releases: Vec<String>,
    pub(crate) slots: u16,
}

/// Where the records of jobs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StorePlace {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Why it cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    File(#[from] ServiceConfigError),
    #[error(
        "{0} can be reached from other machines, and [http] auth is \"none\": whoever finds it could build images as root here"
    )]
    Open(SocketAddr),
    #[error(
        "--public-url {0}: it leads here from other machines, and [http] auth is \"none\": whoever finds it could build images as root here"
    )]
    OpenBehind(Url),
    #[error("{0} can be reached from other machines, and it is not said by which name")]
    Nameless(SocketAddr),
    #[error("--public-url {0}: over http everybody on the way could read sessions and tokens")]
    Readable(Url),
    #[error("[http.oidc]: {0}")]
    Oidc(String),
    #[error("--public-url {0}: an http or https address without a path is wanted")]
    PublicUrl(String),
}

impl StageError for ConfigError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Open(_) => Some(
                "listen on 127.0.0.1 or [::1], or set auth = \"oidc\" and name the provider of accounts in [http.oidc]"
                    .to_owned(),
            ),
            Self::OpenBehind(_) => Some(
                "leave it out, or set auth = \"oidc\" and name the provider of accounts in [http.oidc]"
                    .to_owned(),
            ),
            Self::Nameless(_) => Some(
                "name the https address that users find it at with --public-url; a reverse proxy there speaks TLS"
                    .to_owned(),
            ),
            Self::Readable(_) => {
                Some("a reverse proxy that speaks TLS makes an https address of it".to_owned())
            }
            Self::Oidc(_) => None,
            Self::PublicUrl(_) => Some("such as https://images.example.org".to_owned()),
        }
    }
}

impl Settings {
    /// Where users find it; `address` is where it listens.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{address}"),
        }
    }

    /// The command line goes before the environment, and that before the configuration.
    pub(crate) fn of(args: &Args, service: ServiceConfig) -> Result<Self, ConfigError> {
        let http = &service.http;
        let listen = args.listen.or(http.listen).unwrap_or(LISTEN);
        let public_url = args.public_url.as_ref().or(http.public_url.as_ref());
        let public_url = public_url.map(|text| public(text)).transpose()?;
        let open = !listen.ip().is_loopback();
        match (http.auth, &public_url) {
            (Auth::None, _) if open => return Err(ConfigError::Open(listen)),
            (Auth::None, Some(url)) if !leads_here(url) => {
                return Err(ConfigError::OpenBehind(url.clone()));
            }
            (Auth::Oidc, None) if open => return Err(ConfigError::Nameless(listen)),
            (Auth::Oidc, Some(url)) if url.scheme() != "https" && !leads_here(url) => {
                return Err(ConfigError::Readable(url.clone()));
            }
            _ => {}
        }
        let folder = state_dir().join("http");
        let store = match args.store.as_ref().or(http.store.as_ref()) {
            None => StorePlace::Sqlite(folder.join("store.sqlite")),
            Some(text) if text.contains("://") => StorePlace::Postgres(text.clone()),
            Some(path) => StorePlace::Sqlite(path.into()),
        };
        let named = std::env::var("FBS_BROKER").ok();
        let broker = named.filter(|url| !url.is_empty());
        let alone =
            broker.is_none() && service.broker.url.is_none() && service.broker.arch.is_empty();
        let asked = args.slots.is_some() || !args.releases.is_empty();
        let builds = !args.no_worker && (asked || http.worker.unwrap_or(alone));
        let worker = builds.then(|| WorkerPlan {
            releases: match (args.releases.as_slice(), http.releases.as_slice()) {
                ([], []) => RELEASES.map(str::to_owned).to_vec(),
                ([], named) => named.to_vec(),
                (named, _) => named.iter().map(ToString::to_string).collect(),
            },
            slots: args.slots.map(NonZeroU16::get).or(http.slots).unwrap_or(1),
        });
        let max_body = http.max_body.map_or(MAX_BODY, |size| size.0);
        Ok(Self {
            listen,
            public_url,
            store,
            max_body: usize::try_from(max_body).unwrap_or(usize::MAX),
            worker,
            folder,
            broker,
            service,
        })
    }
}

fn public(text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/"
    });
    url.ok_or_else(|| ConfigError::PublicUrl(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str], config: &str) -> Result<Settings, ConfigError> {
        let args = Args::parse_from(std::iter::once(&"fbs-http").chain(args));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fbs.toml");
        std::fs::write(&file, config).unwrap();
        Settings::of(&args, ServiceConfig::read(&file).unwrap())
    }

    #[test]
    fn only_this_machine_is_listened_to() {
        for listen in ["0.0.0.0:80", "[::]:80", "192.0.2.1:8080"] {
            let error = settings(&["--listen", listen], "").unwrap_err();
            assert_eq!(error.kind().exit_code(), 2);
            assert!(error.to_string().contains("auth is \"none\""), "{error}");
        }
        for listen in ["127.0.0.1:80", "[::1]:80", "127.8.0.1:0"] {
            settings(&["--listen", listen], "").unwrap();
        }
        let config = "[http]\nlisten = \"10.0.0.1:80\"\n";
        assert!(settings(&[], config).is_err());
    }

    #[test]
    fn who_comes_by_a_public_address_has_an_account() {
        let open = "[http]\npublic_url = \"https://images.example.org\"\n";
        for (args, config) in [
            (&[][..], open),
            (&["--public-url", "http://10.1.2.3:8080"], ""),
            (&["--no-worker"], open),
        ] {
            let error = settings(args, config).unwrap_err();
            assert_eq!(error.kind().exit_code(), 2);
            assert!(error.to_string().contains("auth is \"none\""), "{error}");
            assert!(error.hint().unwrap().contains("[http.oidc]"));
        }
        for url in [
            "http://localhost:8443",
            "https://127.0.0.1",
            "http://[::1]:80",
        ] {
            settings(&["--public-url", url], "").unwrap();
        }
        let accounts = format!(
            "{open}auth = \"oidc\"\n[http.oidc]\nissuer = \"https://id.example.org\"\nclient_id = \"fbs\"\n"
        );
        settings(&[], &accounts).unwrap();
    }

    #[test]
    fn the_command_line_goes_first_and_a_broker_has_its_own_workers() {
        let config = "[http]\nlisten = \"127.0.0.1:81\"\nreleases = [\"44\"]\nslots = 3\n";
        let found = settings(&["--slots", "2", "--listen", "127.0.0.1:82"], config).unwrap();
        assert_eq!(found.listen.port(), 82);
        let worker = found.worker.unwrap();
        assert_eq!((worker.slots, worker.releases), (2, vec!["44".to_owned()]));
        assert!(settings(&["--no-worker"], "").unwrap().worker.is_none());
        let broker = "[broker]\nurl = \"amqp://h\"\n";
        assert!(settings(&[], broker).unwrap().worker.is_none());
        assert!(
            settings(&["--release", "43"], broker)
                .unwrap()
                .worker
                .is_some()
        );
        let store = settings(&["--store", "postgres://h/x"], "").unwrap().store;
        assert_eq!(store, StorePlace::Postgres("postgres://h/x".to_owned()));
        assert!(settings(&["--public-url", "h"], "").is_err());
    }
}
