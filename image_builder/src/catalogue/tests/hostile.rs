//! Repositories that mean no good, or are broken.

use std::time::Duration;

use super::site::{Site, gzip, head, read, reader};
use super::{COMPS, catalogue, primary};
use crate::catalogue::{CatalogueError, CatalogueReader, Fault, Limits};
use crate::error::{ErrorKind, StageError as _};
use crate::repository::{Repository, Source};
use crate::spec::Trust;

fn fault(error: CatalogueError) -> Fault {
    match error {
        CatalogueError::Repository { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn xml_that_is_none_is_an_error() {
    let deep = format!("<metadata>{}", "<a>".repeat(100_000));
    let long = format!("<metadata><package><name>{}</name>", "x".repeat(300_000));
    let attribute = format!(
        "<metadata><package a=\"{}\"/></metadata>",
        "x".repeat(300_000)
    );
    let name = primary(&[(&"x".repeat(256), "")]);
    for (text, words) in [
        ("", "there is no <metadata>"),
        ("no XML at all", "there is no <metadata>"),
        (
            "<html><body>please log in",
            "expected <metadata> alone, not <html>",
        ),
        ("<metadata/><metadata/>", "expected <metadata> alone"),
        ("<metadata><package><name>vim", "ends in the middle"),
        ("<metadata><package></name></package></metadata>", "byte 19"),
        (
            "<metadata><package><name>\u{fffd}&boom;</name></package></metadata>",
            "entity",
        ),
        (
            "<metadata><package><name>&#xffffffff;</name></package></metadata>",
            "byte",
        ),
        (&deep, "more than 32 elements in each other"),
        (&long, "more than 262144 bytes in one tag or text"),
        (&attribute, "more than 262144 bytes in one tag or text"),
        (&name, "more than 255 bytes in the name of a package"),
    ] {
        let error = catalogue(text, "<comps/>").unwrap_err().to_string();
        assert!(error.contains(words), "{error}, not {words}");
    }
    // Entities of its own are no way to grow.
    let lol = "<!DOCTYPE metadata [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><metadata><package><name>&b;</name></package></metadata>";
    let error = catalogue(lol, "<comps/>").unwrap_err().to_string();
    assert!(error.contains("entity"), "{error}");
    // Cut anywhere, it is an error, and no panic.
    let text = primary(&[("vim", "A &lt;b&gt; <![CDATA[c]]>")]);
    for end in (0..text.trim_end().len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(catalogue(&text[..end], "<comps/>").is_err(), "{end}");
    }
    for end in 0..COMPS.trim_end().len() {
        assert!(catalogue("<metadata/>", &COMPS[..end]).is_err(), "{end}");
    }
}

#[tokio::test]
async fn files_that_are_not_what_was_announced_are_an_error() {
    let text = primary(&[("vim", "An editor")]);
    let packed = gzip(text.as_bytes());
    let site = Site::start().await;
    let of = async |name: &str, content: &[u8]| {
        site.repository("/os", &[("primary", name, content)]);
        fault(read(site.source("/os")).await.unwrap_err()).to_string()
    };
    for (name, content, words) in [
        ("p.xml.gz", &packed[..packed.len() / 2], ""),
        ("p.xml.gz", text.as_bytes(), "gzip"),
        ("p.xml.zst", &packed, ""),
        (
            "p.xml.bz2",
            &packed,
            "\"bz2\"; zst, gz, xz and plain xml are read",
        ),
        ("p.xml", b"<metadata>\xff</metadata>", ""),
    ] {
        let error = of(name, content).await;
        assert!(error.contains(words) && !error.is_empty(), "{error}");
    }
    site.repository("/os", &[("primary", "p.xml.gz", &packed)]);
    site.file(
        "/os/repodata/p.xml.gz",
        &gzip(primary(&[("evil", "")]).as_bytes()),
    );
    let error = fault(read(site.source("/os")).await.unwrap_err());
    assert_eq!(error, Fault::Checksum);
    // A connection that breaks is no end of a file.
    let mut cut = head("200 OK", packed.len());
    cut.extend_from_slice(&packed[..20]);
    site.answer("/os/repodata/p.xml.gz", cut);
    read(site.source("/os")).await.unwrap_err();
    let sum = "a".repeat(64);
    for href in [
        "../p.xml",
        "repodata/../../p.xml",
        "/etc/passwd",
        "//host/p.xml",
        "http://host/p.xml",
        "file:///etc/passwd",
        "repodata/%2e%2e/p.xml",
        "a\\b",
        "",
        "p.xml?x",
        "./p.xml",
    ] {
        let repomd = format!(
            "<repomd><data type=\"primary\"><location href=\"{href}\"/><checksum type=\"sha256\">{sum}</checksum></data></repomd>"
        );
        site.file("/os/repodata/repomd.xml", repomd.as_bytes());
        let error = fault(read(site.source("/os")).await.unwrap_err());
        assert_eq!(error, Fault::Unannounced, "{href}");
    }
    let weak = "<repomd><data type=\"primary\"><location href=\"p.xml\"/><checksum type=\"md5\">00</checksum></data></repomd>";
    site.file("/os/repodata/repomd.xml", weak.as_bytes());
    assert_eq!(
        fault(read(site.source("/os")).await.unwrap_err()),
        Fault::Unannounced
    );
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let site = Site::start().await;
    let blanks = format!("<metadata>{}</metadata>", " \n<a/>".repeat(2_000_000));
    let bomb = zstd::encode_all(blanks.as_bytes(), 1).unwrap();
    let many: Vec<String> = (0..200).map(|number| format!("package{number}")).collect();
    let many: Vec<_> = many
        .iter()
        .map(|name| (name.as_str(), "said of it"))
        .collect();
    let many = primary(&many);
    let small = Limits {
        list: 10_000,
        packed: 100_000,
        open: 1_000_000,
        packages: 100,
        groups: 3,
        ..Limits::default()
    };
    let short = Limits {
        text: 1000,
        packages: 1000,
        ..small
    };
    for (limits, kind, name, content, words) in [
        (
            small,
            "primary",
            "p.xml.zst",
            &bomb[..],
            "more than 1000000 bytes",
        ),
        (
            small,
            "primary",
            "p.xml",
            blanks.as_bytes(),
            "more than 100000 bytes",
        ),
        (
            small,
            "primary",
            "p.xml",
            many.as_bytes(),
            "more than 100 packages",
        ),
        (
            short,
            "primary",
            "p.xml",
            many.as_bytes(),
            "more than 1000 bytes of names and summaries",
        ),
        (
            small,
            "group",
            "c.xml",
            COMPS.as_bytes(),
            "more than 3 groups",
        ),
    ] {
        let other = ("primary", "other.xml", &b"<metadata/>"[..]);
        let files = [(kind, name, content), other];
        site.repository("/os", &files[..if kind == "primary" { 1 } else { 2 }]);
        let read = reader().with_limits(limits);
        let read = read
            .read(&[Repository::new("43", vec![site.source("/os")])])
            .await;
        let error = read.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(error.to_string().contains(words), "{error}");
    }
    site.file("/os/repodata/repomd.xml", &[b' '; 10_001]);
    let read = reader().with_limits(small);
    let error = read
        .read(&[Repository::new("43", vec![site.source("/os")])])
        .await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("more than 10000 bytes")
    );
}

#[tokio::test]
async fn nothing_internal_is_read_for_others() {
    let site = Site::start().await;
    let text = primary(&[("vim", "")]);
    site.repository("/os", &[("primary", "p.xml", text.as_bytes())]);
    let port = site.address.rsplit(':').next().unwrap();
    let strangers = CatalogueReader::new(Trust::Remote);
    let refused = async |reader: &CatalogueReader, source: Source| {
        let error = reader
            .read(&[Repository::new("43", vec![source])])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        fault(error).to_string()
    };
    for url in [
        format!("{}/os/", site.address),
        format!("http://localhost:{port}/os/"),
        format!("http://2130706433:{port}/os/"),
        format!("http://[::ffff:127.0.0.1]:{port}/os"),
        "http://169.254.169.254/latest/".to_owned(),
    ] {
        for source in [
            Source::BaseUrl(url.clone()),
            Source::MirrorList(url.clone()),
        ] {
            let words = refused(&strangers, source).await;
            assert!(words.contains("internal"), "{url}: {words}");
        }
    }
    assert_eq!(site.asked("/os/repodata/repomd.xml"), 0);
    for (url, words) in [
        ("file:///etc/", "path of this machine"),
        ("ftp://host/os", "no http"),
    ] {
        let said = refused(&strangers, Source::BaseUrl(url.to_owned())).await;
        assert!(said.contains(words), "{said}");
    }
    // Neither from where one may read, by a redirect or a list of mirrors.
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://10.255.255.1/\r\ncontent-length: 0\r\n\r\n";
    site.answer("/moved/repodata/repomd.xml", moved.into());
    assert!(
        refused(&reader(), site.source("/moved"))
            .await
            .contains("10.255.255.1 is an internal")
    );
    site.file("/list", b"http://10.255.255.1/os\n");
    let list = Source::MirrorList(format!("{}/list", site.address));
    assert!(
        refused(&reader(), list)
            .await
            .contains("10.255.255.1 is an internal")
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://me:secret@{}/os/", silent.local_addr().unwrap());
    let limits = Limits {
        time: Duration::from_millis(400),
        ..Limits::default()
    };
    let repository = Repository::new("43", vec![Source::BaseUrl(url)]);
    let error = reader()
        .with_limits(limits)
        .read(&[repository])
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
