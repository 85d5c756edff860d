//! The service over HTTP: its own process, a real image, and a restart in the middle.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fbs_suite::browser::Browser;
use fbs_suite::command::eventually;
use fbs_suite::need::Need;
use fbs_suite::tools::Stubs;
use fbs_suite::{Folders, Program, Running, binaries, need, release, turn, web};
use mini_release::Server;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BROWSER: &[Need] = &[Need::Tool("chromium"), Need::Tool("chromedriver")];

/// A build takes less than this, also on a busy machine.
const BUILD: Duration = Duration::from_secs(240);

/// As many follow a log at once.
const FOLLOWERS: usize = 300;

/// As many requests a second are answered meanwhile.
const REQUESTS: u32 = 50;

/// Both go on for so long at least, while something is built.
const MINUTE: Duration = Duration::from_secs(60);

/// The first image is read back for as long, whatever of it was made before: the processors are for other tests.
const UNHURRIED: &str = r#"
mkdir "$TMPDIR/unhurried" 2>/dev/null && sleep 62
exec {real} "$@""#;

/// Who asks a service.
struct Client {
    address: String,
}

struct Service {
    running: Running,
    client: Client,
}

impl Deref for Service {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

fn program(folders: &Folders) -> Program {
    let none = folders.file("none.toml", "");
    Program::new(binaries::fbs_http())
        .env("FBS_CACHE_DIR", folders.cache())
        .env("FBS_STATE_DIR", folders.state())
        .env("FBS_CONFIG", none)
        .env("TMPDIR", folders.top())
        .without_env("FBS_BROKER")
        .folder(folders.top())
}

impl Service {
    /// One whose builds take their tools from `stubs` first.
    fn start(folders: &Folders, stubs: &Stubs) -> Self {
        let arguments = ["--listen", "127.0.0.1:0", "--release", "99"];
        let program = program(folders).env("PATH", stubs.path());
        let mut running = program.args(arguments).start();
        let line = running.wait_for_stderr("listening on http://");
        let address = line.rsplit("//").next().unwrap().to_owned();
        let client = Client { address };
        let service = Self { running, client };
        web::wait_until_ready(&service.address, BUILD);
        service
    }
}

impl Client {
    fn send(&self, head: &str, body: &str) -> TcpStream {
        web::send(&self.address, BUILD, head, body)
    }

    /// Status and body.
    fn ask(&self, head: &str, body: &str) -> (u16, Vec<u8>) {
        web::ask(&self.address, BUILD, head, body)
    }

    fn get(&self, target: &str, headers: &str) -> (u16, Vec<u8>) {
        self.ask(&format!("GET {target} HTTP/1.0\r\n{headers}"), "")
    }

    fn json(&self, target: &str) -> Value {
        let (status, body) = self.get(target, "");
        assert_eq!(status, 200, "{target}");
        serde_json::from_slice(&body).unwrap()
    }

