//! Delivery to real servers: vsftpd, OpenSSH, an object store; and what becomes of it when they
//! fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fbs_suite::certificates::Certificates;
use fbs_suite::command::{Program, eventually};
use fbs_suite::daemon::{free_port, wait_for_bytes};
use fbs_suite::ftp::{self, Options, Vsftpd};
use fbs_suite::need::{self, Need};
use fbs_suite::noise::noise;
use fbs_suite::object_store::ObjectStore;
use fbs_suite::proxy::Proxy;
use fbs_suite::ssh::Sshd;
use fbs_suite::tools::Stubs;
use fbs_suite::{Folders, fake, release, turn};
use image_builder::context::CancellationToken;
use image_builder::digest::sha256_file;
use image_builder::error::{ErrorKind, StageError};
use image_builder::plan::Staging;
use image_builder::transfer::{
    self, Checked, Delivered, Delivery, Progress, StagingSettings, Transfer, TransferError,
};
use nix::sys::signal::Signal;

const FTP: &[Need] = &[Need::Root, Need::Tool("vsftpd")];
const TLS: &[Need] = &[Need::Tool("openssl")];
const SSH: &[Need] = &[Need::Root, Need::Tool("ssh"), Need::Tool("sshd")];
const PYTHON: &[Need] = &[Need::Tool("python3")];

const MIB: usize = 1 << 20;

fn open(url: &str, settings: &StagingSettings) -> Box<dyn Transfer> {
    let address: image_builder::spec::Address = url.parse().unwrap();
    let staging = Staging::of(&address, Path::to_owned);
    transfer::open(&staging, settings).unwrap()
}

/// A file of bytes that do not repeat soon.
fn file(folder: &Path, name: &str, size: usize) -> Delivery {
    let path = folder.join(name);
    let block = noise(MIB / 4);
    let mut data = Vec::with_capacity(size + block.len());
    while data.len() < size {
        data.extend_from_slice(&data.len().to_le_bytes());
        data.extend_from_slice(&block);
    }
    data.truncate(size);
    fs::write(&path, data).unwrap();
    Delivery {
        file: path,
        name: name.to_owned(),
        sha256: None,
    }
}

