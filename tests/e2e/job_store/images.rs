//! What every store keeps of images.

use std::collections::BTreeMap;

use image_builder::jobs::{JobId, JobRequest};
use image_builder::retention::{Duty, ImageFigures, ImageRecord, Pin, Reason, Removal};

use super::Home;
use super::story::{at, id_at, queued, request};

/// Jobs of these requesters, which the store knows.
async fn jobs(home: &dyn Home, requesters: &[&str]) -> Vec<JobId> {
    let store = home.open().await.unwrap();
    let mut jobs = Vec::new();
    for ((place, number), requester) in (1..).zip(0..).zip(requesters) {
        let job = id_at(0, number);
        let wanted = JobRequest {
            requester: (*requester).to_owned(),
            ..request("43", 0)
        };
        store
            .apply("ledger", place, &queued(&job, wanted))
            .await
            .unwrap();
        jobs.push(job);
    }
    jobs
}

fn found(job: &JobId, folder: &str, bytes: u64, tenths: i64) -> ImageRecord {
    ImageRecord::new(job.clone(), folder, bytes, at(tenths))
}

/// What is known of images is kept, from the delivery to the end.
pub(crate) async fn life(home: &dyn Home) {
    let jobs = jobs(home, &["anna", "bert", "anna"]).await;
    let (one, other) = (home.images().await, home.images().await);
    let job = &jobs[0];
    assert_eq!(one.images(job).await.unwrap(), None);
    assert_eq!(one.unrecorded(&jobs).await.unwrap(), jobs);
    assert_eq!(one.unrecorded(&[]).await.unwrap(), []);
    assert_eq!(
        one.pin(
            job,
            &Pin {
                by: "anna".to_owned(),
                time: at(1)
            }
        )
        .await
        .unwrap(),
        None
    );
    let first = found(job, "f", u64::from(u32::MAX) * 8, 5);
    assert_eq!(one.record(&first).await.unwrap(), first);
    // Found again, it is as it was.
    let again = found(job, "other", 7, 9);
    assert_eq!(other.record(&again).await.unwrap(), first);
    assert_eq!(other.images(job).await.unwrap(), Some(first.clone()));
    other.record(&found(&jobs[1], "f", 20, 3)).await.unwrap();
    other.record(&found(&jobs[2], "g", 0, 3)).await.unwrap();
    assert_eq!(one.unrecorded(&jobs).await.unwrap(), []);
    let there = one.there("f").await.unwrap();
    let order: Vec<&JobId> = there.iter().map(|image| &image.job).collect();
    assert_eq!(order, [&jobs[1], &jobs[0]]);
    assert_eq!(one.there("g").await.unwrap(), []);
    // A job that nobody knows has none.
    let unknown = found(&id_at(0, 99), "f", 1, 1);
    assert!(one.record(&unknown).await.is_err());

    assert!(one.claim(job, Duty::Warn, at(10), at(20)).await.unwrap());
    one.warned(job, at(11)).await.unwrap();
    assert_eq!(
        other.images(job).await.unwrap().unwrap().warned,
        Some(at(11))
    );
    let removal = Removal {
        time: at(30),
        reason: Reason::Age,
    };
    assert!(one.remove(job, &removal).await.unwrap());
    assert!(
        !other
            .remove(
                job,
                &Removal {
                    time: at(31),
                    reason: Reason::Space
                }
            )
            .await
            .unwrap()
    );
    let known = ImageRecord {
        warned: Some(at(11)),
        removed: Some(removal),
        ..first
    };
    assert_eq!(other.images(job).await.unwrap(), Some(known.clone()));
    assert_eq!(other.there("f").await.unwrap().len(), 1);
    assert_eq!(other.unsettled("f").await.unwrap(), [known]);
    assert_eq!(other.unsettled("g").await.unwrap(), []);
    one.settled(job, at(32)).await.unwrap();
    assert_eq!(other.unsettled("f").await.unwrap(), []);
}

