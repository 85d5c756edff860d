//! Who may do what.

use image_builder::accounts::{Account, Credential, Role, Token};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::client::{Answer, Request};
use super::pages::form;
use super::site::{IMAGE, Site, deliver, spec};

/// Nobody answers there: who logs in is made in the store.
const PROVIDER: &str =
    "auth = \"oidc\"\noidc = { issuer = \"http://127.0.0.1:9/\", client_id = \"fbs\" }\n";

const ROLES: &str = "roles = { submit = [\"qa\"], admin = [\"user:root\"] }\n";

/// Somebody with a browser.
struct Browser<'a> {
    site: &'a Site,
    cookie: String,
}

impl Site {
    async fn log_in(&self, name: &str, groups: &[&str]) -> Browser<'_> {
        let session = Credential::new("").unwrap();
        let account = Account {
            name: name.to_owned(),
            subject: format!("test {name}"),
            email: None,
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            seen: Timestamp::now(),
        };
        let expires = account.seen + SignedDuration::from_hours(1);
        let accounts = &self.app.accounts.as_ref().unwrap().store;
        let logged_in = accounts.log_in(&account, &session.hash(), expires).await;
        logged_in.unwrap();
        Browser {
            site: self,
            cookie: format!("a=b; fbs={}", session.reveal()),
        }
    }

    /// A token of somebody who has logged in before.
    async fn token(&self, name: &str, role: Role, expires: SignedDuration) -> String {
        let secret = Credential::new("fbs_").unwrap();
        let now = Timestamp::now();
        let token = Token {
            id: Credential::new("").unwrap().hash(),
            account: name.to_owned(),
            name: "nightly".to_owned(),
            role,
            created: now,
            expires: now + expires,
            used: None,
        };
        let accounts = &self.app.accounts.as_ref().unwrap().store;
        accounts.add_token(&token, &secret.hash()).await.unwrap();
        secret.reveal().to_owned()
    }
}

impl Browser<'_> {
    async fn get(&self, target: &str) -> Answer {
        let request = Request::get(target).header("cookie", &self.cookie);
        self.site.send(request).await
    }

    async fn send(&self, request: Request) -> Answer {
        let origin = format!("http://{}", self.site.address);
        let request = request.header("origin", origin);
        self.site.send(request.header("cookie", &self.cookie)).await
    }

    async fn submit(&self, private: bool) -> Answer {
        let body = json!({ "spec": spec("a"), "private": private });
        self.send(Request::post("/api/v1/jobs").json(&body)).await
    }

    async fn submitted(&self, private: bool) -> String {
        let job = self.submit(private).await.expect(201).json();
        job["id"].as_str().unwrap().to_owned()
    }

    /// The ids of all jobs that are listed.
    async fn sees(&self) -> Vec<String> {
        let list = self.get("/api/v1/jobs").await.expect(200).json();
        let jobs = list["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn bearer(request: Request, token: &str) -> Request {
    request.header("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn nobody_gets_in_without_an_account() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    for target in [
        "/api/v1/jobs",
        "/api/v1/me",
        "/api/v1/events",
        "/api/v1/openapi.json",
        "/api/docs/",
        "/api/v1/audit",
        "/metrics",
        "/rest",
        "/api/nothing",
    ] {
        let answer = site.get(target).await;
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer"),
            "{target}"
        );
        let problem = answer.problem(401);
        assert!(problem["hint"].as_str().unwrap().contains("/tokens"));
    }
    for target in [
        "/",
        "/jobs/1?a=b",
        "/new",
        "/workers",
        "/tokens",
        "/nothing",
    ] {
        let answer = site.get(target).await.expect(303);
        let login = answer.header("location").unwrap();
        assert!(login.starts_with("/login?next=%2F"), "{target}: {login}");
    }
    let body = json!({ "spec": spec("a") });
    for target in ["/api/v1/jobs", "/api/v1/check", "/rest"] {
        let request = Request::post(target).json(&body);
        site.send(request).await.problem(401);
    }
    let page = site.send(Request::post("/jobs/1/cancel")).await.expect(401);
    assert!(page.text().contains("<h1"));
    // Wrong ones are not taken for none.
    for wrong in ["fbs_1", "\u{e9}", Credential::new("fbs_").unwrap().reveal()] {
        let answer = site.send(bearer(Request::get("/api/v1/jobs"), wrong)).await;
        answer.problem(401);
    }
    for target in ["/healthz", "/readyz"] {
        site.get(target).await.expect(200);
    }
    let login = site.get("/login?next=/jobs/1").await.expect(200).text();
    assert!(login.contains("/login/start?next=%2Fjobs%2F1"), "{login}");
    assert!(login.contains("Fedora Account") && !login.contains("Log out"));
    let style = login
        .split("href=\"")
        .find(|part| part.starts_with("/assets/"));
    let style = style.unwrap().split('"').next().unwrap();
    site.get(style).await.expect(200);
    // The provider does not answer; nobody is sent anywhere.
    let start = site.get("/login/start").await.expect(502);
    assert!(start.text().contains("127.0.0.1:9"));
    let back = site.get("/login/callback?code=x&state=y").await.expect(400);
    assert!(back.text().contains("not begun in this browser"));
}