async fn put(
    staging: &dyn Transfer,
    folder: &str,
    delivery: &Delivery,
) -> Result<Delivered, TransferError> {
    let cancel = CancellationToken::new();
    staging
        .put(folder, delivery, &Progress::silent(), &cancel)
        .await
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What every staging place promises; `far` is its folder as this host sees it, if it does.
async fn keeps_its_promises(staging: &dyn Transfer, near: &Path, far: Option<&Path>) {
    staging.check().await.unwrap();
    if let Some(far) = far {
        assert_eq!(names(far), [] as [&str; 0], "the check left something");
    }
    let name = "Fedora-43.1";
    let folder = staging.reserve(name).await.unwrap();
    assert_eq!(folder, name);
    assert_eq!(staging.reserve(name).await.unwrap(), "Fedora-43.1-2");

    let image = file(near, "Fedora-boot-43.1-x86_64-1.2.iso", 20 * MIB + 7);
    let heard = Arc::new(AtomicU64::new(0));
    let progress = Progress::new({
        let heard = Arc::clone(&heard);
        move |bytes| heard.store(bytes, Ordering::Relaxed)
    });
    let cancel = CancellationToken::new();
    let done = staging.put(&folder, &image, &progress, &cancel).await;
    let done = done.unwrap();
    assert_eq!(done.checked, Checked::Sha256);
    let address = format!("{}/{}", staging.address(&folder), image.name);
    assert_eq!(done.address, address);
    assert_eq!(heard.load(Ordering::Relaxed), 20 * MIB as u64 + 7);
    let empty = file(near, "empty.log", 0);
    put(staging, &folder, &empty).await.unwrap();
    if let Some(far) = far {
        let far = far.join(name);
        assert_eq!(names(&far), [image.name.as_str(), "empty.log"]);
        let sent = sha256_file(&image.file).await.unwrap();
        assert_eq!(sha256_file(&far.join(&image.name)).await.unwrap(), sent);
    }

    // Never over another file.
    let other = Delivery {
        file: empty.file.clone(),
        name: image.name.clone(),
        sha256: None,
    };
    let error = put(staging, &folder, &other).await.unwrap_err();
    assert!(matches!(error, TransferError::Exists(_)), "{error}");

    // Not what was sent: nothing has the name.
    let wrong = Delivery {
        name: "wrong.iso".to_owned(),
        sha256: Some("0".repeat(64)),
        ..image.clone()
    };
    let error = put(staging, &folder, &wrong).await.unwrap_err();
    assert!(matches!(error, TransferError::Corrupt { .. }), "{error}");

    // Nothing is left of what was stopped.
    let stopped = Delivery {
        name: "stopped.iso".to_owned(),
        ..image.clone()
    };
    let cancel = CancellationToken::new();
    let progress = Progress::new({
        let cancel = cancel.clone();
        move |_| cancel.cancel()
    });
    let error = staging.put(&folder, &stopped, &progress, &cancel).await;
    let error = error.unwrap_err();
    assert!(matches!(error, TransferError::Cancelled), "{error}");
    if let Some(far) = far {
        assert_eq!(names(&far.join(name)), [image.name.as_str(), "empty.log"]);
    }
    let known = Delivery {
        name: "known.iso".to_owned(),
        sha256: Some(sha256_file(&image.file).await.unwrap()),
        ..image
    };
    put(staging, &folder, &known).await.unwrap();
}

#[tokio::test]
async fn anonymous_ftp_into_pub_as_in_2012() {
    if !need::met(&[FTP]) {
        return;
    }
    let folders = Folders::new();
    let server = Vsftpd::start(&folders.top().join("ftp"), &Options::default());
    let bare = format!("127.0.0.1:{}", server.port);
    let staging = open(&bare, &StagingSettings::default());
    let error = staging.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("no folder pub"), "{error}");

    let far = server.make_pub();
    keeps_its_promises(&*staging, folders.top(), Some(&far)).await;
    let below = open(&format!("{bare}/pub/qa/43"), &StagingSettings::default());
    below.check().await.unwrap();
    assert_eq!(names(&far.join("qa")), ["43"]);
}

#[tokio::test]
async fn ftp_over_tls_explicit_and_implicit() {
    if !need::met(&[FTP, TLS]) {
        return;
    }
    let folders = Folders::new();
    let certificates = Certificates::make(folders.top());
    for implicit in [false, true] {
        let options = Options {
            tls: Some(&certificates),
            implicit,
            ..Options::default()
        };
        let near = folders.top().join(format!("near-{implicit}"));
        fs::create_dir(&near).unwrap();
        let server = Vsftpd::start(&folders.top().join(format!("ftps-{implicit}")), &options);
        let far = server.make_pub();
        let url = format!("ftps://127.0.0.1:{}", server.port);
        let error = open(&url, &StagingSettings::default()).check().await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        assert!(error.hint().unwrap().contains("ca_file"));
        let trusting = StagingSettings {
            verify_certificate: Some(false),
            ..StagingSettings::default()
        };
        open(&url, &trusting).check().await.unwrap();
        let knowing = StagingSettings {
            ca_file: Some(certificates.authority.clone()),
            ..StagingSettings::default()
        };
        keeps_its_promises(&*open(&url, &knowing), &near, Some(&far)).await;
        // A server that wants TLS takes nobody without.
        let plain = url.replace("ftps", "ftp");
        if !implicit {
            let error = open(&plain, &knowing).check().await.unwrap_err();
            assert!(matches!(error, TransferError::Refused { .. }), "{error}");
        }
    }
}

