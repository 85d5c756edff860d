//! What the service says of requests.

use image_builder::service_config::LogFormat;
use serde_json::Value;

use super::client::Request;
use super::site::Site;
use crate::journal::Lines;
use crate::journal::written::Written;

#[tokio::test]
async fn each_request_has_a_line_by_which_it_is_found_again() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .event_format(Lines::new(LogFormat::Json))
        .with_writer(written.clone())
        .finish();
    // The service of the test runs on the same thread.
    let _said = tracing::subscriber::set_default(subscriber);
    let access = "auth = \"oidc\"\noidc = { issuer = \"http://127.0.0.1:9/\", client_id = \"fbs\" }\n\
                  trusted_proxies = [\"127.0.0.1\"]\nnetworks = { \"10.7.0.0/16\" = \"view\" }\nlog = \"json\"\n";
    let site = Site::with_access(access).await;
    let from = |id: &str| {
        let request = Request::get("/api/v1/jobs?q=secret").header("x-forwarded-for", "10.7.1.1");
        request.header("x-request-id", id)
    };
    let answer = site.send(from("proxy-1")).await.expect(200);
    assert_eq!(answer.header("x-request-id"), Some("proxy-1"));
    let answer = site.send(from("a b\"c")).await.expect(200);
    let own = answer.header("x-request-id").unwrap().to_owned();
    assert!(!own.contains('"'), "{own}");
    site.get("/api/v1/jobs").await.expect(401);
    let text = written.text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<Value> = lines.filter(|line| line["target"] == "request").collect();
    assert_eq!(lines.len(), 3, "{text}");
    let first = &lines[0];
    for (name, value) in [
        ("method", "GET"),
        ("path", "/api/v1/jobs"),
        ("account", "http@10.7.1.1"),
        ("address", "10.7.1.1"),
        ("request", "proxy-1"),
        ("level", "info"),
    ] {
        assert_eq!(first[name], value, "{first}");
    }
    assert!(first["ms"].is_f64() && first["status"] == 200, "{first}");
    assert_eq!(lines[1]["request"], own.as_str());
    assert_eq!(
        (&lines[2]["status"], &lines[2]["account"]),
        (&401.into(), &Value::Null)
    );
    assert!(!text.contains("secret"), "{text}");
}
