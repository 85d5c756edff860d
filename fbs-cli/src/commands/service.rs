//! What the service's configuration says to a command.

use image_builder::plan::PlanOptions;
use image_builder::service_config::ServiceConfig;

use crate::exit::{self, Exit};

/// The configuration of this host.
pub(super) fn load() -> Result<ServiceConfig, Exit> {
    ServiceConfig::load().map_err(|error| exit::error(&error))
}

/// The options of plans: the environment's, then the configuration's.
pub(super) fn options() -> Result<PlanOptions, Exit> {
    load().map(|config| PlanOptions::of(&config))
}

/// `fbs check --service`.
pub(super) fn check() -> Exit {
    match ServiceConfig::load() {
        Ok(config) => {
            eprintln!("the service configuration is fine:");
            let PlanOptions {
                cache_dir,
                koji_hub,
                koji_files,
                bodhi,
                ..
            } = PlanOptions::of(&config);
            let or_default =
                |text: Option<String>| text.unwrap_or_else(|| "the default".to_owned());
            eprintln!("{:<12}{}", "koji hub", or_default(koji_hub));
            eprintln!("{:<12}{}", "koji files", or_default(koji_files));
            eprintln!("{:<12}{}", "bodhi", or_default(bodhi));
            eprintln!("{:<12}{}", "cache", cache_dir.display());
            Exit::Done
        }
        // A check that finds a mistake has done its work, and failed.
        Err(error) => {
            exit::error(&error);
            Exit::Failed
        }
    }
}
