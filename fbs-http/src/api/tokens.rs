//! Tokens, and who one is.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use image_builder::accounts::{Action, Credential, Role, Token};
use image_builder::job_id::JobId;
use image_builder::quantity::Age;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Accounts, Caller};
use crate::draft;
use crate::problem::Problem;

/// What tokens begin with, so that people and scanners for leaked secrets know them.
const PREFIX: &str = "fbs_";

/// How long a token holds unless somebody says otherwise.
const DAYS: u64 = 90;

/// How long it may hold.
const MOST_DAYS: u64 = 366;

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;

/// As many tokens one may have.
const MOST: usize = 100;

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// The name that their jobs are under.
    name: String,
    /// What they may do: `view`, `submit` or `admin`.
    role: &'static str,
    /// Whether there are accounts here.
    accounts: bool,
}

/// Who asks
#[utoipa::path(get, path = "/api/v1/me", tag = "accounts", responses((status = 200, body = Me)))]
pub(super) async fn me(State(app): State<App>, caller: Caller) -> Json<Me> {
    Json(Me {
        role: caller.role.name(),
        name: caller.name,
        accounts: app.accounts.is_some(),
    })
}

/// A token, without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// By which it is named.
    pub(crate) id: String,
    /// Whose it is.
    pub(crate) account: String,
    /// What its owner calls it.
    pub(crate) name: String,
    /// The most that may be done with it: `view`, `submit` or `admin`.
    pub(crate) role: &'static str,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// From when on it is none.
    pub(crate) expires: Timestamp,
    /// When it was used last, to a few minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) used: Option<Timestamp>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            account: token.account,
            name: token.name,
            role: token.role.name(),
            created: token.created,
            expires: token.expires,
            used: token.used,
        }
    }
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    /// The newest first.
    tokens: Vec<TokenView>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewToken {
    #[serde(flatten)]
    pub(crate) token: TokenView,
    /// What a program shows as `Authorization: Bearer`. It is told once, and nobody can tell it again.
    pub(crate) secret: String,
}

/// A token that is wanted.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenWanted {
    /// What it is called: 1 to 100 characters.
    pub(crate) name: String,
    /// The most that may be done with it: `view`, `submit` or `admin`; `submit` if absent.
    #[serde(default)]
    pub(crate) role: Option<String>,
    /// How long it holds: `30d`, at most 366 days; 90 days if absent.
    #[serde(default)]
    pub(crate) expires: Option<String>,
}

fn accounts(app: &App) -> Result<&Accounts, Problem> {
    app.accounts
        .as_ref()
        .ok_or_else(|| Problem::not_found("there are no accounts here, and so no tokens"))
}

impl App {
    /// The tokens of somebody; of a token that may only look at things itself.
    pub(crate) async fn tokens(&self, caller: &Caller) -> Result<Vec<TokenView>, Problem> {
        let tokens = accounts(self)?.store.tokens(Some(&caller.name)).await?;
        let tokens = tokens.into_iter();
        let shown = tokens.filter(|token| caller.bare_token().is_none_or(|own| own == token.id));
        Ok(shown.map(TokenView::from).collect())
    }

