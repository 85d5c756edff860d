//! Jobs over REST.

use std::io::Write as _;

use serde_json::{Value, json};

use super::client::Request;
use super::site::{MAX_BODY, Site, Worked, spec};

#[tokio::test]
async fn a_job_is_submitted_built_and_listed() {
    let site = Site::new(Worked::Here).await;
    let mut events = Request::get("/api/v1/events").events(site.address).await;
    let submit = Request::post("/api/v1/jobs").body("text/plain", spec("vim"));
    let answer = site.send(submit).await.expect(201);
    let job = answer.json();
    let id = job["id"].as_str().unwrap();
    assert_eq!(
        answer.header("location"),
        Some(&*format!("/api/v1/jobs/{id}"))
    );
    let done = site.wait(id, "succeeded").await;
    assert_eq!(done["ending"]["exit_code"], 0);
    assert_eq!(done["worker"], "anna");
    assert!(done["spec"].as_str().unwrap().contains("vim"));
    let history = done["history"].as_array().unwrap();
    let stages: Vec<&Value> = history.iter().map(|step| &step["stage"]).collect();
    assert!(
        stages.contains(&&json!("root")) && stages.contains(&&json!("iso")),
        "{stages:?}"
    );
    let mut states = Vec::new();
    while states.last() != Some(&json!("succeeded")) {
        let event = events.named("job").await;
        assert_eq!(event.data["id"], id);
        states.push(event.data["state"].clone());
    }
    assert_eq!(states[0], "queued");
    let failed = site.submit("broken").await;
    let ending = site.wait(&failed, "failed").await["ending"].clone();
    assert_eq!(ending["error"], "no package broken");
    let list = site.get("/api/v1/jobs").await.expect(200).json();
    let ids: Vec<&Value> = list["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["id"])
        .collect();
    assert_eq!(ids, [&json!(failed), &json!(id)]);
    assert_eq!(list["next"], Value::Null);
    let list = site
        .get("/api/v1/jobs?state=failed,queued&limit=1")
        .await
        .json();
    assert_eq!(list["jobs"][0]["id"], json!(failed));
    let next = list["next"].as_str().unwrap().to_owned();
    assert_eq!(site.get(&next).await.expect(200).json()["jobs"], json!([]));
    let metrics = site.get("/metrics").await.expect(200).text();
    for line in [
        "fbs_jobs{state=\"failed\"} 1",
        "fbs_jobs_ended_total{outcome=\"succeeded\"} 1",
        "fbs_stage_seconds_count{stage=\"root\",outcome=\"succeeded\"} 2",
        "fbs_stage_seconds_count{stage=\"iso\",outcome=\"failed\"} 1",
        "fbs_build_seconds_count{outcome=\"failed\"} 1",
        "fbs_build_seconds_bucket{outcome=\"succeeded\",le=\"10\"} 1",
        "fbs_queue_wait_seconds_count{arch=\"x86_64\",release=\"43\"} 2",
        "fbs_workers{state=\"present\"} 1",
        "fbs_ready 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn how_long_a_job_waits_and_what_its_build_found_are_measured() {
    let site = Site::new(Worked::Here).await;
    let running = site.submit("slow").await;
    site.wait(&running, "running").await;
    site.submit("vim").await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let metrics = site.get("/metrics").await.expect(200).text();
    let figure = |metrics: &str, name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let (_, value) = line.unwrap().rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap()
    };
    let line = "{arch=\"x86_64\",release=\"43\"}";
    assert_eq!(figure(&metrics, &format!("fbs_queue_waiting{line}")), 1.0);
    let age = figure(&metrics, &format!("fbs_queue_oldest_seconds{line}"));
    assert!((0.05..60.0).contains(&age), "{metrics}");
    // Only what has begun has waited.
    let waited = figure(&metrics, &format!("fbs_queue_wait_seconds_count{line}"));
    assert_eq!(waited, 1.0);
    let log = format!("{running}.log");
    let log = site.folder.path().join("logs").join(log);
    let found =
        "2026-01-01 00:00:00,000 - Install root:: hit d434abd7, all 121 packages the same\n";
    let mut log = std::fs::File::options().append(true).open(log).unwrap();
    log.write_all(found.as_bytes()).unwrap();
    let cancel = Request::post(format!("/api/v1/jobs/{running}/cancel"));
    site.send(cancel).await.expect(200);
    site.wait(&running, "cancelled").await;
    let looked_up = async {
        let wanted = "fbs_cache_lookups_total{cache=\"root\",result=\"hit\"} 1\n";
        while !site.get("/metrics").await.text().contains(wanted) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), looked_up)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_waits_says_why_and_is_cancelled_and_repeated() {
    let site = Site::new(Worked::Here).await;
    let running = site.submit("slow").await;
    site.wait(&running, "running").await;
    let waiting = site.submit("slow").await;
    let reason = "1 worker serves x86_64/43, all busy";
    let mut job = site.job(&waiting).await;
    // The worker says every five seconds what it does.
    while job["waits"]["reason"] != format!("{reason}; it is the next") {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        job = site.job(&waiting).await;
    }
    assert_eq!(job["waits"]["before"], 0);
    let list = site.get("/api/v1/jobs?state=queued").await.json();
    assert_eq!(list["jobs"][0]["waits"]["reason"], reason);
    let queues = site.get("/api/v1/queues").await.expect(200).json();
    let queue = &queues["queues"][0];
    assert_eq!(
        (&queue["waiting"], &queue["running"], &queue["workers"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(queue["state"], reason);
    let workers = site.get("/api/v1/workers").await.expect(200).json();
    assert_eq!(workers["workers"][0]["running"], json!([running]));
    let retry = Request::post(format!("/api/v1/jobs/{waiting}/retry"));
    let problem = site.send(retry.clone()).await.problem(409);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("has not ended")
    );
    let cancel = Request::post(format!("/api/v1/jobs/{waiting}/cancel"));
    let cancelled = site
        .send(cancel.clone().json(&json!({"reason": "wrong"})))
        .await;
    let cancelled = cancelled.expect(200).json();
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["cancel"], "cancelled by http: wrong");
    site.send(cancel).await.problem(409);
    let cancel = Request::post(format!("/api/v1/jobs/{running}/cancel"));
    site.send(cancel).await.expect(200);
    site.wait(&running, "cancelled").await;
    let again = site
        .send(retry.clone().header("idempotency-key", "r"))
        .await
        .expect(201);
    let again = again.json();
    assert_eq!(again["retry_of"], json!(waiting));
    let same = site
        .send(retry.header("idempotency-key", "r"))
        .await
        .expect(200);
    assert_eq!(same.json()["id"], again["id"]);
    site.send(Request::post("/api/v1/jobs/nobody/cancel"))
        .await
        .problem(404);
    site.get("/api/v1/jobs/..%2fx").await.problem(404);
}

#[tokio::test]
async fn the_same_request_makes_one_job_also_over_a_restart() {
    let site = Site::new(Worked::Nowhere).await;
    let wanted = json!({"spec": spec("vim"), "priority": 3});
    let submit = Request::post("/api/v1/jobs")
        .json(&wanted)
        .header("idempotency-key", "k");
    let first = site.send(submit.clone()).await.expect(201).json();
    assert_eq!(first["priority"], 3);
    assert_eq!(
        site.send(submit.clone()).await.expect(200).json()["id"],
        first["id"]
    );
    let other = Request::post("/api/v1/jobs").json(&json!({"spec": spec("nano")}));
    let problem = site
        .send(other.header("idempotency-key", "k"))
        .await
        .problem(422);
    assert!(problem["detail"].as_str().unwrap().contains("another wish"));
    let (folder, _) = site.end().await;
    let site = Site::at(folder, Worked::Here).await;
    assert_eq!(
        site.send(submit).await.expect(200).json()["id"],
        first["id"]
    );
    site.wait(first["id"].as_str().unwrap(), "succeeded").await;
}

#[tokio::test]
async fn a_job_that_is_built_outlives_the_service() {
    let site = Site::new(Worked::Here).await;
    let id = site.submit("slow").await;
    site.wait(&id, "running").await;
    let mut events = Request::get("/api/v1/events").events(site.address).await;
    let mut log = Request::get(format!("/api/v1/jobs/{id}/log/events"))
        .events(site.address)
        .await;
    log.named("log").await;
    let (folder, _) = site.end().await;
    // Those who follow are not left hanging.
    while events.next().await.is_some() {}
    while log.next().await.is_some() {}
    let site = Site::at(folder, Worked::Here).await;
    let job = site.wait(&id, "running").await;
    assert_eq!(job["runs"], 1, "handing back is no run: {job}");
    assert!(job["history"].to_string().contains("handed back"));
}

#[tokio::test]
async fn every_mistake_is_told_and_nothing_submitted() {
    let site = Site::new(Worked::Nowhere).await;
    let wrong = "[DEFAULT]\ntype=boot\nrelease=43\nupdats=1\ntimeout=soon\n";
    let submit = Request::post("/api/v1/jobs").json(&json!({"spec": wrong}));
    let problem = site.send(submit).await.problem(422);
    assert_eq!(problem["detail"], "the spec has 2 mistakes");
    let first = json!({
        "section": "DEFAULT", "key": "updats", "line": 4, "message": "unknown key", "hint": "did you mean \"updates\"?",
    });
    assert_eq!(problem["mistakes"][0], first);
    let check = Request::post("/api/v1/check");
    let checked = site
        .send(check.clone().body("text/plain", wrong))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            &checked["valid"],
            checked["mistakes"].as_array().unwrap().len()
        ),
        (&json!(false), 2)
    );
    let live = "[DEFAULT]\ntype=live\nrelease=43\n[live]\nconfig=https://host/a.ks\n";
    let problem = site
        .send(Request::post("/api/v1/jobs").body("text/plain", live))
        .await
        .problem(422);
    assert!(
        problem.to_string().contains("https://host/a.ks"),
        "{problem}"
    );
    let with_text = json!({"spec": live, "kickstart": "lang C\n%include /etc/passwd\n"});
    let checked = site.send(check.clone().json(&with_text)).await.json();
    assert!(
        checked["mistakes"][0]["message"]
            .as_str()
            .unwrap()
            .contains("/etc/passwd")
    );
    let checked = site
        .send(check.json(&json!({"spec": spec("vim")})))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&checked["valid"], &checked["title"]),
        (&json!(true), &json!("boot image of Fedora 43 (x86_64)"))
    );
    for (body, kind, status) in [
        ("{", "application/json", 400),
        ("{\"specs\": 1}", "application/json", 400),
        ("\u{0}", "text/plain", 422),
        ("x", "text/html", 415),
    ] {
        let request = Request::post("/api/v1/jobs").body(kind, body);
        site.send(request).await.problem(status);
    }
    let large = Request::post("/api/v1/jobs").body("text/plain", vec![b'x'; MAX_BODY + 1]);
    site.send(large).await.problem(413);
    let not_utf8 = Request::post("/api/v1/jobs").body("text/plain", vec![0xff]);
    site.send(not_utf8).await.problem(400);
    let list = site.get("/api/v1/jobs").await.expect(200).json();
    assert_eq!(list["jobs"], json!([]));
    for target in [
        "/api/v1/jobs?state=gone",
        "/api/v1/jobs?limit=0",
        "/api/v1/jobs?limit=x",
        "/api/v1/jobs?before=..%2f",
        "/api/v1/jobs?colour=red",
    ] {
        site.get(target).await.problem(400);
    }
}

