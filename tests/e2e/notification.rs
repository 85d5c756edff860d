//! Who is told of a build, and what: by real servers on loopback, those that work and those that
//! do not.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use fbs_suite::certificates::Certificates;
use fbs_suite::daemon::free_port;
use fbs_suite::need::Need;
use fbs_suite::rabbitmq::{self, RabbitMq};
use fbs_suite::smtp::{self, MailServer};
use fbs_suite::tools::Stubs;
use fbs_suite::{Finished, Folders, Program, binaries, fake, need, python, turn};
use image_builder::context::CancellationToken;
use image_builder::error::ErrorKind;
use image_builder::events::{BuildEvent, EventKind, Events, Level, Outcome};
use image_builder::notification::{
    Broker, Ending, FedoraMessaging, Limits, MailServer as Server, Notice, NoticeKind,
    Notification, Notifier, Screenshot, Security, Smtp, Trust,
};
use image_builder::report::{BuildReport, ErrorRecord};
use image_builder::retention::Reason;
use image_builder::secret::Secret;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const PYTHON: &[Need] = &[Need::Tool("python3"), Need::Tool("openssl")];
const RABBITMQ: &[Need] = &[Need::File("/usr/lib/rabbitmq/bin/rabbitmq-server")];

/// A build of a fake root that tells those whom `config` names.
fn build(folders: &Folders, config: &str) -> Program {
    let config = folders.file("fbs.toml", config);
    let stubs = fake::root(Stubs::new(folders.top()));
    folders
        .build()
        .arg("--notify")
        .set("email", "qa@example.test;dev@example.test")
        .env("FBS_CONFIG", config)
        .env("PATH", stubs.path())
}