    /// Follows the log of a job from behind `after`, until `enough` says so of the text; gives that, the id of the last
    /// event, and whether the log has ended.
    fn follow(
        &self,
        job: &str,
        after: &str,
        enough: impl Fn(&str) -> bool,
    ) -> (String, String, bool) {
        let last = match after {
            "" => String::new(),
            after => format!("last-event-id: {after}\r\n"),
        };
        let head = format!("GET /api/v1/jobs/{job}/log/events HTTP/1.0\r\n{last}");
        let mut lines = BufReader::new(self.send(&head, "")).lines();
        let (mut text, mut id, mut name) = (String::new(), after.to_owned(), String::new());
        while let Some(Ok(line)) = lines.next() {
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(now) = line.strip_prefix("id: ") {
                now.clone_into(&mut id);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data: Value = serde_json::from_str(data).unwrap();
                match name.as_str() {
                    "log" => text.push_str(data["text"].as_str().unwrap()),
                    "end" => {
                        assert_eq!(data["complete"], true);
                        return (text, id, true);
                    }
                    _ => {}
                }
                if enough(&text) {
                    break;
                }
            }
        }
        (text, id, false)
    }
}

#[test]
fn a_boot_iso_is_made_over_rest_and_a_kill_in_the_middle_loses_nothing() {
    if !need::met(&[need::BUILD, BROWSER]) {
        return;
    }
    let turn = turn::take();
    let mini = release::mini();
    let root = binaries::workspace().join("target/mini-release");
    let server = Server::start(&root).unwrap();
    let packages = mini.file_url(mini_release::Repository::Release);
    let (_, path) = packages.split_once("/mini-release/").unwrap();
    let url = format!("{}/{path}", server.url().trim_end_matches('/'));
    let folders = Folders::warm();
    let stubs = Stubs::new(folders.top()).script("unsquashfs", UNHURRIED);
    let service = Service::start(&folders, &stubs);
    let wanted = json!({"spec": {
        "DEFAULT": {"type": "boot", "release": "99", "boot_test": "none"},
        "boot": {"99_url": url, "packages": "@core"},
    }});
    let submit = "POST /api/v1/jobs HTTP/1.0\r\ncontent-type: application/json\r\nidempotency-key: night\r\n";
    let (status, body) = service.ask(submit, &wanted.to_string());
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    let job: Value = serde_json::from_slice(&body).unwrap();
    let id = job["id"].as_str().unwrap().to_owned();
    let (text, _, ended) = service.follow(&id, "", |text| text.contains("packages: fetching"));
    assert!(!ended && text.contains("packages: fetching"), "{text}");
    service.running.signal(Signal::SIGKILL);
    drop(service.running.finish());

    let service = Service::start(&folders, &stubs);
    let (status, body) = service.ask(submit, &wanted.to_string());
    assert_eq!(status, 200, "it was submitted before");
    let again: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(again["id"], job["id"]);
    let ((first, second), others) = asked(&service, &id, || {
        // Read in two halves, as by a client that lost its connection, while many others follow.
        crowd(&service, &id, || {
            let (first, after, _) = service.follow(&id, "", |text| text.lines().count() > 20);
            let built = || folders.top().join("unhurried").exists();
            eventually("it is read back", BUILD, built);
            drop(turn);
            let (second, _, ended) = service.follow(&id, &after, |_| false);
            assert!(ended, "{second}");
            (first, second)
        })
    });
    let _turn = turn::take();
    let job = service.json(&format!("/api/v1/jobs/{id}"));
    assert_eq!(
        (&job["state"], &job["runs"]),
        (&json!("succeeded"), &json!(2)),
        "{job:#}"
    );
    assert!(job["history"].to_string().contains("was lost"), "{job:#}");
    let (status, log) = service.get(&format!("/api/v1/jobs/{id}/log"), "");
    let log = String::from_utf8(log).unwrap();
    assert_eq!((status, &log), (200, &(first + &second)));
    assert_eq!(others.len(), FOLLOWERS);
    for other in others {
        // Whoever came before the second run has read the log of the first as well.
        assert!(other.ends_with(&log), "{other}");
    }

    let list = service.json(&format!("/api/v1/jobs/{id}/artifacts"));
    let files = list["files"].as_array().unwrap();
    let is_image = |file: &&Value| file["name"].as_str().unwrap().ends_with(".iso");
    let image = files.iter().find(is_image).unwrap();
    let (href, size) = (
        image["href"].as_str().unwrap(),
        image["size"].as_u64().unwrap(),
    );
    let (status, whole) = service.get(href, "");
    assert_eq!((status, whole.len() as u64), (200, size));
    let sum: String = Sha256::digest(&whole)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(image["sha256"], json!(sum));
    // The primary volume descriptor of ISO 9660.
    let (status, part) = service.get(href, "range: bytes=32768-32773\r\n");
    assert_eq!((status, part.as_slice()), (206, &b"\x01CD001"[..]));
    let report = service.json(&format!("/api/v1/jobs/{id}/report"));
    assert_eq!(
        (&report["outcome"], &report["job"]),
        (&json!("succeeded"), &json!(id))
    );

    let (_, metrics) = service.get("/metrics", "");
    let metrics = String::from_utf8(metrics).unwrap();
    for cache in ["solution", "root", "initramfs", "image", "iso"] {
        let figure = format!("fbs_cache_lookups_total{{cache=\"{cache}\",result=");
        assert!(metrics.contains(&figure), "{cache}: {metrics}");
    }

    pages(&service, &folders, &id, &url);
    service.running.signal(Signal::SIGTERM);
    service.running.finish().assert_exit(0);
    folders.assert_no_process();
}

/// While `reading` goes on, the log of a job is followed by [`FOLLOWERS`]; gives what it had, and what each of the others has
/// read.
fn crowd<T>(client: &Client, id: &str, reading: impl FnOnce() -> T) -> (T, Vec<String>) {
    thread::scope(|scope| {
        let follow = || {
            let (text, _, ended) = client.follow(id, "", |_| false);
            assert!(ended, "{text}");
            text
        };
        let followers: Vec<_> = (0..FOLLOWERS).map(|_| scope.spawn(follow)).collect();
        let read = reading();
        let others = followers.into_iter().map(|one| one.join().unwrap());
        (read, others.collect())
    })
}

/// While `doing` goes on, which takes a [`MINUTE`] at least, [`REQUESTS`] a second are answered.
fn asked<T>(client: &Client, id: &str, doing: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    let targets = [
        "/".to_owned(),
        "/workers".to_owned(),
        format!("/jobs/{id}"),
        format!("/api/v1/jobs/{id}"),
        "/api/v1/queues".to_owned(),
    ];
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let begin = Instant::now();
            let mut answered = 0;
            for target in targets.iter().cycle() {
                let next = begin + Duration::from_secs(1) * answered / REQUESTS;
                thread::sleep(next.saturating_duration_since(Instant::now()));
                let (status, body) = client.get(target, "");
                assert_eq!(status, 200, "{target}: {}", String::from_utf8_lossy(&body));
                answered += 1;
                if ended.load(Ordering::Relaxed) {
                    break;
                }
            }
            (answered, begin.elapsed())
        });
        // It ends also where what is done fails, which nobody would hear of else.
        let ends = Ends(&ended);
        let done = doing();
        drop(ends);
        let (answered, time) = asking.join().unwrap();
        assert!(
            time >= MINUTE,
            "nobody asked for a minute, but for {time:?}"
        );
        let wanted = time.as_secs_f64() * f64::from(REQUESTS);
        assert!(
            f64::from(answered) > 0.95 * wanted,
            "{answered} requests within {time:?}"
        );
        done
    })
}

