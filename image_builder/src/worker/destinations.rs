//! Where a job may have its image delivered.

use std::path::Path;

use url::Url;

use crate::internal::Public;
use crate::plan::Staging;
use crate::spec::{Address, Mistake, Section, SpecError, ValueError};
use crate::transfer::StagingSettings;

/// Checks the places that a spec from elsewhere names: what the worker's own keys open, and what only its own network
/// reaches, is for the configuration to offer.
///
/// # Errors
///
/// [`SpecError::Invalid`], with every place that is not offered.
pub(super) async fn check(
    named: &[Address],
    settings: &[StagingSettings],
) -> Result<(), SpecError> {
    let mut mistakes = Vec::new();
    for address in named {
        let staging = Staging::of(address, Path::to_owned);
        // Paths are not here any more: `BuildSpec::check_trust`.
        let Staging::Server(url) = &staging else {
            continue;
        };
        if settings.iter().any(|one| one.offers(&staging)) {
            continue;
        }
        if let Some(problem) = refusal(url).await {
            let hint = "leave `staging` out, or have the worker's operator name the place in `[[staging]]`";
            let error = ValueError::new(format!("{address}: {problem}"), hint);
            let mistake = Mistake::new("spec", error).in_section(Some(Section::Default.name()));
            mistakes.push(mistake.of_key("staging"));
        }
    }
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(SpecError::Invalid(mistakes)),
    }
}

/// Why nothing is sent to a place that nobody has offered.
async fn refusal(url: &Url) -> Option<String> {
    if !matches!(url.scheme(), "ftp" | "ftps") {
        return Some("a spec from elsewhere may not use the worker's own keys".to_owned());
    }
    let internal = "a spec from elsewhere may not reach an internal address";
    let public = Public::default();
    if public.by_number(url).is_some() {
        return Some(internal.to_owned());
    }
    let port = url.port().unwrap_or(21);
    let found = public.look_up(url.host_str()?, port).await;
    // A name that means nothing now is the delivery's to complain of.
    let error = found.err()?;
    error
        .is::<crate::internal::InternalName>()
        .then(|| internal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Vec<StagingSettings> {
        [
            ("sftp://stage.test/srv", None),
            ("ftp://127.0.0.1:2121/", Some("qa")),
        ]
        .map(|(address, user)| StagingSettings {
            address: address.to_owned(),
            user: user.map(str::to_owned),
            ..StagingSettings::default()
        })
        .to_vec()
    }

    #[tokio::test]
    async fn keys_and_networks_of_the_worker_are_offered_or_refused() {
        for (address, problem) in [
            ("ftp://203.0.114.7/pub", None),
            ("ftp://no-such-host.invalid/", None),
            ("sftp://stage.test/srv/images", None),
            ("ftp://127.0.0.1:2121/images", None),
            ("ftp://qa@127.0.0.1:2121/images", None),
            ("sftp://root@stage.test/srv/images", Some("keys")),
            ("sftp://STAGE.test:22/srv/images", None),
            ("sftp://stage.test/etc", Some("keys")),
            ("sftp://stage.test/srv2", Some("keys")),
            ("sftp://stage.test:2222/srv", Some("keys")),
            ("sftp://203.0.114.7/srv", Some("keys")),
            ("s3://images/nightly", Some("keys")),
            ("ftp://root@127.0.0.1:2121/images", Some("internal")),
            ("ftp://127.0.0.1/pub", Some("internal")),
            ("10.0.0.5", Some("internal")),
            ("ftps://[::1]/", Some("internal")),
            ("ftp://localhost/", Some("internal")),
        ] {
            let checked = check(&[address.parse().unwrap()], &settings()).await;
            let words = checked.err().map(|error| match error {
                SpecError::Invalid(mistakes) => mistakes[0].to_string(),
                other => panic!("{other}"),
            });
            assert_eq!(words.is_some(), problem.is_some(), "{address}: {words:?}");
            if let (Some(words), Some(problem)) = (words, problem) {
                assert!(
                    words.contains(problem) && words.contains(address),
                    "{words}"
                );
            }
        }
    }
}
