//! What would be done, before anything is.

use hub::Hub;
use hub::record::{build, rpm};
use serde_json::{Value, json};

use super::client::Request;
use super::pages::{form, html};
use super::site::{Site, Worked, spec};

fn plan(spec: impl Into<Vec<u8>>) -> Request {
    Request::post("/api/v1/plan").body("text/plain", spec)
}

#[tokio::test]
async fn a_plan_says_what_would_be_done_and_does_nothing() {
    let site = Site::new(Worked::Here).await;
    let text = spec("@core;vim") + "43_url = http://me:secret@host/os\n";
    let plan = site.send(plan(text)).await.expect(200).json();
    assert_eq!(plan["title"], "boot image of Fedora 43 (x86_64)");
    let packages: Vec<&str> = plan["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        packages.contains(&"@core") && packages.contains(&"vim"),
        "{packages:?}"
    );
    assert_eq!(
        plan["repositories"][0]["addresses"],
        json!(["http://me:***@host/os"])
    );
    assert_eq!(plan["waits"]["before"], 0);
    assert_eq!(plan["waits"]["reason"], "1 worker serves x86_64/43, 0 busy");
    let stages = plan["stages"].to_string();
    assert!(
        stages.contains("/job/") && stages.contains("/cache/") && stages.contains("xorriso"),
        "{stages}"
    );
    assert!(!stages.contains("secret"), "{stages}");
    assert_eq!(
        site.get("/api/v1/jobs").await.expect(200).json()["jobs"],
        json!([])
    );
    // A live image takes its packages from its kickstart.
    let wanted = json!({
        "spec": "[DEFAULT]\ntype=live\nrelease=43\narch=x86_64\n",
        "kickstart": "lang C\npart / --size=2000\n%packages\nnano\n%end\n",
    });
    let live = Request::post("/api/v1/plan").json(&wanted);
    let live = site.send(live).await.expect(200).json();
    assert!(live["packages"].to_string().contains("nano"), "{live}");
}

#[tokio::test]
async fn what_cannot_be_planned_says_why() {
    let site = Site::new(Worked::Nowhere).await;
    let wrong = site
        .send(plan("[DEFAULT]\ntype=boot\nrelase=43\n"))
        .await
        .problem(422);
    assert_eq!(wrong["mistakes"].as_array().unwrap().len(), 2, "{wrong}");
    // Right in itself, and no image: a group cannot be left out.
    let wrong = site.send(plan(spec("@core;-@standard"))).await.problem(422);
    assert!(
        wrong["mistakes"][0]["message"]
            .as_str()
            .unwrap()
            .contains("cannot be left out"),
        "{wrong}"
    );
    site.send(Request::post("/api/v1/plan").body("text/html", "x"))
        .await
        .problem(415);
    // Of another architecture, where nothing is built here: whoever takes it has that.
    let arm = "[DEFAULT]\ntype=boot\nrelease=43\narch=aarch64\n";
    let plan = site.send(plan(arm)).await.expect(200).json();
    assert_eq!(plan["waits"]["reason"], "no worker serves aarch64/43");
    assert!(
        plan["notes"].to_string().contains("may have other tools"),
        "{plan}"
    );
    let here = Site::new(Worked::Here).await;
    let wrong = here.send(super::plans::plan(arm)).await.problem(422);
    assert!(
        wrong["detail"].as_str().unwrap().contains("aarch64"),
        "{wrong}"
    );
}

#[tokio::test]
async fn the_form_shows_the_plan_with_what_koji_knows() {
    let hub = Hub::empty().unwrap();
    hub.insert_build(build(7, "vim", "9.1", "1.fc43"));
    hub.insert_rpm(rpm(70, 7, "vim-enhanced", "9.1", "1.fc43", "x86_64"));
    let koji = format!(
        "[koji]\nhub = \"{}\"\nfiles = \"{}\"\n",
        hub.hub_url(),
        hub.files_url()
    );
    let site = Site::with_access(&koji).await;
    let fields = |nvr: &'static str| {
        [
            ("type", "boot"),
            ("release", "43"),
            ("arch", "x86_64"),
            ("boot_test", "none"),
            ("nvr", nvr),
            ("more", "timeout=2h"),
        ]
    };
    let page = html(
        &site
            .send(form("/new/plan", &fields("vim-9.1-1.fc43; none-1-1.fc43")))
            .await
            .expect(200),
    );
    for words in [
        "Plan: boot image of Fedora 43 (x86_64)",
        "no worker serves x86_64/43",
        "vim-enhanced-9.1-1.fc43.x86_64.rpm",
        "none-1-1.fc43 is not known to the hub",
        "2:00:00 h",
        // What was written stays.
        "value=\"vim-9.1-1.fc43; none-1-1.fc43\"",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // A mistake stands beside its field, in place of a plan.
    let page = html(
        &site
            .send(form("/new/plan", &fields("vim")))
            .await
            .expect(422),
    );
    assert!(
        page.contains("id=\"m-nvr\" aria-live=\"polite\"><p class=\"wrong\">")
            && page.contains("<li>nvr: ")
            && !page.contains("id=\"plan\""),
        "{page}"
    );
    let text = [
        (
            "spec",
            "[DEFAULT]\ntype=boot\nrelease=43\nnvr=vim-9.1-1.fc43\n",
        ),
        ("format", "ini"),
    ];
    let page = html(&site.send(form("/new/plan", &text)).await.expect(200));
    assert!(
        page.contains("Plan: boot image") && page.contains("name=\"spec\""),
        "{page}"
    );
    // A hub that is away keeps nobody from seeing the rest.
    let site = Site::with_access("[koji]\nhub = \"http://127.0.0.1:9/\"\n").await;
    let page = html(
        &site
            .send(form("/new/plan", &fields("vim-9.1-1.fc43")))
            .await
            .expect(200),
    );
    assert!(
        page.contains("what the builds are is not known yet: Koji: "),
        "{page}"
    );
}