    /// Makes a token of somebody who has logged in.
    pub(crate) async fn make_token(
        &self,
        caller: &Caller,
        wanted: &TokenWanted,
    ) -> Result<NewToken, Problem> {
        let accounts = accounts(self)?;
        if !caller.has_session() {
            // Else one that was stolen would never come to an end.
            let problem = Problem::new(StatusCode::FORBIDDEN, "a token makes no tokens");
            return Err(problem.with_hint("log in with a browser: /tokens makes one"));
        }
        let now = Timestamp::now();
        let (role, expires) = wanted.check(caller, now)?;
        if accounts.store.tokens(Some(&caller.name)).await?.len() >= MOST {
            let problem = Problem::new(
                StatusCode::CONFLICT,
                format!("you have {MOST} tokens, and may have no more"),
            );
            return Err(problem.with_hint("revoke those that nobody uses"));
        }
        let secret = Credential::new(PREFIX).map_err(|reason| {
            tracing::error!("{reason}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "there is no token now")
        })?;
        let token = Token {
            id: JobId::new(now).to_string(),
            account: caller.name.clone(),
            name: wanted.name.trim().to_owned(),
            role,
            created: now,
            expires,
            used: None,
        };
        accounts.store.add_token(&token, &secret.hash()).await?;
        let detail = format!("{}: {role}, until {expires:.0}", token.name);
        let made = caller.did(Action::TokenCreated, &token.id, &detail);
        self.note(made).await;
        Ok(NewToken {
            token: token.into(),
            secret: secret.reveal().to_owned(),
        })
    }

    /// Makes an end of a token: of one's own, and administrators of any.
    pub(crate) async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<(), Problem> {
        let accounts = accounts(self)?;
        if caller.bare_token().is_some_and(|own| own != id) {
            let problem = "a token with the role view makes an end of itself and of no other";
            let problem = Problem::new(StatusCode::FORBIDDEN, problem);
            return Err(problem.with_hint("log in with a browser: /tokens does it"));
        }
        let own = caller.viewer();
        let revoked = accounts.store.revoke_token(id, own.as_deref()).await?;
        let token =
            revoked.ok_or_else(|| Problem::not_found(format!("you have no token {id:?}")))?;
        self.rights.send_replace(());
        let detail = format!("{} of {}", token.name, token.account);
        let revoked = caller.did(Action::TokenRevoked, id, &detail);
        self.note(revoked).await;
        Ok(())
    }
}

impl TokenWanted {
    fn check(&self, caller: &Caller, now: Timestamp) -> Result<(Role, Timestamp), Problem> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(Problem::bad_request(format!(
                "`name` is 1 to {LONGEST_NAME} characters"
            )));
        }
        let role = match &self.role {
            Some(role) => role.parse().map_err(Problem::bad_request)?,
            None => Role::Submit.min(caller.role),
        };
        caller.needs(role)?;
        let age = match &self.expires {
            Some(text) => {
                let wrong = |words| Problem::bad_request(format!("`expires`: {words}"));
                text.parse::<Age>().map_err(wrong)?.0
            }
            None => Duration::from_secs(DAYS * 86_400),
        };
        if age.is_zero() || age > Duration::from_secs(MOST_DAYS * 86_400) {
            return Err(Problem::bad_request(format!(
                "`expires` is at most {MOST_DAYS}d"
            )));
        }
        let expires = now
            .checked_add(age)
            .map_err(|error| Problem::bad_request(error.to_string()))?;
        Ok((role, expires))
    }
}

/// One's own tokens
///
/// A token with the role `view` is told of itself only.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "accounts",
    responses(
        (status = 200, body = TokenList),
        (status = 404, description = "There are no accounts", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<TokenList>, Problem> {
    Ok(Json(TokenList {
        tokens: app.tokens(&caller).await?,
    }))
}

/// Makes a token
///
/// Who has logged in with a browser may; a token makes no tokens.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "accounts", request_body = TokenWanted,
    responses(
        (status = 201, description = "It is told this once", body = NewToken),
        (status = 400, description = "No token of ours", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "More than one may do", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There are no accounts", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "One has too many", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    let wanted: TokenWanted = draft::json(&body)?;
    let token = app.make_token(&caller, &wanted).await?;
    Ok((StatusCode::CREATED, Json(token)).into_response())
}

/// Makes an end of a token
///
/// Of one's own; administrators of any. A token with the role `view` makes an end of itself only.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "accounts", params(("id" = String, Path, description = "The token's id")),
    responses(
        (status = 204, description = "It is none any more"),
        (status = 404, description = "No such token", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.revoke_token(&caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
