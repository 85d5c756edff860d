//! The service with accounts: from a login at a real provider to an image.

use std::fs;
use std::time::Duration;

use fbs_suite::accounts::Provider;
use fbs_suite::browser::Browser;
use fbs_suite::daemon::free_port;
use fbs_suite::need::Need;
use fbs_suite::{Folders, Program, Running, binaries, need, release, turn, web};
use hub::Hub;
use mini_release::{Repository, Server};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const NEEDS: &[Need] = &[
    Need::Tool("chromium"),
    Need::Tool("chromedriver"),
    Need::Tool("python3"),
];

/// A build that is booted takes less than this, also on a busy machine.
const BUILD: Duration = Duration::from_secs(400);

struct Site {
    folders: Folders,
    _packages: Server,
    hub: Hub,
    provider: Provider,
    config: std::path::PathBuf,
    address: String,
    /// Where the release's packages are.
    url: String,
}

impl Site {
    fn new() -> Self {
        let folders = Folders::warm();
        let packages = Server::start(release::mini().root()).unwrap();
        let url = format!(
            "{}/{}",
            packages.url().trim_end_matches('/'),
            release::mini().folder(Repository::Release)
        );
        let people = [
            json!({"sub": "1", "nickname": "anna", "email": "anna@example.org", "groups": ["qa", "fedora"]}),
            json!({"sub": "2", "nickname": "guest", "groups": ["fedora"]}),
            json!({"sub": "3", "groups": ["qa"]}),
            json!({"sub": "4", "nickname": "carla", "groups": []}),
        ];
        let provider = Provider::start(folders.top(), &people);
        let config = format!(
            "[http]\nauth = \"oidc\"\nfetch_networks = [\"127.0.0.0/8\"]\n[http.oidc]\nissuer = \"{}\"\nclient_id = \"fbs\"\nclient_secret_env = \"OIDC_SECRET\"\n\
             [http.roles]\nsubmit = [\"qa\"]\nadmin = [\"user:carla\"]\n[http.quota]\nopen = 2\n",
            provider.issuer()
        );
        let config = folders.file("fbs.toml", &config);
        Self {
            _packages: packages,
            hub: hub(&folders),
            provider,
            config,
            // The provider sends people back to it, also after a restart.
            address: format!("127.0.0.1:{}", free_port()),
            url,
            folders,
        }
    }

    fn start(&self) -> Running {
        let mut running = Program::new(binaries::fbs_http())
            .args(["--release", "99", "--listen", &self.address])
            .env("FBS_CACHE_DIR", self.folders.cache())
            .env("FBS_STATE_DIR", self.folders.state())
            .env("FBS_CONFIG", &self.config)
            .env("FBS_KOJI_HUB", self.hub.hub_url())
            .env("FBS_KOJI_FILES", self.hub.files_url())
            .env("OIDC_SECRET", "s3cret")
            .env("TMPDIR", self.folders.top())
            .without_env("FBS_BROKER")
            .folder(self.folders.top())
            .start();
        running.wait_for_stderr("listening on http://");
        // Until then a page says that it may be old.
        web::wait_until_ready(&self.address, BUILD);
        running
    }

    fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `fbs COMMAND --server`, with a token or without.
    fn fbs(&self, command: &str, token: Option<&str>) -> Program {
        let program = self.folders.fbs(command).args(["--server", &self.page("")]);
        match token {
            Some(token) => program.env("FBS_TOKEN", token),
            None => program.without_env("FBS_TOKEN"),
        }
    }

    /// Status and body of what a session's cookie gets.
    fn get(&self, path: &str, session: &str) -> (u16, Vec<u8>) {
        let head = format!("GET {path} HTTP/1.0\r\ncookie: fbs={session}\r\n");
        web::ask(&self.address, BUILD, &head, "")
    }
}

/// One with a build that is newer than the release's.
fn hub(folders: &Folders) -> Hub {
    let hub = Hub::empty().unwrap();
    let mini = release::mini();
    let packages = mini.root().join(mini.folder(Repository::Updates));
    let build = folders.top().join("build");
    fs::create_dir(&build).unwrap();
    for rpm in packages.join("Packages").read_dir().unwrap() {
        let rpm = rpm.unwrap();
        if rpm
            .file_name()
            .to_string_lossy()
            .starts_with("fbs-hello-1.1-1")
        {
            fs::copy(rpm.path(), build.join(rpm.file_name())).unwrap();
        }
    }
    hub.publish(&build, Some("fbs-hello-1.1-1")).unwrap();
    hub
}

