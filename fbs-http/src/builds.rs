//! What Koji knows of builds that somebody names.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use image_builder::error::StageError;
use image_builder::koji::{
    BuildId, BuildRef, Candidate, ChooseOptions, HubClient, Koji, KojiConfig, KojiError, Limits,
    Nvr, choose, look_up,
};
use image_builder::plan::PlanOptions;
use image_builder::service_config::ServiceConfig;
use image_builder::spec::Arch;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// As many builds are looked up at a time.
const MOST: usize = 20;

/// So long a hub may take: somebody is typing.
const PATIENCE: Duration = Duration::from_secs(10);

/// So often it is asked, after a pause. A build asks more patiently.
const ATTEMPTS: u32 = 2;
const PAUSE: Duration = Duration::from_millis(200);

/// The hub that is asked: the configured one, whoever asks.
#[derive(Debug)]
pub(crate) struct Builds {
    hub: Arc<dyn Koji>,
    config: KojiConfig,
}

/// A build that was named, and what Koji knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct BuildView {
    /// As it was named.
    pub(crate) asked: String,
    /// Its name, version and release, if there is such a build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nvr: Option<String>,
    /// Its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    /// How far it is: `building`, `complete`, `deleted`, `failed` or `canceled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// The RPMs that an image of the architecture would get.
    pub(crate) rpms: Vec<String>,
    /// Why it cannot be used, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

impl BuildView {
    /// One that nobody could be asked about.
    pub(crate) fn unasked(name: &str) -> Self {
        Self {
            problem: None,
            ..Self::of_problem(name, "")
        }
    }

    fn of_problem(asked: &str, problem: impl Into<String>) -> Self {
        Self {
            asked: asked.to_owned(),
            nvr: None,
            id: None,
            state: None,
            owner: None,
            rpms: Vec::new(),
            problem: Some(problem.into()),
        }
    }
}

impl Builds {
    /// At the configured hub.
    pub(crate) fn new(service: &ServiceConfig) -> Result<Self, KojiError> {
        let options = PlanOptions::of(service);
        let config = KojiConfig::new(options.koji_hub.as_deref(), options.koji_files.as_deref())?;
        let limits = Limits {
            attempts: ATTEMPTS,
            pause: PAUSE,
            ..Limits::default()
        };
        Ok(Self {
            hub: Arc::new(HubClient::new(&config, None)?.with_limits(limits)),
            config,
        })
    }

    /// What is known of builds by their names or numbers, in their order.
    ///
    /// # Errors
    ///
    /// The hub does not answer, or too much is asked.
    pub(crate) async fn look_up(
        &self,
        names: &[&str],
        arch: Arch,
    ) -> Result<Vec<BuildView>, Problem> {
        if names.len() > MOST {
            return Err(Problem::bad_request(format!(
                "{} builds are named; {MOST} are looked up at a time",
                names.len()
            )));
        }
        let read: Vec<Result<BuildRef, String>> = names.iter().map(|name| read(name)).collect();
        let asked: Vec<BuildRef> = read.iter().filter_map(|one| one.clone().ok()).collect();
        let found = match asked.as_slice() {
            [] => Vec::new(),
            asked => match tokio::time::timeout(PATIENCE, look_up(&*self.hub, asked)).await {
                Ok(found) => found.map_err(|error| unanswered(&error.to_string(), error.hint()))?,
                Err(_) => return Err(unanswered("the hub does not answer in time", None)),
            },
        };
        let view = |(name, read): (&&str, &Result<BuildRef, String>)| match read {
            Err(words) => BuildView::of_problem(name, words),
            Ok(asked) => match found.iter().find(|one| one.asked == *asked) {
                Some(candidate) => self.view(name, candidate, arch),
                None => BuildView::of_problem(name, "is not known to the hub"),
            },
        };
        Ok(names.iter().zip(&read).map(view).collect())
    }

    fn view(&self, name: &str, candidate: &Candidate, arch: Arch) -> BuildView {
        let options = ChooseOptions::new(arch);
        let choice = choose(
            std::slice::from_ref(candidate),
            &options,
            &self.config.files,
        );
        let (rpms, problem) = match choice {
            Ok(choice) => {
                let rpms = choice.rpms.into_iter().map(|rpm| rpm.file_name);
                (rpms.collect(), None)
            }
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let build = candidate.build.as_ref();
        BuildView {
            asked: name.to_owned(),
            nvr: build.map(image_builder::koji::Build::nvr),
            id: build.map(|build| build.id.0),
            state: build.map(|build| build.state.name().to_owned()),
            owner: build.and_then(|build| build.owner_name.clone()),
            rpms,
            problem,
        }
    }
}

fn read(name: &str) -> Result<BuildRef, String> {
    let number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let read = match number {
        true => name.parse::<BuildId>().map(BuildRef::from),
        false => name.parse::<Nvr>().map(BuildRef::from),
    };
    read.map_err(|error| error.to_string())
}

fn unanswered(words: &str, hint: Option<String>) -> Problem {
    let problem = Problem::new(StatusCode::BAD_GATEWAY, format!("Koji: {words}"));
    match hint {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}
