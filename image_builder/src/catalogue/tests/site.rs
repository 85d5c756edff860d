//! A server of files, and what repositories are made of.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::catalogue::{Catalogue, CatalogueError, CatalogueReader};
use crate::digest::{hex, sha256_text};
use crate::repository::{Repository, Source};
use crate::spec::Trust;

/// Answers by path, whole, and how often each was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Site {
    pub(super) address: String,
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let site = Self {
            address,
            ..Self::default()
        };
        let this = site.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let this = this.clone();
                tokio::spawn(async move {
                    let mut request = vec![0; 4096];
                    let read = stream.read(&mut request).await.unwrap();
                    let request = String::from_utf8_lossy(&request[..read]).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    let answer = this.answers.lock().unwrap().get(&path).cloned();
                    this.asked.lock().unwrap().push(path);
                    let answer = answer.unwrap_or_else(|| head("404 Not Found", 0));
                    // A client that has read enough hangs up.
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        site
    }

    pub(super) fn answer(&self, path: &str, answer: Vec<u8>) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    pub(super) fn file(&self, path: &str, content: &[u8]) {
        let mut answer = head("200 OK", content.len());
        answer.extend_from_slice(content);
        self.answer(path, answer);
    }

    /// Serves a folder.
    pub(super) fn folder(&self, below: &str, folder: &Path) {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            match path.is_dir() {
                true => self.folder(&format!("{below}/{name}"), &path),
                false => self.file(&format!("{below}/{name}"), &std::fs::read(&path).unwrap()),
            }
        }
    }

    /// Serves a repository with these files: the kind, the name, and what is in it.
    pub(super) fn repository(&self, below: &str, files: &[(&str, &str, &[u8])]) -> String {
        let data = files.iter().map(|(kind, name, content)| {
            self.file(&format!("{below}/repodata/{name}"), content);
            let sum = hex(&Sha256::digest(content));
            format!(
                "<data type=\"{kind}\"><checksum type=\"sha256\">{sum}</checksum>\
                 <open-checksum type=\"sha256\">0</open-checksum><location href=\"repodata/{name}\"/></data>"
            )
        });
        let repomd = format!("<repomd>{}</repomd>", data.collect::<String>());
        self.file(&format!("{below}/repodata/repomd.xml"), repomd.as_bytes());
        sha256_text(&repomd)
    }

    /// The source of a repository here.
    pub(super) fn source(&self, below: &str) -> Source {
        Source::BaseUrl(format!("{}{below}/", self.address))
    }

    /// How often a path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| *asked == path).count()
    }
}

pub(super) fn head(status: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
        .into_bytes()
}

/// Reads for somebody from elsewhere, who may fetch from this machine.
pub(super) fn reader() -> CatalogueReader {
    CatalogueReader::new(Trust::Remote).with_networks(&["127.0.0.1".parse().unwrap()])
}

pub(super) async fn read(source: Source) -> Result<Catalogue, CatalogueError> {
    reader().read(&[Repository::new("43", vec![source])]).await
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}
