//! `/login`, `/logout`.

use std::net::SocketAddr;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use image_builder::accounts::{Action, AuditEntry, Credential};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::Accounts;
use super::identify::cookie;
use super::oidc::{Begun, OidcError};
use crate::app::App;
use crate::journal::{LONGEST, plain};
use crate::pages::{Trouble, Who, page};
use crate::problem::Problem;

/// So long somebody may take to log in at the provider.
const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// Where a login begins at the provider.
const START: &str = "/login/start";

/// Where the provider sends people back to.
pub(crate) const BACK: &str = "/login/callback";

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/login", get(show))
        .route(START, get(start))
        .route(BACK, get(finish))
        .route("/logout", post(log_out))
}

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage {
    who: Who,
    title: String,
    start: String,
}

/// Which page somebody wants who has to log in first.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
}

/// The address of the page to log in for who wants `page`.
pub(super) fn address(page: &str) -> String {
    with_next("/login", page)
}

fn with_next(path: &str, page: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", page);
    format!("{path}?{}", query.finish())
}

/// A page of ours, and nothing else that somebody wrote into a link.
fn own_page(next: &str) -> &str {
    let plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let ours = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/login");
    if plain && ours { next } else { "/" }
}

fn accounts(app: &App) -> Result<&Accounts, Problem> {
    app.accounts
        .as_ref()
        .ok_or_else(|| Problem::not_found("there are no accounts here: nobody has to log in"))
}

