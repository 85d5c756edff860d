//! What [schemathesis](https://schemathesis.io) makes of the API's own description.

use std::fs;

use fbs_suite::need::Need;
use fbs_suite::{Folders, Program, need, python};
use image_builder::accounts::{Account, AccountStore, Credential, Role, Token};
use image_builder::jobs::SqliteStore;
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal;

use crate::server_client::Site;

const NEEDS: &[Need] = &[Need::Tool("python3"), Need::Tool("rpm")];

/// A server's fault is one whatever was sent; every answer is as described, and what is not described is refused.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,negative_data_rejection,\
                      unsupported_method";

/// Nobody answers there: who has logged in is made in the store. Nobody is told to ask less often.
const ACCOUNTS: &str = "[http]\nauth = \"oidc\"\nrate = 100000\n\
                        [http.oidc]\nissuer = \"http://127.0.0.1:9/\"\nclient_id = \"fbs\"\n\
                        [http.roles]\nadmin = [\"user:anna\"]\n";

#[test]
fn every_answer_is_as_the_description_says() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let site = Site::new();
    // There is a job that has ended, with a log, a report and files, so that not all answers are 404.
    let submitted = site.fbs("submit").arg(site.spec("99")).arg("--wait").run();
    let job = &submitted.assert_exit(0).stdout[0];
    let parameters = [("id", job.as_str()), ("name", "build-report.json")];
    check(&site, "all", 80, &parameters, &[]);
    end(site);
}

#[test]
fn every_answer_is_as_the_description_says_where_there_are_accounts() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let mut known = None;
    let site = Site::configured(ACCOUNTS, |folders| known = Some(Known::new(folders)));
    let known = known.unwrap();
    let bearer = format!("Authorization: Bearer {}", known.token.reveal());
    let submitted = site.fbs("submit").env("FBS_TOKEN", known.token.reveal());
    let submitted = submitted.arg(site.spec("41")).run();
    let job = &submitted.assert_exit(0).stdout[0];
    let parameters = [("id", job.as_str())];
    check(&site, "token", 40, &parameters, &["--header", &bearer]);
    // A token makes no tokens: a session does, which says from which page it asks.
    let cookie = format!("Cookie: fbs={}", known.session.reveal());
    let origin = format!("Origin: {}", site.address);
    let only = ["me", "tokens", "tokens/{id}", "audit"];
    let only = only.map(|path| ["--include-path".to_owned(), format!("/api/v1/{path}")]);
    let mut options = vec!["--header", &cookie, "--header", &origin];
    options.extend(only.iter().flatten().map(String::as_str));
    check(&site, "session", 40, &[("id", "spare")], &options);
    end(site);
}

/// Somebody who has logged in and has tokens.
struct Known {
    session: Credential,
    token: Credential,
}

impl Known {
    /// In the records of a service that has not begun yet.
    fn new(folders: &Folders) -> Self {
        let known = Self {
            session: Credential::new("").unwrap(),
            token: Credential::new("fbs_").unwrap(),
        };
        let folder = folders.state().join("http");
        fs::create_dir_all(&folder).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(known.remember(&folder.join("store.sqlite")));
        known
    }

    async fn remember(&self, store: &std::path::Path) {
        let store = SqliteStore::open(store).await.unwrap();
        let account = Account {
            name: "anna".to_owned(),
            subject: "1".to_owned(),
            email: None,
            groups: std::collections::BTreeSet::new(),
            seen: Timestamp::now(),
        };
        let expires = account.seen + SignedDuration::from_hours(1);
        let session = self.session.hash();
        store.log_in(&account, &session, expires).await.unwrap();
        let spare = Credential::new("fbs_").unwrap();
        for (id, secret) in [("own", &self.token), ("spare", &spare)] {
            let token = Token {
                id: id.to_owned(),
                account: account.name.clone(),
                name: id.to_owned(),
                role: Role::Admin,
                created: account.seen,
                expires,
                used: None,
            };
            store.add_token(&token, &secret.hash()).await.unwrap();
        }
        store.close().await;
    }
}

/// Asks for everything at random so often, with these parts of addresses and further options.
///
/// It is bounded by a number and no time: on a busy machine it asks for the same.
fn check(site: &Site, name: &str, examples: u32, parameters: &[(&str, &str)], options: &[&str]) {
    let folders = &site.folders;
    let report = folders.top().join(format!("schemathesis-{name}"));
    let mut config = "[phases.stateful.inference]\nalgorithms = []\n[parameters]\n".to_owned();
    for (parameter, value) in parameters {
        config.push_str(&format!("\"path.{parameter}\" = \"{value}\"\n"));
    }
    // Koji and mirrors may be out of reach: that is described, and nobody's fault here.
    let elsewhere = ["/api/v1/builds", "/api/v1/packages"].map(|path| {
        format!(
            "[[operations]]\ninclude-path = \"{path}\"\n[operations.checks.not_a_server_error]\n\
             expected-statuses = [\"2xx\", \"4xx\", \"502\", \"503\"]\n"
        )
    });
    let config = folders.file(
        &format!("schemathesis-{name}.toml"),
        config + &elsewhere.concat(),
    );
    fs::create_dir(&report).unwrap();
    let done = Program::new(python::programs().join("schemathesis"))
        .arg("--config-file")
        .arg(config)
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", site.address))
        // What follows something has no end.
        .args(["--exclude-path", "/api/v1/events"])
        .args(["--exclude-path", "/api/v1/jobs/{id}/log/events"])
        .args(["--checks", CHECKS])
        .args(["--max-examples", &examples.to_string()])
        // A busy machine is no fault.
        .args(["--request-timeout", "60"])
        .args(["--suppress-health-check", "too_slow"])
        .args(["--continue-on-failure", "--no-color"])
        // The same faults are found again.
        .args(["--seed", "1", "--generation-database", "none"])
        .args(options)
        .folder(&report)
        .run();
    let found = done.stdout.join("\n");
    // Only its end is shown of what fails.
    print!("{found}");
    done.assert_exit(0);
    assert!(found.contains("generated,") && !found.contains("Tested: 0"));
}

fn end(site: Site) {
    site.service.signal(Signal::SIGINT);
    site.service.finish().assert_exit(0);
}