#[tokio::test]
async fn who_comes_by_the_public_address_shows_an_account() {
    let public = "public_url = \"https://images.example.org\"\n";
    let site = Site::with_access(&format!("{public}{PROVIDER}{ROLES}")).await;
    let ask = |host: &str| Request::get("/api/v1/me").header("host", host);
    site.send(ask("images.example.org")).await.problem(401);
    site.send(ask("evil.example.org")).await.problem(421);
    site.log_in("anna", &["qa"]).await;
    let token = site
        .token("anna", Role::View, SignedDuration::from_hours(1))
        .await;
    let me = site.send(bearer(ask("images.example.org"), &token)).await;
    let me = me.expect(200);
    assert_eq!(me.json()["name"], "anna");
    let strict = "strict-transport-security";
    assert_eq!(me.header(strict), Some("max-age=31536000"));
    let plain = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    assert_eq!(plain.get("/login").await.header(strict), None);
}

#[tokio::test]
async fn groups_say_what_somebody_may_do() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let guest = site.log_in("guest", &["fedora"]).await;
    let (anna, berta) = (
        site.log_in("anna", &["qa"]).await,
        site.log_in("berta", &["qa"]).await,
    );
    let root = site.log_in("root", &[]).await;
    for (who, role) in [(&guest, "view"), (&anna, "submit"), (&root, "admin")] {
        let me = who.get("/api/v1/me").await.expect(200).json();
        assert_eq!(me["role"], role);
    }
    guest.get("/new").await.expect(200);
    let refused = guest.submit(false).await.problem(403);
    assert_eq!(
        refused["detail"],
        "that needs the role submit, and guest has view"
    );
    // It may ask whether it could.
    let check = Request::post("/api/v1/check").json(&json!({ "spec": spec("a") }));
    guest.send(check).await.expect(200);

    let open = anna.submitted(false).await;
    let hidden = anna.submitted(true).await;
    let job = berta.get(&format!("/api/v1/jobs/{open}")).await.expect(200);
    assert_eq!(job.json()["requester"], "anna");
    for part in [
        "",
        "/log",
        "/log/events",
        "/report",
        "/artifacts",
        "/artifacts/x",
    ] {
        let target = format!("/api/v1/jobs/{hidden}{part}");
        let problem = berta.get(&target).await.problem(404);
        assert!(
            problem["detail"].as_str().unwrap().contains("is known"),
            "{part}"
        );
    }
    for target in [format!("/jobs/{hidden}"), format!("/new/text?job={hidden}")] {
        berta.get(&target).await.expect(404);
        anna.get(&target).await.expect(200);
    }
    for action in ["cancel", "retry"] {
        let request = Request::post(format!("/api/v1/jobs/{hidden}/{action}"));
        berta.send(request).await.problem(404);
    }
    assert_eq!(berta.sees().await, [open.as_str()]);
    assert_eq!(anna.sees().await, [hidden.as_str(), open.as_str()]);
    assert_eq!(root.sees().await.len(), 2);
    let page = berta.get("/").await.expect(200).text();
    assert!(page.contains(&open) && !page.contains(&hidden));

    let cancel = |id: &str| Request::post(format!("/api/v1/jobs/{id}/cancel"));
    let refused = berta.send(cancel(&open)).await.problem(403);
    assert!(refused["detail"].as_str().unwrap().contains("anna's"));
    let page = berta.get(&format!("/jobs/{open}")).await.expect(200).text();
    assert!(!page.contains("/cancel\""), "{page}");
    assert!(
        anna.get(&format!("/jobs/{open}"))
            .await
            .text()
            .contains("/cancel\"")
    );
    anna.send(cancel(&hidden)).await.expect(200);
    let cancelled = root.send(cancel(&open)).await.expect(200).json();
    assert!(
        cancelled["cancel"]
            .as_str()
            .unwrap()
            .contains("cancelled by root")
    );

    // All of it is on record, for administrators.
    anna.get("/api/v1/audit").await.problem(403);
    let audit = root.get("/api/v1/audit").await.expect(200).json();
    let lines: Vec<String> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            format!("{} {} {}", line["account"], line["action"], line["subject"]).replace('"', "")
        })
        .collect();
    let expected = [
        "anna refused GET /api/v1/audit".to_owned(),
        format!("root cancelled {open}"),
        format!("anna cancelled {hidden}"),
        format!("berta refused POST /api/v1/jobs/{open}/cancel"),
        format!("anna submitted {hidden}"),
        format!("anna submitted {open}"),
        "guest refused POST /api/v1/jobs".to_owned(),
    ];
    assert_eq!(lines, expected, "{audit:#}");
    assert_eq!(audit["entries"][0]["address"], "127.0.0.1");
    let page = root.get("/audit?account=guest").await.expect(200).text();
    assert!(page.contains("POST /api/v1/jobs") && !page.contains(&open));

    // No number is larger than the description says.
    let largest = format!("/api/v1/audit?limit=1&before={}", i64::MAX);
    let largest = root.get(&largest).await.expect(200).json();
    assert_eq!(largest["entries"][0], audit["entries"][0]);
    let larger = format!("/api/v1/audit?before={}", i64::MAX.unsigned_abs() + 1);
    root.get(&larger).await.problem(400);

    // Who is taken out of a group, or logs out, is out.
    let anna = site.log_in("anna", &[]).await;
    anna.submit(false).await.problem(403);
    anna.send(Request::post("/logout")).await.expect(303);
    anna.get("/api/v1/me").await.problem(401);
}

