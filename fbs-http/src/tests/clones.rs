//! Jobs like others, with changes.

use image_builder::spec::{BuildSpec, Format};
use serde_json::{Value, json};

use super::client::Request;
use super::site::{Site, Worked, spec};

fn cloned(id: &str, changes: &Value) -> Request {
    Request::post(format!("/api/v1/jobs/{id}/clone")).json(changes)
}

#[tokio::test]
async fn a_job_is_asked_for_again_with_another_build() {
    let site = Site::new(Worked::Nowhere).await;
    let first = site.submit("@core;vim").await;
    // The first one may still wait.
    let changes = json!({
        "set": {"nvr": "vim-9.1-1.fc43", "boot.packages": "@core", "release": "44", "timeout": "2h"},
        "priority": 3, "deadline": "2h",
    });
    let once = || cloned(&first, &changes).header("idempotency-key", "k");
    let answer = site.send(once()).await.expect(201);
    let place = answer.header("location").unwrap().to_owned();
    let second = answer.json();
    assert_eq!(
        (&second["release"], &second["priority"]),
        (&json!("44"), &json!(3))
    );
    assert_eq!(second["retry_of"], json!(first));
    assert!(second["deadline"].is_string(), "{second}");
    let text = second["spec"].as_str().unwrap();
    for line in [
        "release=44\n",
        "nvr=vim-9.1-1.fc43;\n",
        "packages=@core;\n",
        "timeout=",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("packages=@core;vim"), "{text}");
    // The same wish makes one job, another one with the same key is refused.
    let again = site.send(once()).await.expect(200).json();
    assert_eq!(
        place,
        format!("/api/v1/jobs/{}", again["id"].as_str().unwrap())
    );
    let other = cloned(&first, &json!({"set": {"release": "45"}})).header("idempotency-key", "k");
    site.send(other).await.problem(422);
    // What is taken away has its default; no changes are allowed, too.
    let plain = cloned(second["id"].as_str().unwrap(), &json!({"set": {"nvr": ""}}));
    let plain = site.send(plain).await.expect(201).json();
    assert!(!plain["spec"].as_str().unwrap().contains("nvr"), "{plain}");
    let bare = Request::post(format!("/api/v1/jobs/{first}/clone")).body("application/json", "");
    let bare = site.send(bare).await.expect(201).json();
    assert_eq!(bare["spec"], site.job(&first).await["spec"]);
}

#[tokio::test]
async fn a_live_image_s_kickstart_is_taken_along_or_replaced() {
    let site = Site::new(Worked::Nowhere).await;
    let kickstart =
        |package: &str| format!("lang C\npart / --size=2000\n%packages\n{package}\n%end\n");
    let wanted = json!({"spec": "[DEFAULT]\ntype=live\nrelease=43\narch=x86_64\n", "kickstart": kickstart("nano")});
    let live = site
        .send(Request::post("/api/v1/jobs").json(&wanted))
        .await
        .expect(201)
        .json();
    let id = live["id"].as_str().unwrap();
    let same = site
        .send(cloned(id, &json!({"set": {"release": "44"}})))
        .await
        .expect(201)
        .json();
    assert_eq!(same["kickstart"], live["kickstart"]);
    let other = site
        .send(cloned(id, &json!({"kickstart": kickstart("vim")})))
        .await
        .expect(201)
        .json();
    assert!(
        other["kickstart"].as_str().unwrap().contains("\nvim\n"),
        "{other}"
    );
    // A boot image has none.
    let boot = site
        .send(cloned(id, &json!({"set": {"type": "boot"}})))
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&boot["kickstart"], boot["title"].as_str()),
        (&Value::Null, Some("boot image of Fedora 43 (x86_64)"))
    );
}

#[tokio::test]
async fn wrong_changes_are_named_and_nothing_is_submitted() {
    let site = Site::new(Worked::Nowhere).await;
    let first = site.submit("@core").await;
    for (changes, key) in [
        (json!({"set": {"nvrs": "x"}}), "nvrs"),
        (json!({"set": {"nvr": "x"}}), "nvr"),
        (json!({"set": {"no.such.section": "x"}}), "such.section"),
        (json!({"set": {"": "x"}}), ""),
        (json!({"set": {"outdir": "/srv"}}), "outdir"),
        (json!({"deadline": "soon"}), "deadline"),
    ] {
        let problem = site.send(cloned(&first, &changes)).await.problem(422);
        let mistake = &problem["mistakes"][0];
        assert_eq!(mistake["key"], key, "{changes}: {problem}");
    }
    for wrong in [json!({"sets": {}}), json!({"set": {"nvr": 7}}), json!([])] {
        site.send(cloned(&first, &wrong)).await.problem(400);
    }
    site.send(cloned("none", &json!({}))).await.problem(404);
    let jobs = site.get("/api/v1/jobs").await.expect(200).json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(site.job(&first).await["spec"].as_str().unwrap().trim(), {
        let read = BuildSpec::parse(&spec("@core"), Format::Ini, "s").unwrap();
        read.to_ini().trim().to_owned()
    });
}