/// An upload that is under way when `half` is called; its size is told to the test.
async fn interrupted_at_half(
    staging: Box<dyn Transfer>,
    near: &Path,
    far: PathBuf,
    size: usize,
    half: impl FnOnce() + Send + 'static,
) -> (PathBuf, Delivery) {
    let folder = staging.reserve("x").await.unwrap();
    let image = file(near, "image.iso", size);
    let part = far.join("x/image.iso.part");
    let cutting = tokio::task::spawn_blocking(move || {
        wait_for_bytes(&part, size as u64 / 2);
        half();
    });
    let done = put(&*staging, &folder, &image).await.unwrap();
    cutting.await.unwrap();
    assert_eq!(done.checked, Checked::Sha256);
    let there = far.join("x/image.iso");
    let sent = sha256_file(&image.file).await.unwrap();
    assert_eq!(sha256_file(&there).await.unwrap(), sent);
    assert_eq!(names(&far.join("x")), ["image.iso"]);
    (there, image)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ftp_upload_is_taken_up_where_it_broke() {
    if !need::met(&[FTP]) {
        return;
    }
    let folders = Folders::new();
    let options = Options {
        rate: 20_000_000,
        ..Options::default()
    };
    let server = Arc::new(Vsftpd::start(&folders.top().join("ftp"), &options));
    let far = server.make_pub();
    let url = format!("127.0.0.1:{}", server.port);
    let cut = Arc::clone(&server);
    let staging = open(&url, &StagingSettings::default());
    interrupted_at_half(staging, folders.top(), far, 24 * MIB, move || cut.cut()).await;
    let protocol = server.protocol();
    let rest = protocol.lines().find(|line| line.contains("\"REST "));
    assert!(rest.is_some(), "{protocol}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_for_20_seconds_is_waited_for() {
    if !need::met(&[FTP]) {
        return;
    }
    let folders = Folders::new();
    let options = Options {
        rate: 20_000_000,
        ..Options::default()
    };
    let mut server = Vsftpd::start(&folders.top().join("ftp"), &options);
    let far = server.make_pub();
    let staging = open(
        &format!("127.0.0.1:{}", server.port),
        &StagingSettings::default(),
    );
    let started = Instant::now();
    let gone = move || {
        server.stop();
        std::thread::sleep(Duration::from_secs(20));
        server.restart();
        // Ends with the test.
        std::mem::forget(server);
    };
    interrupted_at_half(staging, folders.top(), far, 8 * MIB, gone).await;
    assert!(started.elapsed() > Duration::from_secs(20));
    let _ = Program::new("pkill")
        .arg("-f")
        .arg(folders.top().join("ftp/vsftpd.conf"))
        .run();
}

#[tokio::test]
async fn sftp_by_the_user_s_own_ssh() {
    if !need::met(&[SSH]) {
        return;
    }
    let folders = Folders::new();
    let server = Sshd::start(&folders.top().join("sshd"));
    let far = folders.top().join("far/images");
    let url = format!("sftp://root@127.0.0.1:{}{}", server.port, far.display());
    let settings = StagingSettings {
        identity_file: Some(server.key.clone()),
        known_hosts_file: Some(server.known_hosts.clone()),
        ..StagingSettings::default()
    };
    fs::create_dir_all(&far).unwrap();
    keeps_its_promises(&*open(&url, &settings), folders.top(), Some(&far)).await;

    let refused = |settings: StagingSettings| {
        let staging = open(&url, &settings);
        async move {
            let started = Instant::now();
            let error = staging.check().await.unwrap_err();
            assert!(matches!(error, TransferError::Refused { .. }), "{error}");
            assert!(started.elapsed() < Duration::from_secs(5));
            format!("{error}; {}", error.hint().unwrap())
        }
    };
    let stranger = refused(StagingSettings {
        identity_file: Some(server.other_key.clone()),
        ..settings.clone()
    });
    assert!(stranger.await.contains("Permission denied"));
    let empty = folders.file("known", "");
    let unknown = refused(StagingSettings {
        known_hosts_file: Some(empty),
        ..settings.clone()
    });
    assert!(unknown.await.contains("known_hosts"));
    let folder = folders.file("plain", "");
    let url = format!(
        "sftp://root@127.0.0.1:{}{}/x",
        server.port,
        folder.display()
    );
    let error = open(&url, &settings).check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sftp_upload_is_taken_up_where_it_broke() {
    if !need::met(&[SSH]) {
        return;
    }
    let folders = Folders::new();
    let server = Arc::new(Sshd::start(&folders.top().join("sshd")));
    let far = folders.top().join("far");
    let url = format!("sftp://root@127.0.0.1:{}{}", server.port, far.display());
    let settings = StagingSettings {
        identity_file: Some(server.key.clone()),
        known_hosts_file: Some(server.known_hosts.clone()),
        ..StagingSettings::default()
    };
    let staging = open(&url, &settings);
    staging.check().await.unwrap();
    let cut = Arc::clone(&server);
    interrupted_at_half(staging, folders.top(), far, 200 * MIB, move || cut.cut()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_takes_what_a_broken_connection_left() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folders = Folders::new();
    let store = ObjectStore::start(folders.top());
    let proxy = Arc::new(Proxy::start(store.port));
    let settings = |port: u16| StagingSettings {
        endpoint: Some(format!("http://127.0.0.1:{port}").parse().unwrap()),
        region: Some("us-east-1".to_owned()),
        user: Some("key".to_owned()),
        password_file: Some(folders.file("secret", "secret\n")),
        ..StagingSettings::default()
    };
    let staging = open("s3://images/nightly", &settings(proxy.port));
    keeps_its_promises(&*staging, folders.top(), None).await;

    let folder = staging.reserve("cut").await.unwrap();
    let image = file(folders.top(), "cut.iso", 40 * MIB);
    let before = proxy.passed();
    let cutting = tokio::task::spawn_blocking({
        let proxy = Arc::clone(&proxy);
        move || {
            while proxy.passed() < before + 20 * MIB as u64 {
                std::thread::sleep(Duration::from_millis(2));
            }
            proxy.cut();
        }
    });
    let done = put(&*staging, &folder, &image).await.unwrap();
    cutting.await.unwrap();
    assert_eq!(done.checked, Checked::Sha256);

    // What was stopped before it was compared is sent again.
    let again = put(&*staging, &folder, &image).await.unwrap();
    assert_eq!(again.checked, Checked::Sha256);
    assert!(!store.uploads().contains("<Upload>"), "{}", store.uploads());

    let missing = open("s3://nobody/x", &settings(store.port));
    let error = missing.check().await.unwrap_err();
    assert!(matches!(error, TransferError::Refused { .. }), "{error}");
    let closed = open("s3://images/x", &settings(free_port()));
    let error = closed.check().await.unwrap_err();
    assert!(
        matches!(error, TransferError::Unreachable { .. }),
        "{error}"
    );
}

/// Parts are seen by nobody and cost room: none stay of what was stopped.
#[tokio::test(flavor = "multi_thread")]
async fn no_parts_of_a_stopped_upload_stay_in_an_object_store() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folders = Folders::new();
    let store = ObjectStore::start(folders.top());
    let settings = StagingSettings {
        endpoint: Some(format!("http://127.0.0.1:{}", store.port).parse().unwrap()),
        region: Some("us-east-1".to_owned()),
        user: Some("key".to_owned()),
        password_file: Some(folders.file("secret", "secret\n")),
        ..StagingSettings::default()
    };
    let staging: Arc<dyn Transfer> = open("s3://images", &settings).into();
    let folder = staging.reserve("x").await.unwrap();
    let image = file(folders.top(), "image.iso", 40 * MIB);
    let half = |then: Arc<dyn Fn() + Send + Sync>| {
        Progress::new(move |bytes| {
            if bytes > 20 * MIB as u64 {
                then();
            }
        })
    };
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let progress = half(Arc::new(move || stop.cancel()));
    let error = staging.put(&folder, &image, &progress, &cancel).await;
    let error = error.unwrap_err();
    assert!(matches!(error, TransferError::Cancelled), "{error}");
    assert!(!store.uploads().contains("<Upload>"), "{}", store.uploads());

    // Nor when nobody waits for it any more.
    let reached = Arc::new(tokio::sync::Notify::new());
    let notify = Arc::clone(&reached);
    let progress = half(Arc::new(move || notify.notify_one()));
    let cancel = CancellationToken::new();
    tokio::select! {
        done = staging.put(&folder, &image, &progress, &cancel) => panic!("{done:?}"),
        () = reached.notified() => {}
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.uploads().contains("<Upload>") {
        assert!(Instant::now() < deadline, "{}", store.uploads());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    put(&*staging, &folder, &image).await.unwrap();
}

#[tokio::test]
async fn what_a_server_refuses_is_said_with_the_way_out() {
    if !need::met(&[FTP, PYTHON]) {
        return;
    }
    let folders = Folders::new();
    let plain = StagingSettings::default();
    let port = free_port();
    let started = Instant::now();
    let error = open(&format!("127.0.0.1:{port}"), &plain).check().await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(
        (error.kind(), error.is_transient()),
        (ErrorKind::Network, true)
    );
    assert!(started.elapsed() < Duration::from_secs(15));

    let quota = folders.top().join("quota");
    fs::create_dir(&quota).unwrap();
    let server = ftp::with_quota(&quota, MIB as u64, port);
    let url = |password: &str| format!("ftp://qa:{password}@127.0.0.1:{port}/");
    let error = open(&url("guess"), &plain).check().await.unwrap_err();
    assert!(error.to_string().contains("the login of qa"), "{error}");
    assert!(!format!("{error:?}").contains("guess"), "{error:?}");

    let secret = folders.file("secret", "secret\n");
    let settings = StagingSettings {
        user: Some("qa".to_owned()),
        password_file: Some(secret),
        ..StagingSettings::default()
    };
    // A login leads to a folder of its own.
    let staging = open(&format!("ftp://qa@127.0.0.1:{port}/"), &settings);
    staging.check().await.unwrap();
    let folder = staging.reserve("x").await.unwrap();
    let large = file(folders.top(), "large.iso", 3 * MIB);
    let error = put(&*staging, &folder, &large).await.unwrap_err();
    assert!(matches!(error, TransferError::Full { .. }), "{error}");
    assert!(error.to_string().contains("Quota exceeded"), "{error}");
    drop(server);

    // Uploads, but no renaming: said before a build, not after it.
    let strict = Options {
        more: "anon_other_write_enable=NO\n",
        ..Options::default()
    };
    let server = Vsftpd::start(&folders.top().join("strict"), &strict);
    server.make_pub();
    let error = open(&format!("127.0.0.1:{}", server.port), &plain)
        .check()
        .await;
    let error = error.unwrap_err();
    assert!(
        error.hint().unwrap().contains("anon_other_write_enable"),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_disk_at_the_far_side() {
    if !need::met(&[FTP, SSH]) {
        return;
    }
    let folders = Folders::new();
    let server = Vsftpd::start(&folders.top().join("ftp"), &Options::default());
    let disk = Disk::mount(&server.make_pub(), "80m");
    let staging = open(
        &format!("127.0.0.1:{}", server.port),
        &StagingSettings::default(),
    );
    staging.check().await.unwrap();
    let folder = staging.reserve("x").await.unwrap();
    let large = file(folders.top(), "large.iso", 90 * MIB);
    let error = put(&*staging, &folder, &large).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(
        error.hint().unwrap().contains("disk may be full"),
        "{error}"
    );

    let sshd = Sshd::start(&folders.top().join("sshd"));
    let url = format!("sftp://root@127.0.0.1:{}{}", sshd.port, disk.0.display());
    let settings = StagingSettings {
        identity_file: Some(sshd.key.clone()),
        known_hosts_file: Some(sshd.known_hosts.clone()),
        ..StagingSettings::default()
    };
    let staging = open(&url, &settings);
    // It asks first.
    let error = staging.check().await.unwrap_err();
    assert!(matches!(error, TransferError::Full { .. }), "{error}");
}

/// A small file system that is unmounted at the end.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, size: &str) -> Self {
        let mount = Program::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=777"),
                "tmpfs",
            ])
            .arg(at);
        mount.run().assert_exit(0);
        Self(at.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Program::new("umount").arg("-l").arg(&self.0).run();
    }
}

/// A build whose server fails at the end: nothing is lost, and `fbs deliver` ends it.
#[test]
fn a_refused_delivery_keeps_the_image_and_is_done_again() {
    if !need::met(&[need::BUILD, FTP, PYTHON]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let port = free_port();
    let quota = folders.top().join("quota");
    fs::create_dir(&quota).unwrap();
    let far = format!("ftp://qa@127.0.0.1:{port}/images");
    let local = folders.staging().display().to_string();
    let config = folders.file(
        "fbs.toml",
        format!(
            "[[staging]]\naddress = \"ftp://127.0.0.1:{port}/images\"\nuser = \"qa\"\n\
             password_env = \"FTP_PASSWORD\"\npublic_url = \"https://images.example.org/qa/images/\"\n"
        ),
    );
    let fbs = |program: Program| {
        program
            .env("FBS_CONFIG", &config)
            .env("FTP_PASSWORD", "secret")
    };
    let checked = fbs(folders.fbs("check").arg("--service")).run();
    checked.assert_exit(4).assert_says(&["not reached"]);
    let server = ftp::with_quota(&quota, 4 * MIB as u64, port);
    let checked = fbs(folders.fbs("check").arg("--service")).run();
    checked.assert_exit(0).assert_says(&["takes files"]);
    let build = fbs(build_to(&folders, &format!("{local};{far}"), "systemd"));
    let build = build.run();
    build.assert_exit(4).assert_says(&["Quota exceeded"]);
    drop(server);

    // One place has all, the other lacks the image.
    let delivery = folders.delivery();
    delivery.assert_outcome("failed");
    let kept = delivery.report["kept_in"].as_str().unwrap();
    let deliveries = delivery.report["deliveries"].as_array().unwrap();
    assert!(deliveries[0].get("error").is_none(), "{deliveries:?}");
    assert!(deliveries[1]["error"].as_str().unwrap().contains("Quota"));
    let kept = Path::new(kept);
    let report = kept.join("build-report.json");
    let image = delivery.iso().unwrap();
    let name = image.file_name().unwrap();
    assert!(kept.join(name).is_file() && report.is_file());
    assert_eq!(
        names(&folders.work()).len(),
        1,
        "nothing but the outbox's folder"
    );

    let deliver = |folders: &Folders| fbs(folders.fbs("deliver")).arg(&report).run();
    deliver(&folders).assert_exit(4).assert_one_error();
    assert!(kept.join(name).is_file());
    let server = ftp::with_quota(&quota, u64::MAX >> 1, port);
    let done = deliver(&folders);
    done.assert_exit(0);
    let folder = delivery.report["name"].as_str().unwrap();
    done.assert_says(&[&format!("https://images.example.org/qa/images/{folder}/")]);
    drop(server);
    let there = quota.join("images").join(folder);
    let listed: serde_json::Value =
        serde_json::from_slice(&fs::read(there.join("build-report.json")).unwrap()).unwrap();
    assert_eq!(listed["outcome"], "succeeded");
    assert_eq!(names(&there), names(&delivery.folder));
    let sums = Program::new("sha256sum").args(["-c", "CHECKSUM"]);
    sums.folder(&there).run().assert_exit(0);
    folders.assert_nothing_left();

    // Again to a third place, from where it lies.
    let third = folders.top().join("third");
    let again = fbs(folders.fbs("deliver")).arg(&delivery.folder);
    let again = again.arg("--staging").arg(&third).run();
    again.assert_exit(0);
    assert_eq!(names(&third.join(folder)), names(&delivery.folder));
    let nothing = fbs(folders.fbs("deliver")).arg(&delivery.folder).run();
    nothing.assert_exit(2).assert_one_error();
    fs::write(third.join(folder).join(name), "short").unwrap();
    let broken = fbs(folders.fbs("deliver")).arg(third.join(folder));
    let broken = broken
        .arg("--staging")
        .arg(folders.top().join("fourth"))
        .run();
    broken.assert_exit(1).assert_one_error();
}

/// `fbs build` of the mini release by the native engine, delivered to `staging`.
fn build_to(folders: &Folders, staging: &str, package: &str) -> Program {
    folders
        .fbs("build")
        .arg(folders.spec())
        .arg("--workdir")
        .arg(folders.work())
        .set("99_url", release::packages())
        .set("backend", "native")
        .set("packages", package)
        .set("staging", staging)
}

/// Whether more than a MiB of a file is in a folder, and not all of it.
fn is_begun(folder: &Path) -> bool {
    // The folder with which the place was tried may be gone by now.
    let entries = folder.read_dir().into_iter().flatten();
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        path.extension().is_some_and(|end| end == "part")
            && path.metadata().is_ok_and(|file| file.len() > 1 << 20)
    })
}

#[test]
fn an_upload_that_is_stopped_is_told_of_and_can_be_made_good() {
    if !need::met(&[need::BUILD, FTP]) {
        return;
    }
    let folders = Folders::new();
    let slow = Options {
        rate: 8 << 20,
        ..Options::default()
    };
    let server = Vsftpd::start(&folders.top().join("ftp"), &slow);
    let far = server.make_pub();
    let ftp = format!("ftp://127.0.0.1:{}/pub", server.port);
    let stubs = fake::root(Stubs::new(folders.top()));
    let build = folders.build().arg("--staging").arg(&ftp);
    let build = build.env("PATH", stubs.path()).env("FBS_STUB_MIB", "60");
    let running = build.start();
    eventually("the image is on its way", Duration::from_secs(60), || {
        names(&far).iter().any(|folder| is_begun(&far.join(folder)))
    });
    running.signal(Signal::SIGTERM);
    let done = running.finish();
    let undelivered = format!("undelivered to {ftp}: ");
    done.assert_exit(130).assert_says(&[&undelivered]);
    let listed = |what: &str, place: &str| {
        let lines = done.stderr.lines();
        lines
            .filter(|line| line.starts_with(what) && line.contains(place))
            .count()
    };
    let here = folders.staging().display().to_string();
    assert_eq!(
        (listed("image ", &here), listed("image ", &ftp)),
        (1, 0),
        "{done}"
    );
    assert_eq!(
        (listed("log ", &here), listed("log ", &ftp)),
        (1, 1),
        "{done}"
    );
    // What arrived nowhere else is delivered from there.
    let delivery = folders.delivery();
    let deliver = folders.fbs("deliver").arg(&delivery.folder).run();
    deliver.assert_exit(0);
    let report = fbs_suite::Delivery::of(delivery.folder).report;
    let record = &report["deliveries"].as_array().unwrap()[1];
    assert_eq!(record["error"], serde_json::Value::Null, "{report:#}");
    let folder = record["folder"].as_str().unwrap().trim_end_matches('/');
    let name = folder.rsplit('/').next().unwrap();
    let there = fbs_suite::Delivery::of(far.join(name));
    assert!(there.iso().is_some(), "{:?}", there.names());
    there.assert_files();
    drop(server);
    folders.assert_nothing_left();
}

/// A build that fails delivers its log and its report all the same.
#[test]
fn a_failed_build_delivers_its_log_over_ftp() {
    if !need::met(&[need::BUILD, FTP]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let server = Vsftpd::start(&folders.top().join("ftp"), &Options::default());
    let far = server.make_pub();
    let staging = format!("127.0.0.1:{}", server.port);
    let build = build_to(&folders, &staging, "no-such-package");
    build.run().assert_exit(1);
    let folder = far.join(&names(&far)[0]);
    let names = names(&folder);
    assert!(names.iter().any(|name| name.ends_with(".log")), "{names:?}");
    assert!(names.contains(&"build-report.json".to_owned()), "{names:?}");
    drop(server);
    folders.assert_nothing_left();
}
