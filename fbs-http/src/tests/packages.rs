//! Packages and groups that are found before they are asked for.

use image_builder::digest::sha256_text;
use serde_json::json;

use super::elsewhere::{self, Asked};
use super::pages::form;
use super::site::Site;

const PRIMARY: &str = "<metadata>\
    <package type=\"rpm\"><name>vim-enhanced</name><arch>x86_64</arch><summary>An editor &lt;b&gt;</summary></package>\
    <package type=\"rpm\"><name>gvim</name><arch>x86_64</arch><summary>With windows</summary></package>\
    </metadata>";

const COMPS: &str = "<comps><group><id>editors</id><name>Editors</name><description>For vim and more</description>\
    <packagelist><packagereq>gvim</packagereq></packagelist></group>\
    <environment><id>vim-desktop</id><name>A desktop</name></environment></comps>";

/// A server of one repository, at `/os`, and of one that is elsewhere, and the paths that it was asked for.
async fn server() -> (String, Asked) {
    let data = |kind: &str, name: &str, text: &str| {
        let sum = sha256_text(text);
        format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{sum}</checksum><location href=\"repodata/{name}\"/></data>"
        )
    };
    let repomd = format!(
        "<repomd>{}{}</repomd>",
        data("primary", "p.xml", PRIMARY),
        data("group", "c.xml", COMPS)
    );
    elsewhere::serve([
        ("/os/repodata/repomd.xml", "200 OK", repomd.as_str()),
        ("/os/repodata/p.xml", "200 OK", PRIMARY),
        ("/os/repodata/c.xml", "200 OK", COMPS),
        (
            "/moved/repodata/repomd.xml",
            "302 Found\r\nlocation: http://10.255.255.1/",
            "",
        ),
    ])
    .await
}

#[tokio::test]
async fn packages_and_groups_are_found_in_the_repository_that_is_named() {
    let site = Site::with_access("fetch_networks = [\"127.0.0.1\"]").await;
    let (server, asked) = server().await;
    let place = format!("release=43&arch=x86_64&repository={server}/os");
    let target = format!("/api/v1/packages?q=vim&{place}");
    assert_eq!(
        site.get(&target).await.expect(200).json(),
        json!({
            "packages": [
                { "name": "vim-enhanced", "summary": "An editor <b>" },
                { "name": "gvim", "summary": "With windows" },
            ],
            "groups": [
                { "id": "vim-desktop", "entry": "@^vim-desktop", "name": "A desktop", "description": "", "packages": 0 },
                { "id": "editors", "entry": "@editors", "name": "Editors", "description": "For vim and more", "packages": 1 },
            ],
            "of": format!("43 ({server}/os/)"),
        })
    );
    let few = site.get(&format!("{target}&limit=1&type=live")).await;
    let few = few.expect(200).json();
    assert_eq!(few["packages"].as_array().unwrap().len(), 1);
    let nothing = site.get(&format!("/api/v1/packages?q=emacs&{place}")).await;
    assert_eq!(nothing.expect(200).json()["packages"], json!([]));
    // It is read once for all of them.
    let read = asked.lock().unwrap().len();
    assert_eq!(read, 3, "{asked:?}");
    for wrong in [
        "".to_owned(),
        format!("q=&{place}"),
        format!("q={}&{place}", "x".repeat(201)),
        "q=vim".to_owned(),
        "q=vim&release=".to_owned(),
        "q=vim&release=x%2F..".to_owned(),
        "q=vim&release=rawhide&updates=yes".to_owned(),
        format!("q=vim&{place}&updates=perhaps"),
        format!("q=vim&{place}&type=usb"),
        format!("q=vim&{place}&limit=0"),
        format!("q=vim&{place}&limit=201"),
        format!("q=vim&{place}&nothing=1"),
        "q=vim&release=43&arch=z80".to_owned(),
        "q=vim&release=43&repository=/etc".to_owned(),
        "q=vim&release=43&repository=file:///etc".to_owned(),
    ] {
        site.get(&format!("/api/v1/packages?{wrong}"))
            .await
            .problem(400);
    }
    let away = format!("/api/v1/packages?q=vim&release=43&repository={server}");
    let problem = site.get(&format!("{away}/none")).await.problem(502);
    assert!(
        problem["detail"].as_str().unwrap().contains("404"),
        "{problem:#}"
    );
    let problem = site.get(&format!("{away}/moved")).await.problem(422);
    assert!(
        problem["detail"].as_str().unwrap().contains("10.255.255.1"),
        "{problem:#}"
    );
}