/// The file of a password, as it should be.
fn password_file(folders: &Folders, password: &str) {
    let path = folders.file("password", password);
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn check(folders: &Folders, config: &str) -> Finished {
    let config = folders.file("check.toml", config);
    let check = folders.fbs("check").arg("--service");
    check.env("FBS_CONFIG", config).run()
}

/// `[smtp]` of a server with a login.
fn smtp_section(port: u64, security: &str) -> String {
    format!(
        "[smtp]\nserver = \"localhost\"\nport = {port}\nsecurity = \"{security}\"\nuser = \"{}\"\n\
         password_file = \"password\"\nfrom = \"Fedora Build Service <fbs@example.test>\"\n",
        smtp::LOGIN.0
    )
}

const CA: &str = "ca_file = \"ca.pem\"\n";

#[test]
fn a_finished_build_sends_a_thread_of_mails_by_a_server_with_tls_and_login() {
    if !need::met(&[need::BUILD, PYTHON]) {
        return;
    }
    let folders = Folders::new();
    let certificates = Certificates::make(folders.top());
    let mut server = MailServer::with_login(&certificates, "starttls");
    password_file(&folders, smtp::LOGIN.1);
    let config = smtp_section(server.port(), "starttls") + CA;
    let done = {
        let _turn = turn::take();
        build(&folders, &config).run()
    };
    done.assert_exit(0);
    assert!(!done.stderr.contains("warning:"), "{done}");
    let delivery = folders.delivery();
    let job = delivery.report["job"].as_str().unwrap();
    let iso = delivery.iso().unwrap();

    let mails = [(); 4].map(|()| server.mail());
    let to: Vec<&Value> = mails.iter().map(|mail| &mail.0["to"]).collect();
    let (qa, dev) = (json!(["qa@example.test"]), json!(["dev@example.test"]));
    assert_eq!(to, [&qa, &dev, &qa, &dev]);
    for mail in &mails {
        mail.assert_proper();
        assert_eq!(mail.0["tls"], true);
        assert_eq!(mail.0["login"], smtp::LOGIN.0);
        assert_eq!(mail.0["from"], "fbs@example.test");
        assert_eq!(
            mail.header("From"),
            "Fedora Build Service <fbs@example.test>"
        );
        assert_eq!(mail.header("To"), "qa@example.test, dev@example.test");
        assert_eq!(mail.header("X-FBS-Job"), job);
        assert_eq!(
            mail.0["shape"],
            json!(["multipart/alternative", "text/plain", "text/html"])
        );
    }
    let [submitted, again, finished, _] = &mails;
    let title = delivery.report["title"].as_str().unwrap();
    assert_eq!(
        submitted.header("Subject"),
        format!("[fbs] submitted: {title}")
    );
    assert_eq!(submitted.header("Message-ID"), again.header("Message-ID"));
    assert!(
        submitted
            .text("text/plain")
            .contains(&format!("fbs logs -f {job}"))
    );
    assert_eq!(
        finished.header("Subject"),
        format!("[fbs] finished: {title}")
    );
    for name in ["In-Reply-To", "References"] {
        assert_eq!(finished.header(name), submitted.header("Message-ID"));
    }
    let sha256 = delivery.report["image"]["sha256"].as_str().unwrap();
    let host = delivery.report["host"].as_str().unwrap();
    for kind in ["text/plain", "text/html"] {
        let text = finished.text(kind);
        for words in [
            job,
            host,
            sha256,
            iso.to_str().unwrap(),
            "native",
            "build-report.json",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    assert!(delivery.log.contains("Told queued:: mail by localhost"));
    let printed = format!("{}{}{:?}", delivery.log, done.stderr, done.stdout);
    assert!(!printed.contains(smtp::LOGIN.1));
}

#[test]
fn a_failed_build_sends_the_end_of_its_log_and_attaches_it() {
    if !need::met(&[need::BUILD, PYTHON]) {
        return;
    }
    let folders = Folders::new();
    let mut server = MailServer::open();
    let config = format!(
        "[smtp]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"fbs@example.test\"\n",
        server.port()
    );
    let done = {
        let _turn = turn::take();
        let build = build(&folders, &config);
        let stub = "printf 'bad \\377\\376 \\033[31mred\\000\\r\\n</pre><script>x</script>\\n'\n\
                    seq -f 'line %g' 100\nexit 1";
        let path = folders.top().join("stubs/grub-mkimage");
        fs::write(&path, format!("#!/bin/sh\n{stub}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        build.run()
    };
    done.assert_exit(1).assert_one_error();
    let delivery = folders.delivery();
    let [submitted, _, failed, _] = [(); 4].map(|()| server.mail());
    failed.assert_proper();
    assert!(failed.header("Subject").starts_with("[fbs] failed: "));
    assert_eq!(failed.header("In-Reply-To"), submitted.header("Message-ID"));
    assert_eq!(
        failed.0["shape"],
        json!([
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "application/gzip"
        ])
    );
    let text = failed.text("text/plain");
    for words in [
        "writing the ISO",
        "grub-mkimage",
        "The last 60 lines of the log",
        "line 100\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let tail = text.split("The last 60 lines").nth(1).unwrap();
    let shown = tail.lines().filter(|line| line.starts_with("    ")).count();
    assert_eq!(shown, 60, "{tail}");
    assert!(!failed.text("text/html").contains("<script>"));
    let log = failed.part("application/gzip");
    let name = delivery.report["log"].as_str().unwrap();
    assert_eq!(log["filename"], format!("{name}.gz"));
    assert!(
        log["begin"]
            .as_str()
            .unwrap()
            .contains("Registered a new Image Build")
    );
    assert!(log["end"].as_str().unwrap().contains("Image build failed"));
}

#[test]
fn a_build_that_is_stopped_or_cannot_begin_is_told_of() {
    if !need::met(&[need::BUILD, PYTHON]) {
        return;
    }
    let folders = Folders::new();
    let mut server = MailServer::open();
    let config = format!(
        "[smtp]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"fbs@example.test\"\n",
        server.port()
    );
    let _turn = turn::take();
    let mut running = build(&folders, &config)
        .set("compression", "zstd:19")
        .env("FBS_STUB_MIB", "200")
        .arg("--json")
        .start();
    running.wait_for_progress("root_image");
    running.signal(Signal::SIGINT);
    running.finish().assert_exit(130);
    let [submitted, _, cancelled, _] = [(); 4].map(|()| server.mail());
    cancelled.assert_proper();
    assert!(cancelled.header("Subject").starts_with("[fbs] cancelled: "));
    assert_eq!(
        cancelled.header("In-Reply-To"),
        submitted.header("Message-ID")
    );

    let nowhere = folders.fbs_spec("build", &folders.spec());
    let done = nowhere
        .arg("--notify")
        .set("email", "qa@example.test")
        .set("99_url", "http://127.0.0.1:1/os")
        .env("FBS_CONFIG", folders.top().join("fbs.toml"))
        .run();
    done.assert_exit(4);
    let [_, failed] = [(); 2].map(|()| server.mail());
    failed.assert_proper();
    assert!(failed.header("Subject").starts_with("[fbs] failed: "));
    assert!(failed.text("text/plain").contains("127.0.0.1:1"));
}

#[test]
fn servers_that_refuse_or_hang_hold_no_build_up() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    // The kernel takes connections; nobody answers.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let refuses = free_port();
    let config = format!(
        "[notification]\ntimeout_seconds = 2\n\
         [smtp]\nserver = \"127.0.0.1\"\nport = {refuses}\nsecurity = \"none\"\nfrom = \"a@b.test\"\n\
         [[webhook]]\nurl = \"http://{}/token\"\n",
        hangs.local_addr().unwrap()
    );
    let done = {
        let _turn = turn::take();
        build(&folders, &config).run()
    };
    done.assert_exit(0);
    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded");
    let server = format!("127.0.0.1:{refuses}");
    for told in ["queued", "complete"] {
        done.assert_says(&[&format!("warning: {told} was not told by mail by {server}")]);
    }
    done.assert_says(&[
        "refused",
        "told by webhook at 127.0.0.1",
        "no answer within 2",
    ]);
    assert!(!done.stderr.contains("token"), "{done}");
    for told in ["queued", "complete"] {
        let in_log = format!("warning: {told} was not told by mail by {server}");
        assert!(delivery.log.contains(&in_log), "{}", delivery.log);
    }
    let took = delivery.report["time"]["total_seconds"].as_f64().unwrap();
    done.assert_within(took + 4.0);
}

#[test]
fn nobody_to_tell_is_said_before_a_build_begins() {
    let folders = Folders::new();
    let spec = folders.spec();
    let empty = folders.file("fbs.toml", "");
    let done = folders.fbs_spec("build", &spec).arg("--notify");
    done.env("FBS_CONFIG", empty)
        .run()
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["nobody is configured", "[smtp]", "[[webhook]]"]);
    folders.assert_no_delivery();
}

#[test]
fn the_check_of_the_service_connects_and_says_what_is_wrong() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folders = Folders::new();
    let certificates = Certificates::make(folders.top());
    let server = MailServer::with_login(&certificates, "tls");
    password_file(&folders, smtp::LOGIN.1);
    let section = smtp_section(server.port(), "tls");
    let fine = [
        section.clone() + CA,
        section.clone() + "verify_certificate = false\n",
    ];
    for config in fine {
        check(&folders, &config).assert_exit(0).assert_says(&[
            &format!("mail by localhost:{}: answers", server.port()),
            "is fine",
        ]);
    }
    check(&folders, &section)
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["cannot be trusted", "certificate", "ca_file"]);
    // A name that is not in the certificate.
    let other = (section.clone() + CA).replace("localhost", "127.0.0.2");
    let _ = check(&folders, &other).assert_one_error();

    password_file(&folders, "f00bar");
    let login = check(&folders, &(section.clone() + CA));
    login
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["refuses the login", "535"]);
    assert!(!login.stderr.contains("f00bar"), "{login}");
    let exposed = folders.top().join("password");
    fs::set_permissions(exposed, PermissionsExt::from_mode(0o644)).unwrap();
    check(&folders, &(section.clone() + CA)).assert_says(&["warning: everybody", "mode 0644"]);

    drop(server);
    check(&folders, &(section + CA))
        .assert_exit(4)
        .assert_one_error()
        .assert_says(&["cannot be reached", "refused"]);
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hangs.local_addr().unwrap().port();
    let hanging = format!(
        "[notification]\ntimeout_seconds = 1\n[smtp]\nserver = \"127.0.0.1\"\nport = {port}\n\
         security = \"none\"\nfrom = \"a@b.test\"\n"
    );
    check(&folders, &hanging)
        .assert_exit(4)
        .assert_one_error()
        .assert_says(&["no answer within 1 s"]);
    let literal = "[smtp]\nserver = \"h\"\nfrom = \"a@b\"\nuser = \"me\"\npassword = \"f00bar\"\n";
    let literal = check(&folders, literal);
    literal.assert_exit(2).assert_one_error().assert_says(&[
        "line 5",
        "password_file",
        "password_env",
    ]);
    assert!(!literal.stderr.contains("f00bar"), "{literal}");
}

#[test]
fn the_original_s_deploy_conf_names_the_mail_server() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folders = Folders::new();
    let certificates = Certificates::make(folders.top());
    let server = MailServer::with_login(&certificates, "starttls");
    let deploy = format!(
        "[broker]\ni686=\"amqp://guest@10.0.0.9//\"\n[SMTP]\n#single quotes needed\n\
         server='localhost'\nport='{}'\nlogin='{}@example.test'\npassword='{}'",
        server.port(),
        smtp::LOGIN.0,
        smtp::LOGIN.1
    );
    let deploy = folders.file("deploy.conf", deploy);
    let check = folders.fbs("check").arg("--service");
    // The test's authority is none of the host's: that far it comes, and no further.
    let done = check.env("FBS_CONFIG", deploy).run();
    done.assert_exit(2).assert_says(&[
        "warning: the password of [SMTP] stands in",
        "deploy.conf",
        &format!("localhost:{} cannot be trusted", server.port()),
    ]);
    assert!(!done.stderr.contains(smtp::LOGIN.1), "{done}");
}

