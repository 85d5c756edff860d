//! Finds out who asks, before anything else looks at a request.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use image_builder::accounts::{Account, Action, AuditEntry, Credential, Role};
use image_builder::jobs::StoreError;
use jiff::Timestamp;

use super::limit::too_many;
use super::{ANYBODY, Accounts, Caller, Proof, login, refused};
use crate::app::App;
use crate::journal::Answered;
use crate::pages::{Trouble, Who};
use crate::problem::Problem;

/// Who a request says that it is from.
enum Found {
    Caller(Caller),
    /// They have proven who they are, and may do nothing.
    Powerless(Account),
    /// They show a token that is none.
    Wrong,
    Nobody,
}

/// Lets those pass who may do what they ask for, and tells what is behind who they are.
pub(crate) async fn identify(
    app: &App,
    peer: SocketAddr,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let address = app.origins.client(peer.ip(), request.headers());
    let Some(accounts) = &app.accounts else {
        request.extensions_mut().insert(Caller {
            name: ANYBODY.to_owned(),
            role: Role::Admin,
            proof: Proof::Nothing,
            address: Some(address),
        });
        return next(request).await;
    };
    let path = request.uri().path();
    if is_probe(path) {
        return next(request).await;
    }
    let found = match who(app, accounts, request.headers(), address).await {
        Ok(found) => found,
        Err(error) => return Problem::from(error).into_response(),
    };
    let key = match &found {
        // Two people may have one address, and one person several.
        Found::Caller(caller) if caller.proof != Proof::Network => format!("@{}", caller.name),
        _ => address.to_string(),
    };
    if let Err(wait) = accounts.limit.check(&key) {
        return too_many(wait);
    }
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let needed = match reads || asks_only(path) || is_own(path) {
        true => Role::View,
        false => Role::Submit,
    };
    let public = is_public(path);
    let what = format!("{} {path}", request.method());
    match found {
        Found::Caller(caller) => {
            if caller.has_session() && !reads && !names_its_page(request.headers()) {
                app.note(caller.did(Action::Refused, &what, "from no page"))
                    .await;
                return Problem::new(
                    StatusCode::FORBIDDEN,
                    "a browser says from which page something comes, and this does not",
                )
                .with_hint("programs show a token instead of a session's cookie")
                .into_response();
            }
            let mut response = match caller.needs(needed) {
                Err(problem) if !public => answer(path, problem),
                _ => {
                    request.extensions_mut().insert(caller.clone());
                    next(request).await
                }
            };
            let answered = Answered(caller.name.clone());
            response.extensions_mut().insert(answered);
            if response.status() == StatusCode::FORBIDDEN {
                app.note(caller.did(Action::Refused, &what, "")).await;
            }
            response.extensions_mut().insert(Who::of(app, &caller));
            response
        }
        _ if public => next(request).await,
        Found::Powerless(account) => {
            app.note(AuditEntry {
                account: account.name.clone(),
                ..refused(address, &what, "in no group that may do anything")
            })
            .await;
            let problem = Problem::new(
                StatusCode::FORBIDDEN,
                format!("{} is in no group that may do anything here", account.name),
            );
            let mut response = answer(path, problem.with_hint("ask who runs this service"));
            let who = Who::powerless(&account.name);
            response.extensions_mut().insert(who);
            response
        }
        Found::Wrong => {
            app.note(refused(address, &what, "a token that is none"))
                .await;
            unknown("the token is none, was revoked, or has expired")
        }
        Found::Nobody if is_for_programs(path) => {
            unknown("an account is needed, and nobody has logged in")
        }
        Found::Nobody if reads => {
            let wanted = request.uri().path_and_query();
            let wanted = wanted.map_or(path, |wanted| wanted.as_str());
            Redirect::to(&login::address(wanted)).into_response()
        }
        Found::Nobody => {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "your session has ended");
            let problem = problem.with_hint("log in in another tab, and send this once more");
            Trouble::from(problem).into_response()
        }
    }
}

