//! Several staging places at once, and what became of each.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::{Checked, Delivery, Progress, StagingSettings, Transfer, TransferError, open};
use crate::context::CancellationToken;
use crate::error::StageError;
use crate::events::{EventKind, Events, Stage, Unit};
use crate::plan::Staging;

/// What became of the delivery to one staging place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// The staging place, without a password.
    pub staging: String,
    /// The folder there that is this build's own: a path, or a URL without a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Where people find it, if the configuration says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// How it was seen that the files arrived; of all of them the weakest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// The files that are there. In a report that was delivered, the log and itself are not among
    /// them, which come last.
    pub files: BTreeSet<String>,
    /// Why not all of them are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl DeliveryRecord {
    /// The name of the folder that is this build's own.
    pub(crate) fn folder_name(&self) -> Option<&str> {
        let folder = self.folder.as_deref()?.trim_end_matches('/');
        folder.rsplit_once('/').map(|(_, name)| name)
    }

    /// After a delivery that was stopped: a place that lacks any of `names` is one to deliver to
    /// again.
    pub(crate) fn mark_stopped(&mut self, names: &[&str]) {
        let lacks = names.iter().any(|name| !self.files.contains(*name));
        if self.error.is_none() && lacks {
            self.error = Some(TransferError::Cancelled.to_string());
        }
    }
}

/// One staging place.
#[derive(Debug)]
struct Place {
    staging: Staging,
    settings: StagingSettings,
    transfer: Box<dyn Transfer>,
    /// The build's own folder there.
    folder: Option<String>,
    record: DeliveryRecord,
}

/// Brings files to every staging place. One that fails keeps none of the others from its files.
#[derive(Debug)]
pub struct Courier {
    places: Vec<Place>,
    first_error: Option<TransferError>,
}

impl Courier {
    /// For these places; nothing is asked of them yet.
    ///
    /// # Errors
    ///
    /// [`TransferError::Settings`]
    pub fn new(places: &[Staging], settings: &[StagingSettings]) -> Result<Self, TransferError> {
        let places = places.iter().map(|staging| {
            let settings = StagingSettings::of(settings, staging);
            Ok(Place {
                transfer: open(staging, &settings)?,
                record: DeliveryRecord {
                    staging: staging.to_string(),
                    ..DeliveryRecord::default()
                },
                folder: None,
                staging: staging.clone(),
                settings,
            })
        });
        Ok(Self {
            places: places.collect::<Result<_, TransferError>>()?,
            first_error: None,
        })
    }

    /// Goes on where an earlier delivery to the same place ended.
    pub(crate) fn resume(&mut self, record: &DeliveryRecord) {
        let same = |place: &&mut Place| place.record.staging == record.staging;
        let Some(place) = self.places.iter_mut().find(same) else {
            return;
        };
        place.folder = record.folder_name().map(str::to_owned);
        place.record = DeliveryRecord {
            error: None,
            ..record.clone()
        };
    }

    /// [`Transfer::check`] of every place.
    ///
    /// # Errors
    ///
    /// The first place's that cannot be used.
    pub async fn check(&self) -> Result<(), TransferError> {
        for place in &self.places {
            place.transfer.check().await?;
        }
        Ok(())
    }

    /// Puts files into the build's own folder `name` of every place that has failed nothing yet.
    ///
    /// # Errors
    ///
    /// [`TransferError::Cancelled`]. Every other error is that of one place: it is in its record,
    /// and the first of them in [`Courier::take_error`].
    pub async fn put(
        &mut self,
        name: &str,
        files: &[Delivery],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<(), TransferError> {
        for place in &mut self.places {
            if place.record.error.is_some() {
                continue;
            }
            if let Err(error) = place.put(name, files, events, cancel).await {
                // Nothing is wrong with the place: a log may still go there.
                if matches!(error, TransferError::Cancelled) {
                    return Err(error);
                }
                place.record.error = Some(error.to_string());
                events.warn(match error.hint() {
                    Some(hint) => format!("{error}; {hint}"),
                    None => error.to_string(),
                });
                self.first_error.get_or_insert(error);
            }
        }
        Ok(())
    }

    /// What became of each place.
    #[must_use]
    pub fn records(&self) -> Vec<DeliveryRecord> {
        let records = self.places.iter().map(|place| place.record.clone());
        records.collect()
    }

    /// The first error of a place.
    pub fn take_error(&mut self) -> Option<TransferError> {
        self.first_error.take()
    }
}

impl Place {
    async fn put(
        &mut self,
        name: &str,
        files: &[Delivery],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<(), TransferError> {
        let folder = match self.folder.clone() {
            Some(folder) => folder,
            None => {
                let folder = tokio::select! {
                    folder = self.transfer.reserve(name) => folder?,
                    () = cancel.cancelled() => return Err(TransferError::Cancelled),
                };
                self.record.folder = Some(self.transfer.address(&folder));
                self.record.link = self.settings.link(&self.staging, &folder);
                self.folder.insert(folder).clone()
            }
        };
        for file in files {
            if self.record.files.contains(&file.name) {
                continue;
            }
            let total = file.file.metadata().map_or(0, |file| file.len());
            let progress = shown(total, events.clone());
            let done = self.transfer.put(&folder, file, &progress, cancel).await?;
            let weakest = self
                .record
                .checked
                .map_or(done.checked, |checked| checked.min(done.checked));
            self.record.checked = Some(weakest);
            self.record.files.insert(file.name.clone());
            // The log, which says so itself, and the report have no checksum here.
            if let Some(sha256) = &file.sha256 {
                events.emit(EventKind::Artifact {
                    path: PathBuf::from(done.address),
                    size: total,
                    sha256: sha256.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Events of the progress, one for each hundredth and not more than one for each MiB.
fn shown(total: u64, events: Events) -> Progress {
    let step = (total / 100).max(1 << 20);
    let next = AtomicU64::new(0);
    Progress::new(move |done| {
        if done >= next.load(Ordering::Relaxed) || done == total {
            next.store(done + step, Ordering::Relaxed);
            events.progress(Stage::Transfer, done, total, Unit::Bytes);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &std::path::Path, name: &str) -> Delivery {
        let file = folder.join(name);
        std::fs::write(&file, name).unwrap();
        Delivery {
            file,
            name: name.to_owned(),
            sha256: Some("ab".to_owned()),
        }
    }

    #[tokio::test]
    async fn a_place_that_fails_keeps_nothing_from_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let (bad, good) = (dir.path().join("file"), dir.path().join("good"));
        std::fs::write(&bad, "").unwrap();
        let places = [Staging::Folder(bad.clone()), Staging::Folder(good.clone())];
        let mut courier = Courier::new(&places, &[]).unwrap();
        assert!(courier.check().await.is_err());
        let files = [file(&work, "a.iso"), file(&work, "b.png")];
        let (events, cancel) = (Events::new(), CancellationToken::new());
        courier.put("x", &files, &events, &cancel).await.unwrap();
        let records = courier.records();
        assert!(records[0].error.is_some() && records[0].files.is_empty());
        assert!(records[1].error.is_none() && records[1].files.len() == 2);
        assert!(good.join("x/b.png").is_file());
        assert!(courier.take_error().is_some());

        // Later, when the first is mended.
        std::fs::remove_file(&bad).unwrap();
        let mut courier = Courier::new(&places, &[]).unwrap();
        for record in &records {
            courier.resume(record);
        }
        courier.put("x", &files, &events, &cancel).await.unwrap();
        assert!(courier.take_error().is_none());
        assert!(bad.join("x/a.iso").is_file() && !good.join("x-2").exists());
    }
}
