//! The server: what begins with the process, and what ends with it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use image_builder::accounts::AccountStore;
use image_builder::build_monitor::SharedLogs;
use image_builder::error::{ErrorKind, StageError};
use image_builder::jobs::{JobStore, PostgresStore, SqliteStore, StoreError};
use image_builder::koji::KojiError;
use image_builder::notification::{NotificationError, Notifier};
use image_builder::plan::PlanOptions;
use image_builder::process::{Ending, drain_then_stop};
use image_builder::queue::QueueError;
use image_builder::retention::{ImageFolder, ImageStore, Keeper};
use image_builder::service_config::ServiceConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::KeptAnswers;
use crate::app::{App, Inner, OwnWorker};
use crate::auth::{self, Accounts, OidcError, Origins};
use crate::builds::Builds;
use crate::config::{Args, ConfigError, Settings, StorePlace};
use crate::followers::Followers;
use crate::guard::{self, Hosts};
use crate::journal;
use crate::masters::Masters;
use crate::metrics::{self, Figures};
use crate::output::{self, tell};
use crate::packages::Packages;
use crate::pages::{KeptPages, Trouble};
use crate::places::Places;
use crate::problem::Problem;
use crate::worker::Local;
use crate::{api, draft, health, images, pages, rest};

/// So long answers that are on their way may take when the service ends.
const LAST: Duration = Duration::from_secs(10);

/// Why the service does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Notifier(NotificationError),
    #[error("{}: {}", .0.display(), .1)]
    Folder(PathBuf, io::Error),
    #[error("{0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error(transparent)]
    Koji(#[from] KojiError),
    #[error(transparent)]
    Accounts(#[from] OidcError),
    #[error("{0}: no answer within {1} s")]
    NoAnswer(String, u64),
}

impl StageError for ServeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Queue(error) => error.kind(),
            Self::Koji(error) => error.kind(),
            Self::Notifier(error) => error.kind(),
            Self::Folder(..) | Self::Listen(..) => ErrorKind::Host,
            Self::Accounts(_) | Self::NoAnswer(..) => ErrorKind::Network,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Queue(error) => error.hint(),
            Self::Koji(error) => error.hint(),
            Self::Notifier(error) => error.hint(),
            Self::Folder(..) => {
                Some("FBS_STATE_DIR names another folder for /var/lib/fbs".to_owned())
            }
            Self::Accounts(_) => Some("[http.oidc] names the provider".to_owned()),
            Self::NoAnswer(..) => None,
            Self::Listen(..) => Some("name another address with --listen".to_owned()),
        }
    }
}

/// Runs the service until a signal ends it.
pub(crate) async fn run(args: &Args) -> Result<(), ServeError> {
    let service = ServiceConfig::load().map_err(ConfigError::from)?;
    // What nobody watches says in its journal what happens to it.
    journal::begin(service.http.log);
    for warning in &service.warnings {
        tracing::warn!("{warning}");
    }
    let settings = Settings::of(args, service)?;
    let stores = Stores::open(&settings.store).await?;
    let store = stores.jobs.clone();
    let masters = Arc::new(Masters::open(&settings, store.clone()).await?);
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.map_err(|error| ServeError::Listen(settings.listen, error))?;
    let address = listener
        .local_addr()
        .map_err(|error| ServeError::Listen(settings.listen, error))?;
    let local = settings.worker.as_ref();
    let local = local.map(|plan| Local::new(&settings, plan, address));
    let mut local = local.transpose()?;
    let own = local.as_ref().map(|local| OwnWorker {
        name: local.own.name.clone(),
        logs: local.own.logs.clone(),
    });
    let images = settings.folder.join("images");
    let notifier = Notifier::configured(&settings.service).map_err(ServeError::Notifier)?;
    let http = &settings.service.http;
    let policy = http.retention.policy();
    let keeper = Keeper::new(
        ImageFolder::new(&images),
        stores.jobs,
        stores.images,
        policy,
    )
    .with_notifier(notifier)
    .with_address(settings.url(address));
    let accounts = Accounts::configured(&settings, stores.accounts, address);
    let app = App::new(Inner {
        masters: masters.clone(),
        places: Places::start(store.clone()),
        store,
        accounts: accounts.map_err(ConfigError::Oidc)?,
        pages: KeptPages::default(),
        answers: KeptAnswers::default(),
        origins: Origins::new(http.trusted_proxies.clone(), http.networks.clone()),
        own,
        logs: SharedLogs::default(),
        images,
        keeper,
        hosts: Hosts::new(address, settings.public_url.as_ref()),
        max_body: settings.max_body,
        builds: Builds::new(&settings.service)?,
        plan_options: PlanOptions::of(&settings.service),
        packages: Packages::new(&http.fetch_networks),
        reader: draft::reader(&http.fetch_networks),
        followers: Followers::default(),
        rights: watch::Sender::default(),
        tells_requests: http.tells_requests(),
        figures: Figures::default(),
        closing: CancellationToken::new(),
    });
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    signals(drain.clone(), stop.clone());
    let end = CancellationToken::new();
    let reading = tokio::spawn(masters.clone().run(end.clone()));
    let counting = tokio::spawn(metrics::watch(app.clone()));
    let keeping = tokio::spawn(images::keep(app.clone()));
    let tidying = tokio::spawn(auth::tidy(app.clone()));
    let closing = app.closing.clone();
    let answering = tokio::spawn(serve(listener, app));
    // Standard output is for programs that start this one on port 0.
    output::line(&format!("http://{address}"));
    tell!("listening on http://{address}");
    let served = match local.take() {
        Some(local) => {
            tell!("images are built here: {}", local.lines());
            let master = masters.of(local.arch());
            match master {
                Some(master) => {
                    let queue = master.queue().clone();
                    local.serve(queue, drain, stop).await.map(drop)
                }
                None => {
                    tracing::warn!(
                        "no broker is configured for {}: nothing is built here",
                        local.arch()
                    );
                    drain.cancelled().await;
                    Ok(())
                }
            }
        }
        None => {
            drain.cancelled().await;
            Ok(())
        }
    };
    closing.cancel();
    if tokio::time::timeout(LAST, answering).await.is_err() {
        tracing::info!("answers that were on their way are cut off");
    }
    end.cancel();
    // They end at once; what went wrong in them has been said.
    let _ = reading.await;
    let _ = keeping.await;
    counting.abort();
    tidying.abort();
    served.map_err(ServeError::from)
}