async fn who(
    app: &App,
    accounts: &Accounts,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Found, StoreError> {
    let now = Timestamp::now();
    let caller = |account: &Account, role, proof| {
        Found::Caller(Caller {
            name: account.name.clone(),
            role,
            proof,
            address: Some(address),
        })
    };
    if let Some(shown) = bearer(headers) {
        let Some(credential) = Credential::shown(shown) else {
            return Ok(Found::Wrong);
        };
        let hash = credential.hash();
        let Some(known) = accounts.store.token(&hash, now).await? else {
            return Ok(Found::Wrong);
        };
        return Ok(match accounts.role(&known.account) {
            Some(role) => {
                let role = role.min(known.token.role);
                let id = known.token.id;
                caller(&known.account, role, Proof::Token { id, hash })
            }
            None => Found::Powerless(known.account),
        });
    }
    if let Some(shown) = cookie(headers, accounts.session_cookie())
        && let Some(credential) = Credential::shown(shown)
    {
        let hash = credential.hash();
        if let Some(account) = accounts.store.session(&hash, now).await? {
            return Ok(match accounts.role(&account) {
                Some(role) => caller(&account, role, Proof::Session(hash)),
                None => Found::Powerless(account),
            });
        }
    }
    Ok(match app.origins.role(address) {
        Some(role) => Found::Caller(Caller {
            name: format!("{ANYBODY}@{address}"),
            role,
            proof: Proof::Network,
            address: Some(address),
        }),
        None => Found::Nobody,
    })
}

impl App {
    /// Whether somebody may still do what they could when they asked, and is who they were.
    pub(crate) async fn still_has(&self, caller: &Caller) -> bool {
        let Some(accounts) = &self.accounts else {
            return true;
        };
        let (store, now) = (&accounts.store, Timestamp::now());
        let found = match &caller.proof {
            Proof::Nothing | Proof::Network => return true,
            Proof::Session(hash) => {
                let account = store.session(hash, now).await;
                account.map(|account| account.map(|account| (account, Role::Admin)))
            }
            Proof::Token { hash, .. } => {
                let known = store.token(hash, now).await;
                known.map(|known| known.map(|known| (known.account, known.token.role)))
            }
        };
        match found {
            Ok(Some((account, most))) => {
                let role = accounts.role(&account).map(|role| role.min(most));
                account.name == caller.name && role == Some(caller.role)
            }
            Ok(None) => false,
            // It is looked again in a while.
            Err(_) => true,
        }
    }
}

/// What a request shows as `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get(header::AUTHORIZATION)?;
    // What is no text is no token of ours, and shall not be taken for nothing.
    let (scheme, shown) = shown.to_str().unwrap_or("? ?").split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(shown.trim())
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';'));
    pairs.find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

/// Whether a browser says of which page a request is; other sites' were refused before.
fn names_its_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// What looks whether the service is there. It tells nothing else, and is asked often.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// What everybody may ask for: how to log in, and what pages look like.
fn is_public(path: &str) -> bool {
    path == "/login"
        || path == "/logout"
        || path.starts_with("/login/")
        || path.starts_with("/assets/")
}

/// What is sent as if it changed something, and only asks.
fn asks_only(path: &str) -> bool {
    matches!(
        path,
        "/api/v1/check"
            | "/api/v1/plan"
            | "/new/builds"
            | "/new/open"
            | "/new/packages"
            | "/new/plan"
            | "/new/preview"
            | "/new/spec"
            | "/new/text"
    )
}

/// What changes nothing but what is one's own: tokens may as much as who makes them.
fn is_own(path: &str) -> bool {
    path.starts_with("/tokens") || path.starts_with("/api/v1/tokens")
}

fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path == "/rest" || path == "/metrics"
}

fn answer(path: &str, problem: Problem) -> Response {
    match is_for_programs(path) {
        true => problem.into_response(),
        false => Trouble::from(problem).into_response(),
    }
}

fn unknown(words: &str) -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, words);
    let problem =
        problem.with_hint("show a token as `Authorization: Bearer ...`; /tokens makes one");
    let mut response = problem.into_response();
    let scheme = HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, scheme);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_and_tokens_are_found() {
        let headers = |name: header::HeaderName, value: &'static str| {
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        let cookies = headers(header::COOKIE, "a=1; fbs=x=y;fbs-login=z");
        assert_eq!(cookie(&cookies, "fbs"), Some("x=y"));
        assert_eq!(cookie(&cookies, "fbs-login"), Some("z"));
        assert_eq!(cookie(&cookies, "fb"), None);
        for (value, token) in [
            ("Bearer fbs_1", Some("fbs_1")),
            ("bearer  fbs_1 ", Some("fbs_1")),
            ("Basic YTpi", None),
            ("Bearer", None),
        ] {
            assert_eq!(bearer(&headers(header::AUTHORIZATION, value)), token);
        }
    }
}
