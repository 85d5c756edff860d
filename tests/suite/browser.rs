//! A real browser: headless Chromium, steered by [WebDriver](https://www.w3.org/TR/webdriver2/).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::command::{POLL, Program};
use crate::daemon::{Daemon, free_port};
use crate::python;

/// Nothing on a page takes so long, but a build.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one window.
#[derive(Debug)]
pub struct Browser {
    port: u16,
    session: String,
    _driver: Daemon,
}

impl Browser {
    /// Starts one that keeps its files in `folder`. With scripts or without: pages have to do either way.
    pub fn start(folder: &Path, scripts: bool) -> Self {
        let port = free_port();
        let driver = Program::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .folder(folder);
        let driver = Daemon::start(driver, port, folder.join("chromedriver.log"));
        let mut browser = Self {
            port,
            session: String::new(),
            _driver: driver,
        };
        let mut options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,1000"],
        });
        if !scripts {
            options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.ask("POST", "/session", &wanted);
        session["sessionId"]
            .as_str()
            .expect("a session has an id")
            .clone_into(&mut browser.session);
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.asked(method, path, body);
        assert!(value.get("error").is_none(), "{path}: {value:#}");
        value
    }

    /// What the driver answers, also where that is an error.
    fn asked(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the driver listens");
        let patience = stream.set_read_timeout(Some(2 * PATIENCE));
        patience.expect("it is longer than nothing");
        let body = match method {
            "POST" => body.to_string(),
            _ => String::new(),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .expect("the driver reads");
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).expect("the driver answers");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length is a number");
            }
            if line.is_empty() {
                break;
            }
        }
        // It leaves the connection open.
        let mut body = vec![0; length];
        answer.read_exact(&mut body).expect("the driver answers");
        let answer: Value = serde_json::from_slice(&body)
            .unwrap_or_else(|error| panic!("{method} {path}: no answer: {error}"));
        answer["value"].clone()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}/{path}", self.session), body)
    }

    /// Goes to an address.
    pub fn go(&self, address: &str) {
        self.command("POST", "url", &json!({ "url": address }));
    }

    /// Where it is.
    pub fn address(&self) -> String {
        let address = self.command("GET", "url", &Value::Null);
        address.as_str().unwrap_or_default().to_owned()
    }

    /// The first element that a selector of CSS finds.
    fn element(&self, selector: &str) -> String {
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.command("POST", "element", &wanted);
        let id = found.as_object().and_then(|found| found.values().next());
        let id = id.and_then(Value::as_str).expect("an element has an id");
        id.to_owned()
    }

    /// Presses a button, or follows a link.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command("POST", &format!("element/{element}/click"), &json!({}));
    }

    /// Types into a field, in place of what is there.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.command("POST", &format!("element/{element}/clear"), &json!({}));
        let keys = json!({ "text": text });
        self.command("POST", &format!("element/{element}/value"), &keys);
    }

    /// Presses a key in an element, as [WebDriver names it](https://www.w3.org/TR/webdriver2/#keyboard-actions).
    pub fn press(&self, selector: &str, key: char) {
        let element = self.element(selector);
        let keys = json!({ "text": key });
        self.command("POST", &format!("element/{element}/value"), &keys);
    }

    /// What can be read in an element; nothing where there is none, or another has just taken its place.
    pub fn text(&self, selector: &str) -> String {
        let session = format!("/session/{}", self.session);
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.asked("POST", &format!("{session}/element"), &wanted);
        let id = found.as_object().and_then(|found| found.values().next());
        let Some(id) = id
            .and_then(Value::as_str)
            .filter(|_| found.get("error").is_none())
        else {
            return String::new();
        };
        let text = self.asked("GET", &format!("{session}/element/{id}/text"), &Value::Null);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an element has these words in it.
    pub fn wait_for(&self, selector: &str, words: &str) {
        self.wait_within(PATIENCE, selector, words);
    }

    /// The same for what takes its time.
    pub fn wait_within(&self, patience: Duration, selector: &str, words: &str) {
        let since = Instant::now();
        loop {
            let text = self.text(selector);
            if text.contains(words) {
                return;
            }
            let waited = since.elapsed();
            assert!(
                waited < patience,
                "{words:?} is awaited in {selector}:\n{text}"
            );
            std::thread::sleep(POLL);
        }
    }

    /// What a script gives that runs in the page: the body of a function.
    pub fn run(&self, script: &str) -> Value {
        let wanted = json!({"script": script, "args": []});
        self.command("POST", "execute/sync", &wanted)
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> String {
        let cookie = self.command("GET", &format!("cookie/{name}"), &Value::Null);
        cookie["value"].as_str().unwrap_or_default().to_owned()
    }

    /// Makes the window so wide and so high, in pixels.
    pub fn resize(&self, width: u32, height: u32) {
        self.command(
            "POST",
            "window/rect",
            &json!({"width": width, "height": height}),
        );
    }

    /// Shows pages in a dark or a light scheme of colours.
    pub fn scheme(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        let wanted = json!({"cmd": "Emulation.setEmulatedMedia", "params": media});
        self.command("POST", "goog/cdp/execute", &wanted);
    }

    /// A picture of what is seen, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.command("GET", "screenshot", &Value::Null);
        let text = picture.as_str().expect("a picture is text");
        BASE64_STANDARD.decode(text).expect("a picture is Base64")
    }

    /// What [axe](https://www.deque.com/axe/) finds on the page that is serious or worse for people who use a
    /// screen reader, a keyboard or a magnifier.
    pub fn barriers(&self) -> Vec<String> {
        let axe = python::file("axe_playwright_python/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe is text");
        self.run(&axe);
        let wanted = json!({
            "script": "const done = arguments[0]; axe.run().then(found => done(found), error => done(String(error)));",
            "args": [],
        });
        let found = self.command("POST", "execute/async", &wanted);
        let rules = found["passes"].as_array();
        assert!(rules.is_some_and(|rules| !rules.is_empty()), "{found:#}");
        let violations = found["violations"].as_array().into_iter().flatten();
        let serious =
            violations.filter(|one| matches!(one["impact"].as_str(), Some("serious" | "critical")));
        serious
            .map(|one| format!("{}: {}", one["id"], one["nodes"][0]["html"]))
            .collect()
    }

    /// What the page complained about: scripts that stumble, and all that its policy refuses.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "se/log", &json!({"type": "browser"}));
        let lines = log.as_array().into_iter().flatten();
        lines.map(|line| line["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with it; this is the polite way.
        if !std::thread::panicking() {
            self.ask(
                "DELETE",
                &format!("/session/{}", self.session),
                &Value::Null,
            );
        }
    }
}
