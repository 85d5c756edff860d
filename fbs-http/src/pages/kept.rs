//! Pages that many look at: made once for all who see the same.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use image_builder::accounts::Role;

use crate::assets::takes_gzip;
use crate::auth::Caller;

/// So long a page is shown if no job has become another: what else stands on it, such as who builds, changes by itself.
const FRESH: Duration = Duration::from_secs(1);

/// As many are kept.
const MOST: usize = 64;

/// What makes one page another than the next: who looks, and what they ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    name: Option<String>,
    role: Role,
    viewer: Option<String>,
    query: String,
}

impl Key {
    pub(super) fn new(caller: &Caller, query: String) -> Self {
        Self {
            // Their name stands on it.
            name: Some(caller.name.clone()).filter(|_| caller.has_session()),
            role: caller.role,
            viewer: caller.viewer(),
            query,
        }
    }
}

/// A page as it was made, packed and as it is.
#[derive(Debug, Clone)]
pub(super) struct KeptPage {
    /// How many jobs had become others when it was begun.
    version: u64,
    made: Instant,
    plain: Bytes,
    gzip: Bytes,
}

impl KeptPage {
    pub(super) fn new(text: String, version: u64) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        // Into memory; without it the page is sent as it is.
        let packed = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish());
        Self {
            version,
            made: Instant::now(),
            plain: text.into(),
            gzip: packed.unwrap_or_default().into(),
        }
    }

    /// In the form that a browser takes.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response {
        if self.gzip.is_empty() || !takes_gzip(headers) {
            return Html(self.plain.clone()).into_response();
        }
        let mut response = Html(self.gzip.clone()).into_response();
        let head = response.headers_mut();
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        head.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        response
    }
}

/// The pages that were made last.
#[derive(Debug, Default)]
pub(crate) struct KeptPages(Mutex<HashMap<Key, KeptPage>>);

impl KeptPages {
    /// One that shows what is so now.
    pub(super) fn fresh(&self, key: &Key, version: u64) -> Option<KeptPage> {
        let page = self.lock().get(key).cloned();
        page.filter(|page| page.version == version && page.made.elapsed() < FRESH)
    }

    pub(super) fn keep(&self, key: Key, page: KeptPage) {
        let mut pages = self.lock();
        if pages.len() >= MOST {
            pages.retain(|_, page| page.made.elapsed() < FRESH);
        }
        if pages.len() < MOST {
            pages.insert(key, page);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, KeptPage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key {
            name: None,
            role: Role::View,
            viewer: None,
            query: number.to_string(),
        }
    }

    #[test]
    fn a_page_is_kept_until_a_job_becomes_another() {
        let pages = KeptPages::default();
        pages.keep(key(1), KeptPage::new("one".to_owned(), 7));
        assert_eq!(pages.fresh(&key(1), 7).unwrap().plain, "one");
        assert!(pages.fresh(&key(1), 8).is_none());
        assert!(pages.fresh(&key(2), 7).is_none());
        let other = Key {
            viewer: Some("anna".to_owned()),
            ..key(1)
        };
        assert!(pages.fresh(&other, 7).is_none());
        for number in 0..2 * MOST {
            pages.keep(key(number), KeptPage::new(String::new(), 7));
        }
        assert_eq!(pages.lock().len(), MOST);
    }
}