#[tokio::test]
async fn the_tick_of_a_private_job_is_kept_on_every_way() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let anna = site.log_in("anna", &["qa"]).await;
    let (hidden, open) = (anna.submitted(true).await, anna.submitted(false).await);
    let is_ticked = |answer: &Answer| {
        let page = answer.text();
        let (_, tick) = page.split_once("name=\"private\"").unwrap();
        tick.split('>').next().unwrap().contains("checked")
    };
    for (job, ticked) in [(&hidden, true), (&open, false)] {
        for page in ["/new", "/new/text"] {
            let page = anna.get(&format!("{page}?job={job}")).await.expect(200);
            assert_eq!(is_ticked(&page), ticked, "{page:?}");
        }
    }
    let written = [
        ("type", "boot"),
        ("release", "43"),
        ("arch", "x86_64"),
        ("boot_test", "none"),
        ("private", "yes"),
    ];
    let text = spec("vim");
    let text = [("spec", &*text), ("format", "ini"), ("private", "yes")];
    let broken = [("spec", "[boot]\n"), ("private", "yes")];
    let empty = [("spec", ""), ("private", "yes")];
    for (target, fields, status) in [
        ("/new/text", &written[..], 200),
        ("/new/plan", &written, 200),
        ("/new/open", &text, 200),
        ("/new/open", &broken, 422),
        ("/new/open", &empty, 422),
    ] {
        let page = anna.send(form(target, fields)).await.expect(status);
        assert!(is_ticked(&page), "{target} {fields:?}");
        let page = anna.send(form(target, &fields[..fields.len() - 1])).await;
        assert!(!is_ticked(&page.expect(status)), "{target} {fields:?}");
    }
}

#[tokio::test]
async fn who_is_in_no_group_logs_out_all_the_same() {
    let roles = "roles = { view = [\"qa\"], admin = [\"user:root\"] }\n";
    let site = Site::with_access(&format!("{PROVIDER}{roles}")).await;
    let guest = site.log_in("guest", &[]).await;
    guest.get("/api/v1/me").await.problem(403);
    let out = guest.send(Request::post("/logout")).await.expect(303);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    // The session is none any more, and not only forgotten by the browser.
    guest.get("/api/v1/me").await.problem(401);
    guest.send(Request::post("/logout")).await.expect(303);
    let root = site.log_in("root", &[]).await;
    let audit = root.get("/api/v1/audit").await.expect(200).json();
    let entries = audit["entries"].as_array().unwrap();
    let did: Vec<_> = entries.iter().map(|one| &one["action"]).collect();
    assert_eq!(did, ["log-out", "refused"]);
    assert_eq!(entries[0]["account"], "guest");
    assert_eq!(entries[1]["subject"], "GET /api/v1/me");
}

