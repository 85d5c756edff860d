//! Pages that follow what happens: behind a proxy that is alone for a while, and with somebody who reads.

use std::fs;
use std::thread;
use std::time::Duration;

use fbs_suite::browser::Browser;
use fbs_suite::command::eventually;
use fbs_suite::daemon::free_port;
use fbs_suite::need::Need;
use fbs_suite::proxy::Proxy;
use fbs_suite::tools::Stubs;
use fbs_suite::{Folders, Program, Running, binaries, fake, need, release, web};
use mini_release::{Repository, Server};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const NEEDS: &[Need] = &[
    Need::Tool("chromium"),
    Need::Tool("chromedriver"),
    Need::Tool("python3"),
    Need::Tool("rpm"),
];

const PATIENCE: Duration = Duration::from_secs(60);

/// The parts of a log, each printed when the test says so.
const PARTS: [&str; 3] = ["first", "second", "third"];

/// The lines of each part: more than are seen at once.
const LINES: usize = 100;

/// Keys, as WebDriver has them.
const PAGE_UP: char = '\u{e00e}';
const END: char = '\u{e010}';

/// A service behind a proxy. Its builds print the parts of their log, and go on when there is no further part.
struct Site {
    folders: Folders,
    packages: Server,
    proxy: Proxy,
    address: String,
    service: Running,
}

impl Site {
    fn new() -> Self {
        let folders = Folders::new();
        let top = folders.top().display();
        let parts = format!(
            "if mkdir {top}/printed 2>/dev/null; then\n\
             for part in {}; do\n\
             while [ ! -e {top}/$part ]; do sleep 0.05; done\n\
             for line in $(seq {LINES}); do echo \"$part $line\"; done\ndone\nfi\n",
            PARTS.join(" ")
        );
        let stubs = fake::root(Stubs::new(folders.top()));
        let stubs = stubs.script("bwrap", &(parts + &fake::bwrap()));
        let port = free_port();
        let proxy = Proxy::start(port);
        let address = format!("127.0.0.1:{port}");
        let mut service = Program::new(binaries::fbs_http())
            .args(["--release", "99", "--listen", &address, "--public-url"])
            .arg(format!("http://127.0.0.1:{}", proxy.port))
            .env("FBS_CACHE_DIR", folders.cache())
            .env("FBS_STATE_DIR", folders.state())
            .env("FBS_CONFIG", folders.file("none.toml", ""))
            .env("TMPDIR", folders.top())
            .env("PATH", stubs.path())
            .without_env("FBS_BROKER")
            .folder(folders.top())
            .start();
        service.wait_for_stderr("listening on http://");
        web::wait_until_ready(&address, PATIENCE);
        Self {
            folders,
            packages: Server::start(release::mini().root()).unwrap(),
            proxy,
            address,
            service,
        }
    }

    /// The address of a page, by way of the proxy.
    fn page(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.proxy.port)
    }

    fn submit(&self, release: &str) -> String {
        let folder = release::mini().folder(Repository::Release);
        let url = format!("{}/{folder}", self.packages.url());
        let spec = format!(
            "[DEFAULT]\ntype=boot\nrelease={release}\narch=x86_64\nboot_test=none\nbackend=native\n{release}_url={url}\n"
        );
        let head = "POST /api/v1/jobs HTTP/1.0\r\ncontent-type: text/plain\r\n";
        let (status, body) = web::ask(&self.address, PATIENCE, head, &spec);
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        let job: Value = serde_json::from_slice(&body).unwrap();
        job["id"].as_str().unwrap().to_owned()
    }

    /// Lets the build print a part of its log.
    fn print(&self, part: &str) {
        fs::write(self.folders.top().join(part), "").unwrap();
    }

    /// The proxy says that nobody is there, until all streams of the page have heard so, and asked once more.
    fn restart(&self, streams: u64) {
        self.proxy.set_alone(true);
        let before = self.proxy.refused();
        self.proxy.cut();
        // Each asks for the stream and for the reason why not, and then again.
        eventually("all were refused", PATIENCE, || {
            self.proxy.refused() > before + 3 * streams
        });
    }
}

fn follows(browser: &Browser) -> bool {
    let checked = browser.run("return document.querySelector('.tools [type=checkbox]').checked;");
    checked.as_bool().unwrap()
}

/// How far the log is scrolled, and how far it can be.
fn scrolled(browser: &Browser) -> (u64, u64) {
    let script = "const log = document.getElementById('log'); \
                  return [log.scrollTop, log.scrollHeight - log.clientHeight].map(Math.round);";
    let both = browser.run(script);
    (both[0].as_u64().unwrap(), both[1].as_u64().unwrap())
}

fn last(part: &str) -> String {
    format!("{part} {LINES}")
}

#[test]
fn pages_go_on_when_the_service_is_back_and_the_log_stays_where_somebody_reads() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let site = Site::new();
    let id = site.submit("99");
    let browser = Browser::start(site.folders.top(), true);
    browser.go(&site.page(&format!("/jobs/{id}")));
    site.print("first");
    browser.wait_for("#log", &last("first"));
    let (at, end) = scrolled(&browser);
    assert!(follows(&browser) && at + 2 > end, "{at} of {end}");

    browser.press("#log", PAGE_UP);
    eventually("it does not follow", PATIENCE, || !follows(&browser));
    // Some browsers glide there.
    eventually("it stands still", PATIENCE, || {
        let before = scrolled(&browser);
        thread::sleep(Duration::from_millis(200));
        scrolled(&browser) == before
    });
    let (at, _) = scrolled(&browser);
    site.print("second");
    browser.wait_for("#log", &last("second"));
    assert_eq!(scrolled(&browser).0, at, "it is read there");
    browser.press("#log", END);
    eventually("it follows again", PATIENCE, || follows(&browser));

    site.restart(2);
    browser.wait_for(".tools [role=status]", "Connecting again");
    browser.wait_for(".notice", "Connecting again");
    let hold = site.folders.file("hold", "");
    site.print("third");
    site.proxy.set_alone(false);
    browser.wait_for("#log", &last("third"));
    // Half of the packages are installed, as the running stage says.
    eventually("it is seen how far it is", PATIENCE, || {
        let bar = "const bar = document.getElementById('far'); \
                   return bar && !bar.hidden && [bar.dataset.stage, bar.value, bar.max];";
        browser.run(bar) == json!(["root", 60, 121])
    });
    assert_eq!(browser.barriers(), [""; 0]);
    fs::remove_file(hold).unwrap();
    browser.wait_for("#state .pf-v6-c-label", "succeeded");
    let (at, end) = scrolled(&browser);
    assert!(at + 2 > end, "{at} of {end}");
    browser.wait_for("#log", "Image build succeeded");
    // Nothing came twice, and nothing is missing.
    let shown = browser.run(
        "return [...document.querySelectorAll('#log [id] > span')].map((line) => line.textContent + '\\n').join('');",
    );
    let target = format!("GET /api/v1/jobs/{id}/log HTTP/1.0\r\n");
    let (_, log) = web::ask(&site.address, PATIENCE, &target, "");
    assert_eq!(shown.as_str().unwrap(), String::from_utf8(log).unwrap());

    browser.go(&site.page("/"));
    browser.wait_for("#jobs", &id);
    site.restart(1);
    let waits = site.submit("41");
    site.proxy.set_alone(false);
    browser.wait_for("#jobs", &waits);
    let notice = browser.text(".notice");
    assert_eq!(notice, "");
    site.service.signal(Signal::SIGTERM);
    site.service.finish().assert_exit(0);
    drop(browser);
    site.folders.assert_no_process();
}
