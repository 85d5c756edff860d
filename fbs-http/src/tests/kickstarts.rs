//! Kickstarts that are named by an address.

use serde_json::json;

use super::client::Request;
use super::elsewhere;
use super::site::Site;

/// A server of two kickstarts, of which one includes the other, of one that wants a file of the service, and of one
/// that is elsewhere.
async fn server() -> String {
    let files = [
        ("/live.ks", "200 OK", "lang de_DE.UTF-8\n%include base.ks\n"),
        ("/base.ks", "200 OK", "%packages\n@core\n%end\n"),
        ("/local.ks", "200 OK", "%include /etc/hostname\n"),
        (
            "/moved.ks",
            "302 Found\r\nlocation: http://10.255.255.1/",
            "",
        ),
    ];
    elsewhere::serve(files).await.0
}

fn live(config: &str) -> Request {
    let spec = format!("[DEFAULT]\ntype = live\nrelease = 43\n[live]\nconfig = {config}\n");
    Request::post("/api/v1/jobs").json(&json!({ "spec": spec }))
}

#[tokio::test]
async fn a_kickstart_is_fetched_with_what_it_includes() {
    let site = Site::with_access("fetch_networks = [\"127.0.0.1\"]").await;
    let server = server().await;
    let job = site
        .send(live(&format!("{server}/live.ks")))
        .await
        .expect(201);
    let job = site.job(job.json()["id"].as_str().unwrap()).await;
    assert_eq!(
        job["kickstart"],
        "lang de_DE.UTF-8\n%packages\n@core\n%end\n"
    );
    assert!(!job["spec"].as_str().unwrap().contains("config"), "{job:#}");
    // One that was sent may include one that is elsewhere.
    let body = json!({
        "spec": "[DEFAULT]\ntype = live\nrelease = 43\n",
        "kickstart": format!("lang C\n%include {server}/base.ks\n"),
    });
    let job = site.send(Request::post("/api/v1/jobs").json(&body)).await;
    let job = site
        .job(job.expect(201).json()["id"].as_str().unwrap())
        .await;
    assert_eq!(job["kickstart"], "lang C\n%packages\n@core\n%end\n");
    for (name, words) in [
        ("none.ks", "404"),
        ("local.ks", "/etc/hostname"),
        ("moved.ks", "10.255.255.1"),
    ] {
        let problem = site
            .send(live(&format!("{server}/{name}")))
            .await
            .problem(422);
        let mistake = &problem["mistakes"][0];
        assert_eq!(mistake["section"], "kickstart", "{problem:#}");
        assert!(
            mistake["message"].as_str().unwrap().contains(words),
            "{problem:#}"
        );
    }
}

#[tokio::test]
async fn what_was_asked_for_before_is_answered_without_a_look_at_what_it_names() {
    let site = Site::with_access("fetch_networks = [\"127.0.0.1\"]").await;
    let files = [("/live.ks", "200 OK", "lang C\n%packages\n@core\n%end\n")];
    let (server, asked) = elsewhere::serve(files).await;
    let submit = |name| live(&format!("{server}/{name}")).header("idempotency-key", "a");
    let first = site.send(submit("live.ks")).await.expect(201).json();
    let id = first["id"].as_str().unwrap();
    let change = json!({ "kickstart": format!("%include {server}/live.ks\n") });
    let clone = || {
        let request = Request::post(format!("/api/v1/jobs/{id}/clone")).json(&change);
        request.header("idempotency-key", "b")
    };
    let second = site.send(clone()).await.expect(201).json();
    assert_eq!(asked.lock().unwrap().len(), 2);
    let again = site.send(submit("live.ks")).await.expect(200).json();
    assert_eq!(again["id"], first["id"]);
    let again = site.send(clone()).await.expect(200).json();
    assert_eq!(again["id"], second["id"]);
    assert_eq!(asked.lock().unwrap().len(), 2, "nothing was fetched again");
    // Another wish is another wish, whatever is wrong with it.
    let other = site.send(submit("gone.ks")).await.problem(422);
    assert!(other["detail"].as_str().unwrap().contains("another wish"));
}

#[tokio::test]
async fn nothing_internal_is_fetched_unless_that_was_said() {
    let site = Site::with_access("fetch_networks = [\"10.0.0.0/8\"]").await;
    let server = server().await;
    let port = server.rsplit(':').next().unwrap();
    for address in [
        format!("{server}/live.ks"),
        format!("http://localhost:{port}/live.ks"),
        format!("http://2130706433:{port}/live.ks"),
        format!("http://[::ffff:127.0.0.1]:{port}/live.ks"),
        "ftp://127.0.0.1/live.ks".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let problem = site.send(live(&address)).await.problem(422);
        let said = problem["mistakes"][0]["message"].as_str().unwrap();
        assert!(said.contains("internal"), "{address}: {said}");
        let check = json!({ "spec": { "DEFAULT": { "type": "live", "release": "43" }, "live": { "config": address } } });
        let checked = site.send(Request::post("/api/v1/check").json(&check)).await;
        assert_eq!(checked.expect(200).json()["valid"], false);
    }
    let local = site.send(live("/etc/hostname")).await.problem(422);
    assert!(!local.to_string().contains("root"), "{local:#}");
}