#[tokio::test]
async fn what_was_refused_is_on_record_and_fills_nothing() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let root = site.log_in("root", &[]).await;
    for _ in 0..20 {
        let wrong = bearer(Request::get("/api/v1/jobs?q=secret"), "fbs_1");
        site.send(wrong).await.problem(401);
        let foreign = Request::post("/api/v1/jobs").header("sec-fetch-site", "cross-site");
        site.send(foreign).await.problem(403);
    }
    let audit = root.get("/api/v1/audit").await.expect(200).json();
    let entries = audit["entries"].as_array().unwrap().iter();
    let lines: Vec<String> = entries
        .map(|one| {
            let line = format!("{} {}: {}", one["address"], one["subject"], one["detail"]);
            line.replace('"', "")
        })
        .collect();
    let expected = [
        "127.0.0.1 POST /api/v1/jobs: another site's page",
        "127.0.0.1 GET /api/v1/jobs: a token that is none",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn words_of_others_are_on_record_as_one_line_that_is_not_long() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let accounts = site.app.accounts.as_ref().unwrap();
    let (begun, now) = (Credential::new("").unwrap(), Timestamp::now());
    let login = json!({ "state": "s", "nonce": "n", "verifier": "v", "wanted": "/" });
    let until = now + SignedDuration::from_mins(1);
    let (hash, login) = (begun.hash(), login.to_string());
    let begin = accounts.store.begin_login(&hash, &login, now, until);
    begin.await.unwrap();
    let words = format!("nope%0a%20INFO%20audit:%20root{}", "x".repeat(10_000));
    let target = format!("/login/callback?state=s&error=x&error_description={words}");
    let back = Request::get(target).header("cookie", format!("fbs-login={}", begun.reveal()));
    let page = site.send(back).await.expect(403).text();
    assert!(page.len() < 10_000, "{page}");
    let root = site.log_in("root", &[]).await;
    let audit = root.get("/api/v1/audit").await.expect(200).json();
    let entry = &audit["entries"][0];
    assert_eq!(entry["action"], "log-in-refused");
    let detail = entry["detail"].as_str().unwrap();
    assert!(detail.contains("nope\\n INFO audit"), "{detail}");
    assert!(detail.chars().count() <= 201, "{detail}");
    // So is what somebody says who has an account.
    let id = root.submitted(false).await;
    let cancel = Request::post(format!("/api/v1/jobs/{id}/cancel"));
    let reason = json!({ "reason": format!("\n{}", "y".repeat(10_000)) });
    root.send(cancel.json(&reason)).await.expect(200);
    let audit = root.get("/api/v1/audit").await.expect(200).json();
    let detail = audit["entries"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("\\ny"), "{detail}");
    assert_eq!(detail.chars().count(), 201);
}

#[tokio::test]
async fn the_audit_log_is_kept_for_as_long_as_was_said() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}keep_audit = \"30d\"\n")).await;
    let root = site.log_in("root", &[]).await;
    root.submitted(false).await;
    let accounts = site.app.accounts.as_ref().unwrap();
    let days = |days: i64| Timestamp::now() + SignedDuration::from_hours(24 * days);
    assert_eq!(accounts.forget_audit(days(29)).await.unwrap(), 0);
    assert_eq!(accounts.forget_audit(days(31)).await.unwrap(), 1);
    let audit = root.get("/api/v1/audit").await.expect(200).json();
    assert_eq!(audit["entries"], json!([]));
}

#[tokio::test]
async fn who_may_not_any_more_follows_nothing() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let anna = site.log_in("anna", &["qa"]).await;
    let hidden = anna.submitted(true).await;
    let made = Request::post("/api/v1/tokens").json(&json!({ "name": "ci", "role": "view" }));
    let made = anna.send(made).await.expect(201).json();
    let secret = made["secret"].as_str().unwrap();
    let targets = [
        "/api/v1/events".to_owned(),
        format!("/api/v1/jobs/{hidden}/log/events"),
    ];
    let mut by_token = Vec::new();
    let mut by_session = Vec::new();
    for target in &targets {
        let request = bearer(Request::get(target), secret);
        by_token.push(request.events(site.address).await);
        let request = Request::get(target).header("cookie", &anna.cookie);
        by_session.push(request.events(site.address).await);
    }
    let id = made["id"].as_str().unwrap();
    let revoke = Request::new("DELETE", format!("/api/v1/tokens/{id}"));
    anna.send(revoke).await.expect(204);
    for stream in &mut by_token {
        stream.ended().await;
    }
    for target in &targets {
        site.send(bearer(Request::get(target), secret))
            .await
            .problem(401);
    }
    // The others go on.
    anna.submitted(false).await;
    assert_eq!(by_session[0].named("job").await.data["private"], false);
    anna.send(Request::post("/logout")).await.expect(303);
    for stream in &mut by_session {
        stream.ended().await;
    }
    // Who is no administrator any more sees no more what those see.
    let root = site.log_in("root", &[]).await;
    let request = Request::get("/api/v1/events").header("cookie", &root.cookie);
    let mut stream = request.events(site.address).await;
    let accounts = site.app.accounts.as_ref().unwrap();
    let shown = Credential::shown(root.cookie.rsplit('=').next().unwrap()).unwrap();
    accounts.store.log_out(&shown.hash()).await.unwrap();
    // It was another master that did this; this one hears of it later, by itself.
    site.app.rights.send_replace(());
    stream.ended().await;
}

