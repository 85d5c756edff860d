//! Signatures, made with keys of gpg.

use std::path::Path;

use super::download::Fixture;
use super::{download, package, rpm, skip};
use crate::context::BuildContext;
use crate::process::Invocation;
use crate::repo_create::{DownloadOptions, Downloader, Keyring, RemoteCopy};

/// A new key: the public and the secret part, armored. `None` without gpg.
async fn key(home: &Path, name: &str) -> Option<(String, String)> {
    which::which("gpg").ok()?;
    let home = home.display().to_string();
    let gpg = |words: &[&str]| {
        let fixed = [
            "--homedir",
            &home,
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ];
        let words = fixed.iter().chain(words).map(|word| (*word).to_owned());
        Invocation::new("gpg").args(words)
    };
    let ctx = BuildContext::default();
    let make = gpg(&["--quick-gen-key", name, "ed25519", "sign", "never"]);
    ctx.query(&make).await.unwrap();
    let mut parts = Vec::new();
    for export in ["--export", "--export-secret-keys"] {
        let lines = ctx.query(&gpg(&["--armor", export, name])).await.unwrap();
        parts.push(lines.join("\n") + "\n");
    }
    let secret = parts.pop()?;
    Some((parts.pop()?, secret))
}

#[tokio::test]
async fn only_an_rpm_signed_by_one_of_the_keys_is_accepted() {
    let fixture = Fixture::new().await;
    let (Some((public, secret)), Some((stranger, _))) = (
        key(fixture.dir.path(), "build@example.org").await,
        key(fixture.dir.path(), "stranger@example.org").await,
    ) else {
        return skip("no gpg");
    };
    let plain = rpm("signed", 1000);
    let mut signed = Vec::new();
    let signer = rpm::signature::pgp::Signer::from_asc(&secret).unwrap();
    let built = package("signed", 1000).build_and_sign(signer).unwrap();
    built.write(&mut signed).unwrap();
    let fetch = async |content: &[u8], keys: &str| {
        let options = DownloadOptions {
            keyring: Some(Keyring::from_armored(keys.as_bytes()).unwrap()),
            ..DownloadOptions::default()
        };
        let client = crate::http::client(None).unwrap();
        let downloader = Downloader::new(client, fixture.cache(), options);
        let url = fixture.server.add("signed", content);
        let mut wanted = download("signed", &signed, &[]);
        wanted.copies = vec![RemoteCopy::from(url.parse::<url::Url>().unwrap())];
        let rpms = downloader.fetch(&[wanted], &fixture.ctx).await;
        rpms.map(|mut rpms| rpms.remove(0).reused)
            .map_err(|error| error.to_string())
    };
    // Header and payload are alike in the signed and the unsigned copy.
    let unsigned = fetch(&plain, &public).await.unwrap_err();
    assert!(
        unsigned.ends_with("was fetched once and refused: it is not signed"),
        "{unsigned}"
    );
    let wrong = fetch(&signed, &stranger).await.unwrap_err();
    assert!(
        wrong.contains("refused: its signature is not accepted"),
        "{wrong}"
    );
    assert_eq!(fetch(&signed, &public).await, Ok(false));
    assert_eq!(fetch(&signed, &public).await, Ok(true));
    let both = format!("{stranger}{public}");
    assert_eq!(fetch(&signed, &both).await, Ok(true));
    // What is in the cache is not accepted with another key either.
    let wrong = fetch(&signed, &stranger).await.unwrap_err();
    assert!(
        wrong.contains("refused: its signature is not accepted"),
        "{wrong}"
    );
}

#[test]
fn rubbish_is_no_key() {
    let error = Keyring::from_armored(b"no key").unwrap_err().to_string();
    assert!(
        error.starts_with("no OpenPGP public key could be read"),
        "{error}"
    );
}