/// From the page to log in, which somebody was sent to, to the page that they wanted.
fn log_in(browser: &Browser, subject: &str) {
    browser.wait_for("h1", "Log in");
    browser.click("main a.pf-m-primary");
    browser.wait_for("h1", "Authorize Client");
    let address = browser.address();
    for word in [
        "code_challenge_method=S256",
        "code_challenge=",
        "nonce=",
        "scope=openid+profile",
    ] {
        assert!(address.contains(word), "{word}: {address}");
    }
    browser.fill("[name=sub]", subject);
    browser.click("form button");
}

fn log_out(browser: &Browser) {
    browser.click(".account button");
    browser.wait_for("h1", "Log in");
}

#[test]
fn a_newcomer_comes_from_the_login_to_their_image() {
    if !need::met(&[need::BUILD, need::BOOT, NEEDS]) {
        return;
    }
    let _turn = turn::take();
    let site = Site::new();
    let service = site.start();
    let browser = Browser::start(site.folders.top(), true);
    // Somebody who was sent a link comes to it by way of the login.
    browser.go(&site.page("/new?from=mail"));
    log_in(&browser, "1");
    browser.wait_for("h1", "New build");
    assert!(browser.address().ends_with("/new?from=mail"));
    assert_eq!(browser.text(".account span"), "anna");

    browser.fill("[name=release]", "99");
    browser.fill("[name=repository]", &site.url);
    // Packages and groups are found in that repository, and added with a press.
    for (words, entry) in [("core", "@core"), ("hello", "fbs-hello")] {
        browser.fill("#f-find", words);
        browser.wait_for("#found", entry);
        let add = format!("#found button[data-add='{entry}']");
        browser.click(&add);
        browser.wait_for(&add, "Added");
    }
    assert_eq!(browser.barriers(), Vec::<String>::new());
    browser.fill("[name=nvr]", "fbs-hello-1.1-1");
    browser.click("[name=boot_test] option[value=bios]");
    browser.wait_for("#preview", "nvr=fbs-hello-1.1-1");
    browser.wait_for("#preview", "packages=@core;fbs-hello");
    browser.wait_for("#builds", "fbs-hello-1.1-1.noarch.rpm");
    browser.click("#new button[formaction='/new/plan']");
    browser.wait_for("#plan", "1 worker serves x86_64/99, 0 busy");
    browser.wait_for("#plan", "fbs-hello-1.1-1.noarch.rpm");
    assert_eq!(browser.barriers(), Vec::<String>::new());
    // What was written is still there.
    browser.click("#new button");
    browser.wait_for("#log", "packages: fetching");
    let page = browser.address();
    let made = page.rsplit('/').next().unwrap().to_owned();

    // Another one, while that is built.
    browser.go(&site.page("/new"));
    browser.fill("[name=release]", "41");
    browser.click("[name=private]");
    browser.click("#new button");
    browser.wait_for("#state", "no worker serves x86_64/41");
    browser.wait_for("#state", "anna and administrators");
    let hidden = browser.address().rsplit('/').next().unwrap().to_owned();
    // No third one may wait at the same time.
    browser.go(&site.page("/new"));
    browser.fill("[name=release]", "41");
    browser.click("#new button");
    browser.wait_for("main", "2 of your jobs wait or are built");
    browser.go(&site.page(&format!("/jobs/{hidden}")));
    browser.click("#state .actions button");
    browser.wait_for("#state .pf-v6-c-label", "cancelled");

    browser.go(&page);
    browser.wait_within(BUILD, "#state .pf-v6-c-label", "succeeded");
    browser.wait_for("table[aria-label='Builds from Koji']", "fbs-hello-1.1-1");
    browser.wait_for("#state", "Boot by BIOS: it boots");
    let width = browser.run(
        "const screen = document.querySelector('img.screen'); screen.scrollIntoView(); \
         return screen.decode().then(() => screen.naturalWidth);",
    );
    assert!(width.as_u64() >= Some(640), "{width}");
    browser.wait_for("#log", "Image build succeeded");
    let session = browser.cookie("fbs");
    let (status, list) = site.get(&format!("/api/v1/jobs/{made}/artifacts"), &session);
    assert_eq!(status, 200);
    let list: Value = serde_json::from_slice(&list).unwrap();
    let files = list["files"].as_array().unwrap().iter();
    let mut images = files.filter(|file| file["name"].as_str().unwrap().ends_with(".iso"));
    let image = images.next().unwrap();
    let href = image["href"].as_str().unwrap();
    let (status, bytes) = site.get(href, &session);
    let sum: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!((status, &image["sha256"]), (200, &json!(sum)));
    assert_eq!(site.get(href, "").0, 401);

    // For programs.
    browser.go(&site.page("/tokens"));
    browser.fill("[name=name]", "nightly");
    browser.click("main .filters button");
    browser.wait_for("main", "shown this once");
    let token = browser.text("code.secret");
    let mine = site.fbs("jobs", Some(&token)).run();
    mine.assert_exit(0);
    assert!(mine.stdout.join("\n").contains(&hidden));
    let nobody = site.fbs("jobs", None).run();
    nobody.assert_exit(2).assert_one_error();
    nobody.assert_says(&["an account is needed", "FBS_TOKEN"]);

    // A restart ends no session, and loses no job.
    service.signal(Signal::SIGTERM);
    service.finish().assert_exit(0);
    let service = site.start();
    browser.go(&site.page("/"));
    browser.wait_for("#jobs", &made);
    browser.wait_for("#jobs", "cancelled");
    let job = format!("/jobs/{made}");
    let pages = [
        "/",
        &job,
        "/new",
        "/new/text",
        "/workers",
        "/samples",
        "/tokens",
        "/nothing",
    ];
    barriers(&site, &browser, &pages);
    browser.go(&site.page("/"));
    log_out(&browser);
    barriers(&site, &browser, &["/login"]);
    log_in(&browser, "4");
    browser.wait_for("#jobs", &made);
    barriers(&site, &browser, &["/audit"]);
    log_out(&browser);

    // Others see what is there, and nothing more.
    log_in(&browser, "2");
    browser.wait_for("#jobs", &made);
    assert!(!browser.text("#jobs").contains(&hidden));
    browser.go(&site.page("/new"));
    browser.fill("[name=release]", "41");
    browser.click("#new button");
    browser.wait_for("main", "that needs the role submit");
    assert_eq!(browser.text(".account span"), "guest");
    // A session that ends elsewhere is heard of when the service has begun anew.
    browser.go(&site.page("/"));
    browser.wait_for("#jobs", &made);
    browser.run("return fetch('/logout', { method: 'POST' }).then((answer) => answer.status);");
    service.signal(Signal::SIGTERM);
    service.finish().assert_exit(0);
    let service = site.start();
    browser.wait_for(".notice", "Your session has ended.");
    browser.wait_for("#jobs", &made);
    browser.click(".notice a");
    // The provider says who they are, and not what they are called; or that they did not want to.
    log_in(&browser, "3");
    browser.wait_for("main", "no name of yours");
    browser.click(".account a");
    browser.wait_for("h1", "Log in");
    browser.click("main a.pf-m-primary");
    browser.wait_for("h1", "Authorize Client");
    browser.click("button[value=deny]");
    browser.wait_for("main", "does not say who you are");
    service.signal(Signal::SIGTERM);
    service.finish().assert_exit(0);
    drop(browser);
    let Site {
        folders, provider, ..
    } = site;
    drop(provider);
    folders.assert_no_process();
}

