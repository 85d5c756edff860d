//! Files of jobs, and nothing else.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::client::Request;
use super::site::{IMAGE, Site, Worked};

#[tokio::test]
async fn files_of_a_job_are_served_and_no_others() {
    let site = Site::new(Worked::Here).await;
    let id = site.submit("vim").await;
    site.get(&format!("/api/v1/jobs/{id}/report")).await;
    site.wait(&id, "succeeded").await;
    let base = format!("/api/v1/jobs/{id}/artifacts");
    let list = site.get(&base).await.expect(200).json();
    let files = list["files"].as_array().unwrap();
    let names: Vec<&Value> = files.iter().map(|file| &file["name"]).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(
        (names[0], names[3]),
        (&json!("boot 43.iso"), &json!("build-report.json"))
    );
    assert_eq!(files[0]["size"], IMAGE.len());
    let href = files[0]["href"].as_str().unwrap();
    assert_eq!(href, format!("{base}/boot%2043.iso"));
    let image = site.get(href).await.expect(200);
    assert_eq!(image.body, IMAGE);
    assert_eq!(
        image.header("content-type"),
        Some("application/octet-stream")
    );
    assert!(
        image
            .header("content-security-policy")
            .unwrap()
            .contains("sandbox")
    );
    let tag = format!("\"{}\"", files[0]["sha256"].as_str().unwrap());
    assert_eq!(image.header("etag"), Some(&*tag));
    let part = site
        .send(Request::get(href).header("range", "bytes=4-9"))
        .await
        .expect(206);
    assert_eq!(part.body, &IMAGE[4..=9]);
    let head = site.send(Request::new("HEAD", href)).await.expect(200);
    assert_eq!(
        head.header("content-length"),
        Some(&*IMAGE.len().to_string())
    );
    let report = site
        .get(&format!("/api/v1/jobs/{id}/report"))
        .await
        .expect(200);
    assert_eq!(report.json()["files"].as_array().unwrap().len(), 2);
    // There, but no file of the job.
    let folder = site.delivery(&id);
    assert!(folder.join("secret").is_file());
    symlink("/etc/passwd", folder.join("link")).unwrap();
    for name in [
        "secret",
        "link",
        ".",
        "..",
        "%2e%2e",
        "../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "..%5c..%5cetc",
        "boot%2043.iso%00",
        "boot%2043.iso%2f",
        "%ff",
        "",
    ] {
        let target = format!("{base}/{name}");
        let answer = site.get(&target).await;
        assert!([400, 404].contains(&answer.status), "{name}: {answer:?}");
        assert!(!answer.text().contains("root:"), "{name}");
    }
    site.get("/api/v1/jobs/..%2f..%2fetc/artifacts/passwd")
        .await
        .problem(404);
}

#[tokio::test]
async fn conditions_and_parts_of_a_file_are_as_rfc_9110_has_them() {
    let site = Site::new(Worked::Here).await;
    let id = site.submit("vim").await;
    site.wait(&id, "succeeded").await;
    let image = format!("/api/v1/jobs/{id}/artifacts/boot%2043.iso");
    let whole = site.get(&image).await.expect(200);
    let (tag, date) = (whole.header("etag"), whole.header("last-modified"));
    let (tag, date) = (tag.unwrap(), date.unwrap());
    let part = ("range", "bytes=4-9");
    let (begin, other) = (&IMAGE[4..=9], "\"deadbeef\"");
    for (headers, status, body) in [
        (&[part][..], 206, begin),
        (&[part, ("if-range", tag)], 206, begin),
        (&[part, ("if-range", other)], 200, IMAGE),
        (&[("range", "bytes=0-1,4-5")], 200, IMAGE),
        (&[("if-none-match", tag)], 304, b""),
        (&[("if-none-match", tag), part], 304, b""),
        (&[("if-none-match", other)], 200, IMAGE),
        (&[("if-modified-since", date)], 304, b""),
        (&[("if-match", tag)], 200, IMAGE),
    ] {
        for method in ["GET", "HEAD"] {
            let mut request = Request::new(method, &image);
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            // HEAD knows no parts.
            let (status, body, length) = match (method, status) {
                ("GET", status) => (status, body, body.len()),
                (_, 304) => (304, &b""[..], 0),
                _ => (200, &b""[..], IMAGE.len()),
            };
            let answer = site.send(request).await.expect(status);
            assert_eq!(answer.body, body, "{method} {headers:?}");
            assert_eq!(answer.header("etag"), Some(tag), "{method} {headers:?}");
            if status != 304 {
                let length = length.to_string();
                assert_eq!(answer.header("content-length"), Some(&*length));
            }
        }
    }
    let another = Request::get(&image).header("if-match", other);
    site.send(another).await.problem(412);
    let report = format!("/api/v1/jobs/{id}/report");
    for target in [&image, &report, &format!("/api/v1/jobs/{id}/log")] {
        let whole = site.get(target).await.expect(200);
        let tag = whole.header("etag").unwrap();
        let again = Request::get(target).header("if-none-match", tag);
        site.send(again).await.expect(304);
        let behind = Request::get(target).header("range", "bytes=999999-");
        let answer = site.send(behind).await;
        let range = format!("bytes */{}", whole.body.len());
        assert_eq!(answer.header("content-range"), Some(&*range));
        answer.problem(416);
    }
}

