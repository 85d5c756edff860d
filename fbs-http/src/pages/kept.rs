//! Pages that many look at: made once for all who see the same.

use std::io::Write as _;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use image_builder::accounts::Role;

use crate::assets::takes_gzip;
use crate::auth::Caller;
use crate::kept::Kept;

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
pub(crate) struct KeptPage {
    plain: Bytes,
    gzip: Bytes,
}

impl KeptPage {
    pub(super) fn new(text: String) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        // Into memory; without it the page is sent as it is.
        let packed = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish());
        Self {
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
pub(crate) type KeptPages = Kept<Key, KeptPage, MOST>;

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
        pages.keep(key(1), 7, KeptPage::new("one".to_owned()));
        assert_eq!(pages.fresh(&key(1), 7).unwrap().plain, "one");
        assert!(pages.fresh(&key(1), 8).is_none());
        assert!(pages.fresh(&key(2), 7).is_none());
        let other = Key {
            viewer: Some("anna".to_owned()),
            ..key(1)
        };
        assert!(pages.fresh(&other, 7).is_none());
        for number in 0..2 * MOST {
            pages.keep(key(number), 7, KeptPage::new(String::new()));
        }
        assert_eq!(pages.len(), MOST);
    }
}