#[tokio::test]
async fn nobody_follows_more_than_their_share() {
    let networks = "networks = { \"127.0.0.1\" = \"view\" }\nrate = 5000\n";
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}{networks}")).await;
    let anna = site.log_in("anna", &["qa"]).await;
    let follow = || Request::get("/api/v1/events").header("cookie", &anna.cookie);
    let mut streams = Vec::new();
    for _ in 0..500 {
        streams.push(follow().events(site.address).await);
    }
    let refused = site.send(follow()).await;
    assert!(refused.header("retry-after").is_some());
    let refused = refused.problem(429);
    assert!(refused["detail"].as_str().unwrap().contains("500"));
    let berta = site.log_in("berta", &[]).await;
    let others = [
        Request::get("/api/v1/events").header("cookie", &berta.cookie),
        Request::get("/api/v1/events"),
    ];
    for other in others {
        streams.push(other.events(site.address).await);
    }
}

#[tokio::test]
async fn a_session_is_of_use_to_own_pages_only() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let anna = site.log_in("anna", &["qa"]).await;
    let submit = || {
        let request = Request::post("/api/v1/jobs").json(&json!({ "spec": spec("a") }));
        request.header("cookie", &anna.cookie)
    };
    let problem = site.send(submit()).await.problem(403);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("from which page")
    );
    let elsewhere = submit().header("origin", "https://evil.example.org");
    site.send(elsewhere).await.problem(403);
    let elsewhere = submit().header("sec-fetch-site", "cross-site");
    site.send(elsewhere).await.problem(403);
    let own = submit().header("sec-fetch-site", "same-origin");
    site.send(own).await.expect(201);
}

#[tokio::test]
async fn who_has_no_job_yet_is_told_what_this_is() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let words = "Images of Fedora with the builds that you name";
    let (anna, berta) = (
        site.log_in("anna", &["qa"]).await,
        site.log_in("berta", &[]).await,
    );
    anna.submitted(false).await;
    let own = anna.get("/").await.expect(200).text();
    assert!(!own.contains(words), "{own}");
    let new = berta.get("/").await.expect(200).text();
    assert!(new.contains(words) && new.contains("/samples"), "{new}");
    assert!(
        !new.contains("Fill in the form"),
        "she may only look: {new}"
    );
    // Who looks for something knows already.
    let looked = berta.get("/?state=queued").await.expect(200).text();
    assert!(!looked.contains(words), "{looked}");
    let site = Site::with_access("").await;
    let new = site.get("/").await.expect(200).text();
    assert!(
        new.contains(words) && new.contains("Fill in the form"),
        "{new}"
    );
}

#[tokio::test]
async fn a_page_that_says_no_is_for_who_asked() {
    let roles = "roles = { view = [\"fedora\"], submit = [\"qa\"] }\n";
    let site = Site::with_access(&format!("{PROVIDER}{roles}")).await;
    let guest = site.log_in("guest", &["fedora"]).await;
    for (request, status) in [
        (Request::get("/jobs/1"), 404),
        (Request::get("/nothing").header("accept", "text/html"), 404),
        (Request::get("/audit"), 403),
        (Request::post("/new"), 403),
        (Request::post("/jobs/1/cancel"), 403),
    ] {
        let page = guest.send(request.clone()).await.expect(status);
        let length = page.body.len().to_string();
        assert_eq!(page.header("content-length"), Some(&*length));
        let page = page.text();
        for part in ["<span>guest</span>", "Log out", "/tokens"] {
            assert!(page.contains(part), "{request:?}: {part}: {page}");
        }
    }
    // Whoever may do nothing can become somebody else.
    let nobody = site.log_in("nobody", &[]).await;
    let page = nobody.get("/").await.expect(403).text();
    assert!(page.contains("<span>nobody</span>") && page.contains("Log out"));
    assert!(!page.contains("/tokens"), "{page}");
    for request in [
        Request::post("/jobs/1/cancel"),
        Request::get("/login/callback"),
    ] {
        let page = site.send(request).await.text();
        assert!(page.contains("<a href=\"/login\">Log in</a>"), "{page}");
    }
    // Where there are no accounts, nobody is asked for one.
    let site = Site::with_access("").await;
    let page = site.get("/jobs/1").await.expect(404).text();
    assert!(page.contains("<h1") && !page.contains("Log in"), "{page}");
}