/// A form as curl sends it: a file if its name stands behind a colon.
fn form(target: &str, border: &str, parts: &[(&str, &str)]) -> Request {
    let mut body = String::new();
    for (name, text) in parts {
        let (name, file) = match name.split_once(':') {
            Some((name, file)) => (name, format!("; filename=\"{file}\"")),
            None => (*name, String::new()),
        };
        body.push_str(&format!(
            "--{border}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n"
        ));
    }
    body.push_str(&format!("--{border}--\r\n"));
    let kind = format!("multipart/form-data; boundary={border}");
    Request::post(target).body(&kind, body)
}

#[tokio::test]
async fn a_spec_and_its_kickstart_are_uploaded_as_files() {
    let site = Site::new(Worked::Nowhere).await;
    let live = "[DEFAULT]\ntype=live\nrelease=43\narch=x86_64\n";
    let kickstart = "lang C\n%packages\n@core\n%end\n";
    let parts = [
        ("spec:a.conf", live),
        ("kickstart:../a.ks", kickstart),
        ("priority", "3"),
        ("private", "true"),
        ("deadline", "2h"),
    ];
    let submit = |border| form("/api/v1/jobs", border, &parts).header("idempotency-key", "a");
    let job = site.send(submit("one")).await.expect(201).json();
    assert_eq!(job["kickstart"], kickstart);
    assert_eq!(
        (&job["priority"], &job["private"]),
        (&json!(3), &json!(true))
    );
    assert!(job["deadline"].is_string());
    // The same parts are the same wish.
    let again = site.send(submit("two")).await.expect(200).json();
    assert_eq!(again["id"], job["id"]);
    let toml = [
        ("spec", "[DEFAULT]\ntype='boot'\nrelease='43'\n"),
        ("format", "toml"),
    ];
    let checked = site.send(form("/api/v1/check", "b", &toml)).await;
    assert_eq!(checked.expect(200).json()["valid"], true);
    let plan = site.send(form("/api/v1/plan", "b", &toml)).await;
    assert_eq!(plan.expect(200).json()["release"], "43");
    for (parts, words) in [
        (&[("kickstart", "lang C\n")][..], "`spec` is missing"),
        (&[("spec", live), ("spec", live)], "twice"),
        (&[("spec", live), ("specs", live)], "no part of ours"),
        (&[("spec", live), ("priority", "high")], "`priority`"),
        (&[("spec", live), ("private", "on")], "`private`"),
        (&[("spec", live), ("format", "xml")], "`format`"),
    ] {
        let problem = site.send(form("/api/v1/jobs", "b", parts)).await;
        let problem = problem.problem(400);
        assert!(
            problem["detail"].as_str().unwrap().contains(words),
            "{problem}"
        );
    }
    let large = "x".repeat(MAX_BODY);
    site.send(form("/api/v1/jobs", "b", &[("spec", &large)]))
        .await
        .problem(413);
    let broken = Request::post("/api/v1/jobs").body("multipart/form-data", "x");
    site.send(broken).await.problem(400);
}