/// The example of the report's documentation, with what a test needs of it.
fn report(outcome: Outcome) -> BuildReport {
    let text = fs::read_to_string(binaries::workspace().join("docs/report.md")).unwrap();
    let block = text.split("```json\n").last().unwrap();
    let mut report: Value = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
    report["name"] = json!("Fedora-43");
    report["deliveries"] = json!([{
        "staging": "ftp://h/pub",
        "folder": "ftp://h/pub/Fedora-43",
        "link": "https://w.test/Fedora-43/",
        "files": report["files"].as_array().unwrap().iter().map(|f| f["name"].clone())
            .collect::<Vec<_>>(),
    }]);
    let mut report: BuildReport = serde_json::from_value(report).unwrap();
    report.outcome = outcome;
    if outcome != Outcome::Succeeded {
        report.error = Some(ErrorRecord {
            stage: None,
            kind: ErrorKind::Failed,
            message: "a\nb \x1b[1m \u{fffd}".into(),
            hint: None,
        });
    }
    report
}

fn notice(kind: NoticeKind) -> Notice {
    Notice {
        job: "20261121T110219-fvkph6".into(),
        title: "boot image of Fedora 43 (x86_64)".into(),
        image_type: "boot".into(),
        release: "43".into(),
        arch: "x86_64".into(),
        time: "2026-11-21T11:02:19Z".parse().unwrap(),
        recipients: vec!["qa@example.test".into(), "dev@example.test".into()],
        requester: "root@builder".into(),
        kind,
    }
}

