//! What every store does of accounts.

use image_builder::accounts::{
    Account, Action, AuditEntry, AuditFilter, Credential, KnownToken, Role, Token, Work,
};
use image_builder::jobs::{JobEvent, JobFilter, JobRequest};

use super::Home;
use super::story::{at, cancelled, event, id_at, queued, request};

fn account(name: &str, subject: &str, seconds: i64) -> Account {
    Account {
        name: name.to_owned(),
        subject: subject.to_owned(),
        email: Some(format!("{name}@example.org")),
        groups: ["qa", "it's\0\u{1f427}"].map(str::to_owned).into(),
        seen: at(seconds),
    }
}

fn hash() -> String {
    Credential::new("").unwrap().hash()
}

fn token(id: &str, account: &str, expires: i64) -> Token {
    Token {
        id: id.to_owned(),
        account: account.to_owned(),
        name: "nightly '; DROP TABLE tokens".to_owned(),
        role: Role::Submit,
        created: at(0),
        expires: at(expires),
        used: None,
    }
}

pub(super) async fn logins(home: &dyn Home) {
    let (one, other) = (home.accounts().await, home.accounts().await);
    let (anna, session, second) = (account("anna", "fas/1", 0), hash(), hash());
    one.log_in(&anna, &session, at(1000)).await.unwrap();
    assert_eq!(other.session(&session, at(999)).await.unwrap(), Some(anna));
    assert_eq!(other.session(&session, at(1000)).await.unwrap(), None);
    assert_eq!(other.session(&second, at(1)).await.unwrap(), None);
    // Her groups are those of her last login, in all sessions.
    let mut later = account("anna", "fas/1", 10);
    later.groups = ["packager".to_owned()].into();
    other.log_in(&later, &second, at(2000)).await.unwrap();
    for session in [&session, &second] {
        let known = one.session(session, at(20)).await.unwrap();
        assert_eq!(known.as_ref(), Some(&later));
    }
    other.log_out(&second).await.unwrap();
    assert_eq!(one.session(&second, at(20)).await.unwrap(), None);
    // The name is somebody else's now: nothing of hers is theirs.
    let secret = hash();
    one.add_token(&token("t1", "anna", 5000), &secret)
        .await
        .unwrap();
    let stranger = account("anna", "fas/2", 30);
    one.log_in(&stranger, &second, at(2000)).await.unwrap();
    assert_eq!(one.session(&session, at(31)).await.unwrap(), None);
    assert_eq!(
        other.session(&second, at(31)).await.unwrap(),
        Some(stranger)
    );
    assert_eq!(other.token(&secret, at(31)).await.unwrap(), None);
    assert_eq!(other.tokens(None).await.unwrap(), []);

    // A login is ended once, by one of two who try.
    let secret = hash();
    let begun = one.begin_login(&secret, "verifier", at(0), at(600));
    begun.await.unwrap();
    let (first, second) = tokio::join!(
        one.take_login(&secret, at(1)),
        other.take_login(&secret, at(1))
    );
    let mut taken = [first.unwrap(), second.unwrap()];
    taken.sort();
    assert_eq!(taken, [None, Some("verifier".to_owned())]);
    one.begin_login(&secret, "late", at(0), at(600))
        .await
        .unwrap();
    assert_eq!(one.take_login(&secret, at(600)).await.unwrap(), None);
}

pub(super) async fn tokens(home: &dyn Home) {
    let (one, other) = (home.accounts().await, home.accounts().await);
    let (anna, berta) = (account("anna", "fas/1", 0), account("berta", "fas/2", 0));
    for account in [&anna, &berta] {
        one.log_in(account, &hash(), at(100_000)).await.unwrap();
    }
    let secrets = [hash(), hash(), hash()];
    for (number, name) in ["anna", "anna", "berta"].into_iter().enumerate() {
        let token = token(&format!("t{number}"), name, 5000);
        one.add_token(&token, &secrets[number]).await.unwrap();
    }
    assert!(
        one.add_token(&token("t9", "nobody", 5000), &hash())
            .await
            .is_err()
    );
    let known = other.token(&secrets[0], at(10)).await.unwrap().unwrap();
    let expected = KnownToken {
        token: token("t0", "anna", 5000),
        account: anna.clone(),
    };
    assert_eq!(known, expected);
    assert_eq!(other.token(&secrets[0], at(5000)).await.unwrap(), None);
    // Its use is remembered, not each time.
    let used = || async { one.tokens(Some("anna")).await.unwrap()[1].used };
    assert_eq!(used().await, Some(at(10)));
    other.token(&secrets[0], at(11)).await.unwrap();
    assert_eq!(used().await, Some(at(10)));
    other.token(&secrets[0], at(4000)).await.unwrap();
    assert_eq!(used().await, Some(at(4000)));
    let ids = |tokens: Vec<Token>| tokens.into_iter().map(|token| token.id).collect::<Vec<_>>();
    assert_eq!(ids(other.tokens(Some("anna")).await.unwrap()), ["t1", "t0"]);
    assert_eq!(ids(other.tokens(None).await.unwrap()), ["t2", "t1", "t0"]);
    // Nobody makes an end of another's.
    assert_eq!(one.revoke_token("t2", Some("anna")).await.unwrap(), None);
    let revoked = one.revoke_token("t1", Some("anna")).await.unwrap();
    assert_eq!(revoked.unwrap().account, "anna");
    assert_eq!(other.token(&secrets[1], at(10)).await.unwrap(), None);
    assert!(one.revoke_token("t2", None).await.unwrap().is_some());
    assert_eq!(one.revoke_token("t2", None).await.unwrap(), None);
    assert_eq!(ids(other.tokens(None).await.unwrap()), ["t0"]);
}

