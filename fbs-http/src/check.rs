//! `fbs-http check`: whether the service could begin.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use image_builder::jobs::{PostgresStore, SqliteStore};
use image_builder::notification::Notifier;
use image_builder::service_config::{LogFormat, ServiceConfig};
use nix::unistd::{AccessFlags, access};

use crate::auth::Provider;
use crate::config::{Args, ConfigError, Settings, StorePlace};
use crate::journal;
use crate::masters::brokers;
use crate::output::tell;
use crate::problem;
use crate::server::ServeError;

/// So long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What did not answer, of all that was asked.
#[derive(Debug, Default)]
struct Findings(Option<ServeError>);

impl Findings {
    fn found(&mut self, what: &str, result: Result<impl fmt::Display, ServeError>) {
        match result {
            Ok(words) => tell!("{what:<12}{words}"),
            // The first is told at the end.
            Err(error) if self.0.is_none() => self.0 = Some(error),
            Err(error) => problem(&error),
        }
    }
}

/// Looks at everything that the service needs, and changes nothing. What is wrong is told, all of it.
///
/// # Errors
///
/// The first that is wrong.
pub(crate) async fn check(args: &Args) -> Result<(), ServeError> {
    let service = ServiceConfig::load().map_err(ConfigError::from)?;
    // People look at what a check finds.
    journal::begin(LogFormat::Text);
    for warning in &service.warnings {
        tell!("warning: {warning}");
    }
    let settings = Settings::of(args, service)?;
    let mut findings = Findings::default();
    tell!("{:<12}{}", "listens on", settings.listen);
    if let Some(url) = &settings.public_url {
        tell!("{:<12}{url}", "found at");
    }
    findings.found("state", folder(&settings.folder));
    findings.found("store", store(&settings.store).await);
    findings.found("queue", queue(&settings).await);
    findings.found("accounts", accounts(&settings).await);
    match &settings.worker {
        Some(plan) => {
            let (slots, releases) = (plan.slots, plan.releases.join(", "));
            tell!("{:<12}{slots} at a time, of {releases}", "builds");
        }
        None => tell!("{:<12}nothing here", "builds"),
    }
    let policy = settings.service.http.retention.policy();
    tell!("{:<12}images {policy}", "keeps");
    notifiers(&settings.service, &mut findings).await;
    match findings.0 {
        None => {
            tell!("the service could begin");
            Ok(())
        }
        Some(error) => Err(error),
    }
}

/// Whether a folder can be written to, or made.
fn folder(folder: &Path) -> Result<String, ServeError> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let there = there.unwrap_or(Path::new("/"));
    if !there.is_dir() {
        let error = std::io::Error::from(std::io::ErrorKind::NotADirectory);
        return Err(ServeError::Folder(there.to_owned(), error));
    }
    access(there, AccessFlags::W_OK)
        .map_err(|error| ServeError::Folder(there.to_owned(), error.into()))?;
    Ok(format!("{} can be written", folder.display()))
}

async fn store(place: &StorePlace) -> Result<String, ServeError> {
    match place {
        StorePlace::Postgres(address) => {
            PostgresStore::check(address).await?;
            Ok("PostgreSQL answers".to_owned())
        }
        StorePlace::Sqlite(path) if path.exists() => {
            SqliteStore::check(path).await?;
            Ok(format!("{} is one of ours", path.display()))
        }
        StorePlace::Sqlite(path) => {
            folder(path.parent().unwrap_or(Path::new("/")))?;
            Ok(format!("{} will be made", path.display()))
        }
    }
}

async fn queue(settings: &Settings) -> Result<String, ServeError> {
    let queues = brokers(settings)?;
    if queues.is_empty() {
        return Ok("a file of this host".to_owned());
    }
    let mut names = Vec::new();
    for queue in queues.values() {
        match tokio::time::timeout(PATIENCE, queue.listen(&[])).await {
            Ok(inbox) => drop(inbox?),
            Err(_) => return Err(ServeError::NoAnswer(queue.name(), PATIENCE.as_secs())),
        }
        names.push(queue.name());
    }
    Ok(format!("{} answers", names.join(", ")))
}

async fn accounts(settings: &Settings) -> Result<String, ServeError> {
    // Nobody is sent anywhere by a check.
    let made = Provider::configured(settings, "http://127.0.0.1");
    let Some(provider) = made.map_err(ConfigError::Oidc)? else {
        return Ok("none: whoever reaches it may do everything".to_owned());
    };
    provider.check().await?;
    let roles = match settings.service.http.roles.is_empty() {
        true => "; [http.roles] names nobody who may submit",
        false => "",
    };
    Ok(format!("{} answers{roles}", provider.issuer.as_str()))
}

/// Whether those can be reached who tell people what becomes of jobs.
async fn notifiers(service: &ServiceConfig, findings: &mut Findings) {
    let notifier = match Notifier::configured(service) {
        Ok(notifier) => notifier,
        Err(error) => return findings.found("tells", Err::<&str, _>(ServeError::Notifier(error))),
    };
    let limit = notifier.limits().attempt;
    for backend in notifier.backends() {
        let name = backend.name();
        let checked = match tokio::time::timeout(limit, backend.check()).await {
            Ok(Ok(())) => Ok(format!("{name} answers")),
            Ok(Err(error)) => Err(ServeError::Notifier(error)),
            Err(_) => Err(ServeError::NoAnswer(name, limit.as_secs())),
        };
        findings.found("tells", checked);
    }
}
