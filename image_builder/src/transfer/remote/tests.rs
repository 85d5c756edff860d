//! Uploads to a server whose connections break when the test says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::time::advance;

use super::*;

/// How a connection ends while a file is written.
#[derive(Debug, Clone, Copy)]
enum Writing {
    /// After so many bytes, of which half arrive; the whole took longer than the patience.
    Breaks(u64),
    /// With a no to all but the first byte.
    TakesNoRest,
    Ends,
}

#[derive(Debug, Default)]
struct Far {
    files: BTreeMap<String, u64>,
    /// What the next connections do.
    writing: Vec<Writing>,
    starts: Vec<u64>,
}

/// A server, and a connection to it.
#[derive(Debug, Clone, Default)]
struct Fragile(Arc<Mutex<Far>>);

impl Fragile {
    fn new(writing: &[Writing]) -> Self {
        let far = Far {
            writing: writing.iter().rev().copied().collect(),
            ..Far::default()
        };
        Self(Arc::new(Mutex::new(far)))
    }
}

#[async_trait]
impl Server for Fragile {
    async fn open(&self) -> Result<Box<dyn Session>, Fault> {
        Ok(Box::new(self.clone()))
    }

    fn folder(&self) -> &str {
        "pub"
    }

    fn makes_folder(&self) -> bool {
        true
    }

    fn url(&self) -> &str {
        "ftp://h/pub"
    }

    fn hint(&self) -> String {
        String::new()
    }
}

#[async_trait]
impl Session for Fragile {
    async fn make_folder(&mut self, _: &str) -> Result<bool, Fault> {
        Ok(true)
    }

    async fn is_folder(&mut self, _: &str) -> Result<bool, Fault> {
        Ok(true)
    }

    async fn size(&mut self, path: &str) -> Result<Option<u64>, Fault> {
        Ok(self.0.lock().unwrap().files.get(path).copied())
    }

    async fn write(
        &mut self,
        path: &str,
        start: u64,
        _: &mut Source,
        progress: &Progress,
    ) -> Result<(), Fault> {
        let writing = {
            let mut far = self.0.lock().unwrap();
            far.starts.push(start);
            far.writing.pop().unwrap_or(Writing::Ends)
        };
        let (end, arrived, done) = match writing {
            Writing::Breaks(after) => (
                start + after,
                start + after / 2,
                Err(Fault::Broken("the connection broke".to_owned())),
            ),
            Writing::TakesNoRest => {
                return Err(Fault::Final(TransferError::Refused {
                    place: self.url().to_owned(),
                    problem: "502 no REST".to_owned(),
                    hint: String::new(),
                }));
            }
            Writing::Ends => (SIZE, SIZE, Ok(())),
        };
        progress.at(end);
        advance(PATIENCE * 2).await;
        self.0.lock().unwrap().files.insert(path.into(), arrived);
        done
    }

    async fn read(&mut self, _: &str, _: &mut u64, _: &mut Sha256) -> Result<bool, Fault> {
        Ok(false)
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Fault> {
        let mut far = self.0.lock().unwrap();
        let size = far.files.remove(from).unwrap();
        far.files.insert(to.to_owned(), size);
        Ok(())
    }

    async fn remove_file(&mut self, path: &str) -> Result<(), Fault> {
        self.0.lock().unwrap().files.remove(path);
        Ok(())
    }

    async fn remove_folder(&mut self, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    async fn free(&mut self, _: &str) -> Option<u64> {
        None
    }

    async fn close(self: Box<Self>) {}
}

const SIZE: u64 = 100;

/// Delivers a file, and tells from where on each connection was given it.
async fn put(writing: &[Writing]) -> (Result<Delivered, TransferError>, Vec<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.iso");
    std::fs::write(&file, vec![7; SIZE as usize]).unwrap();
    let delivery = Delivery {
        file,
        name: "a.iso".to_owned(),
        sha256: Some("0".repeat(64)),
    };
    let server = Fragile::new(writing);
    let remote = Remote::new(server.clone(), &StagingSettings::default());
    let cancel = CancellationToken::new();
    let progress = Progress::silent();
    let done = remote.put("x", &delivery, &progress, &cancel).await;
    let starts = server.0.lock().unwrap().starts.clone();
    (done, starts)
}

#[tokio::test(start_paused = true)]
async fn a_break_long_after_the_start_is_taken_up() {
    let (done, starts) = put(&[Writing::Breaks(40), Writing::Breaks(60)]).await;
    assert_eq!(done.unwrap().address, "ftp://h/pub/x/a.iso");
    assert_eq!(starts, [0, 20, 50]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_loses_what_it_takes_is_given_up() {
    let (done, starts) = put(&[Writing::Breaks(1); 100]).await;
    let error = done.unwrap_err();
    assert!(
        matches!(error, TransferError::Unreachable { .. }),
        "{error}"
    );
    assert_eq!(starts, [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_rest_gets_the_whole_again_twice() {
    let (breaks, no_rest) = (Writing::Breaks(40), Writing::TakesNoRest);
    let (done, starts) = put(&[breaks, no_rest, breaks, no_rest]).await;
    done.unwrap();
    assert_eq!(starts, [0, 20, 0, 20, 0]);
    let (done, _) = put(&[breaks, no_rest, breaks, no_rest, breaks, no_rest]).await;
    let error = done.unwrap_err().to_string();
    assert!(
        error.contains("the rest of the file was refused"),
        "{error}"
    );
}
