//! Builds that are looked up at a hub.

use hub::Hub;
use hub::record::{build, rpm};
use serde_json::json;

use super::pages::form;
use super::site::Site;

#[tokio::test]
async fn what_koji_knows_of_builds_is_told_before_they_are_asked_for() {
    let hub = Hub::empty().unwrap();
    hub.insert_build(build(7, "vim", "9.1", "1.fc43"));
    for (id, name, arch) in [
        (70, "vim-enhanced", "x86_64"),
        (71, "vim-data", "noarch"),
        (72, "vim", "src"),
        (73, "vim-debuginfo", "x86_64"),
    ] {
        hub.insert_rpm(rpm(id, 7, name, "9.1", "1.fc43", arch));
    }
    let mut running = build(8, "nano", "8.0", "1.fc43");
    running["state"] = json!(0);
    hub.insert_build(running);
    let koji = format!(
        "[koji]\nhub = \"{}\"\nfiles = \"{}\"\n",
        hub.hub_url(),
        hub.files_url()
    );
    let site = Site::with_access(&koji).await;
    let names = "vim-9.1-1.fc43,8,none-1-1.fc43,<b>vim</b>";
    let target = format!(
        "/api/v1/builds?arch=x86_64&name={}",
        names.replace('<', "%3C").replace('>', "%3E")
    );
    let answer = site.get(&target).await.expect(200).json();
    let builds = answer["builds"].as_array().unwrap();
    assert_eq!(
        builds[0],
        json!({
            "asked": "vim-9.1-1.fc43", "nvr": "vim-9.1-1.fc43", "id": 7, "state": "complete", "owner": builds[0]["owner"],
            "rpms": ["vim-enhanced-9.1-1.fc43.x86_64.rpm", "vim-data-9.1-1.fc43.noarch.rpm"],
        })
    );
    for (number, words) in [
        (1, "is still being built"),
        (2, "not known to the hub"),
        (3, "is not a name-version-release"),
    ] {
        let problem = builds[number]["problem"].as_str().unwrap();
        assert!(problem.contains(words), "{problem}");
        assert_eq!(builds[number]["rpms"], json!([]));
    }
    for wrong in [
        "",
        "name=",
        "name=a&arch=z80",
        &format!("name={}", "1,".repeat(21)),
    ] {
        let target = format!("/api/v1/builds?{wrong}");
        site.get(&target).await.problem(400);
    }
    let named = |nvr: &str| form("/new/builds", &[("nvr", nvr)]);
    let page = site
        .send(named("vim-9.1-1.fc43;<i>"))
        .await
        .expect(200)
        .text();
    assert!(
        page.contains("vim-enhanced-9.1-1.fc43.x86_64.rpm"),
        "{page}"
    );
    assert!(
        page.contains("is not a name-version-release") && !page.contains("<i>"),
        "{page}"
    );
    // One that is away is said to be, beside the field.
    let site = Site::with_access("[koji]\nhub = \"http://127.0.0.1:9/\"\n").await;
    site.get("/api/v1/builds?name=7").await.problem(502);
    let page = site.send(named("vim-9.1-1.fc43")).await.expect(200).text();
    assert!(page.contains("class=\"wrong\">Koji: "), "{page}");
}