/// What is on record, all in one place.
struct Stores {
    jobs: Arc<dyn JobStore>,
    accounts: Arc<dyn AccountStore>,
    images: Arc<dyn ImageStore>,
}

impl Stores {
    async fn open(place: &StorePlace) -> Result<Self, StoreError> {
        Ok(match place {
            StorePlace::Sqlite(path) => Self::of(SqliteStore::open(path).await?),
            StorePlace::Postgres(address) => Self::of(PostgresStore::connect(address).await?),
        })
    }

    fn of(store: impl JobStore + AccountStore + ImageStore + 'static) -> Self {
        let store = Arc::new(store);
        Self {
            jobs: store.clone(),
            accounts: store.clone(),
            images: store,
        }
    }
}

/// Answers requests until the service closes.
pub(crate) async fn serve(listener: TcpListener, app: App) {
    let closing = app.closing.clone();
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(closing.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!("{error}");
    }
}

fn router(app: App) -> Router {
    Router::new()
        .merge(api::router())
        .merge(pages::router(app.max_body))
        .merge(auth::router())
        .route("/rest", get(rest::help).post(rest::submit))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .fallback(nothing)
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address does not know that method",
            )
        })
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// All that is around every answer, one thing in the other. For each layer of its own the library would copy all that is
/// behind it, for every request.
async fn around(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let app = &app;
    DefaultBodyLimit::max(app.max_body).apply(&mut request);
    let answered = async |request| next.run(request).await;
    let understood = async |request| guard::problems(request, answered).await;
    let identified = async |request| auth::identify(app, peer, request, understood).await;
    let shown = async |request| pages::shown(app, request, identified).await;
    let checked = async |request| guard::check(app, peer, request, shown).await;
    let with_headers = async |request| guard::headers(app, request, checked).await;
    journal::told(app, peer, request, with_headers).await
}

/// What is said of an address that is none: a page to who wants to see one.
async fn nothing(headers: HeaderMap) -> Response {
    let problem = Problem::not_found("there is nothing at this address");
    let accepts = headers.get(header::ACCEPT);
    let accepts = accepts.and_then(|accepts| accepts.to_str().ok());
    match accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        true => Trouble::from(problem).into_response(),
        false => problem.into_response(),
    }
}

/// The first signal ends it when the builds here are made, the second at once.
fn signals(drain: CancellationToken, stop: CancellationToken) {
    let caught = drain_then_stop(drain, stop, |ending| match ending {
        Ending::Drain => {
            tell!("it ends when what is built here is made; once more hands that back");
        }
        Ending::Stop => tell!("what is built here is stopped and handed back"),
    });
    if let Err(error) = caught {
        tracing::warn!("signals cannot be caught: {error}");
    }
}
