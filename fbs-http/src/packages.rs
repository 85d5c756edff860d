//! The packages and groups that an image could have, before it is asked for.

use std::sync::Arc;

use axum::http::StatusCode;
use image_builder::catalogue::{Catalogue, CatalogueError, CatalogueReader, Catalogues, Group};
use image_builder::error::{ErrorKind, StageError};
use image_builder::kickstart::{Kickstart, Settings};
use image_builder::network::Network;
use image_builder::plan::repositories_of;
use image_builder::repository::Repository;
use image_builder::spec::{Arch, Trust};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::auth::{Caller, Proof, Turns};
use crate::draft::Wanted;
use crate::problem::{Problem, WrittenMistake};

/// Catalogues of the repositories that images would be made from.
#[derive(Debug)]
pub(crate) struct Packages {
    catalogues: Catalogues,
    /// Nobody has several repositories read at once: a few slow ones would keep all others away.
    turns: Turns,
}

/// What says which repositories are meant, as it was written.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    /// `boot`, `live` or `dvd`.
    pub(crate) image: &'a str,
    pub(crate) release: &'a str,
    pub(crate) arch: Arch,
    /// The address of the release's packages.
    pub(crate) repository: &'a str,
    /// `yes`, `no`, or nothing.
    pub(crate) updates: &'a str,
    pub(crate) updates_testing: &'a str,
    /// What may name repositories, too.
    pub(crate) kickstart: &'a str,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PackageView {
    pub(crate) name: String,
    /// What it is, in a line.
    pub(crate) summary: String,
}

/// A group of packages, or an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct GroupView {
    pub(crate) id: String,
    /// How a spec asks for it: `@core`, `@^minimal-environment`.
    pub(crate) entry: String,
    /// What people call it.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// How many packages it has.
    pub(crate) packages: usize,
}

/// What was found, the best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FoundView {
    pub(crate) packages: Vec<PackageView>,
    pub(crate) groups: Vec<GroupView>,
    /// The repositories that were looked through, each with its address.
    pub(crate) of: String,
}

impl From<&Group> for GroupView {
    fn from(group: &Group) -> Self {
        Self {
            id: group.id.clone(),
            entry: group.entry(),
            name: group.name.clone(),
            description: group.description.clone(),
            packages: group.packages,
        }
    }
}

impl Packages {
    /// None yet. Of internal networks only these are fetched from.
    pub(crate) fn new(networks: &[Network]) -> Self {
        let reader = CatalogueReader::new(Trust::Remote).with_networks(networks);
        Self {
            catalogues: Catalogues::new(reader),
            turns: Turns::default(),
        }
    }

    /// At most `limit` packages and as many groups that fit what somebody looks for.
    ///
    /// # Errors
    ///
    /// The wish is none; a repository cannot be read.
    pub(crate) async fn find(
        &self,
        caller: &Caller,
        wish: &Wish<'_>,
        query: &str,
        limit: usize,
    ) -> Result<FoundView, Problem> {
        let catalogue = self.catalogue(caller, &wish.repositories()?).await?;
        let query = query.to_owned();
        // It looks at every word of some megabytes.
        let found = tokio::task::spawn_blocking(move || view(&catalogue, &query, limit)).await;
        found.map_err(|_| of_error(&CatalogueError::Broken))
    }

    async fn catalogue(
        &self,
        caller: &Caller,
        repositories: &[Repository],
    ) -> Result<Arc<Catalogue>, Problem> {
        let outcome = match self.catalogues.at_hand(repositories) {
            Some(outcome) => outcome,
            None => {
                let who = match (&caller.proof, caller.address) {
                    (Proof::Nothing, Some(address)) => address.to_string(),
                    _ => caller.name.clone(),
                };
                let turn = self.turns.take(&who).await;
                let (catalogues, wanted) = (self.catalogues.clone(), repositories.to_vec());
                // Who types on goes away, and what is being read is still theirs.
                let reading = tokio::spawn(async move {
                    let outcome = catalogues.of(&wanted).await;
                    drop(turn);
                    outcome
                });
                let broken = |_| Err(Arc::new(CatalogueError::Broken));
                reading.await.unwrap_or_else(broken)
            }
        };
        outcome.map_err(|error| of_error(&error))
    }
}

fn view(catalogue: &Catalogue, query: &str, limit: usize) -> FoundView {
    let found = catalogue.find(query, limit);
    let package = |package: image_builder::catalogue::Package<'_>| PackageView {
        name: package.name.to_owned(),
        summary: package.summary.to_owned(),
    };
    FoundView {
        packages: found.packages.into_iter().map(package).collect(),
        groups: found.groups.into_iter().map(GroupView::from).collect(),
        of: catalogue.sources().join(", "),
    }
}

/// Why there is no catalogue.
fn of_error(error: &CatalogueError) -> Problem {
    let status = match (error.kind(), error) {
        (ErrorKind::Usage, _) => StatusCode::UNPROCESSABLE_ENTITY,
        (_, CatalogueError::Busy { .. }) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    Problem::of(status, error)
}

impl Wish<'_> {
    /// What a build of such a spec would install from.
    fn repositories(&self) -> Result<Vec<Repository>, Problem> {
        let release = self.release.trim();
        let common = json!({ "type": self.image, "release": release });
        let mut section = Map::new();
        let url = format!("{release}_url");
        for (key, value) in [
            ("updates", self.updates),
            ("updates-testing", self.updates_testing),
            (url.as_str(), self.repository.trim()),
        ] {
            if !value.is_empty() {
                section.insert(key.to_owned(), Value::String(value.to_owned()));
            }
        }
        let mut spec = json!({ "DEFAULT": common });
        if matches!(self.image, "boot" | "dvd" | "live") {
            spec[self.image] = Value::Object(section);
        }
        let wanted = Wanted {
            spec,
            ..Wanted::default()
        };
        let spec = wanted.parse().map_err(refused)?;
        let trusted = spec.check_trust(Trust::Remote);
        trusted.map_err(|error| refused(error.mistakes().iter().map(Into::into).collect()))?;
        // What is wrong with a kickstart is told where it is asked for.
        let settings = match self.image {
            "boot" => None,
            _ => Kickstart::parse(self.kickstart, "kickstart").ok(),
        };
        let settings = settings.and_then(|kickstart| kickstart.settings().ok());
        let settings: Settings = settings.unwrap_or_default();
        repositories_of(&spec, &settings, self.arch)
            .map_err(|error| Problem::of(StatusCode::BAD_REQUEST, &error))
    }
}

/// What was asked for says no repositories.
fn refused(mistakes: Vec<WrittenMistake>) -> Problem {
    let words = |mistake: &WrittenMistake| match &mistake.key {
        Some(key) => format!("{key}: {}", mistake.message),
        None => mistake.message.clone(),
    };
    let words: Vec<String> = mistakes.iter().map(words).collect();
    Problem {
        mistakes,
        ..Problem::bad_request(words.join("; "))
    }
}
