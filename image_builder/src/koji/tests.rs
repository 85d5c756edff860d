//! The client against the hub of the test suite, and the choice among what that answers.

mod bodhi;
mod captures;
mod choosing;
mod client;
mod failures;

use std::time::Duration;

use ::hub::Hub;

use super::*;

/// Limits for tests: pauses that do not count.
fn limits() -> Limits {
    Limits {
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        attempts: 3,
        ..Limits::default()
    }
}

fn config(hub: &Hub) -> KojiConfig {
    KojiConfig::new(Some(&hub.hub_url()), Some(&hub.files_url())).unwrap()
}

fn client(hub: &Hub) -> HubClient {
    HubClient::new(&config(hub), None)
        .unwrap()
        .with_limits(limits())
}

fn nvr(text: &str) -> BuildRef {
    BuildRef::Nvr(text.parse().unwrap())
}

fn id(number: u64) -> BuildRef {
    BuildRef::Id(BuildId(number))
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}