pub(super) async fn audit(home: &dyn Home) {
    let store = home.accounts().await;
    let entry = |account: &str, number: i64| AuditEntry {
        time: at(number),
        account: account.to_owned(),
        address: Some("2001:db8::1".parse().unwrap()),
        by: "session".to_owned(),
        action: Action::Submitted,
        subject: format!("job {number}"),
        detail: "\0 '<b>\u{1b}[31m".to_owned(),
    };
    for number in 0..5 {
        let account = if number == 2 { "berta" } else { "anna" };
        store.note(&entry(account, number)).await.unwrap();
    }
    let filter = |account: Option<&str>, before, limit| AuditFilter {
        account: account.map(str::to_owned),
        before,
        limit,
    };
    let all = store.audit(&filter(None, None, 100)).await.unwrap();
    let subjects = |entries: &[image_builder::accounts::NumberedEntry]| {
        let subjects = entries.iter().map(|one| one.entry.subject.clone());
        subjects.collect::<Vec<_>>()
    };
    assert_eq!(
        subjects(&all),
        ["job 4", "job 3", "job 2", "job 1", "job 0"]
    );
    assert_eq!(all[0].entry, entry("anna", 4));
    let page = filter(Some("anna"), Some(all[1].number), 2);
    let page = store.audit(&page).await.unwrap();
    assert_eq!(subjects(&page), ["job 1", "job 0"]);
    // What is old goes, however much it is, and nothing else.
    for number in 5..1500 {
        store.note(&entry("anna", number)).await.unwrap();
    }
    assert_eq!(store.forget_audit(at(0)).await.unwrap(), 0);
    assert_eq!(store.forget_audit(at(1498)).await.unwrap(), 1498);
    let all = store.audit(&filter(None, None, 100)).await.unwrap();
    assert_eq!(subjects(&all), ["job 1499", "job 1498"]);
    assert_eq!(store.forget_audit(at(9999)).await.unwrap(), 2);
    assert_eq!(store.forget_audit(at(9999)).await.unwrap(), 0);
}

/// A job of somebody, submitted at a tenth of a second.
fn asked(requester: &str, tenths: i64, private: bool) -> JobEvent {
    let request = JobRequest {
        requester: requester.to_owned(),
        private,
        ..request("43", 0)
    };
    queued(&id_at(tenths, 1), request)
}

pub(super) async fn work(home: &dyn Home) {
    let (jobs, accounts) = (home.open().await.unwrap(), home.accounts().await);
    let events = [
        asked("anna", 0, false),
        asked("anna", 600, true),
        asked("berta", 700, true),
        asked("anna", 1200, false),
        event(&id_at(0, 1), 1300, cancelled()),
    ];
    for (place, event) in (1..).zip(&events) {
        jobs.apply("ledger", place, event).await.unwrap();
    }
    let has = |name, since| accounts.work(name, at(since));
    let work = |open, recent| Work { open, recent };
    assert_eq!(has("anna", 0).await.unwrap(), work(2, 3));
    assert_eq!(has("anna", 601).await.unwrap(), work(2, 1));
    assert_eq!(has("berta", 0).await.unwrap(), work(1, 1));
    assert_eq!(has("nobody", 0).await.unwrap(), work(0, 0));
    // Who sees what.
    for (viewer, expected) in [
        (None, &["anna", "berta", "anna", "anna"][..]),
        (Some("anna"), &["anna", "anna", "anna"]),
        (Some("berta"), &["anna", "berta", "anna"]),
        (Some("carla"), &["anna", "anna"]),
    ] {
        let filter = JobFilter {
            viewer: viewer.map(str::to_owned),
            limit: 10,
            ..JobFilter::default()
        };
        let seen = jobs.jobs(&filter).await.unwrap();
        let seen: Vec<_> = seen.iter().map(|job| job.requester.as_str()).collect();
        assert_eq!(seen, expected, "{viewer:?}");
    }
}
