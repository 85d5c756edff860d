//! Who asks.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use image_builder::accounts::{Action, AuditEntry, Role};
use image_builder::jobs::Job;
use jiff::Timestamp;

use crate::app::App;
use crate::problem::Problem;

/// Who asks, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The name that their jobs are under.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) proof: Proof,
    /// Where they ask from.
    pub(crate) address: Option<IpAddr>,
}

/// What says who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing: here nobody has to.
    Nothing,
    /// The network that they come from.
    Network,
    /// A session, of which this is kept.
    Session(String),
    /// A token.
    Token {
        /// Its id.
        id: String,
        /// What is kept of its secret.
        hash: String,
    },
}

impl Caller {
    /// Whose own private jobs they see beside those of all; everybody's if `None`.
    pub(crate) fn viewer(&self) -> Option<String> {
        (self.role < Role::Admin).then(|| self.name.clone())
    }

    /// Whether they may know of a job.
    pub(crate) fn sees(&self, job: &Job) -> bool {
        !job.request.private || self.owns(&job.request.requester)
    }

    /// Whether something of this requester is theirs, or theirs to decide.
    pub(crate) fn owns(&self, requester: &str) -> bool {
        self.role == Role::Admin || self.name == requester
    }

    /// That they may do something with what is this requester's.
    pub(crate) fn must_own(&self, requester: &str) -> Result<(), Problem> {
        match self.owns(requester) {
            true => Ok(()),
            false => Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("it is {requester}'s; only they and administrators may do that"),
            )),
        }
    }

    /// That they have a role.
    pub(crate) fn needs(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "that needs the role {role}, and {} has {}",
                self.name, self.role
            ),
        );
        Err(match &self.proof {
            Proof::Token { .. } => problem.with_hint("a token may do less than its owner"),
            _ => problem,
        })
    }

    /// The token that they show, if that is all that they may decide about: one that may only look at things makes no
    /// end of others.
    pub(crate) fn bare_token(&self) -> Option<&str> {
        match &self.proof {
            Proof::Token { id, .. } if self.role < Role::Submit => Some(id),
            _ => None,
        }
    }

    /// Whether they have logged in with a browser.
    pub(crate) fn has_session(&self) -> bool {
        matches!(self.proof, Proof::Session(_))
    }

    /// What they did, to be remembered.
    pub(crate) fn did(&self, action: Action, subject: &str, detail: &str) -> AuditEntry {
        AuditEntry {
            time: Timestamp::now(),
            account: self.name.clone(),
            address: self.address,
            by: match &self.proof {
                Proof::Nothing => String::new(),
                Proof::Network => "network".to_owned(),
                Proof::Session(_) => "session".to_owned(),
                Proof::Token { id, .. } => format!("token {id}"),
            },
            action,
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "nobody is known to ask"))
    }
}
