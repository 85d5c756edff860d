//! From what is asked for to builds and their RPMs, in as few round trips as can be.

use std::collections::{BTreeMap, BTreeSet};

use super::Koji;
use super::build::{Build, BuildState};
use super::error::KojiError;
use super::nvr::{BuildId, BuildRef};
use super::rpm::Rpm;
use super::tag::{Tag, TagQuery};

/// A build that was asked for, and what the hub has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As it was asked for.
    pub asked: BuildRef,
    /// The build; none if the hub does not know it.
    pub build: Option<Build>,
    /// Its RPMs, of every architecture; none unless it is complete.
    pub rpms: Vec<Rpm>,
}

/// Looks builds up by name and number: two round trips, however many they are. What is asked for
/// twice in the same words is looked up once.
///
/// # Errors
///
/// See [`KojiError`]. A build that is unknown or of no use is none: `choose` names them all.
pub async fn look_up(koji: &dyn Koji, asked: &[BuildRef]) -> Result<Vec<Candidate>, KojiError> {
    let mut seen = BTreeSet::new();
    let asked: Vec<BuildRef> = asked
        .iter()
        .filter(|build| seen.insert(*build))
        .cloned()
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let builds = koji.get_builds(&asked).await?;
    let complete: BTreeSet<BuildId> = builds
        .iter()
        .flatten()
        .filter(|build| build.state == BuildState::Complete)
        .map(|build| build.id)
        .collect();
    let complete: Vec<BuildId> = complete.into_iter().collect();
    let mut rpms = BTreeMap::new();
    if !complete.is_empty() {
        let listed = koji.list_rpms_of(&complete).await?;
        rpms.extend(complete.into_iter().zip(listed));
    }
    Ok(asked
        .into_iter()
        .zip(builds)
        .map(|(asked, build)| Candidate {
            asked,
            rpms: build
                .as_ref()
                .and_then(|build| rpms.get(&build.id).cloned())
                .unwrap_or_default(),
            build,
        })
        .collect())
}

/// Looks up what is in a tag or side tag: one round trip.
///
/// # Errors
///
/// See [`KojiError`]; [`KojiError::NoSuchTag`] among them. An empty tag is none.
pub async fn look_up_tag(
    koji: &dyn Koji,
    tag: &Tag,
    query: TagQuery,
) -> Result<Vec<Candidate>, KojiError> {
    let tagged = koji.list_tagged_rpms(tag, query).await?;
    let mut rpms = BTreeMap::<BuildId, Vec<Rpm>>::new();
    for rpm in tagged.rpms {
        rpms.entry(rpm.build_id).or_default().push(rpm);
    }
    Ok(tagged
        .builds
        .into_iter()
        .map(|build| Candidate {
            asked: BuildRef::Id(build.id),
            rpms: rpms.remove(&build.id).unwrap_or_default(),
            build: Some(build),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::koji::{MockKoji, Nvr};

    #[tokio::test]
    async fn only_complete_builds_are_asked_for_their_rpms() {
        let nvr: Nvr = "a-1-1".parse().unwrap();
        let asked = [
            BuildRef::from(nvr.clone()),
            BuildRef::from(nvr),
            BuildId(2).into(),
            BuildId(9).into(),
        ];
        let mut koji = MockKoji::new();
        koji.expect_get_builds().times(1).returning(|asked| {
            assert_eq!(asked.len(), 3);
            let mut failed = Build::new(BuildId(2), "b", "1", "1");
            failed.state = BuildState::Failed;
            let complete = Build::new(BuildId(1), "a", "1", "1");
            Ok(vec![Some(complete), Some(failed), None])
        });
        koji.expect_list_rpms_of().times(1).returning(|builds| {
            assert_eq!(builds, [BuildId(1)]);
            Ok(vec![Vec::new()])
        });
        let found = look_up(&koji, &asked).await.unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[2].build, None);
    }

    #[tokio::test]
    async fn nothing_asked_is_nothing_sent() {
        assert_eq!(look_up(&MockKoji::new(), &[]).await, Ok(Vec::new()));
    }
}
