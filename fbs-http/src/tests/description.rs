//! The description of the API.

use std::path::Path;

use super::client::Request;
use super::site::{MAX_BODY, Site, Worked};
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

#[tokio::test]
async fn what_cannot_be_read_and_what_is_too_large_is_described() {
    let site = Site::new(Worked::Nowhere).await;
    let description = site.get("/api/v1/openapi.json").await.expect(200).json();
    let (mut unreadable, mut large) = (0, 0);
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = match method.as_str() {
                "get" => "GET",
                "post" => "POST",
                "delete" => "DELETE",
                other => panic!("{path}: {other}"),
            };
            let answers = &operation["responses"];
            if path.contains('{') {
                let target = path.replace("{id}", "%ff").replace("{name}", "%ff");
                site.send(Request::new(method, target)).await.problem(400);
                assert!(answers["400"].is_object(), "{method} {path}");
                unreadable += 1;
            }
            if operation["requestBody"].is_object() {
                let target = path.replace("{id}", "x");
                let body = vec![b' '; 2 * MAX_BODY];
                let request = Request::new(method, target).body("application/json", body);
                site.send(request).await.problem(413);
                assert!(answers["413"].is_object(), "{method} {path}");
                large += 1;
            }
        }
    }
    assert!(unreadable > 10 && large > 5, "{unreadable}, {large}");
}
