//! A large object on its way, in parts.

use object_store::aws::AmazonS3;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, MultipartId, PutPayload};
use tokio::task::JoinSet;

/// The size of a part; S3 takes no smaller ones than 5 MiB, and 10,000 of them.
pub(super) const PART: usize = 8 * 1024 * 1024;

/// Parts on their way at once.
const PARTS: usize = 3;

/// An upload that has begun. Dropped before its end, it leaves what was sent at the far side.
#[derive(Debug)]
pub(super) struct Parts {
    store: AmazonS3,
    to: Path,
    id: MultipartId,
    /// What will be the next part.
    buffer: Vec<u8>,
    begun: usize,
    sending: JoinSet<Result<(usize, PartId), Error>>,
    sent: Vec<(usize, PartId)>,
}

impl Parts {
    /// Begins with an object.
    pub(super) async fn begin(store: &AmazonS3, to: &Path) -> Result<Self, Error> {
        Ok(Self {
            id: store.create_multipart(to).await?,
            store: store.clone(),
            to: to.clone(),
            buffer: Vec::new(),
            begun: 0,
            sending: JoinSet::new(),
            sent: Vec::new(),
        })
    }

    /// What the far side calls this upload.
    pub(super) fn id(&self) -> &MultipartId {
        &self.id
    }

    /// Takes the next bytes, and waits while too many parts are on their way.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let room = PART - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == PART {
                self.wait_for(PARTS - 1).await?;
                self.send();
            }
        }
        Ok(())
    }

    /// Sends the rest, and makes the object of all parts.
    pub(super) async fn end(mut self) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            self.send();
        }
        self.wait_for(0).await?;
        self.sent.sort_unstable_by_key(|(index, _)| *index);
        let parts = self.sent.into_iter().map(|(_, part)| part).collect();
        let done = self.store.complete_multipart(&self.to, &self.id, parts);
        done.await.map(|_| ())
    }

    fn send(&mut self) {
        let bytes = PutPayload::from(std::mem::take(&mut self.buffer));
        let (store, to, id) = (self.store.clone(), self.to.clone(), self.id.clone());
        let index = self.begun;
        self.begun += 1;
        self.sending.spawn(async move {
            let sent = match store.put_part(&to, &id, index, bytes.clone()).await {
                // Its patience began with the part, which a slow line may break long after that.
                Err(Error::Generic { .. }) => store.put_part(&to, &id, index, bytes).await,
                sent => sent,
            };
            Ok((index, sent?))
        });
    }

    /// Waits until no more parts than that are on their way.
    async fn wait_for(&mut self, most: usize) -> Result<(), Error> {
        while self.sending.len() > most {
            if let Some(sent) = self.sending.join_next().await {
                self.sent.push(sent??);
            }
        }
        Ok(())
    }
}
