//! Images that go, and those that somebody keeps.

use std::fs;

use image_builder::notification::NoticeKind;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::client::Request;
use super::site::{IMAGE, Site, Worked};

/// So many minutes from now.
fn after(minutes: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(minutes)
}

async fn sweep(site: &Site, minutes: i64) {
    site.app.keeper.sweep(after(minutes)).await.unwrap();
}

async fn images(site: &Site, id: &str) -> Value {
    let list = site.get(&format!("/api/v1/jobs/{id}/artifacts")).await;
    list.expect(200).json()["images"].clone()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_image_goes_after_its_people_were_told_and_its_records_stay() {
    let site = Site::new(Worked::Here).await;
    let id = site.submit("vim").await;
    site.wait(&id, "succeeded").await;
    let base = format!("/api/v1/jobs/{id}/artifacts");
    let view = images(&site, &id).await;
    assert_eq!(view["bytes"], IMAGE.len());
    let life = time(&view["expires"]).duration_since(time(&view["delivered"]));
    assert_eq!(life, SignedDuration::from_hours(1));
    let page = site.get(&format!("/jobs/{id}")).await.expect(200).text();
    for words in [
        "Expires (UTC)",
        "Pin the image",
        &format!("action=\"/jobs/{id}/pin\""),
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    sweep(&site, 40).await;
    assert!(site.told.notices().is_empty());
    sweep(&site, 55).await;
    let notices = site.told.notices();
    let NoticeKind::Expiring { files, page, .. } = &notices[0].kind else {
        panic!("{notices:?}");
    };
    assert_eq!(files, &["boot 43.iso"]);
    let link = format!("https://images.example.org/jobs/{id}");
    assert_eq!(page.as_ref(), Some(&link));
    site.get(&format!("{base}/boot%2043.iso")).await.expect(200);
    sweep(&site, 66).await;
    let gone = site
        .get(&format!("{base}/boot%2043.iso"))
        .await
        .problem(410);
    let words = gone["detail"].as_str().unwrap();
    assert!(words.contains("because its time was over"), "{gone}");
    assert!(gone["hint"].as_str().unwrap().contains("/retry"), "{gone}");
    for name in ["boot-uefi.png", "build-report.json"] {
        site.get(&format!("{base}/{name}")).await.expect(200);
    }
    site.get(&format!("/api/v1/jobs/{id}/log"))
        .await
        .expect(200);
    site.get(&format!("{base}/other.iso")).await.problem(404);
    let list = site.get(&base).await.json();
    assert_eq!(list["files"].as_array().unwrap().len(), 3, "{list}");
    assert_eq!(list["images"]["removed"]["reason"], "age");
    assert_eq!(list["images"]["expires"], Value::Null);
    let page = site.get(&format!("/jobs/{id}")).await.expect(200).text();
    assert!(page.contains("because its time was over") && !page.contains("Pin the image"));
    for verb in ["pin", "unpin"] {
        let problem = site
            .send(Request::post(format!("/api/v1/jobs/{id}/{verb}")))
            .await;
        let problem = problem.problem(409);
        assert!(
            problem["detail"].as_str().unwrap().contains("was removed"),
            "{problem}"
        );
    }
    let metrics = site.get("/metrics").await.expect(200).text();
    for line in [
        "fbs_images_removed_total{reason=\"age\"} 1",
        "fbs_images_bytes 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_pinned_image_stays_and_its_page_says_who_keeps_it() {
    let site = Site::new(Worked::Here).await;
    let slow = site.submit("slow").await;
    site.wait(&slow, "running").await;
    let pin = |id: &str, verb: &str| Request::post(format!("/api/v1/jobs/{id}/{verb}"));
    let problem = site.send(pin(&slow, "pin")).await.problem(409);
    assert!(
        problem["detail"].as_str().unwrap().contains("no image yet"),
        "{problem}"
    );
    site.send(pin("nobody", "pin")).await.problem(404);
    site.send(pin("nobody", "unpin")).await.problem(404);
    site.send(Request::post(format!("/api/v1/jobs/{slow}/cancel")))
        .await
        .expect(200);
    site.wait(&slow, "cancelled").await;
    let problem = site.send(pin(&slow, "pin")).await.problem(409);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("no image here"),
        "{problem}"
    );
    assert_eq!(images(&site, &slow).await, Value::Null);

    let id = site.submit("vim").await;
    site.wait(&id, "succeeded").await;
    let place = format!("/jobs/{id}");
    let sent = site
        .send(Request::post(format!("{place}/pin")))
        .await
        .expect(303);
    assert_eq!(sent.header("location"), Some(&*place));
    let view = site.send(pin(&id, "pin")).await.expect(200).json();
    assert_eq!(view["pinned"]["by"], "http");
    assert_eq!(view["expires"], Value::Null);
    let page = site.get(&place).await.expect(200).text();
    assert!(
        page.contains("Pinned by") && page.contains("Unpin the image"),
        "{page}"
    );
    let metrics = site.get("/metrics").await.expect(200).text();
    let line = format!("fbs_images_pinned_bytes {}", IMAGE.len());
    assert!(metrics.contains(&line), "{metrics}");
    sweep(&site, 10_000).await;
    assert!(site.told.notices().is_empty());
    site.send(Request::post(format!("{place}/unpin")))
        .await
        .expect(303);
    assert_eq!(images(&site, &id).await["pinned"], Value::Null);
    let foreign = pin(&id, "pin").header("sec-fetch-site", "cross-site");
    site.send(foreign).await.problem(403);
    // People have their time from now on.
    sweep(&site, 10_000).await;
    sweep(&site, 10_009).await;
    let image = site.delivery(&id).join("boot 43.iso");
    assert!(image.is_file());
    sweep(&site, 10_011).await;
    assert!(!image.exists());
}

#[tokio::test]
async fn the_folder_of_images_keeps_what_is_not_ours_to_remove() {
    let site = Site::new(Worked::Here).await;
    let id = site.submit("vim").await;
    site.wait(&id, "succeeded").await;
    let folder = site.delivery(&id);
    let path = folder.join("build-report.json");
    let mut report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let store = json!({"name": "../../../store.sqlite", "size": 1 << 30, "sha256": ""});
    report["files"].as_array_mut().unwrap().push(store);
    fs::write(&path, report.to_string()).unwrap();
    for minutes in [55, 70] {
        sweep(&site, minutes).await;
    }
    assert!(site.folder.path().join("store.sqlite").is_file());
    assert!(folder.join("secret").is_file() && !folder.join("boot 43.iso").exists());
    site.get(&format!("/api/v1/jobs/{id}")).await.expect(200);
}
