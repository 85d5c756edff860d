//! What pages load: it is in the program, and an address says its content, so that browsers keep it.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// A file that pages load.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    /// The beginning of its SHA-256.
    hash: String,
    gzip: Vec<u8>,
}

const FILES: [(&str, &str, &[u8]); 5] = [
    (
        "patternfly.css",
        "text/css; charset=utf-8",
        include_bytes!("../assets/vendor/patternfly.css"),
    ),
    (
        "app.css",
        "text/css; charset=utf-8",
        include_bytes!("../assets/app.css"),
    ),
    (
        "htmx.min.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../assets/vendor/htmx.min.js"),
    ),
    (
        "app.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../assets/app.js"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_bytes!("../assets/icon.svg"),
    ),
];

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |&(name, kind, bytes): &(&'static str, &'static str, &'static [u8])| {
        let sum = Sha256::digest(bytes);
        let hash = sum.iter().take(8).map(|byte| format!("{byte:02x}"));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        // Into memory; without it the file is sent as it is.
        let packed = gzip.write_all(bytes).and_then(|()| gzip.finish());
        Asset {
            name,
            kind,
            bytes,
            hash: hash.collect(),
            gzip: packed.unwrap_or_default(),
        }
    };
    FILES.iter().map(asset).collect()
});

/// The address of a file.
pub(crate) fn url(name: &str) -> String {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let hash = found.map_or("", |asset| asset.hash.as_str());
    format!("/assets/{hash}/{name}")
}

/// Whether a client takes what is packed by gzip.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let takes = headers.get(header::ACCEPT_ENCODING);
    let takes = takes.and_then(|takes| takes.to_str().ok()).unwrap_or("");
    let mut codings = takes.split(',').map(str::trim);
    codings.any(|coding| matches!(coding, "gzip" | "*"))
}

/// `GET /assets/HASH/NAME`
pub(crate) async fn serve(
    Path((hash, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = ASSETS
        .iter()
        .find(|asset| asset.name == name && asset.hash == hash);
    let asset = found.ok_or_else(|| Problem::not_found("there is no such file"))?;
    let gzip = !asset.gzip.is_empty() && takes_gzip(&headers);
    let bytes = match gzip {
        true => asset.gzip.as_slice(),
        false => asset.bytes,
    };
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_visit_loads_less_than_150_kb() {
        let packed: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
        assert!(packed < 120_000, "{packed} bytes");
        assert!(ASSETS.iter().all(|asset| !asset.gzip.is_empty()));
    }

    /// `scripts/web-assets` takes from PatternFly what the pages use, and has to be run when they use more.
    #[test]
    fn every_class_of_patternfly_on_a_page_has_a_style() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let mut texts = vec![include_str!("../assets/app.js").to_owned()];
        for template in std::fs::read_dir(folder).unwrap() {
            texts.push(std::fs::read_to_string(template.unwrap().path()).unwrap());
        }
        let styles = [
            include_str!("../assets/vendor/patternfly.css"),
            include_str!("../assets/app.css"),
        ]
        .concat();
        let of_a_name = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        let mut classes = 0;
        for text in &texts {
            for word in text.split(|letter: char| !of_a_name(letter)) {
                if word.starts_with("pf-") {
                    let selector = format!(".{word}");
                    let mut found = styles.match_indices(&selector).map(|(at, _)| {
                        let rest = &styles[at + selector.len()..];
                        !rest.starts_with(of_a_name)
                    });
                    assert!(found.any(|whole| whole), "{word}: run scripts/web-assets");
                    classes += 1;
                }
            }
        }
        assert!(classes > 100, "{classes}");
    }
}