/// Says when it is dropped that something has ended.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A newcomer's way through the pages: the job that was made, another one asked for and followed live, a mistake, and
/// the same without scripts.
fn pages(service: &Service, folders: &Folders, made: &str, url: &str) {
    let base = format!("http://{}", service.address);
    let browser = Browser::start(folders.top(), true);
    browser.go(&format!("{base}/jobs/{made}"));
    browser.wait_for("#log", "Image build succeeded");
    assert_eq!(browser.text("#L1 a"), "1");
    browser.go(&format!("{base}/new"));
    browser.fill("[name=release]", "99");
    browser.fill("[name=packages]", "@core;fbs-no-such-package");
    browser.fill("[name=repository]", url);
    // The spec is shown as it is written.
    browser.wait_for("#preview", &format!("99_url={url}"));
    browser.click("[name=boot_test] option[value=none]");
    // A mistake stands beside its field while somebody types, and again if they submit it all the same.
    browser.fill("[name=nvr]", "vim");
    let marked = "span.pf-m-error:has([aria-invalid=true]) + #h-nvr";
    browser.wait_for(marked, "vim");
    browser.fill("[name=nvr]", "vim-9.1-1");
    browser.wait_for("span:not(.pf-m-error) + #h-nvr", "Such as");
    browser.fill("[name=nvr]", "vim");
    browser.click("#new button");
    browser.wait_for("#h-nvr", "vim");
    browser.fill("[name=nvr]", "");
    browser.click("#new button");
    browser.wait_for("#state .pf-v6-c-label", "failed");
    browser.wait_for("#log", "fbs-no-such-package");
    let failed = browser.address();
    assert!(failed.starts_with(&format!("{base}/jobs/")), "{failed}");
    // The list changes without being asked.
    browser.go(&format!("{base}/"));
    let spec = "[DEFAULT]\ntype = boot\nrelease = 41\n";
    let submit = "POST /api/v1/jobs HTTP/1.0\r\ncontent-type: text/plain\r\n";
    assert_eq!(service.ask(submit, spec).0, 201);
    browser.wait_for("#jobs", "boot image of Fedora 41");
    browser.wait_for("#jobs", "no worker serves x86_64/41");
    browser.go(&format!("{base}/workers"));
    browser.wait_for("#workers", "present");
    browser.go(&format!("{base}/api/docs/"));
    browser.wait_for("#swagger-ui", "/api/v1/jobs/{id}/retry");
    let mut complaints = browser.complaints();
    // That of the mistake above.
    complaints.retain(|one| !one.contains("status of 422"));
    assert_eq!(complaints, Vec::<String>::new());
    drop(browser);

    let browser = Browser::start(folders.top(), false);
    browser.go(&format!("{base}/new"));
    browser.fill("[name=release]", "41");
    browser.click("#new button");
    browser.wait_for("#state", "no worker serves x86_64/41");
    browser.click("#state form button");
    browser.wait_for("#state .pf-v6-c-label", "cancelled");
}

#[test]
fn it_listens_to_this_machine_only_and_one_builds_in_a_folder() {
    let folders = Folders::new();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let refused = program(&folders).args(["--listen", listen]).run();
        refused.assert_exit(2).assert_one_error().assert_says(&[
            "auth is \"none\"",
            "127.0.0.1",
            "oidc",
        ]);
    }
    let service = Service::start(&folders, &Stubs::new(folders.top()));
    let (status, _) = service.get("/healthz", "");
    assert_eq!(status, 200);
    for path in [
        "/etc/passwd",
        "/../../etc/passwd",
        "/healthz/x",
        "/boot.conf",
    ] {
        assert_eq!(service.get(path, "").0, 404, "{path}");
    }
    // The address is taken, and then the folder.
    let second = program(&folders)
        .args(["--no-worker", "--listen", &service.address])
        .run();
    second
        .assert_exit(3)
        .assert_one_error()
        .assert_says(&[&service.address, "--listen"]);
    let second = program(&folders).args(["--listen", "127.0.0.1:0"]).run();
    second
        .assert_exit(3)
        .assert_one_error()
        .assert_says(&["another worker builds there"]);
    let broken = folders.file("broken.toml", "[http]\nlisen = \"x\"\n");
    let wrong = program(&folders).env("FBS_CONFIG", broken).run();
    wrong
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["line 2", "lisen", "listen"]);
    service.running.signal(Signal::SIGTERM);
    service.running.finish().assert_exit(0);
}
