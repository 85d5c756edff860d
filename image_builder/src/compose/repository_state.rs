//! Which state a repository is in: asked of its server in a small request or two, to know whether what
//! dnf chose the last time is what it would choose now.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::dnf_cache::CachedRepository;
use crate::digest::hex;
use crate::http;
use crate::repository::{Repository, Source};

/// The state of a repository: what its `repomd.xml` lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// A digest of the checksums in it, which stays the same when only its times change.
    Listed(String),
    /// Its own SHA-256, as a metalink promises it.
    Promised(String),
}

impl State {
    /// Asks for the state of `repository`; `None` when it cannot be had this way.
    pub(crate) async fn ask(repository: &Repository, proxy: Option<&str>) -> Option<Self> {
        if !repository.verify_tls {
            return None;
        }
        let proxy = repository.proxy.as_deref().or(proxy);
        for source in &repository.sources {
            let state = match source {
                Source::BaseUrl(url) => listed_at(url, proxy).await,
                Source::MirrorList(url) => match http::fetch(url, proxy).await {
                    Ok(list) => match list.lines().find(|line| line.starts_with("http")) {
                        Some(url) => listed_at(url.trim(), proxy).await,
                        None => None,
                    },
                    Err(_) => None,
                },
                Source::Metalink(url) => match http::fetch(url, proxy).await {
                    Ok(text) => promised(&text).map(Self::Promised),
                    Err(_) => None,
                },
            };
            if state.is_some() {
                return state;
            }
        }
        None
    }

    /// Whether dnf's copy is in this state, and not of an earlier day.
    pub(crate) fn is_of(&self, cached: &CachedRepository<'_>) -> bool {
        let Some(text) = cached.repomd() else {
            return false;
        };
        match self {
            Self::Listed(digest) => repomd_digest(&text).as_ref() == Some(digest),
            Self::Promised(sum) => hex(&Sha256::digest(&text)) == *sum,
        }
    }
}

async fn listed_at(url: &str, proxy: Option<&str>) -> Option<State> {
    let address = format!("{}/repodata/repomd.xml", url.trim_end_matches('/'));
    let parsed = Url::parse(&address).ok()?;
    let text = match parsed.scheme() {
        "file" => std::fs::read_to_string(parsed.to_file_path().ok()?).ok()?,
        "http" | "https" => http::fetch(&address, proxy).await.ok()?,
        // dnf reads ftp; we do not.
        _ => return None,
    };
    repomd_digest(&text).map(State::Listed)
}

/// The newest SHA-256 that a metalink has of `repomd.xml`; those of earlier days stand behind it, as
/// alternates.
fn promised(metalink: &str) -> Option<String> {
    let (_, file) = metalink.split_once("<file name=\"repomd.xml\">")?;
    let (_, sum) = file.split_once("<hash type=\"sha256\">")?;
    let sum = sum.split_once('<')?.0.trim();
    let is_hex = sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit());
    is_hex.then(|| sum.to_ascii_lowercase())
}

/// A digest of what a `repomd.xml` lists, whatever times stand beside it; `None` if it lists nothing.
fn repomd_digest(text: &str) -> Option<String> {
    let mut sums: Vec<String> = text
        .split("<data type=\"")
        .skip(1)
        .filter_map(|data| {
            let (kind, rest) = data.split_once('"')?;
            let (_, sum) = rest.split_once("<checksum ")?;
            let (sum, _) = sum.split_once('>')?.1.split_once('<')?;
            Some(format!("{kind} {}\n", sum.trim()))
        })
        .collect();
    sums.sort();
    (!sums.is_empty()).then(|| hex(&Sha256::digest(sums.concat())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPOMD: &str = "<repomd><revision>1</revision>\n<data type=\"primary\">\n\
        <checksum type=\"sha256\">aa</checksum>\n<timestamp>5</timestamp></data>\n\
        <data type=\"group\"><checksum type=\"sha256\">bb</checksum></data></repomd>";

    #[tokio::test]
    async fn a_repository_has_the_state_of_what_it_lists() {
        let dir = tempfile::tempdir().unwrap();
        let repodata = dir.path().join("repodata");
        std::fs::create_dir_all(&repodata).unwrap();
        let url = Url::from_file_path(dir.path()).unwrap().to_string();
        let repository = Repository::new("43", vec![Source::BaseUrl(url)]);
        assert_eq!(State::ask(&repository, None).await, None);
        let with = async |text: &str| {
            std::fs::write(repodata.join("repomd.xml"), text).unwrap();
            State::ask(&repository, None).await
        };
        let state = with(REPOMD).await;
        assert!(state.is_some());
        let later = REPOMD
            .replace(">5<", ">6<")
            .replace("<revision>1", "<revision>2");
        assert_eq!(with(&later).await, state);
        assert_ne!(with(&REPOMD.replace(">aa<", ">ab<")).await, state);
        assert_eq!(with("<repomd></repomd>").await, None);
        let unchecked = Repository {
            verify_tls: false,
            ..repository.clone()
        };
        assert_eq!(State::ask(&unchecked, None).await, None);
    }

    #[test]
    fn a_metalink_promises_the_newest() {
        let sum = "0".repeat(63) + "A";
        let text = format!(
            "<metalink><files><file name=\"repomd.xml\"><size>9</size><verification>\
             <hash type=\"md5\">x</hash><hash type=\"sha256\">{sum}</hash></verification>\
             <mm0:alternates><hash type=\"sha256\">{}</hash></mm0:alternates></file></files>",
            "1".repeat(64)
        );
        assert_eq!(promised(&text), Some(sum.to_lowercase()));
        assert_eq!(promised("<metalink/>"), None);
    }
}