fn mailer(port: u64) -> Smtp {
    Smtp::new(Server {
        host: "127.0.0.1".into(),
        port: port.try_into().unwrap(),
        security: Security::None,
        trust: Trust::default(),
        login: None,
        from: "fbs@example.test".into(),
    })
    .unwrap()
}

#[tokio::test]
async fn a_boot_s_picture_stands_in_the_mail() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let mut server = MailServer::open();
    let png = b"\x89PNG\r\n\x1a\n\0\xff picture".to_vec();
    let name = "bios.png".to_owned();
    let finished = notice(NoticeKind::ended(Ending {
        report: report(Outcome::Succeeded),
        log: None,
        screenshots: vec![Screenshot {
            name,
            png: png.clone(),
        }],
    }));
    mailer(server.port()).send(&finished).await.unwrap();
    let mail = server.mail();
    mail.assert_proper();
    assert_eq!(
        mail.0["shape"],
        json!([
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "image/png"
        ])
    );
    let picture = mail.part("image/png");
    assert_eq!(picture["size"], png.len());
    assert_eq!(picture["disposition"], "inline");
    let id = picture["id"].as_str().unwrap().trim_matches(['<', '>']);
    let html = mail.text("text/html");
    assert!(html.contains(&format!("src=\"cid:{id}\"")), "{html}");
    assert!(html.contains("href=\"https://w.test/Fedora-43/"), "{html}");
    assert!(mail.text("text/plain").contains("Boot test\n---------"));
}