#[tokio::test]
async fn tokens_are_shown_once_and_do_what_they_may() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let anna = site.log_in("anna", &["qa"]).await;
    let make = |body: serde_json::Value| anna.send(Request::post("/api/v1/tokens").json(&body));
    for (wrong, status) in [
        (json!({ "name": " " }), 400),
        (json!({ "name": "x", "role": "root" }), 400),
        (json!({ "name": "x", "role": "admin" }), 403),
        (json!({ "name": "x", "expires": "long" }), 400),
        (json!({ "name": "x", "expires": "367d" }), 400),
        (json!({ "name": "x", "expires": "0d" }), 400),
        (json!({ "name": "x", "expired": "1d" }), 400),
    ] {
        make(wrong.clone()).await.problem(status);
    }
    let made = make(json!({ "name": "nightly" })).await.expect(201).json();
    assert_eq!(made["role"], "submit");
    let (id, secret) = (
        made["id"].as_str().unwrap(),
        made["secret"].as_str().unwrap(),
    );
    let list = anna.get("/api/v1/tokens").await.expect(200);
    assert!(list.text().contains(id) && !list.text().contains(secret));
    assert!(
        !anna
            .get("/tokens")
            .await
            .expect(200)
            .text()
            .contains(secret)
    );
    let submit = || Request::post("/api/v1/jobs").json(&json!({ "spec": spec("a") }));
    let job = site.send(bearer(submit(), secret)).await.expect(201).json();
    assert_eq!(job["requester"], "anna");
    // A token that was stolen makes no other.
    let again = Request::post("/api/v1/tokens").json(&json!({ "name": "x" }));
    site.send(bearer(again, secret)).await.problem(403);
    let less = site
        .token("anna", Role::View, SignedDuration::from_hours(1))
        .await;
    site.send(bearer(Request::get("/api/v1/jobs"), &less))
        .await
        .expect(200);
    let refused = site.send(bearer(submit(), &less)).await.problem(403);
    assert!(
        refused["hint"]
            .as_str()
            .unwrap()
            .contains("less than its owner")
    );
    // Nor does it more than its owner, and not for ever.
    let more = site
        .token("anna", Role::Admin, SignedDuration::from_hours(1))
        .await;
    site.send(bearer(Request::get("/api/v1/audit"), &more))
        .await
        .problem(403);
    let old = site
        .token("anna", Role::Submit, -SignedDuration::from_secs(1))
        .await;
    site.send(bearer(submit(), &old)).await.problem(401);

    let revoke = || Request::new("DELETE", format!("/api/v1/tokens/{id}"));
    let berta = site.log_in("berta", &["qa"]).await;
    berta.send(revoke()).await.problem(404);
    anna.send(revoke()).await.expect(204);
    site.send(bearer(submit(), secret)).await.problem(401);

    // Who may only look may have one that may as much.
    let guest = site.log_in("guest", &[]).await;
    for (role, status) in [("view", 201), ("submit", 403)] {
        let body = json!({ "name": "look", "role": role });
        let request = Request::post("/api/v1/tokens").json(&body);
        guest.send(request).await.expect(status);
    }

    // The same by the page, without scripts.
    let form = Request::post("/tokens").body(
        "application/x-www-form-urlencoded",
        "name=by+hand&role=view&expires=7d",
    );
    let page = anna.send(form).await.expect(201).text();
    let secret = page.split("<code class=\"secret\">").nth(1).unwrap();
    let secret = secret.split('<').next().unwrap();
    let me = site.send(bearer(Request::get("/api/v1/me"), secret)).await;
    assert_eq!(me.expect(200).json()["role"], "view");
    let list = anna.get("/api/v1/tokens").await.json();
    let mut tokens = list["tokens"].as_array().unwrap().iter();
    let token = tokens.find(|token| token["name"] == "by hand").unwrap();
    let id = token["id"].as_str().unwrap();
    let revoke = Request::post(format!("/tokens/{id}/revoke"));
    anna.send(revoke).await.expect(303);
    site.send(bearer(Request::get("/api/v1/me"), secret))
        .await
        .problem(401);
    let wrong = Request::post("/tokens").body(
        "application/x-www-form-urlencoded",
        "name=x&role=admin&expires=7d",
    );
    let page = anna.send(wrong).await.expect(403).text();
    assert!(page.contains("needs the role admin"), "{page}");
}

#[tokio::test]
async fn a_token_that_may_only_look_makes_an_end_of_itself_only() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let anna = site.log_in("anna", &["qa"]).await;
    let mut made = Vec::new();
    for role in ["view", "view", "submit", "submit"] {
        let body = json!({ "name": role, "role": role });
        let request = Request::post("/api/v1/tokens").json(&body);
        made.push(anna.send(request).await.expect(201).json());
    }
    let text = |token: usize, key: &str| made[token][key].as_str().unwrap().to_owned();
    let count = |answer: Answer| {
        answer.expect(200).json()["tokens"]
            .as_array()
            .unwrap()
            .len()
    };
    let revoke = |token| Request::new("DELETE", format!("/api/v1/tokens/{}", text(token, "id")));
    let view = |request| site.send(bearer(request, made[0]["secret"].as_str().unwrap()));
    let list = || Request::get("/api/v1/tokens");
    assert_eq!(count(view(list()).await), 1);
    for other in [1, 2] {
        let refused = view(revoke(other)).await.problem(403);
        assert!(refused["detail"].as_str().unwrap().contains("itself"));
        let page = Request::post(format!("/tokens/{}/revoke", text(other, "id")));
        view(page).await.expect(403);
    }
    view(revoke(0)).await.expect(204);
    view(list()).await.problem(401);
    // One that may submit does what its owner does, but for making others.
    let submit = |request| site.send(bearer(request, made[2]["secret"].as_str().unwrap()));
    assert_eq!(count(submit(list()).await), 3);
    submit(revoke(3)).await.expect(204);
    // So does who has logged in, whatever their role.
    let guest = site.log_in("guest", &[]).await;
    let body = json!({ "name": "x", "role": "view" });
    let request = Request::post("/api/v1/tokens").json(&body);
    let own = guest.send(request).await.expect(201).json();
    let id = own["id"].as_str().unwrap();
    let request = Request::new("DELETE", format!("/api/v1/tokens/{id}"));
    guest.send(request).await.expect(204);
}

