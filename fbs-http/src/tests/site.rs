//! A service, and the worker that builds for it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser;
use image_builder::accounts::AccountStore;
use image_builder::build_monitor::{JobLogs, SharedLogs};
use image_builder::events::{Events, Outcome, Stage, Unit};
use image_builder::jobs::{JobEnding, SqliteStore};
use image_builder::notification::{Limits, Memory, Notifier};
use image_builder::plan::PlanOptions;
use image_builder::queue::{JobQueue, Local};
use image_builder::report::BuildReport;
use image_builder::retention::{ImageFolder, Keeper, Policy};
use image_builder::service_config::ServiceConfig;
use image_builder::worker::{
    ClaimedJob, JobContext, JobRunner, LOST_AFTER, RunEnd, Worker, WorkerSettings,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{Answer, Request};
use crate::api::KeptAnswers;
use crate::app::{App, Inner, OwnWorker};
use crate::auth::{Accounts, Origins};
use crate::builds::Builds;
use crate::config::{Args, Settings};
use crate::draft;
use crate::followers::Followers;
use crate::guard::Hosts;
use crate::images;
use crate::masters::Masters;
use crate::metrics::{self, Figures};
use crate::packages::Packages;
use crate::pages::KeptPages;
use crate::places::Places;
use crate::server::serve;

/// The largest request.
pub(super) const MAX_BODY: usize = 256 * 1024;

/// Another address of a service without accounts.
const PUBLIC: &str = "http://localhost:8443";

/// Images stay for an hour, and a mail goes ten minutes before.
const POLICY: Policy = Policy {
    max_age: Some(SignedDuration::from_hours(1)),
    max_size: None,
    warning: SignedDuration::from_mins(10),
};

/// The image that every job makes.
pub(super) const IMAGE: &[u8] = b"not really an ISO, but 0123456789 bytes of one";

/// Where the log of a job is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worked {
    /// In the process of the service.
    Here,
    /// Elsewhere: pieces are asked for over the queue.
    Elsewhere,
    /// Nobody serves.
    Nowhere,
}

/// A service on a port of this machine.
pub(super) struct Site {
    pub(super) folder: Arc<TempDir>,
    pub(super) address: SocketAddr,
    /// Whoever is told that images go.
    pub(super) told: Arc<Memory>,
    pub(super) app: App,
    worked: Worked,
    ends: Vec<CancellationToken>,
    serving: JoinHandle<()>,
    worker: Option<JoinHandle<()>>,
}

