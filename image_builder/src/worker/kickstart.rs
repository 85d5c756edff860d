//! What the original's worker did to a kickstart before a build.

use crate::kickstart::{Kickstart, KickstartError, Reader, Repo, RepoUrl, Source};
use crate::spec::Trust;

/// The kickstart at `source`, flattened as far as its author is trusted, with one more repository: a side
/// repository, say.
///
/// # Errors
///
/// Those of [`Reader::flatten`]; a name that is taken, or a name or an address that cannot
/// stand in a kickstart.
pub async fn add_repo(
    trust: Trust,
    source: &Source,
    name: &str,
    base_url: &str,
) -> Result<Kickstart, KickstartError> {
    let mut kickstart = Reader::new(trust).flatten(source).await?;
    let repo = Repo::new(name, RepoUrl::Base(base_url.to_owned())).map_err(KickstartError::Edit)?;
    kickstart.add_repo(&repo)?;
    Ok(kickstart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_repository_is_added_to_a_flattened_kickstart() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top.ks");
        std::fs::write(&top, "%include base.ks\n").unwrap();
        std::fs::write(folder.path().join("base.ks"), "lang C\n%packages\n%end\n").unwrap();
        let source = Source::File(top);
        let kickstart = add_repo(Trust::Local, &source, "side", "file:///srv/side")
            .await
            .unwrap();
        let repos = kickstart.settings().unwrap().repos;
        assert_eq!(repos[0].name, "side");
        assert!(kickstart.to_string().starts_with("lang C\n"), "{kickstart}");
        let wrong = add_repo(Trust::Local, &source, "a b", "file:///srv/side").await;
        assert!(wrong.is_err());
    }
}