async fn show(
    State(app): State<App>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Trouble> {
    let accounts = accounts(&app)?;
    let Query(wanted) = wanted.map_err(|error| Problem::bad_request(error.body_text()))?;
    let template = LoginPage {
        who: Who::nobody(),
        title: accounts.provider.title.clone(),
        start: with_next(START, own_page(&wanted.next)),
    };
    page(StatusCode::OK, &template)
}

async fn start(
    State(app): State<App>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Trouble> {
    let accounts = accounts(&app)?;
    let Query(wanted) = wanted.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (url, begun) = accounts.provider.begin(own_page(&wanted.next)).await?;
    let secret = Credential::new("").map_err(random)?;
    let now = Timestamp::now();
    let begun = serde_json::to_string(&begun).map_err(|error| random(error.to_string()))?;
    accounts
        .store
        .begin_login(&secret.hash(), &begun, now, now + PATIENCE)
        .await
        .map_err(Problem::from)?;
    let set = accounts.cookie(accounts.login_cookie(), secret.reveal(), PATIENCE);
    Ok(([(header::SET_COOKIE, set)], Redirect::to(url.as_str())).into_response())
}

/// What the provider sends people back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn finish(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Result<Response, Trouble> {
    let accounts = accounts(&app)?;
    let Query(answer) = answer.map_err(|error| Problem::bad_request(error.body_text()))?;
    let address = app.origins.client(peer.ip(), &headers);
    let entry = |account: &str, action, detail: &str| AuditEntry {
        time: Timestamp::now(),
        account: account.to_owned(),
        address: Some(address),
        by: String::new(),
        action,
        subject: String::new(),
        detail: detail.to_owned(),
    };
    let begun = begun(accounts, &headers, &answer).await?;
    let wanted = begun.wanted.clone();
    let account = match (answer.code, answer.error) {
        (Some(code), None) => accounts.provider.finish(begun, code).await,
        (_, error) => {
            let words = answer.error_description.or(error);
            let words = words.unwrap_or_else(|| "it sends no code".to_owned());
            let words = plain(&words, LONGEST);
            Err(OidcError::Refused(
                accounts.provider.issuer.to_string(),
                words,
            ))
        }
    };
    let account = match account {
        Ok(account) => account,
        Err(error) => {
            let refused = entry("", Action::LogInRefused, &error.to_string());
            app.note(refused).await;
            return Err(error.into());
        }
    };
    let session = Credential::new("").map_err(random)?;
    accounts
        .store
        .log_in(&account, &session.hash(), account.seen + accounts.session)
        .await
        .map_err(Problem::from)?;
    // Their groups may be others, and the sessions of who had the name before have ended.
    app.rights.send_replace(());
    let groups: Vec<&str> = account.groups.iter().map(String::as_str).collect();
    let groups = format!("groups: {}", groups.join(", "));
    app.note(entry(&account.name, Action::LogIn, &groups)).await;
    let set = accounts.cookie(
        accounts.session_cookie(),
        session.reveal(),
        accounts.session,
    );
    let drop = accounts.cookie(accounts.login_cookie(), "", SignedDuration::ZERO);
    let mut response = Redirect::to(&wanted).into_response();
    for cookie in [set, drop] {
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

/// The login that this browser has begun and that is answered here, once. Not every provider sends the state along with
/// an error, which lets nobody in.
async fn begun(
    accounts: &Accounts,
    headers: &HeaderMap,
    answer: &Answer,
) -> Result<Begun, Problem> {
    let unknown = || {
        Problem::bad_request("this login was not begun in this browser, or not within 15 minutes")
            .with_hint("begin once more at /login")
    };
    let shown = cookie(headers, accounts.login_cookie()).and_then(Credential::shown);
    let hash = shown.ok_or_else(unknown)?.hash();
    let begun = accounts.store.take_login(&hash, Timestamp::now()).await?;
    let begun = begun.and_then(|text| serde_json::from_str::<Begun>(&text).ok());
    let answers = |begun: &Begun| match &answer.state {
        Some(state) => *state == begun.state,
        None => answer.error.is_some(),
    };
    begun.filter(answers).ok_or_else(unknown)
}

/// Ends the session of a browser, whatever its owner may do here.
async fn log_out(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let accounts = accounts(&app)?;
    let shown = cookie(&headers, accounts.session_cookie()).and_then(Credential::shown);
    if let Some(session) = shown.map(|shown| shown.hash()) {
        let now = Timestamp::now();
        let owner = accounts.store.session(&session, now).await;
        let ended = accounts.store.log_out(&session).await;
        let owner = owner.map_err(Problem::from)?;
        ended.map_err(Problem::from)?;
        app.rights.send_replace(());
        if let Some(owner) = owner {
            app.note(AuditEntry {
                time: now,
                account: owner.name,
                address: Some(app.origins.client(peer.ip(), &headers)),
                by: "session".to_owned(),
                action: Action::LogOut,
                subject: String::new(),
                detail: String::new(),
            })
            .await;
        }
    }
    let drop = accounts.cookie(accounts.session_cookie(), "", SignedDuration::ZERO);
    Ok(([(header::SET_COOKIE, drop)], Redirect::to("/login")).into_response())
}

fn random(reason: String) -> Problem {
    tracing::error!("{reason}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "there is no login now")
}

impl From<OidcError> for Problem {
    fn from(error: OidcError) -> Self {
        tracing::warn!("{error}");
        match error {
            OidcError::Provider(..) => Self::new(StatusCode::BAD_GATEWAY, error.to_string())
                .with_hint("try again in a while; if it stays so, tell who runs this service"),
            OidcError::Refused(..) | OidcError::Nameless(..) => {
                Self::new(StatusCode::FORBIDDEN, error.to_string())
                    .with_hint("begin once more at /login")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logs_in_comes_to_a_page_of_ours() {
        for (next, page) in [
            ("/jobs/1?a=b&c", "/jobs/1?a=b&c"),
            ("/", "/"),
            ("", "/"),
            ("//evil.example.org", "/"),
            ("/\\evil.example.org", "/"),
            ("https://evil.example.org", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("/login?next=/", "/"),
        ] {
            assert_eq!(own_page(next), page, "{next}");
        }
        assert_eq!(address("/jobs?a=b&c"), "/login?next=%2Fjobs%3Fa%3Db%26c");
    }
}