impl Site {
    pub(super) async fn new(worked: Worked) -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), worked).await
    }

    /// On what an earlier one has left.
    pub(super) async fn at(folder: Arc<TempDir>, worked: Worked) -> Self {
        Self::open(folder, worked, "").await
    }

    /// One where this of `[http]` says who may do what.
    pub(super) async fn with_access(access: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::open(folder, Worked::Nowhere, access).await
    }

    /// The same, with a worker.
    pub(super) async fn with_worker(access: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::open(folder, Worked::Here, access).await
    }

    async fn open(folder: Arc<TempDir>, worked: Worked, access: &str) -> Self {
        let path = folder.path();
        let queue = Local::open(&path.join("jobs.sqlite")).await.unwrap();
        let queue: Arc<dyn JobQueue> = Arc::new(queue);
        let store = SqliteStore::open(&path.join("store.sqlite")).await.unwrap();
        let store = Arc::new(store);
        let told = Arc::new(Memory::default());
        let folder_of_images = ImageFolder::new(path.join("images"));
        let keeper = Keeper::new(folder_of_images, store.clone(), store.clone(), POLICY)
            .with_notifier(Notifier::new(Limits::default()).with(told.clone()))
            .with_address("https://images.example.org");
        let accounts: Arc<dyn AccountStore> = store.clone();
        let masters = Arc::new(Masters::of_one(queue.clone(), store.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let logs = JobLogs::new(&path.join("logs")).unwrap();
        let own = (worked == Worked::Here).then(|| OwnWorker {
            name: "anna".to_owned(),
            logs: logs.clone(),
        });
        let config = path.join("fbs.toml");
        std::fs::write(&config, format!("[http]\n{access}\n")).unwrap();
        // Who has no account comes from this machine.
        let near = ["--public-url", PUBLIC].into_iter();
        let near = near.filter(|_| access.is_empty());
        let args = Args::parse_from(["fbs-http"].into_iter().chain(near));
        let settings = Settings::of(&args, ServiceConfig::read(&config).unwrap()).unwrap();
        let http = settings.service.http.clone();
        let app = App::new(Inner {
            masters: masters.clone(),
            places: Places::start(store.clone()),
            store,
            own,
            logs: SharedLogs::default(),
            images: path.join("images"),
            keeper,
            hosts: Hosts::new(address, settings.public_url.as_ref()),
            accounts: Accounts::configured(&settings, accounts, address).unwrap(),
            pages: KeptPages::default(),
            answers: KeptAnswers::default(),
            origins: Origins::new(http.trusted_proxies.clone(), http.networks.clone()),
            max_body: MAX_BODY,
            builds: Builds::new(&settings.service).unwrap(),
            plan_options: PlanOptions::of(&settings.service),
            packages: Packages::new(&http.fetch_networks),
            reader: draft::reader(&http.fetch_networks),
            followers: Followers::default(),
            rights: watch::Sender::default(),
            tells_requests: http.tells_requests(),
            figures: Figures::default(),
            closing: CancellationToken::new(),
        });
        let end = CancellationToken::new();
        tokio::spawn(masters.run(end.clone()));
        tokio::spawn(metrics::watch(app.clone()));
        tokio::spawn(images::keep(app.clone()));
        let stop = CancellationToken::new();
        let worker = (worked != Worked::Nowhere).then(|| {
            let runner = Scripted {
                logs: logs.clone(),
                images: path.join("images"),
            };
            let settings = WorkerSettings {
                name: "anna".to_owned(),
                arch: "x86_64".to_owned(),
                releases: vec!["43".to_owned()],
                slots: 1,
                lost_after: LOST_AFTER,
            };
            let worker = Worker::new(queue.clone(), Arc::new(runner), settings);
            let worker = worker.with_drain(stop.clone()).with_stop(stop.clone());
            tokio::spawn(logs.serve(queue, "anna", end.clone()));
            tokio::spawn(async move {
                worker.serve().await.unwrap();
            })
        });
        let site = Self {
            folder,
            told,
            address,
            worked,
            ends: vec![stop, end],
            serving: tokio::spawn(serve(listener, app.clone())),
            worker,
            app,
        };
        site.ready().await;
        site
    }

    async fn ready(&self) {
        let ready = async {
            let known = || self.worker.is_none() || !self.app.masters.present().is_empty();
            while self.get("/readyz").await.status != 200 || !known() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ready)
            .await
            .unwrap();
    }

    /// Ends it as a signal would: what is built is handed back.
    pub(super) async fn end(self) -> (Arc<TempDir>, Worked) {
        self.ends[0].cancel();
        if let Some(worker) = self.worker {
            worker.await.unwrap();
        }
        self.app.closing.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.serving).await;
        ended.unwrap().unwrap();
        self.ends[1].cancel();
        (self.folder, self.worked)
    }

    /// The folder that a job's image is delivered into.
    pub(super) fn delivery(&self, id: &str) -> PathBuf {
        let images = self.folder.path().join("images");
        images.join(id).join("Fedora-43-boot")
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target)).await
    }

    pub(super) async fn send(&self, request: Request) -> Answer {
        request.send(self.address).await
    }

    /// Submits a spec with these packages, which say what becomes of it.
    pub(super) async fn submit(&self, packages: &str) -> String {
        let spec = spec(packages);
        let request = Request::post("/api/v1/jobs").json(&json!({ "spec": spec }));
        let job = self.send(request).await.expect(201).json();
        job["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn job(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/v1/jobs/{id}")).await;
        answer.expect(200).json()
    }

    /// Waits until a job is so.
    pub(super) async fn wait(&self, id: &str, state: &str) -> Value {
        let wait = async {
            loop {
                let job = self.job(id).await;
                if job["state"] == state {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
        waited.unwrap_or_else(|_| panic!("{id} is not {state}"))
    }
}

pub(super) fn spec(packages: &str) -> String {
    format!("[DEFAULT]\ntype = boot\nrelease = 43\narch = x86_64\n[boot]\npackages = {packages}\n")
}

/// The lines that every job writes into its log.
pub(super) fn lines() -> String {
    (1..=200)
        .map(|number| format!("line {number} \u{1b}[31m<b>ü</b>\n"))
        .collect()
}

/// Does what the packages of a spec say: `slow` goes on writing its ISO until it is cancelled, `broken` fails, all else delivers; `newer` an image with
/// one package more.
#[derive(Debug)]
struct Scripted {
    logs: JobLogs,
    images: PathBuf,
}

#[async_trait]
impl JobRunner for Scripted {
    async fn run(&self, job: &ClaimedJob, ctx: &JobContext) -> RunEnd {
        let spec = job.request.payload.clone().unwrap().spec;
        let growing = self.logs.begin(&job.id);
        let mut log = std::fs::File::create(self.logs.path(&job.id)).unwrap();
        let events = Events::new();
        events.add_sink(growing.sink());
        ctx.stage(Stage::Root);
        for line in lines().split_inclusive('\n') {
            log.write_all(line.as_bytes()).unwrap();
            if line.contains("00 ") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        ctx.stage(Stage::Iso);
        let end = |outcome, error: Option<&str>, exit_code, places| {
            RunEnd::Ended(JobEnding {
                outcome,
                error: error.map(str::to_owned),
                exit_code,
                places,
                seconds: 1.5,
            })
        };
        if spec.contains("slow") {
            for percent in 1.. {
                events.progress(Stage::Iso, percent, 100, Unit::Percent);
                let moment = Duration::from_millis(20);
                let cancelled = tokio::time::timeout(moment, ctx.cancel.cancelled());
                if cancelled.await.is_ok() {
                    break;
                }
            }
            drop(growing);
            return end(Outcome::Cancelled, None, 130, Vec::new());
        }
        if spec.contains("broken") {
            return end(Outcome::Failed, Some("no package broken"), 1, Vec::new());
        }
        if ctx.delivering(true).await.is_err() {
            return RunEnd::HandBack {
                reason: "it is another's".to_owned(),
                refused: false,
            };
        }
        let folder = self.images.join(job.id.as_str()).join("Fedora-43-boot");
        deliver(&folder, spec.contains("newer"));
        let place = folder.to_string_lossy().into_owned();
        end(Outcome::Succeeded, None, 0, vec![place])
    }
}

/// What a build hands over: an image, a screenshot, the log and the report of docs/report.md, about these.
pub(super) fn deliver(folder: &Path, newer: bool) {
    let example = include_str!("../../../docs/report.md");
    let example = example.rsplit("```json\n").next().unwrap();
    let example = example.split("```").next().unwrap();
    let mut report: BuildReport = serde_json::from_str(example).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    let mut files = Vec::new();
    for (name, bytes) in [("boot 43.iso", IMAGE), ("boot-uefi.png", b"\x89PNG")] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        files.push(image_builder::report::FileRecord {
            name: name.to_owned(),
            size: bytes.len() as u64,
            sha256: image_builder::digest::sha256_text(&String::from_utf8_lossy(bytes)),
        });
    }
    report.files = files;
    if newer {
        report.packages.push("newer-0:1-1.noarch".to_owned());
    }
    std::fs::write(folder.join(&report.log), lines()).unwrap();
    std::fs::write(folder.join("secret"), "nobody's").unwrap();
    let text = serde_json::to_vec(&report).unwrap();
    std::fs::write(folder.join("build-report.json"), text).unwrap();
}