#[tokio::test]
async fn a_password_is_shown_to_nobody_else() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}")).await;
    let (anna, berta) = (
        site.log_in("anna", &["qa"]).await,
        site.log_in("berta", &["qa"]).await,
    );
    let root = site.log_in("root", &[]).await;
    let text = spec("vim").replace("[boot]", "staging = ftp://me:s3cret@host/x\n[boot]");
    let body = json!({ "spec": text });
    let job = anna.send(Request::post("/api/v1/jobs").json(&body)).await;
    let id = job.expect(201).json()["id"].as_str().unwrap().to_owned();
    // Who builds it again has a job of their own.
    let clone = Request::post(format!("/api/v1/jobs/{id}/clone"));
    let clone = berta.send(clone).await.expect(201).json();
    let clone = clone["id"].as_str().unwrap();
    for (who, id, sees) in [
        (&anna, &*id, true),
        (&root, &id, true),
        (&berta, &id, false),
        (&berta, clone, false),
        (&root, clone, true),
    ] {
        for page in ["/new", "/new/text"] {
            let page = who.get(&format!("{page}?job={id}")).await.expect(200);
            let page = page.text();
            assert_eq!(page.contains("me:s3cret@"), sees, "{page}");
            assert_eq!(page.contains("me:***@"), !sees, "{page}");
        }
    }
}

#[tokio::test]
async fn a_worker_tells_only_of_the_jobs_that_one_may_see() {
    let site = Site::with_worker(&format!("{PROVIDER}{ROLES}")).await;
    let (anna, guest) = (
        site.log_in("anna", &["qa"]).await,
        site.log_in("g", &[]).await,
    );
    let root = site.log_in("root", &[]).await;
    let body = json!({ "spec": spec("slow"), "private": true });
    let job = anna.send(Request::post("/api/v1/jobs").json(&body)).await;
    let job = job.expect(201).json();
    let id = job["id"].as_str().unwrap();
    let worker = async |who: &Browser<'_>| {
        let list = who.get("/api/v1/workers").await.expect(200).json();
        list["workers"][0].clone()
    };
    // The worker says every five seconds what it does.
    while worker(&anna).await["busy"] != 1 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    for (who, sees) in [(&anna, true), (&root, true), (&guest, false)] {
        let told = worker(who).await;
        assert_eq!(told["busy"], 1, "{told}");
        let expected = if sees { json!([id]) } else { json!([]) };
        assert_eq!(told["running"], expected);
        let page = who.get("/workers").await.expect(200).text();
        assert_eq!(page.contains(id), sees);
        assert!(page.contains("1 of 1"), "{page}");
    }
    anna.send(Request::post(format!("/api/v1/jobs/{id}/cancel")))
        .await
        .expect(200);
}

#[tokio::test]
async fn nobody_has_more_than_their_share() {
    let access = format!("{PROVIDER}{ROLES}quota = {{ open = 2, day = 3 }}\n");
    let site = Site::with_access(&access).await;
    let anna = site.log_in("anna", &["qa"]).await;
    let keyed = |key: &str| {
        let request = Request::post("/api/v1/jobs").json(&json!({ "spec": spec("a") }));
        request.header("idempotency-key", key)
    };
    let first = anna.send(keyed("one")).await.expect(201).json();
    // Of many at once as many are taken as may be.
    let many = (0..5).map(|_| anna.submit(false));
    let many = futures_util::future::join_all(many).await;
    let mut statuses: Vec<u16> = many.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409]);
    let refused = anna.submit(false).await.problem(409);
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("2 of your jobs")
    );
    // What was asked for before is answered all the same.
    let again = anna.send(keyed("one")).await.expect(200).json();
    assert_eq!(again["id"], first["id"]);
    let retry = format!("/api/v1/jobs/{}/cancel", first["id"].as_str().unwrap());
    anna.send(Request::post(retry)).await.expect(200);
    anna.submit(false).await.expect(201);
    for id in anna.sees().await {
        let cancel = Request::post(format!("/api/v1/jobs/{id}/cancel"));
        anna.send(cancel).await;
    }
    let refused = anna.submit(false).await.problem(409);
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("within 24 hours")
    );
    let form = Request::post(format!("/jobs/{}/retry", first["id"].as_str().unwrap()));
    anna.send(form).await.expect(409);
    site.log_in("berta", &["qa"])
        .await
        .submit(false)
        .await
        .expect(201);
    let root = site.log_in("root", &[]).await;
    for _ in 0..4 {
        root.submit(false).await.expect(201);
    }
}