/// What is pinned stays, and what is gone cannot be pinned.
pub(crate) async fn pins(home: &dyn Home) {
    let jobs = jobs(home, &["anna", "anna"]).await;
    let store = home.images().await;
    let job = &jobs[0];
    store.record(&found(job, "f", 100, 0)).await.unwrap();
    store.record(&found(&jobs[1], "f", 0, 0)).await.unwrap();
    let pin = |by: &str, tenths| Pin {
        by: by.to_owned(),
        time: at(tenths),
    };
    // One without images has none to keep.
    assert_eq!(store.pin(&jobs[1], &pin("anna", 1)).await.unwrap(), None);
    store.warned(job, at(1)).await.unwrap();
    let pinned = store
        .pin(job, &pin("anna\0 \u{1f427}", 2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(pinned.pinned, Some(pin("anna\u{fffd} \u{1f427}", 2)));
    let again = store.pin(job, &pin("bert", 3)).await.unwrap().unwrap();
    assert_eq!(again, pinned);
    assert!(!store.claim(job, Duty::Warn, at(4), at(5)).await.unwrap());
    let removal = |reason| Removal {
        time: at(5),
        reason,
    };
    assert!(!store.remove(job, &removal(Reason::Age)).await.unwrap());
    assert!(!store.remove(job, &removal(Reason::Space)).await.unwrap());
    // With the pin goes what was said before it.
    let free = store.unpin(job).await.unwrap().unwrap();
    assert_eq!((free.pinned, free.warned), (None, None));
    store.warned(job, at(6)).await.unwrap();
    assert_eq!(store.unpin(job).await.unwrap().unwrap().warned, Some(at(6)));
    store.pin(job, &pin("anna", 7)).await.unwrap();
    assert!(store.remove(job, &removal(Reason::Gone)).await.unwrap());
    assert_eq!(store.pin(job, &pin("anna", 8)).await.unwrap(), None);
    assert_eq!(store.unpin(job).await.unwrap(), None);
}

/// Of two who want to do the same, one does it.
pub(crate) async fn claims(home: &dyn Home) {
    let jobs = jobs(home, &["anna"; 20]).await;
    let (one, other) = (home.images().await, home.images().await);
    for job in &jobs {
        one.record(&found(job, "f", 1, 0)).await.unwrap();
        let claims = tokio::join!(
            one.claim(job, Duty::Warn, at(1), at(11)),
            other.claim(job, Duty::Warn, at(1), at(11))
        );
        assert!(claims.0.unwrap() != claims.1.unwrap());
        let removal = Removal {
            time: at(2),
            reason: Reason::Space,
        };
        let removals = tokio::join!(one.remove(job, &removal), other.remove(job, &removal));
        assert!(removals.0.unwrap() != removals.1.unwrap());
    }
    let job = &jobs[0];
    // What is to go is not warned of any more, and needs a claim of its own.
    assert!(!one.claim(job, Duty::Warn, at(50), at(60)).await.unwrap());
    assert!(one.claim(job, Duty::Settle, at(3), at(13)).await.unwrap());
    assert!(
        !other
            .claim(job, Duty::Settle, at(12), at(20))
            .await
            .unwrap()
    );
    // Who had it is dead.
    assert!(
        other
            .claim(job, Duty::Settle, at(13), at(23))
            .await
            .unwrap()
    );
    other.settled(job, at(14)).await.unwrap();
    assert!(!one.claim(job, Duty::Settle, at(50), at(60)).await.unwrap());
}

/// How much there is, and whose.
pub(crate) async fn figures(home: &dyn Home) {
    let jobs = jobs(home, &["anna", "bert", "anna", "anna", "it's"]).await;
    let store = home.images().await;
    assert_eq!(store.figures().await.unwrap(), ImageFigures::default());
    for (job, bytes) in jobs.iter().zip([100, 200, 400, 0, 800]) {
        store.record(&found(job, "f", bytes, 0)).await.unwrap();
    }
    let bytes = async |who: &str| store.bytes_of(who).await.unwrap();
    assert_eq!((bytes("anna").await, bytes("bert").await), (500, 200));
    assert_eq!((bytes("it's").await, bytes("nobody").await), (800, 0));
    let pin = Pin {
        by: "bert".to_owned(),
        time: at(1),
    };
    store.pin(&jobs[1], &pin).await.unwrap();
    let removal = Removal {
        time: at(1),
        reason: Reason::Space,
    };
    store.remove(&jobs[2], &removal).await.unwrap();
    assert_eq!(bytes("anna").await, 100);
    let expected = ImageFigures {
        jobs: 3,
        bytes: 1100,
        pinned: 200,
        removed: BTreeMap::from([(Reason::Space, 1)]),
    };
    assert_eq!(store.figures().await.unwrap(), expected);
}
