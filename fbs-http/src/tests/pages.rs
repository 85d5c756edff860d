//! Pages, as a browser without scripts has them.

use super::client::{Answer, Request};
use super::site::{Site, Worked, spec};

const BORDER: &str = "----fbs";

/// A form as browsers send it; what ends in `_file` is a file.
pub(super) fn form(target: &str, fields: &[(&str, &str)]) -> Request {
    let mut body = String::new();
    for (name, text) in fields {
        let file = match name.ends_with("_file") {
            true => "; filename=\"../a.ks\"\r\ncontent-type: text/plain",
            false => "",
        };
        body.push_str(&format!(
            "--{BORDER}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n"
        ));
    }
    body.push_str(&format!("--{BORDER}--\r\n"));
    let kind = format!("multipart/form-data; boundary={BORDER}");
    Request::post(target).body(&kind, body)
}

/// The page, if it is one that the policy lets work.
#[track_caller]
pub(super) fn html(answer: &Answer) -> String {
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let text = answer.text();
    assert!(text.starts_with("<!DOCTYPE html>"), "{text}");
    for word in [
        " style=",
        "<style",
        " onclick",
        "javascript:",
        "src=\"http",
        "href=\"http",
        "<script>",
    ] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    text
}

/// Where a page sends the browser.
#[track_caller]
pub(super) fn sent_on(answer: Answer) -> String {
    let answer = answer.expect(303);
    answer.header("location").unwrap().to_owned()
}

const BOOT: [(&str, &str); 4] = [
    ("type", "boot"),
    ("release", "43"),
    ("arch", "x86_64"),
    ("boot_test", "none"),
];

