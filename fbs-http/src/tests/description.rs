//! The description of the API.

use std::path::Path;

use super::site::{Site, Worked};
use crate::api;

/// `docs/openapi.json` is what the code says; `UPDATE_EXPECTED=1` writes it.
#[test]
fn the_description_in_docs_is_of_this_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let now = api::description().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == now,
        "docs/openapi.json is of another code: UPDATE_EXPECTED=1 cargo test -p fbs-http description"
    );
}

#[tokio::test]
async fn it_is_served_with_pages_that_load_nothing_from_elsewhere() {
    let site = Site::new(Worked::Nowhere).await;
    let served = site.get("/api/v1/openapi.json").await.expect(200).json();
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
    let now: serde_json::Value =
        serde_json::from_str(&api::description().to_json().unwrap()).unwrap();
    assert_eq!(served, now);
    let page = site.get("/api/docs/").await.expect(200).text();
    assert!(page.contains("swagger-ui") && !page.contains("https://") && !page.contains("//cdn"));
    let script = site
        .get("/api/docs/swagger-initializer.js")
        .await
        .expect(200)
        .text();
    assert!(script.contains("/api/v1/openapi.json"), "{script}");
}
