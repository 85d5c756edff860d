//! What the original's `util` had under this name; `docs/original-api.md` tells where the rest is.

use std::path::Path;

use crate::kickstart::{Kickstart, KickstartError, Reader, Source};
use crate::spec::{Location, Trust};

/// The kickstart behind a path or a URL, flattened. A relative path counts from the current
/// folder.
///
/// # Errors
///
/// Those of [`Reader::flatten`].
pub async fn get_kickstart(location: &Location) -> Result<Kickstart, KickstartError> {
    let source = Source::of_location(location, Path::new(""));
    Reader::new(Trust::Local).flatten(&source).await
}