#[tokio::test]
async fn an_image_is_asked_for_by_the_form_cancelled_and_asked_for_again() {
    let site = Site::new(Worked::Here).await;
    let page = html(&site.get("/new").await.expect(200));
    assert!(
        page.contains("Workers build 43.") && page.contains("boot_test=both"),
        "{page}"
    );
    let mut fields = BOOT.to_vec();
    fields.extend([
        ("packages", "slow;vim\r\nnano"),
        ("repository", "http://host/os"),
        ("updates", ""),
        ("kickstart", ""),
    ]);
    let preview = site
        .send(form("/new/preview", &fields))
        .await
        .expect(200)
        .text();
    assert!(
        preview.contains("43_url=http://host/os") && preview.contains("nano"),
        "{preview}"
    );
    assert!(preview.contains(r#"<div id="m-nvr" hx-swap-oob="innerHTML"></div>"#));
    // What is wrong stands beside its field, unless nobody has written there yet.
    let wrong = [("type", "live"), ("release", ""), ("nvr", "vim")];
    let wrong = site.send(form("/new/preview", &wrong)).await.expect(200);
    let wrong = wrong.text();
    let (list, beside) = wrong.split_once("hx-swap-oob").unwrap();
    assert!(list.contains("<li>release: "), "{wrong}");
    assert!(
        beside.contains(r#"<div id="m-nvr" hx-swap-oob="innerHTML"><p class="wrong">"#),
        "{wrong}"
    );
    let file = site.send(form("/new/spec", &fields)).await.expect(200);
    assert!(
        file.header("content-disposition")
            .unwrap()
            .contains("imagebuild.conf")
    );
    assert!(
        file.text().starts_with("[DEFAULT]\ntype=boot\n"),
        "{}",
        file.text()
    );
    let place = sent_on(site.send(form("/new", &fields)).await);
    let id = place.strip_prefix("/jobs/").unwrap().to_owned();
    site.wait(&id, "running").await;
    let page = html(&site.get(&place).await.expect(200));
    assert!(
        page.contains(&format!("action=\"{place}/cancel\""))
            && page.contains("http-equiv=\"refresh\"")
    );
    assert_eq!(
        sent_on(site.send(Request::post(format!("{place}/cancel"))).await),
        place
    );
    site.wait(&id, "cancelled").await;
    // Too late is no error.
    assert_eq!(
        sent_on(site.send(Request::post(format!("{place}/cancel"))).await),
        place
    );
    let text = html(&site.get(&format!("/new/text?job={id}")).await.expect(200));
    assert!(text.contains("43_url=http://host/os"), "{text}");
    let again = sent_on(site.send(Request::post(format!("{place}/retry"))).await);
    assert_ne!(again, place);
    let changed = sent_on(
        site.send(form("/new", &[("spec", &spec("vim")), ("format", "ini")]))
            .await,
    );
    let changed = changed.strip_prefix("/jobs/").unwrap().to_owned();
    site.send(Request::post(format!("{again}/cancel")))
        .await
        .expect(303);
    site.wait(&changed, "succeeded").await;
    let page = html(&site.get(&format!("/jobs/{changed}")).await.expect(200));
    for words in [
        "boot 43.iso",
        "artifacts/boot%2043.iso",
        "data-events=\"/api/v1/jobs/",
        "Build it again",
        "submitted by http",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let log = site.get(&format!("/jobs/{changed}/log")).await.expect(307);
    assert_eq!(
        log.header("location"),
        Some(&*format!("/api/v1/jobs/{changed}/log"))
    );
    let list = html(&site.get("/").await.expect(200));
    assert_eq!(list.matches("href=\"/jobs/").count(), 3, "{list}");
    let list = html(
        &site
            .get("/?state=cancelled&arch=&release=&requester=")
            .await
            .expect(200),
    );
    assert_eq!(list.matches("href=\"/jobs/").count(), 2, "{list}");
    assert!(html(&site.get("/workers").await.expect(200)).contains("anna"));
}

#[tokio::test]
async fn mistakes_stand_at_their_fields_and_nothing_is_lost() {
    let site = Site::new(Worked::Nowhere).await;
    let fields = [
        ("type", "live"),
        ("release", "forty"),
        ("arch", "x86_64"),
        ("nvr", "<script>alert(1)</script>"),
        ("staging", "/srv/images"),
        ("kickstart_file", "lang C\n%include /etc/passwd\n"),
        ("kickstart", ""),
    ];
    let page = html(&site.send(form("/new", &fields)).await.expect(422));
    for field in ["release", "nvr", "kickstart"] {
        let (_, rest) = page.split_once(&format!("id=\"h-{field}\"")).unwrap();
        let (helper, _) = rest.split_once("</div>").unwrap();
        assert!(helper.contains("class=\"wrong\""), "{field}: {helper}");
    }
    assert!(
        page.contains("%include /etc/passwd") && !page.contains("<script>alert"),
        "{page}"
    );
    assert!(page.contains("value=\"forty\"") && page.contains("Nothing was submitted"));
    let text = [
        ("spec", "[DEFAULT]\ntype=boot\nrelease=43\nupdats=1\n"),
        ("format", "ini"),
    ];
    let page = html(&site.send(form("/new", &text)).await.expect(422));
    assert!(page.contains("updats: line 4: unknown key"), "{page}");
    // What is written into the form goes on as text.
    let page = html(&site.send(form("/new/text", &BOOT)).await.expect(200));
    assert!(
        page.contains("[DEFAULT]\ntype=boot\nrelease=43\n"),
        "{page}"
    );
    let page = html(&site.get("/").await.expect(200));
    assert!(page.contains("No jobs here"), "{page}");
    for wrong in ["/jobs/nobody", "/jobs/..%2fx", "/new/text?job=nobody"] {
        assert!(html(&site.get(wrong).await.expect(404)).contains("no job"));
    }
    html(&site.get("/?state=gone").await.expect(400));
    let foreign = form("/new", &BOOT).header("sec-fetch-site", "cross-site");
    site.send(foreign).await.problem(403);
}

#[tokio::test]
async fn what_others_wrote_is_shown_as_text() {
    let site = Site::new(Worked::Nowhere).await;
    let id = site.submit("vim").await;
    let reason = "<img src=x onerror=alert(1)>\u{1b}[31m\"'";
    let cancel = Request::post(format!("/api/v1/jobs/{id}/cancel"));
    let body = serde_json::json!({ "reason": reason });
    site.send(cancel.json(&body)).await.expect(200);
    let page = html(&site.get(&format!("/jobs/{id}")).await.expect(200));
    assert!(
        !page.contains("<img") && page.contains("onerror=alert(1)"),
        "{page}"
    );
    let list = html(&site.get("/?requester=%22%3E%3Cscript%3E").await.expect(200));
    assert!(!list.contains("\"><script>"), "{list}");
}

#[tokio::test]
async fn who_wrote_a_password_has_it_in_the_form_and_nobody_sees_it() {
    let site = Site::new(Worked::Nowhere).await;
    let spec = "[DEFAULT]\ntype=live\nrelease=43\narch=x86_64\nstaging=ftp://me:s3cret@host/x\n";
    let wanted = serde_json::json!({
        "spec": spec,
        "kickstart": "lang C\nrepo --name=a --baseurl=http://me:s3cret@host/os\n%packages\n@core\n%end\n",
    });
    let submit = Request::post("/api/v1/jobs").json(&wanted);
    let answer = site.send(submit).await.expect(201);
    assert!(!answer.text().contains("s3cret"), "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let again = Request::post(format!("/api/v1/jobs/{id}/clone"));
    let again = site.send(again).await.expect(201);
    assert!(!again.text().contains("s3cret"), "{}", again.text());
    let second = again.json()["id"].as_str().unwrap().to_owned();
    for id in [&id, &second] {
        for page in [
            format!("/api/v1/jobs/{id}"),
            format!("/jobs/{id}"),
            "/api/v1/jobs".to_owned(),
        ] {
            let text = site.get(&page).await.expect(200).text();
            assert!(!text.contains("s3cret"), "{page}: {text}");
        }
        // Each has it, for the worker.
        for (page, places) in [("/new", 3), ("/new/text", 2)] {
            let page = site.get(&format!("{page}?job={id}")).await.expect(200);
            let text = page.text();
            assert_eq!(text.matches("s3cret").count(), places, "{text}");
        }
    }
    // Nobody finds it out by searching, either.
    for (words, found) in [("host/x", 2), ("s3c", 0)] {
        let list = site.get(&format!("/api/v1/jobs?q={words}")).await;
        let list = list.expect(200).json();
        assert_eq!(list["jobs"].as_array().unwrap().len(), found, "{words}");
    }
    // What was shown is no spec.
    let shown = site.job(&id).await;
    let copied = serde_json::json!({ "spec": shown["spec"], "kickstart": shown["kickstart"] });
    let submit = Request::post("/api/v1/jobs").json(&copied);
    let problem = site.send(submit).await.problem(422);
    let mistakes = problem["mistakes"].as_array().unwrap();
    let places: Vec<_> = mistakes
        .iter()
        .map(|one| (one["key"].as_str(), one["line"].as_u64()))
        .collect();
    assert_eq!(places, [(Some("staging"), None), (None, Some(2))]);
    let message = mistakes[0]["message"].as_str().unwrap();
    assert!(message.contains("not shown"), "{problem}");
}

#[tokio::test]
async fn a_visit_is_light_and_what_is_loaded_stays() {
    let site = Site::new(Worked::Nowhere).await;
    let page = site.get("/").await.expect(200);
    let text = html(&page);
    let mut weight = page.body.len();
    let mut loaded = 0;
    for part in text.split("\"/assets/").skip(1) {
        let target = format!("/assets/{}", part.split('"').next().unwrap());
        let packed = Request::get(&target).header("accept-encoding", "gzip, br");
        let packed = site.send(packed).await.expect(200);
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{target}");
        assert!(
            packed
                .header("cache-control")
                .unwrap()
                .contains("immutable")
        );
        let plain = site.get(&target).await.expect(200);
        assert!(
            plain.header("content-encoding").is_none() && plain.body.len() > packed.body.len() / 2
        );
        assert_eq!(plain.header("content-type"), packed.header("content-type"));
        weight += packed.body.len();
        loaded += 1;
    }
    assert_eq!(loaded, 5);
    let packed = Request::get("/").header("accept-encoding", "gzip");
    let packed = site.send(packed).await.expect(200);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < page.body.len());
    assert!(weight < 150_000, "{weight} bytes");
    site.get("/assets/0000000000000000/app.js")
        .await
        .problem(404);
}
