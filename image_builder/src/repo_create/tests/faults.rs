//! Downloads from servers that break, stall and lie.

use std::time::{Duration, Instant};

use super::download::Fixture;
use super::server::Fault;
use super::{download, rpm, sigmd5};
use crate::error::{ErrorKind, StageError};
use crate::repo_create::CachedRpm;

const SIZE: usize = 1_000_000;

/// Fetches a file while its server has `faults`; gives the result's message and the bytes from
/// which on it was asked for.
async fn fetch(name: &str, faults: &[Fault]) -> (Result<CachedRpm, String>, Vec<u64>) {
    let fixture = Fixture::new().await;
    let content = rpm(name, SIZE);
    fixture.server.fail(name, faults.iter().cloned());
    let result = fixture.fetch_one(name, &content).await;
    if let Ok(rpm) = &result {
        assert_eq!(std::fs::read(&rpm.path).unwrap(), content);
    } else {
        // Nothing that was not verified is in the cache.
        let folder = fixture.cache().folder(&sigmd5(&content));
        assert!(!folder.join(format!("{name}.rpm")).exists());
    }
    (
        result.map_err(|error| error.to_string()),
        fixture.server.asked(name),
    )
}

#[tokio::test]
async fn a_broken_connection_goes_on_where_it_broke() {
    let (result, asked) = fetch("broken", &[Fault::Cut(400_000), Fault::Cut(400_000)]).await;
    result.unwrap();
    assert_eq!(asked, [0, 400_000, 800_000]);
}

#[tokio::test]
async fn a_server_without_ranges_begins_anew() {
    let faults = [Fault::Cut(400_000), Fault::CutWhole(500_000), Fault::None];
    let (result, asked) = fetch("rangeless", &faults).await;
    result.unwrap();
    assert_eq!(asked, [0, 400_000, 500_000]);
    let (result, asked) = fetch("wrongrange", &[Fault::Cut(400_000), Fault::WrongRange]).await;
    result.unwrap();
    assert_eq!(asked, [0, 400_000, 0]);
}

#[tokio::test]
async fn a_server_that_always_breaks_is_given_up() {
    let (result, asked) = fetch("hopeless", &vec![Fault::CutWhole(500_000); 50]).await;
    let message = result.unwrap_err();
    assert!(
        message.contains("hopeless.rpm cannot be fetched, after 4 tries: "),
        "{message}"
    );
    assert!(asked.len() <= 6, "{asked:?}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let busy = [503, 502, 429].map(|status| Fault::Status(status, ""));
    let (result, asked) = fetch("busy", &busy).await;
    result.unwrap();
    assert_eq!(asked.len(), 4);

    let (result, asked) = fetch("down", &vec![Fault::Status(503, ""); 10]).await;
    let message = result.unwrap_err();
    assert!(
        message.ends_with("after 4 tries: the server says 503 Service Unavailable"),
        "{message}"
    );
    assert_eq!(asked.len(), 4);

    let started = Instant::now();
    let later = Fault::Status(503, "Retry-After: 1\r\n");
    fetch("later", &[later]).await.0.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_refusal_is_final() {
    let (result, asked) = fetch("refused", &[Fault::Status(401, "")]).await;
    let message = result.unwrap_err();
    assert!(
        message.ends_with("cannot be fetched: the server says 401 Unauthorized"),
        "{message}"
    );
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn a_hang_counts_as_broken() {
    let (result, asked) = fetch("hang", &[Fault::Hang(300_000), Fault::Hang(0)]).await;
    result.unwrap();
    assert_eq!(asked, [0, 300_000, 300_000]);
}

#[tokio::test]
async fn a_corrupt_file_is_fetched_again_twice_and_no_more() {
    let corrupt = Fault::Corrupt(SIZE / 2);
    let (result, asked) = fetch("corrupt", &vec![corrupt.clone(); 2]).await;
    result.unwrap();
    assert_eq!(asked, [0, 0, 0]);

    let (result, asked) = fetch("rotten", &vec![corrupt; 9]).await;
    let message = result.unwrap_err();
    assert!(
        message.contains("/rotten.rpm was fetched 3 times and refused: its payload SHA-256 is "),
        "{message}"
    );
    assert_eq!(asked, [0, 0, 0]);
}

#[tokio::test]
async fn a_lying_length_is_noticed() {
    let (result, asked) = fetch("short", &vec![Fault::Short(SIZE / 2); 9]).await;
    let message = result.unwrap_err();
    assert!(
        message.contains("refused: it has 500000 bytes instead of "),
        "{message}"
    );
    assert_eq!(asked.len(), 3);

    let (result, _) = fetch("longer", &vec![Fault::Longer(777); 9]).await;
    let message = result.unwrap_err();
    assert!(
        message.contains("refused: it has ") && message.contains(" instead of "),
        "{message}"
    );
    // Once, and then the truth.
    fetch("liar", &[Fault::Longer(5)]).await.0.unwrap();
}

#[tokio::test]
async fn a_page_in_place_of_the_file_is_refused() {
    let fixture = Fixture::new().await;
    let content = rpm("page", 5000);
    let url = fixture.server.add("page", &content);
    let mut page = download("page", &content, &[url]);
    page.copies[0].size = None;
    fixture.server.fail("page", vec![Fault::Html; 3]);
    let error = fixture.fetch(&[page.clone()]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is no RPM: it begins with \"<html><body>"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Network);
    fixture.fetch(&[page]).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_that_may_pass() {
    let fixture = Fixture::new().await;
    let content = rpm("nobody", 100);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://user:secret@{}/nobody.rpm",
        free.local_addr().unwrap()
    );
    drop(free);
    let error = fixture
        .fetch(&[download("nobody", &content, &[url])])
        .await
        .unwrap_err();
    assert!(error.is_transient());
    let message = error.to_string();
    assert!(
        message.contains("Connection refused") && !message.contains("secret"),
        "{message}"
    );
}