#[tokio::test]
async fn a_link_or_a_report_that_lies_leads_nowhere() {
    let site = Site::new(Worked::Here).await;
    let id = site.submit("vim").await;
    site.wait(&id, "succeeded").await;
    let folder = site.delivery(&id);
    let image = folder.join("boot 43.iso");
    std::fs::remove_file(&image).unwrap();
    symlink("/etc/passwd", &image).unwrap();
    let target = format!("/api/v1/jobs/{id}/artifacts/boot%2043.iso");
    site.get(&target).await.problem(404);
    let path = folder.join("build-report.json");
    let mut report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for name in ["/etc/passwd", "../../../store.sqlite", ".."] {
        report["files"][0]["name"] = json!(name);
        report["log"] = json!(name);
        std::fs::write(&path, report.to_string()).unwrap();
        let encoded = name.replace('/', "%2f").replace("..", "%2e%2e");
        site.get(&format!("/api/v1/jobs/{id}/artifacts/{encoded}"))
            .await
            .problem(404);
        let list = site
            .get(&format!("/api/v1/jobs/{id}/artifacts"))
            .await
            .json();
        assert!(!list["files"].to_string().contains("passwd"), "{list}");
    }
    // A folder that is a link is none.
    let real = site.folder.path().join("elsewhere");
    std::fs::rename(&folder, &real).unwrap();
    symlink(&real, &folder).unwrap();
    site.get(&format!("/api/v1/jobs/{id}/report"))
        .await
        .problem(404);
}

#[tokio::test]
async fn what_is_new_in_an_image_is_told() {
    let site = Site::new(Worked::Here).await;
    let mut jobs = Vec::new();
    for packages in ["a", "slow", "newer", "newer;b"] {
        let id = site.submit(packages).await;
        if packages == "slow" {
            site.wait(&id, "running").await;
            let cancel = Request::post(format!("/api/v1/jobs/{id}/cancel"));
            site.send(cancel).await.expect(200);
            site.wait(&id, "cancelled").await;
        } else {
            site.wait(&id, "succeeded").await;
        }
        jobs.push(id);
    }
    let changes = |number: usize| format!("/api/v1/jobs/{}/changes", jobs[number]);
    site.get(&changes(0)).await.problem(404);
    site.get(&changes(1)).await.problem(404);
    // The one that was cancelled is passed over.
    let newer = site.get(&changes(2)).await.expect(200).json();
    assert_eq!(newer["previous"], jobs[0].as_str());
    assert_eq!(newer["added"], json!(["newer-1-1.noarch"]));
    let same = site.get(&changes(3)).await.expect(200).json();
    assert_eq!(same["added"], json!([]));
    let page = site.get(&format!("/jobs/{}", jobs[2])).await.text();
    assert!(page.contains("Packages that are not the same"), "{page}");
    let page = site.get(&format!("/jobs/{}", jobs[3])).await.text();
    assert!(page.contains("The same as in"), "{page}");
}
