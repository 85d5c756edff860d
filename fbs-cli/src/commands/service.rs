//! What the service's configuration says to a command.

use std::fmt::Display;
use std::path::Path;

use image_builder::error::ErrorKind;
use image_builder::notification::Notifier;
use image_builder::plan::{PlanOptions, Staging};
use image_builder::service_config::ServiceConfig;
use image_builder::spec::Address;
use image_builder::transfer;
use tokio::task::JoinSet;

use crate::exit::{self, Exit};
use crate::output::tell;

/// The configuration of this host.
pub(super) fn load() -> Result<ServiceConfig, Exit> {
    ServiceConfig::load().map_err(|error| exit::error(&error))
}

/// The options of plans: the environment's, then the configuration's.
pub(super) fn options() -> Result<PlanOptions, Exit> {
    load().map(|config| PlanOptions::of(&config))
}

/// Those whom the configuration names, for a build on this host.
pub(super) fn notifier(config: &ServiceConfig) -> Result<Notifier, Exit> {
    warn(config);
    let notifier = Notifier::configured(config).map_err(|error| exit::error(&error))?;
    if notifier.backends().is_empty() {
        exit::say("nobody is configured to be told");
        tell!(
            "hint: [smtp], [fedora_messaging] or [[webhook]] in {} says who; `fbs check --service` \
             looks at it",
            image_builder::service_config::SERVICE_CONFIG
        );
        return Err(Exit::Usage);
    }
    Ok(notifier.submitting())
}

fn warn(config: &ServiceConfig) {
    for warning in &config.warnings {
        tell!("warning: {warning}");
    }
}

/// `fbs check --service`.
pub(super) async fn check() -> Exit {
    let config = match load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    warn(&config);
    let notifier = match Notifier::configured(&config) {
        Ok(notifier) => notifier,
        Err(error) => return exit::error(&error),
    };
    let PlanOptions {
        cache_dir,
        koji_hub,
        koji_files,
        bodhi,
        ..
    } = PlanOptions::of(&config);
    let or_default = |text: Option<String>| text.unwrap_or_else(|| "the default".to_owned());
    tell!("{}", line("koji hub", or_default(koji_hub)));
    tell!("{}", line("koji files", or_default(koji_files)));
    tell!("{}", line("bodhi", or_default(bodhi)));
    tell!("{}", line("cache", cache_dir.display()));
    let exit = worse(try_staging(&config).await, try_each(&notifier).await);
    if exit == Exit::Done {
        tell!("the service configuration is fine");
    }
    exit
}

/// Whether each server is there and takes us, side by side.
async fn try_each(notifier: &Notifier) -> Exit {
    let mut tries = JoinSet::new();
    for backend in notifier.backends() {
        let backend = backend.clone();
        let limit = notifier.limits().attempt;
        tries.spawn(async move {
            let result = tokio::time::timeout(limit, backend.check()).await;
            (backend.name(), limit, result)
        });
    }
    let mut exit = Exit::Done;
    while let Some(tried) = tries.join_next().await {
        let Ok((name, limit, result)) = tried else {
            continue;
        };
        let failed = match result {
            Ok(Ok(())) => {
                tell!("{}", line("notification", format_args!("{name}: answers")));
                continue;
            }
            Ok(Err(error)) => exit::error(&error),
            Err(_) => {
                exit::say(format_args!(
                    "{name}: no answer within {} s",
                    limit.as_secs()
                ));
                ErrorKind::Network.into()
            }
        };
        exit = worse(exit, failed);
    }
    exit
}

/// Whether something can be delivered to each place of `[[staging]]`, one after the other.
async fn try_staging(config: &ServiceConfig) -> Exit {
    let mut exit = Exit::Done;
    for settings in &config.staging {
        let address = &settings.address;
        let place = match address.parse::<Address>() {
            Ok(address) => Staging::of(&address, Path::to_owned),
            Err(error) => {
                exit::say(format_args!("[[staging]] address: {}", error.problem));
                if let Some(hint) = error.hint {
                    tell!("hint: {hint}");
                }
                exit = worse(exit, Exit::Usage);
                continue;
            }
        };
        if is_whole_server(&place) {
            let words = format_args!("{place}: a whole server, and not tried");
            tell!("{}", line("staging", words));
            continue;
        }
        let checked = match transfer::open(&place, settings) {
            Ok(transfer) => transfer.check().await,
            Err(error) => Err(error),
        };
        match checked {
            Ok(()) => tell!("{}", line("staging", format_args!("{place}: takes files"))),
            Err(error) => exit = worse(exit, exit::error(&error)),
        }
    }
    exit
}

/// Whether an address names no folder that builds go to: nothing is written to the root of a host.
fn is_whole_server(place: &Staging) -> bool {
    match place {
        Staging::Folder(_) => false,
        Staging::Server(url) => url.scheme() != "s3" && matches!(url.path(), "" | "/"),
    }
}

/// A line of the check: the columns of most words, and a blank behind any.
fn line(what: &str, words: impl Display) -> String {
    format!("{what:<11} {words}")
}

/// What is wrong goes before what may be right tomorrow.
fn worse(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::Done, other) => other,
        (Exit::Usage, _) | (_, Exit::Usage) => Exit::Usage,
        (one, _) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_stands_behind_the_longest_word_too() {
        assert_eq!(
            line("cache", "/var/cache/fbs"),
            "cache       /var/cache/fbs"
        );
        assert_eq!(
            line("notification", "mail by h:587"),
            "notification mail by h:587"
        );
    }
}