#[tokio::test]
async fn nothing_of_a_spec_or_a_log_becomes_more_than_text() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let mut server = MailServer::open();
    let folders = Folders::new();
    let log = folders.top().join("hostile.log");
    let mut file = fs::File::create(&log).unwrap();
    file.write_all(b"\xff\xfe\x00\r\n.\r\nQUIT\r\n\x1b]0;x\x07\n")
        .unwrap();
    // 2 GB, of which the disk has nothing.
    file.set_len(2_000_000_000).unwrap();
    drop(file);
    let mut failed = notice(NoticeKind::ended(Ending {
        report: report(Outcome::Failed),
        log: Some(log),
        screenshots: Vec::new(),
    }));
    let evil = "x\r\nBcc: evil@example.test\r\n\r\n<script>alert(1)</script>";
    failed.title = evil.into();
    failed.requester = evil.into();
    failed.job = format!("j{evil}");
    mailer(server.port()).send(&failed).await.unwrap();
    let mail = server.mail();
    mail.assert_proper();
    assert_eq!(mail.0["to"], json!(["qa@example.test"]));
    let subject = mail.header("Subject");
    assert!(
        subject.starts_with("[fbs] failed: x") && subject.contains("Bcc: evil"),
        "{subject}"
    );
    assert!(!mail.text("text/html").contains("<script"));
    assert!(!mail.text("text/plain").contains('\u{1b}'));
    let attached = mail.part("application/gzip");
    let unpacked = attached["unpacked"].as_u64().unwrap();
    assert!((5_000_000..6_000_000).contains(&unpacked), "{unpacked}");
    assert!(mail.0["size"].as_u64().unwrap() < 100_000);
}

#[tokio::test]
async fn an_unknown_recipient_keeps_the_mail_from_nobody_else() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let mut server = MailServer::start(&["--unknown", "qa@example.test"]);
    let queued = notice(NoticeKind::Queued { watch: None });
    let error = mailer(server.port()).send(&queued).await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("qa@example.test") && words.contains("550"),
        "{words}"
    );
    assert_eq!(server.mail().0["to"], json!(["dev@example.test"]));
}

/// Sends a notice with patience, and gives the warnings.
async fn told(backend: Arc<dyn Notification>, notice: Notice) -> Vec<String> {
    let warnings = Arc::new(std::sync::Mutex::new(Vec::new()));
    let events = Events::new();
    let seen = warnings.clone();
    events.add_sink(Arc::new(move |event: &BuildEvent| {
        if let EventKind::Log {
            level: Level::Warning,
            message,
        } = &event.kind
        {
            seen.lock().unwrap().push(message.clone());
        }
    }));
    let limits = Limits {
        pause: Duration::from_millis(250),
        ..Limits::default()
    };
    let dispatch = Notifier::new(limits).with(backend).open(&events);
    dispatch.send(notice);
    dispatch
        .close(&CancellationToken::new(), Duration::MAX)
        .await;
    let warnings = warnings.lock().unwrap();
    warnings.clone()
}

#[tokio::test]
async fn a_mail_server_that_is_busy_or_gone_for_a_while_is_tried_again() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let queued = || notice(NoticeKind::Queued { watch: None });
    // Each recipient is told twice to come back later.
    let mut busy = MailServer::start(&["--busy", "4"]);
    assert_eq!(
        told(Arc::new(mailer(busy.port())), queued()).await,
        [] as [&str; 0]
    );
    let first = busy.mail();
    first.assert_proper();

    let port = free_port();
    let back = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_secs(1));
        let mut server = MailServer::start(&["--port", &port.to_string()]);
        // It answers the last one yet, so it has to stay.
        ([server.mail(), server.mail()], server)
    });
    assert_eq!(
        told(Arc::new(mailer(port.into())), queued()).await,
        [] as [&str; 0]
    );
    // The same mail, however often it was tried.
    let ([mail, _], _server) = back.await.unwrap();
    assert_eq!(mail.header("Message-ID"), first.header("Message-ID"));
}