#[tokio::test]
async fn other_sites_and_other_names_get_nothing() {
    let site = Site::new(Worked::Nowhere).await;
    let submit = Request::post("/api/v1/jobs").body("text/plain", spec("vim"));
    let own = format!("http://{}", site.address);
    for (name, value, status) in [
        ("origin", "http://evil.example.org", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("host", "evil.example.org", 421),
        ("host", "localhost", 421),
        ("origin", own.as_str(), 201),
        ("host", "images.example.org", 421),
        ("host", "localhost:8443", 201),
        ("origin", "http://localhost:8443", 201),
    ] {
        let answer = site.send(submit.clone().header(name, value)).await;
        assert_eq!(answer.status, status, "{name}: {value}");
    }
    let rebound = Request::get("/api/v1/jobs").header("host", "evil.example.org");
    site.send(rebound).await.problem(421);
    let post = Request::post("/rest").header("origin", "http://evil.example.org");
    site.send(post.json(&json!({}))).await.problem(403);
    // Every answer has them, also one that refuses.
    for target in ["/healthz", "/nowhere", "/api/v1/jobs", "/api/docs/"] {
        let answer = site.get(target).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert!(
            !policy.split("; ").any(|one| one.starts_with("script-src")),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert!(answer.header("cache-control").is_some());
    }
    site.get("/nowhere").await.problem(404);
    site.send(Request::new("DELETE", "/api/v1/jobs"))
        .await
        .problem(405);
}

#[tokio::test]
async fn the_client_of_2012_is_understood() {
    let site = Site::new(Worked::Nowhere).await;
    assert!(
        site.get("/rest")
            .await
            .expect(200)
            .text()
            .contains("ksfname")
    );
    // Its configurations name folders of the worker.
    let config = "[DEFAULT]\ntype=live\narch=x86_64\nrelease=43\n[live]\ntmpdir=/tmp/w\nlogfile=/tmp/l\n\
                  config=/etc/imagebuild/a.ks\n";
    let text = |text: &str| Value::String(json!(text).to_string());
    let sent = json!({"config": text(config), "ksfname": "a.ks", "ks": text("lang C\n")});
    let answer = site
        .send(Request::post("/rest").json(&sent))
        .await
        .expect(201)
        .json();
    assert_eq!(
        answer["ignored"],
        json!(["[live] tmpdir", "[live] logfile"])
    );
    let job = site.job(answer["job"].as_str().unwrap()).await;
    assert_eq!(
        (&job["kickstart"], &job["release"]),
        (&json!("lang C\n"), &json!("43"))
    );
    assert!(!job["spec"].as_str().unwrap().contains("/tmp"));
    let boot =
        json!({"config": text("[DEFAULT]\ntype=boot\nrelease=43\n"), "ksfname": null, "ks": null});
    site.send(Request::post("/rest").json(&boot))
        .await
        .expect(201);
    let plain = json!({"config": config, "ksfname": null, "ks": null});
    let problem = site
        .send(Request::post("/rest").json(&plain))
        .await
        .problem(400);
    assert!(problem["hint"].as_str().unwrap().contains("json.dumps"));
    let wrong = json!({"config": text("[DEFAULT]\ntype=boot\n"), "ksfname": null, "ks": null});
    site.send(Request::post("/rest").json(&wrong))
        .await
        .problem(422);
}
