//! Updates from a server.

use ::hub::{Fault, Hub, Times, record};

use super::*;
use crate::error::{ErrorKind, StageError};

const ID: &str = "FEDORA-2026-0123456789";

fn bodhi(hub: &Hub) -> BodhiClient {
    BodhiClient::new(Some(&hub.files_url()), None)
        .unwrap()
        .with_limits(limits())
}

#[tokio::test]
async fn builds_of_an_update() {
    let hub = Hub::empty().unwrap();
    hub.insert_update(
        ID,
        record::update(ID, &["bash-5.3-1.fc43", "vim-9.1-2.fc43"]),
    );
    hub.fail("/updates/", Fault::Status(503), Times::Next(1));
    let update = bodhi(&hub).get_update(&ID.parse().unwrap()).await.unwrap();
    let builds: Vec<_> = update.builds.iter().map(Nvr::to_string).collect();
    assert_eq!(builds, ["bash-5.3-1.fc43", "vim-9.1-2.fc43"]);
    assert_eq!(update.status, "testing");
    assert_eq!(hub.requests(), 2);
}

#[tokio::test]
async fn updates_that_are_not_there() {
    let hub = Hub::empty().unwrap();
    let id: UpdateId = ID.parse().unwrap();
    let error = bodhi(&hub).get_update(&id).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Bodhi at {} knows no update {ID}", hub.files_url())
    );
    assert_eq!(error.kind(), ErrorKind::Usage);

    hub.insert_update(ID, record::update("FEDORA-2026-ffffffffff", &["a-1-1"]));
    let error = bodhi(&hub).get_update(&id).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is about FEDORA-2026-ffffffffff"),
        "{error}"
    );

    hub.fail("/updates/", Fault::Html, Times::Always);
    let error = bodhi(&hub).get_update(&id).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("not JSON: is this Bodhi's address?"),
        "{error}"
    );
}

#[test]
fn addresses_that_are_none() {
    for text in ["bodhi", "ftp://bodhi.example/", ""] {
        assert!(BodhiClient::new(Some(text), None).is_err(), "{text}");
    }
}
