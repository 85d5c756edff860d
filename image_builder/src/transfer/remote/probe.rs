//! Whether files can be put into a staging folder.

use async_trait::async_trait;
use jiff::Timestamp;

use super::super::retry::Fault;
use super::super::source::Source;
use super::{Progress, Server, Session, Task, TransferError, join};

/// Space that the far side has to have before a build, in bytes, where it tells.
const SPACE: u64 = 64 * 1024 * 1024;

/// Does all that an upload needs, with a small file in a folder of its own.
#[derive(Debug)]
pub(super) struct Probe<'a, S> {
    server: &'a S,
    folder: String,
}

impl<'a, S: Server> Probe<'a, S> {
    pub(super) fn new(server: &'a S) -> Self {
        let unique = format!(
            "fbs-check-{:x}-{:x}",
            std::process::id(),
            Timestamp::now().as_nanosecond()
        );
        Self {
            folder: join(server.folder(), &unique),
            server,
        }
    }

    fn refused(&self, problem: String) -> Fault {
        Fault::Final(TransferError::Refused {
            place: self.server.url().to_owned(),
            problem,
            hint: self.server.hint(),
        })
    }

    /// The staging folder, and those above it where they are made.
    async fn find_folder(&self, session: &mut dyn Session) -> Result<(), Fault> {
        let folder = self.server.folder();
        if folder.is_empty() || session.is_folder(folder).await? {
            return Ok(());
        }
        if !self.server.makes_folder() {
            return Err(self.refused(format!("it has no folder {folder}")));
        }
        let ends = folder.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([folder.len()]).filter(|end| *end > 0) {
            let part = &folder[..end];
            if !session.is_folder(part).await? {
                session.make_folder(part).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl<S: Server> Task for Probe<'_, S> {
    type Output = ();

    async fn attempt(&mut self, session: &mut dyn Session) -> Result<(), Fault> {
        self.find_folder(session).await?;
        if let Some(free) = session.free(self.server.folder()).await
            && free < SPACE
        {
            return Err(Fault::Final(TransferError::Full {
                place: self.server.url().to_owned(),
                problem: format!("{} MiB are free", free >> 20),
            }));
        }
        session.make_folder(&self.folder).await?;
        let (part, file) = (join(&self.folder, "file.part"), join(&self.folder, "file"));
        let tried = async {
            let any = std::path::Path::new("/proc/version");
            let mut source =
                Source::open(any, self.server.url(), 0, false).map_err(Fault::Final)?;
            session
                .write(&part, 0, &mut source, &Progress::silent())
                .await?;
            session.rename(&part, &file).await
        };
        let tried = tried.await;
        let left = match tried {
            Ok(()) => file,
            Err(_) => part,
        };
        // What a server refuses first is what is told.
        let removed = match session.remove_file(&left).await {
            Ok(()) => session.remove_folder(&self.folder).await,
            Err(fault) => Err(fault),
        };
        tried.and(removed)
    }
}