#[tokio::test]
async fn images_are_kept_by_who_owns_them_and_count_as_theirs() {
    let access = format!(
        "{PROVIDER}{ROLES}quota = {{ disk = \"{}\" }}\n",
        IMAGE.len()
    );
    let site = Site::with_access(&access).await;
    let anna = site.log_in("anna", &["qa"]).await;
    let berta = site.log_in("berta", &["qa"]).await;
    let root = site.log_in("root", &[]).await;
    let id = anna.submitted(false).await;
    let secret = anna.submitted(true).await;
    for id in [&id, &secret] {
        deliver(&site.delivery(id), false);
        let cancel = Request::post(format!("/api/v1/jobs/{id}/cancel"));
        anna.send(cancel).await.expect(200);
    }
    let change = |id: &str, verb: &str| Request::post(format!("/api/v1/jobs/{id}/{verb}"));
    for verb in ["pin", "unpin"] {
        site.send(change(&id, verb)).await.problem(401);
        berta.send(change(&id, verb)).await.problem(403);
        let form = Request::post(format!("/jobs/{id}/{verb}"));
        berta.send(form).await.expect(403);
        berta.send(change(&secret, verb)).await.problem(404);
    }
    let pinned = anna.send(change(&id, "pin")).await.expect(200).json();
    assert_eq!(pinned["pinned"]["by"], "anna");
    let page = format!("/jobs/{id}");
    assert!(anna.get(&page).await.text().contains("Unpin the image"));
    let shown = berta.get(&page).await.text();
    assert!(shown.contains("Pinned by") && !shown.contains("Unpin the image"));
    root.send(change(&id, "unpin")).await.expect(200);
    let audit = root.get("/api/v1/audit").await.expect(200).text();
    for words in ["\"pinned\"", "\"unpinned\""] {
        assert!(audit.contains(words), "{words}: {audit}");
    }
    site.app.keeper.sweep(Timestamp::now()).await.unwrap();
    let refused = anna.submit(false).await.problem(409);
    assert!(
        refused["detail"].as_str().unwrap().contains("images"),
        "{refused}"
    );
    berta.submit(false).await.expect(201);
}

#[tokio::test]
async fn who_asks_too_often_waits_and_nobody_else() {
    let site = Site::with_access(&format!("{PROVIDER}{ROLES}rate = 1\n")).await;
    let (anna, berta) = (
        site.log_in("anna", &["qa"]).await,
        site.log_in("berta", &["qa"]).await,
    );
    let mut asked = 0;
    let answer = loop {
        let answer = anna.get("/api/v1/me").await;
        if answer.status != 200 {
            break answer;
        }
        asked += 1;
        assert!(asked < 50);
    };
    assert!(asked >= 4, "{asked}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    answer.problem(429);
    berta.get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn a_network_may_do_what_was_said_of_it() {
    let networks = "networks = { \"127.0.0.1\" = \"submit\", \"10.7.0.0/16\" = \"view\" }\n";
    let access = format!("{PROVIDER}{ROLES}{networks}");
    let site = Site::with_access(&access).await;
    let id = site.submit("a").await;
    assert_eq!(site.job(&id).await["requester"], "http@127.0.0.1");
    let rest = json!({ "config": json!(spec("a")).to_string(), "ksfname": null, "ks": null });
    site.send(Request::post("/rest").json(&rest))
        .await
        .expect(201);
    site.get("/metrics").await.expect(200);
    // Nobody says that they come from there, unless a proxy does that is trusted.
    let from = |address: &str| Request::get("/api/v1/me").header("x-forwarded-for", address);
    let me = site.send(from("10.7.1.1")).await.expect(200).json();
    assert_eq!(me["name"], "http@127.0.0.1");
    let behind = format!("{access}trusted_proxies = [\"127.0.0.1\"]\n");
    let site = Site::with_access(&behind).await;
    let me = site
        .send(from("192.0.2.1, 10.7.1.1"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&me["name"], &me["role"]),
        (&json!("http@10.7.1.1"), &json!("view"))
    );
    site.send(from("127.0.0.1, 192.0.2.1")).await.problem(401);
    // An account goes before the network.
    let anna = site.log_in("anna", &["qa"]).await;
    let request = from("10.7.1.1").header("cookie", &anna.cookie);
    assert_eq!(site.send(request).await.expect(200).json()["name"], "anna");
}