#[tokio::test]
async fn who_was_put_off_is_tried_again_and_nobody_gets_a_mail_twice() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let mut server = MailServer::start(&[
        "--deferred",
        "qa@example.test",
        "--deferred",
        "qa@example.test",
        "--unknown",
        "gone@example.test",
    ]);
    let mailer = Arc::new(mailer(server.port()));
    let mut queued = notice(NoticeKind::Queued { watch: None });
    queued.recipients.push("gone@example.test".into());
    let warnings = told(mailer.clone(), queued).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let words = &warnings[0];
    assert!(
        words.contains("gone@example.test") && words.contains("550"),
        "{words}"
    );
    assert!(!words.contains("qa@") && !words.contains("dev@"), "{words}");
    let started = notice(NoticeKind::Started {
        worker: "builder".into(),
        backend: "native".into(),
        watch: Some("http://builder:8070/jobs/a-1".into()),
    });
    assert_eq!(told(mailer, started).await, [] as [&str; 0]);
    let got = [(); 4].map(|()| {
        let mail = server.mail();
        let to = mail.0["to"][0].as_str().unwrap().to_owned();
        (to, mail.header("X-FBS-Event"))
    });
    let got = got.each_ref().map(|(to, event)| (&to[..], &event[..]));
    let (qa, dev) = ("qa@example.test", "dev@example.test");
    assert_eq!(
        got,
        [
            (dev, "queued"),
            (qa, "queued"),
            (qa, "started"),
            (dev, "started")
        ]
    );
}

/// Fedora's own client, listening.
fn consumer(broker: &RabbitMq, topics: &str) -> fbs_suite::Running {
    let mut consumer = Program::new(python::interpreter())
        .arg(binaries::workspace().join("tests/suite/bus_consumer.py"))
        .arg(binaries::workspace().join("docs/schemas"))
        .arg(broker.url_with_password())
        .arg(topics)
        .start();
    consumer.wait_for("its queue", |event| event["event"] == "ready");
    consumer
}

/// `[fedora_messaging]` of a broker with a login.
fn bus_section(url: &str) -> String {
    format!("[fedora_messaging]\nurl = \"{url}\"\nenv = \"stg\"\npassword_file = \"password\"\n")
}

#[test]
fn fedora_s_client_takes_our_messages() {
    if !need::met(&[need::BUILD, PYTHON, RABBITMQ]) {
        return;
    }
    let folders = Folders::new();
    let certificates = Certificates::make(folders.top());
    let mut broker = RabbitMq::start(folders.top(), &certificates);
    let mut consumer = consumer(&broker, "org.fedoraproject.stg.fbs.#");
    password_file(&folders, rabbitmq::LOGIN.1);
    let config = bus_section(&broker.tls_url()) + CA;
    check(&folders, &config)
        .assert_exit(0)
        .assert_says(&["answers"]);
    check(&folders, &bus_section(&broker.url())).assert_exit(0);
    check(&folders, &bus_section(&broker.tls_url()))
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["cannot be trusted", "ca_file"]);
    check(
        &folders,
        &(bus_section(&broker.url()) + "exchange = \"no.such\"\n"),
    )
    .assert_exit(2)
    .assert_says(&["no.such"]);

    let done = {
        let _turn = turn::take();
        build(&folders, &config).run()
    };
    done.assert_exit(0);
    assert!(!done.stderr.contains("warning:"), "{done}");
    let delivery = folders.delivery();
    let mut ids = Vec::new();
    for (kind, class) in [
        ("queued", "FbsBuildQueuedV1"),
        ("started", "FbsBuildStartedV1"),
        ("complete", "FbsBuildCompleteV1"),
    ] {
        // The client has validated it against the schema that the class has.
        let message = consumer.wait_for(kind, |event| event["event"] == "message");
        assert_eq!(
            message["topic"],
            format!("org.fedoraproject.stg.fbs.build.{kind}.v1")
        );
        assert_eq!(message["class"], class);
        assert_eq!(message["severity"], 20);
        assert_eq!(message["body"]["job"], delivery.report["job"]);
        assert_eq!(message["content_type"], "application/json");
        assert_eq!(message["content_encoding"], "utf-8");
        assert_eq!(message["delivery_mode"], 2);
        let headers = &message["headers"];
        assert_eq!(
            headers["fedora_messaging_schema"],
            format!("fbs.build.{kind}.v1")
        );
        assert_eq!(headers["priority"], 0);
        let sent = headers["sent-at"].as_str().unwrap();
        assert!(sent.len() == 25 && sent.ends_with("+00:00"), "{sent}");
        ids.push(message["id"].clone());
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);

    password_file(&folders, "f00bar");
    let login = check(&folders, &bus_section(&broker.url()));
    login
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["refuses the login"]);
    assert!(!login.stderr.contains("f00bar"), "{login}");
    broker.stop();
    check(&folders, &bus_section(&broker.url()))
        .assert_exit(4)
        .assert_one_error()
        .assert_says(&["cannot be reached"]);
}