#[tokio::test]
async fn nothing_internal_is_looked_through_unless_that_was_said() {
    let site = Site::with_access("fetch_networks = [\"10.0.0.0/8\"]").await;
    let (server, asked) = server().await;
    let port = server.rsplit(':').next().unwrap();
    for address in [
        format!("{server}/os"),
        format!("http://localhost:{port}/os"),
        format!("http://[::1]:{port}/os"),
    ] {
        let target = format!("/api/v1/packages?q=vim&release=43&repository={address}");
        let problem = site.get(&target).await.problem(422);
        assert!(
            problem["detail"].as_str().unwrap().contains("internal"),
            "{problem:#}"
        );
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_found_stands_in_the_form_with_a_button_each() {
    let site = Site::with_access("fetch_networks = [\"127.0.0.1\"]").await;
    let (server, _) = server().await;
    let os = format!("{server}/os");
    let found = async |find: &str, repository: &str| {
        let fields = [
            ("type", "boot"),
            ("release", "43"),
            ("arch", "x86_64"),
            ("updates", ""),
            ("nvr", "is none yet"),
            ("packages", "nano, vim; gvim -x"),
            ("repository", repository),
            ("find", find),
        ];
        site.send(form("/new/packages", &fields))
            .await
            .expect(200)
            .text()
    };
    let page = found("vim", &os).await;
    let at = |words: &str| {
        page.find(words)
            .unwrap_or_else(|| panic!("{words}: {page}"))
    };
    let groups = at("data-add=\"@^vim-desktop\"").max(at("data-add=\"@editors\""));
    assert!(groups < at("data-add=\"vim-enhanced\" aria-label=\"Add vim-enhanced\">Add<"));
    at("data-add=\"gvim\" aria-label=\"Added gvim\">Added<");
    at("1 package");
    assert!(
        page.contains("&#60;b&#62;") && !page.contains("<b>"),
        "{page}"
    );
    assert_eq!(page.matches("<button type=\"button\"").count(), 4);
    assert!(found("emacs", &os).await.contains("Nothing fits"));
    assert_eq!(found(" ", "http://127.0.0.1:9/").await.trim(), "");
    // Why it cannot be read is said beside the field.
    for (repository, words) in [
        ("http://10.0.0.1/os", "10.0.0.1 is an internal address"),
        (
            "http://127.0.0.1:9/os",
            "class=\"wrong\">the repository 43 cannot be read",
        ),
        ("/etc", "43_url: a spec from elsewhere may not name a path"),
    ] {
        let page = found("vim", repository).await;
        assert!(page.contains(words), "{page}");
    }
    // A live image is made from what its kickstart names.
    let kickstart =
        format!("url --url={server}/os\nrepo --name=more --baseurl={server}/none/$basearch\n");
    let live = [
        ("type", "live"),
        ("release", "43"),
        ("arch", "x86_64"),
        ("kickstart", kickstart.as_str()),
        ("find", "vim"),
    ];
    let page = site
        .send(form("/new/packages", &live))
        .await
        .expect(200)
        .text();
    assert!(
        page.contains("the repository more cannot be read"),
        "{page}"
    );
    assert!(
        page.contains("/none/x86_64/repodata/repomd.xml: the server answers 404"),
        "{page}"
    );
    let page = site.get("/new").await.expect(200).text();
    assert!(page.contains("<div id=\"find\" hidden>"), "{page}");
}