/// No page keeps out who does not see, or has no mouse; in the light, in the dark, and on a phone.
fn barriers(site: &Site, browser: &Browser, pages: &[&str]) {
    let pictures = std::env::var_os("FBS_SCREENSHOTS").map(std::path::PathBuf::from);
    let mut found = Vec::new();
    for (look, scheme, width) in [
        ("light", "light", 1200),
        ("dark", "dark", 1200),
        ("narrow", "light", 400),
    ] {
        browser.scheme(scheme);
        browser.resize(width, 1000);
        for page in pages {
            browser.go(&site.page(page));
            browser.wait_for("h1", "");
            for barrier in browser.barriers() {
                found.push(format!("{page} ({look}): {barrier}"));
            }
            let wide =
                browser.run("return document.documentElement.scrollWidth - window.innerWidth;");
            if wide.as_i64() > Some(0) {
                found.push(format!(
                    "{page} ({look}): it is {wide} pixels wider than the window"
                ));
            }
            if let Some(folder) = &pictures {
                let name = page.split('/').nth(1).filter(|name| !name.is_empty());
                let name = page
                    .ends_with("text")
                    .then_some("text")
                    .or(name)
                    .unwrap_or("home");
                fs::create_dir_all(folder).unwrap();
                let file = folder.join(format!("{name}-{look}.png"));
                fs::write(file, browser.picture()).unwrap();
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    browser.scheme("light");
    browser.resize(1200, 1000);
}