/// What a successful build does not send.
#[tokio::test(flavor = "multi_thread")]
async fn fedora_s_client_takes_what_failed_was_cancelled_or_goes() {
    if !need::met(&[PYTHON, RABBITMQ]) {
        return;
    }
    let folders = Folders::new();
    let certificates = Certificates::make(folders.top());
    let broker = RabbitMq::start(folders.top(), &certificates);
    let mut consumer = consumer(&broker, "org.fedoraproject.stg.fbs.#");
    let bus = FedoraMessaging::new(Broker {
        url: broker.url(),
        password: Some(Secret::new(rabbitmq::LOGIN.1.to_owned())),
        exchange: "amq.topic".to_owned(),
        topic_prefix: "org.fedoraproject.stg".to_owned(),
        authorities: None,
        identity: None,
    });
    let bus: Arc<dyn Notification> = Arc::new(bus.unwrap());
    let ended = |outcome| {
        NoticeKind::ended(Ending {
            report: report(outcome),
            log: None,
            screenshots: Vec::new(),
        })
    };
    let unbuilt = |outcome| NoticeKind::Unbuilt {
        outcome,
        error: Box::new(report(outcome).error.unwrap()),
    };
    let files = || vec!["Fedora-43-boot.iso".to_owned()];
    let page = || Some("https://images.example.test/jobs/a-1".to_owned());
    for (kind, class, severity) in [
        (ended(Outcome::Failed), "FbsBuildFailedV1", 40),
        (ended(Outcome::Cancelled), "FbsBuildCancelledV1", 30),
        (unbuilt(Outcome::Failed), "FbsBuildFailedV1", 40),
        (unbuilt(Outcome::Cancelled), "FbsBuildCancelledV1", 30),
        (
            NoticeKind::Expiring {
                files: files(),
                bytes: 900 << 20,
                reason: Reason::Age,
                ends: Some("2026-12-05T11:02:19Z".parse().unwrap()),
                page: page(),
            },
            "FbsBuildExpiringV1",
            20,
        ),
        (
            NoticeKind::Expired {
                files: files(),
                bytes: 900 << 20,
                reason: Reason::Space,
                warned: None,
                page: page(),
            },
            "FbsBuildExpiredV1",
            20,
        ),
    ] {
        let name = kind.name();
        assert_eq!(told(bus.clone(), notice(kind)).await, [] as [&str; 0]);
        // The client has validated it against the schema that the class has.
        let message = consumer.wait_for(name, |event| event["event"] == "message");
        assert_eq!(
            message["topic"],
            format!("org.fedoraproject.stg.fbs.build.{name}.v1")
        );
        assert_eq!(message["class"], class);
        assert_eq!(message["severity"], severity);
        assert_eq!(message["body"]["job"], "20261121T110219-fvkph6");
    }
}
