use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::error::{ErrorKind, StageError as _};
use crate::kickstart::{Kickstart, KickstartError, Limits, Reader, Source};
use crate::spec::Trust;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

async fn flatten(reader: &Reader, path: &Path) -> Result<Kickstart, KickstartError> {
    reader.flatten(&Source::File(path.to_owned())).await
}

/// The message, with the folder's name taken out.
async fn refused(folder: &tempfile::TempDir, reader: &Reader, name: &str) -> String {
    let error = flatten(reader, &folder.path().join(name))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let prefix = format!("{}/", folder.path().display());
    error.to_string().replace(&prefix, "")
}

/// A server that gives `answers` by path, and nothing else.
async fn server(answers: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap();
            let answer = answers.iter().find(|(known, _)| *known == path);
            let answer = answer.map_or("HTTP/1.1 404 Not Found\r\n\r\n", |(_, answer)| answer);
            // A client that has read enough hangs up.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

fn found(text: &str) -> String {
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
}

#[tokio::test]
async fn included_texts_stand_where_they_were_asked_for() {
    let folder = folder(&[
        (
            "top.ks",
            "# top\n%include sub/a.ks # why\n%packages\n%include sub/p.ks\n-nano\n%end\n%post\n%include sub/s.sh\n%end\n%ksappend sub/end.ks",
        ),
        ("sub/a.ks", "\u{feff}lang C\n%include b.ks"),
        ("sub/b.ks", "# b\nkeyboard us"),
        ("sub/p.ks", "vim # editor\n"),
        ("sub/s.sh", "echo 'it''s'\n"),
        ("sub/end.ks", "%post\ntrue\n%end"),
    ]);
    let flat = flatten(&Reader::new(Trust::Local), &folder.path().join("top.ks"))
        .await
        .unwrap();
    assert_eq!(
        flat.to_string(),
        "# top\nlang C\n# b\nkeyboard us\n%packages\nvim # editor\n-nano\n%end\n%post\necho 'it''s'\n%end\n%post\ntrue\n%end\n"
    );
    assert_eq!(flat.includes().count(), 0);
    let settings = flat.settings().unwrap();
    let chain = settings.keyboard.as_ref().unwrap().place.chain();
    let chain: Vec<_> = chain
        .iter()
        .map(|place| {
            place
                .to_string()
                .replace(&format!("{}/", folder.path().display()), "")
        })
        .collect();
    assert_eq!(chain, ["top.ks:2", "sub/a.ks:2", "sub/b.ks:2"]);
    // Read alone, nothing is followed and nothing lost.
    let top = folder.path().join("top.ks");
    let alone = Reader::new(Trust::Local)
        .read(&Source::File(top.clone()))
        .await
        .unwrap();
    assert_eq!(alone.to_string(), std::fs::read_to_string(top).unwrap());
}

#[tokio::test]
async fn what_cannot_be_had_is_told_with_the_way_to_it() {
    let folder = folder(&[
        ("top.ks", "lang C\n%include a.ks\n"),
        ("a.ks", "\n%include missing.ks\n"),
        ("cycle.ks", "%include ./cycle2.ks"),
        ("page.ks", "\n<!DOCTYPE html>\n<html>"),
        ("open.ks", "%include part.ks\n"),
        ("part.ks", "\n%post\necho\n"),
        ("ends.ks", "%packages\n%include end.ks\nvim\n%end\n"),
        ("end.ks", "%end\n"),
        ("bad.ks", "%include gopher://x/y\n"),
        ("dir.ks", "%include .\n"),
        (
            "wide.ks",
            "%include leaf.ks\n%include leaf.ks\n%include leaf.ks\n",
        ),
        ("leaf.ks", "lang C\n"),
    ]);
    std::fs::write(folder.path().join("latin.ks"), b"lang C\n# \xe4\n").unwrap();
    let parent = folder.path().file_name().unwrap().to_str().unwrap();
    let cycle = format!("%include ../{parent}/cycle.ks");
    std::fs::write(folder.path().join("cycle2.ks"), cycle).unwrap();
    let reader = Reader::new(Trust::Local);
    for (name, message) in [
        (
            "none.ks",
            "cannot read the kickstart none.ks: there is no such file",
        ),
        (
            "top.ks",
            "cannot read the kickstart missing.ks: there is no such file (top.ks:2 -> a.ks:2 -> missing.ks)",
        ),
        (
            "page.ks",
            "cannot read the kickstart page.ks: it is a web page, not a kickstart",
        ),
        (
            "latin.ks",
            "cannot read the kickstart latin.ks: byte 9 in line 2 is not UTF-8",
        ),
        (
            "open.ks",
            "part.ks:2: %post: the section does not end; write %end below its last line, included at open.ks:1",
        ),
        (
            "ends.ks",
            "end.ks:1: %end: the %packages of ends.ks:1 ends in another text; write %end where the section began, included at ends.ks:2\n\
             ends.ks:4: %end: no section is open here; delete the line",
        ),
        (
            "bad.ks",
            "cannot read the kickstart gopher://x/y: \"gopher\" is not a scheme to read from; expected an http, https, ftp or file URL, or a path (bad.ks:1 -> gopher://x/y)",
        ),
    ] {
        assert_eq!(refused(&folder, &reader, name).await, message);
    }
    let message = refused(&folder, &reader, "dir.ks").await;
    assert!(message.contains("it is no file (dir.ks:1 -> "), "{message}");
    let message = refused(&folder, &reader, "cycle.ks").await;
    let way = format!("it includes itself (cycle.ks:1 -> ./cycle2.ks:1 -> ../{parent}/cycle.ks)");
    assert!(message.ends_with(&way), "{message}");
    // `leaf.ks` three times is no cycle.
    let wide = flatten(&reader, &folder.path().join("wide.ks"))
        .await
        .unwrap();
    assert_eq!(wide.to_string(), "lang C\nlang C\nlang C\n");
}

#[tokio::test]
async fn limits_hold() {
    let folder = folder(&[
        (
            "wide.ks",
            "%include leaf.ks\n%include leaf.ks\n%include leaf.ks\n",
        ),
        ("leaf.ks", "lang C\n"),
        ("0.ks", "%include 1.ks\n"),
        ("1.ks", "%include 2.ks\n"),
        ("2.ks", "%include leaf.ks\n"),
    ]);
    let limits = Limits {
        each: 100,
        total: 1000,
        texts: 3,
        depth: 3,
        time: Duration::from_secs(10),
    };
    let reader = |limits| Reader::new(Trust::Local).with_limits(limits);
    for name in ["wide.ks", "0.ks"] {
        assert!(
            flatten(&reader(limits), &folder.path().join(name))
                .await
                .is_ok()
        );
    }
    for (limits, name, words) in [
        (
            Limits { texts: 2, ..limits },
            "wide.ks",
            "at most 2 texts may be included (wide.ks:3 ->",
        ),
        (
            Limits { depth: 2, ..limits },
            "0.ks",
            "texts may be included 2 deep (0.ks:1 -> 1.ks:1 -> 2.ks:1 ->",
        ),
        (
            Limits { each: 10, ..limits },
            "wide.ks",
            "wide.ks: it is larger than 0 MiB",
        ),
        (
            Limits {
                total: 60,
                ..limits
            },
            "wide.ks",
            "with it, all included texts are larger than",
        ),
    ] {
        let message = refused(&folder, &reader(limits), name).await;
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn two_hundred_megabytes_are_refused_unread() {
    let folder = folder(&[]);
    let path = folder.path().join("big.ks");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(200 * 1024 * 1024).unwrap();
    let message = refused(&folder, &Reader::new(Trust::Local), "big.ks").await;
    assert_eq!(
        message,
        "cannot read the kickstart big.ks: it is larger than 8 MiB"
    );
}

#[tokio::test]
async fn only_a_local_file_may_include_local_files() {
    let host = server(vec![
        (
            "/a/top.ks",
            found("lang C\n%include b.ks\n%include ../c.ks\n"),
        ),
        ("/a/b.ks", found("keyboard us\n")),
        ("/c.ks", found("timezone UTC\n")),
        ("/bad.ks", found("\n%include /etc/hostname\n")),
        ("/worse.ks", found("%include file:///etc/hostname\n")),
    ])
    .await;
    let local = Reader::new(Trust::Local);
    let url = |path: &str| Source::Url(format!("{host}{path}").parse().unwrap());
    let flat = local.flatten(&url("/a/top.ks")).await.unwrap();
    assert_eq!(flat.to_string(), "lang C\nkeyboard us\ntimezone UTC\n");
    for path in ["/bad.ks", "/worse.ks"] {
        let error = local.flatten(&url(path)).await.unwrap_err().to_string();
        assert!(
            error.contains("only a local file may include local files"),
            "{error}"
        );
    }
    let text = "%include /etc/hostname\n";
    assert_eq!(
        local
            .flatten_text(text, "the request")
            .await
            .unwrap_err()
            .to_string(),
        "cannot read the kickstart /etc/hostname: only a local file may include local files (the request:1 -> /etc/hostname)"
    );
    let text = format!("%include {host}/c.ks\n");
    let flat = local.flatten_text(&text, "the request").await.unwrap();
    assert_eq!(flat.to_string(), "timezone UTC\n");
    let folder = folder(&[("a.ks", &format!("%include {host}/bad.ks\n"))]);
    let error = flatten(&local, &folder.path().join("a.ks"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("only a local file"), "{error}");
}

#[tokio::test]
async fn a_text_from_elsewhere_reaches_nothing_inside() {
    let host = server(vec![("/a.ks", found("lang C\n"))]).await;
    let port = host.rsplit(':').next().unwrap();
    let remote = Reader::new(Trust::Remote);
    for target in [
        format!("{host}/a.ks"),
        format!("http://localhost:{port}/a.ks"),
        format!("http://2130706433:{port}/a.ks"),
        "http://169.254.169.254/latest".to_owned(),
        "ftp://127.0.0.1/a.ks".to_owned(),
        "ftp://localhost/a.ks".to_owned(),
    ] {
        let text = format!("%include {target}\n");
        let error = remote.flatten_text(&text, "the request").await.unwrap_err();
        let message = error.to_string();
        let ftp = target.starts_with("ftp") && cfg!(not(feature = "ftp"));
        assert!(
            ftp || message.contains("is an internal address"),
            "{message}"
        );
    }
    let error = flatten(&remote, Path::new("/etc/hostname"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("only a local file"), "{error}");
}

#[tokio::test]
async fn servers_that_fail() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n#", 9 << 20);
    // Without a length, and with more than is allowed.
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "#".repeat(9 << 20));
    let host = server(vec![
        ("/page", found("<html><body>Not here</body></html>")),
        ("/long", long),
        ("/endless", endless),
        (
            "/cut",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nlang".into(),
        ),
    ])
    .await;
    let local = Reader::new(Trust::Local);
    for (path, words, kind) in [
        (
            "/none",
            "the server answers 404 Not Found",
            ErrorKind::Network,
        ),
        (
            "/page",
            "it is a web page, not a kickstart",
            ErrorKind::Usage,
        ),
        ("/long", "it is larger than 8 MiB", ErrorKind::Usage),
        ("/endless", "it is larger than 8 MiB", ErrorKind::Usage),
        ("/cut", "", ErrorKind::Network),
    ] {
        let url = Source::Url(format!("{host}{path}").parse().unwrap());
        let error = local.flatten(&url).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), kind, "{error}");
    }
    // Accepts, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.ks", silent.local_addr().unwrap());
    let limits = Limits {
        time: Duration::from_millis(100),
        ..Limits::default()
    };
    let error = local
        .with_limits(limits)
        .flatten(&Source::Url(url.parse().unwrap()))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("reading all texts took longer than"),
        "{error}"
    );
    assert!(error.is_transient());
}
