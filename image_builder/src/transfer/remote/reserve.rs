//! A folder of its own for a build.

use async_trait::async_trait;

use super::super::folder_names;
use super::super::retry::Fault;
use super::{Server, Session, Task, TransferError, join};

#[derive(Debug)]
pub(super) struct Reserve<'a, S> {
    server: &'a S,
    name: &'a str,
}

impl<'a, S: Server> Reserve<'a, S> {
    pub(super) fn new(server: &'a S, name: &'a str) -> Self {
        Self { server, name }
    }
}

#[async_trait]
impl<S: Server> Task for Reserve<'_, S> {
    type Output = String;

    /// The answer may be lost when the connection breaks: then a folder stays empty, and the next
    /// number is taken.
    async fn attempt(&mut self, session: &mut dyn Session) -> Result<String, Fault> {
        for name in folder_names(self.name) {
            if session
                .make_folder(&join(self.server.folder(), &name))
                .await?
            {
                return Ok(name);
            }
        }
        Err(Fault::Final(TransferError::Exists(format!(
            "{}/{}",
            self.server.url(),
            self.name
        ))))
    }
}
