//! In a PostgreSQL of the test's own.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use fbs_suite::need::{self, Need};
use fbs_suite::postgres::{LOGIN, Postgres};
use image_builder::accounts::AccountStore;
use image_builder::error::{ErrorKind, StageError};
use image_builder::jobs::{JobStore, PostgresStore, StoreError};
use image_builder::retention::ImageStore;

use super::Home;
use super::contract::CHECKS;
use super::story::{id_at, queued, request};

const NEEDS: &[Need] = &[Need::Root, Need::Tool("psql"), Need::Tool("openssl")];

struct Database(String);

#[async_trait]
impl Home for Database {
    async fn open(&self) -> Result<Arc<dyn JobStore>, StoreError> {
        Ok(Arc::new(PostgresStore::connect(&self.0).await?))
    }

    async fn images(&self) -> Arc<dyn ImageStore> {
        Arc::new(PostgresStore::connect(&self.0).await.unwrap())
    }

    async fn accounts(&self) -> Arc<dyn AccountStore> {
        Arc::new(PostgresStore::connect(&self.0).await.unwrap())
    }
}

async fn refused(address: &str, words: &str) {
    let error = PostgresStore::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Host);
    let text = error.to_string();
    assert!(
        text.contains("cannot be opened: ") && text.contains(words),
        "{text}"
    );
    assert!(
        !text.contains(LOGIN.1) && !text.contains("wrong-pass"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_the_contract() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let mut server = Postgres::start();
    for (name, check) in CHECKS {
        let started = Instant::now();
        check(&Database(server.database())).await;
        println!("{name}: {:.1} s", started.elapsed().as_secs_f64());
    }

    // With TLS, and a server whose certificate nobody has signed that is known here.
    let address = server.database();
    let authority = server.authority();
    let with_tls = format!(
        "{address}?sslmode=verify-full&sslrootcert={}",
        authority.display()
    );
    let store = PostgresStore::connect(&with_tls).await.unwrap();
    let tls = "SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'fbs'";
    let begin = queued(&id_at(0, 1), request("43", 0));
    store.apply("ledger", 1, &begin).await.unwrap();
    assert_eq!(server.sql_at(&address, tls).stdout, ["t"]);
    refused(&format!("{address}?sslmode=verify-full"), "certificate").await;

    // A server that goes away is an error that passes, and its clients find it again.
    server.stop();
    let error = store.place("ledger").await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(error.kind(), ErrorKind::Network);
    refused(&address, "Connection refused").await;
    server.resume();
    assert_eq!(store.place("ledger").await.unwrap(), Some(1));
    assert!(store.job(&id_at(0, 1)).await.unwrap().is_some());

    // Addresses that lead nowhere.
    refused(
        &server.url(LOGIN.1, "nothing"),
        "database \"nothing\" does not exist",
    )
    .await;
    refused(
        &server.url("wrong-pass", "postgres"),
        "password authentication failed",
    )
    .await;
    refused("mysql://me:wrong-pass@localhost/fbs", "").await;
    refused("jobs.sqlite", "").await;

    // A newer program has been there.
    let newer = "INSERT INTO _sqlx_migrations VALUES (99, 'later', now(), true, '', 0)";
    server.sql_at(&address, newer).assert_exit(0);
    refused(
        &address,
        "its schema is of version 99, and this program knows up to",
    )
    .await;
}
