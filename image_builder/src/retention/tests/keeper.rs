//! Files, records and mails.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use super::at;
use super::site::{Site, id, policy, words};
use crate::jobs::JobStore;
use crate::notification::{Memory, Notice, NoticeKind, Notification, NotificationError};
use crate::retention::{Duty, ImageFolder, ImageStore, PinError, Reason, Swept};

const RECORDS: [&str; 2] = ["bios.png", "build-report.json"];

const ALL: [&str; 3] = ["bios.png", "boot.iso", "build-report.json"];

#[tokio::test]
async fn an_image_goes_after_a_mail_and_its_records_stay() {
    let site = Site::new().await;
    let told = Arc::new(Memory::default());
    let keeper = site.keeper(told.clone());
    let job = site.job("a", 0, 70).await;
    let swept = keeper.sweep(at(1)).await.unwrap();
    assert_eq!((swept.recorded, swept.warned, swept.removed), (1, 0, 0));
    assert_eq!(keeper.sweep(at(79)).await.unwrap(), Swept::default());
    assert_eq!(keeper.sweep(at(81)).await.unwrap().warned, 1);
    assert_eq!(keeper.sweep(at(82)).await.unwrap(), Swept::default());
    let notices = told.notices();
    assert_eq!(words(&notices), ["expiring a"]);
    assert_eq!(notices[0].recipients, ["qa@example.test"]);
    assert_eq!(notices[0].time, at(81));
    let expected = NoticeKind::Expiring {
        files: vec!["boot.iso".to_owned()],
        bytes: 70,
        reason: Reason::Age,
        ends: Some(at(101)),
        page: Some("https://images.example.test/jobs/a".to_owned()),
    };
    assert_eq!(notices[0].kind, expected);
    // Who downloads it goes on.
    let mut open = fs::File::open(site.images().join("a/Fedora-43/boot.iso")).unwrap();
    assert_eq!(keeper.sweep(at(100)).await.unwrap(), Swept::default());
    assert_eq!(site.left("a"), ALL);
    let swept = keeper.sweep(at(101)).await.unwrap();
    assert_eq!((swept.removed, swept.bytes), (1, 70));
    assert_eq!(site.left("a"), RECORDS);
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, [7; 70]);
    let record = site.record("a").await;
    assert_eq!(record.removed.unwrap().reason, Reason::Age);
    assert_eq!(keeper.images(&job).await.unwrap(), Some(record));
    assert_eq!(words(&told.notices()), ["expiring a", "expired a"]);
    assert_eq!(keeper.sweep(at(200)).await.unwrap(), Swept::default());
    let error = keeper.pin(&job, "anna", at(201)).await.unwrap_err();
    assert!(
        error.to_string().contains("because its time was over"),
        "{error}"
    );
}

#[tokio::test]
async fn a_pin_keeps_it_and_without_one_it_goes_as_others_do() {
    let site = Site::new().await;
    let told = Arc::new(Memory::default());
    let keeper = site.keeper(told.clone());
    let job = site.job("a", 0, 70).await;
    // Before any sweep.
    let pinned = keeper.pin(&job, "anna", at(1)).await.unwrap();
    assert_eq!(pinned.pinned.unwrap().by, "anna");
    let again = keeper.pin(&job, "bert", at(2)).await.unwrap();
    assert_eq!(again.pinned.unwrap().by, "anna");
    assert_eq!(keeper.sweep(at(1000)).await.unwrap(), Swept::default());
    assert_eq!(keeper.unpin(&job).await.unwrap().pinned, None);
    assert_eq!(keeper.sweep(at(1001)).await.unwrap().warned, 1);
    assert_eq!(keeper.sweep(at(1020)).await.unwrap(), Swept::default());
    // What was said before a pin counts no more when that is taken away.
    keeper.pin(&job, "bert", at(1020)).await.unwrap();
    keeper.unpin(&job).await.unwrap();
    assert_eq!(keeper.sweep(at(1030)).await.unwrap().warned, 1);
    assert_eq!(keeper.sweep(at(1050)).await.unwrap().removed, 1);
    let error = keeper.unpin(&job).await.unwrap_err();
    assert!(matches!(error, PinError::Removed { .. }), "{error}");
}

#[tokio::test]
async fn a_job_that_has_not_ended_or_left_no_image_has_none_to_pin() {
    let site = Site::new().await;
    let keeper = site.keeper(Arc::new(Memory::default()));
    let claim = site.begin("a", "qa@desk").await;
    site.deliver("a", 5000);
    let open = site.store.job(&id("a")).await.unwrap().unwrap();
    let error = keeper.pin(&open, "anna", at(1)).await.unwrap_err();
    assert!(matches!(error, PinError::Open { .. }), "{error}");
    // Nobody knows whose these are.
    site.deliver("stranger", 5000);
    assert_eq!(keeper.sweep(at(5000)).await.unwrap(), Swept::default());
    assert_eq!(site.left("a"), ALL);
    assert_eq!(site.left("stranger"), ALL);
    site.end("a", 1, claim).await;
    assert_eq!(keeper.sweep(at(2)).await.unwrap().recorded, 1);
    // It was too large from the beginning.
    assert_eq!(site.left("a"), RECORDS);
    let elsewhere = site.begin("b", "qa@desk").await;
    let elsewhere = site.end("b", 1, elsewhere).await;
    let error = keeper.pin(&elsewhere, "anna", at(2)).await.unwrap_err();
    assert!(matches!(error, PinError::None(_)), "{error}");
    assert_eq!(keeper.images(&elsewhere).await.unwrap(), None);
}

#[tokio::test]
async fn for_space_the_oldest_goes_at_once_and_a_mail_says_so() {
    let site = Site::new().await;
    let told = Arc::new(Memory::default());
    let keeper = site.keeper(told.clone());
    site.job("a", 0, 300).await;
    site.job("b", 1, 550).await;
    assert_eq!(keeper.sweep(at(2)).await.unwrap().warned, 1);
    site.job("c", 3, 400).await;
    assert_eq!(keeper.sweep(at(4)).await.unwrap().removed, 1);
    site.job("d", 5, 700).await;
    assert_eq!(keeper.sweep(at(6)).await.unwrap().removed, 2);
    assert_eq!(site.left("d"), ALL);
    let notices = told.notices();
    let expected = [
        "expiring a",
        "expired a",
        "expiring b",
        "expired b",
        "expired c",
    ];
    assert_eq!(words(&notices), expected);
    let warned = notices.iter().filter_map(|notice| match notice.kind {
        NoticeKind::Expired { warned, .. } => Some(warned),
        _ => None,
    });
    assert_eq!(warned.collect::<Vec<_>>(), [Some(at(2)), Some(at(4)), None]);
    let figures = site.store.figures().await.unwrap();
    assert_eq!((figures.jobs, figures.bytes), (1, 700));
    assert_eq!(figures.removed[&Reason::Space], 3);
}

#[tokio::test]
async fn two_keepers_at_once_warn_once_and_remove_once() {
    let site = Site::new().await;
    let told = Arc::new(Memory::default());
    let (one, two) = (site.keeper(told.clone()), site.keeper(told.clone()));
    for (job, hour) in [("a", 0), ("b", 1), ("c", 2)] {
        site.job(job, hour, 100).await;
    }
    for hour in [3, 90, 120] {
        let (first, second) = tokio::join!(one.sweep(at(hour)), two.sweep(at(hour)));
        let (first, second) = (first.unwrap(), second.unwrap());
        let expected = match hour {
            90 => (3, 0),
            120 => (0, 3),
            _ => (0, 0),
        };
        let sum = (first.warned + second.warned, first.removed + second.removed);
        assert_eq!(sum, expected, "{hour}");
    }
    assert_eq!(told.notices().len(), 6);
}

/// A server that is not there.
#[derive(Debug)]
struct Away;

#[async_trait::async_trait]
impl Notification for Away {
    fn name(&self) -> String {
        "nobody".to_owned()
    }

    fn wants(&self, _: &Notice) -> bool {
        true
    }

    async fn check(&self) -> Result<(), NotificationError> {
        Ok(())
    }

    async fn send(&self, _: &Notice) -> Result<(), NotificationError> {
        Err(NotificationError::Unreachable {
            server: self.name(),
            reason: "it is away".to_owned(),
        })
    }
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_tried_again_and_does_not_keep_an_image_for_ever() {
    let site = Site::new().await;
    let told = Arc::new(Memory::default());
    let (away, back) = (site.keeper(Arc::new(Away)), site.keeper(told.clone()));
    site.job("a", 0, 100).await;
    site.job("b", 0, 100).await;
    assert_eq!(away.sweep(at(85)).await.unwrap().warned, 0);
    // Who tried it has the first for some minutes, and left the rest to others.
    assert_eq!(back.sweep(at(85)).await.unwrap().warned, 1);
    assert_eq!(back.sweep(at(90)).await.unwrap().warned, 1);
    assert_eq!(words(&told.notices()), ["expiring b", "expiring a"]);
    site.job("c", 10, 100).await;
    assert_eq!(away.sweep(at(95)).await.unwrap().warned, 0);
    assert_eq!(site.left("a"), ALL);
    // Its time has come, and two go whose people know: at once, and told of as long as a warning takes.
    assert_eq!(away.sweep(at(111)).await.unwrap().warned, 1);
    assert_eq!(site.record("c").await.warned, Some(at(111)));
    assert_eq!(site.left("a"), RECORDS);
    assert_eq!(site.left("b"), RECORDS);
    assert_eq!(away.sweep(at(130)).await.unwrap(), Swept::default());
    assert_eq!(away.sweep(at(131)).await.unwrap().removed, 2);
    assert_eq!(site.left("c"), RECORDS);
    assert_eq!(away.sweep(at(151)).await.unwrap().removed, 1);
}

#[tokio::test]
async fn a_keeper_that_died_in_the_middle_is_followed_by_another() {
    let site = Site::new().await;
    let told = Arc::new(Memory::default());
    let keeper = site.keeper(told.clone());
    site.job("a", 0, 100).await;
    keeper.sweep(at(1)).await.unwrap();
    let removal = crate::retention::Removal {
        time: at(2),
        reason: Reason::Space,
    };
    assert!(site.store.remove(&id("a"), &removal).await.unwrap());
    let until = at(3);
    assert!(
        site.store
            .claim(&id("a"), Duty::Settle, at(2), until)
            .await
            .unwrap()
    );
    // It may still be at work.
    assert_eq!(keeper.sweep(at(2)).await.unwrap(), Swept::default());
    assert_eq!(site.left("a"), ALL);
    assert_eq!(keeper.sweep(at(3)).await.unwrap().removed, 1);
    assert_eq!(site.left("a"), RECORDS);
    assert_eq!(words(&told.notices()), ["expired a"]);
}

#[tokio::test]
async fn what_somebody_else_deletes_is_known_to_be_gone() {
    let site = Site::new().await;
    let told = Arc::new(Memory::default());
    let keeper = site.keeper(told.clone());
    for job in ["a", "b", "c"] {
        site.job(job, 0, 300).await;
    }
    let pinned = site.store.job(&id("b")).await.unwrap().unwrap();
    keeper.pin(&pinned, "anna", at(1)).await.unwrap();
    fs::remove_file(site.images().join("a/Fedora-43/boot.iso")).unwrap();
    fs::remove_dir_all(site.images().join("b")).unwrap();
    // `a` was gone before anybody saw it, `b` goes with its pin.
    let swept = keeper.sweep(at(2)).await.unwrap();
    assert_eq!((swept.recorded, swept.warned, swept.removed), (2, 0, 1));
    assert_eq!(site.record("a").await.bytes, 0);
    assert_eq!(site.record("b").await.removed.unwrap().reason, Reason::Gone);
    assert_eq!(words(&told.notices()), ["expired b"]);
    let figures = site.store.figures().await.unwrap();
    assert_eq!((figures.jobs, figures.bytes, figures.pinned), (1, 300, 0));
}

#[tokio::test]
async fn hostile_folders_lead_nowhere() {
    let site = Site::new().await;
    let keeper = site.keeper(Arc::new(Memory::default()));
    let outside = site.folder.path().join("precious.iso");
    fs::write(&outside, vec![1; 5000]).unwrap();
    let report = |job: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let path = site.images().join(job).join("Fedora-43/build-report.json");
        let mut report = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut report);
        fs::write(&path, report.to_string()).unwrap();
    };
    // Reports that name what is not theirs.
    site.job("named", 0, 10).await;
    for name in [
        "../../../precious.iso",
        outside.to_str().unwrap(),
        "..",
        "",
        "a\0.iso",
    ] {
        report("named", &|report| {
            let other = serde_json::json!({"name": name, "size": 5000, "sha256": ""});
            report["files"].as_array_mut().unwrap().push(other);
        });
    }
    // A link in the place of an image, of a delivery, of a job.
    site.job("link", 0, 10).await;
    let link = site.images().join("link/Fedora-43/boot.iso");
    fs::remove_file(&link).unwrap();
    symlink(&outside, &link).unwrap();
    for (job, inner) in [("delivery", "delivery/Fedora-43"), ("folder", "folder")] {
        site.job(job, 0, 5000).await;
        let real = site.folder.path().join(format!("real-{job}"));
        fs::rename(site.images().join(inner), &real).unwrap();
        symlink(&real, site.images().join(inner)).unwrap();
    }
    // What is named as no job, and what no report names.
    let odd = site.images().join("no job's id");
    fs::create_dir_all(odd.join("Fedora-43")).unwrap();
    fs::write(odd.join("Fedora-43/boot.iso"), vec![1; 5000]).unwrap();
    site.job("unnamed", 0, 10).await;
    let unnamed = site.images().join("unnamed/Fedora-43/other.iso");
    fs::write(&unnamed, vec![1; 5000]).unwrap();
    // A report that calls itself an image, and one that is not there.
    site.job("log", 0, 10).await;
    report("log", &|report| {
        report["log"] = "boot.iso".into();
    });
    site.job("silent", 0, 5000).await;
    fs::remove_file(site.images().join("silent/Fedora-43/build-report.json")).unwrap();

    for hour in [1, 90, 110] {
        keeper.sweep(at(hour)).await.unwrap();
    }
    assert!(outside.is_file());
    assert!(link.is_symlink());
    assert!(site.folder.path().join("real-delivery/boot.iso").is_file());
    assert!(
        site.folder
            .path()
            .join("real-folder/Fedora-43/boot.iso")
            .is_file()
    );
    assert!(odd.join("Fedora-43/boot.iso").is_file());
    assert!(unnamed.is_file());
    assert_eq!(site.left("log"), ALL);
    assert_eq!(site.left("silent"), ["bios.png", "boot.iso"]);
    assert_eq!(site.left("named"), RECORDS);
    assert_eq!(site.record("named").await.bytes, 10);
}

#[tokio::test]
async fn links_that_come_between_looking_and_removing_lead_nowhere() {
    let site = Site::new().await;
    let keeper = site.keeper(Arc::new(Memory::default()));
    let real = site.folder.path().join("real");
    for (job, inner) in [("a", "a/Fedora-43"), ("b", "b")] {
        site.job(job, 0, 300).await;
        let delivered = ImageFolder::new(site.images()).delivered(&id(job));
        let target = real.join(job);
        fs::create_dir_all(&real).unwrap();
        fs::rename(site.images().join(inner), &target).unwrap();
        symlink(&target, site.images().join(inner)).unwrap();
        delivered[0].remove("boot.iso").unwrap();
    }
    assert!(real.join("a/boot.iso").is_file() && real.join("b/Fedora-43/boot.iso").is_file());
    assert_eq!(keeper.sweep(at(1)).await.unwrap(), Swept::default());
}

#[tokio::test]
async fn folders_of_one_store_are_kept_apart() {
    let site = Site::new().await;
    let keeper = site.keeper(Arc::new(Memory::default()));
    site.job("a", 0, 5000).await;
    // Another host, with a folder of its own and the same records.
    let other = site.folder.path().join("other");
    let elsewhere = crate::retention::Keeper::new(
        ImageFolder::new(&other),
        site.store.clone(),
        site.store.clone(),
        policy(),
    );
    assert_eq!(elsewhere.sweep(at(500)).await.unwrap(), Swept::default());
    fs::create_dir(&other).unwrap();
    let job = site.store.job(&id("a")).await.unwrap().unwrap();
    keeper.take_in(&job).await.unwrap();
    assert_eq!(elsewhere.sweep(at(500)).await.unwrap(), Swept::default());
    assert_eq!(site.record("a").await.removed, None);
    // Moved with its id, it is the same folder.
    let moved = site.folder.path().join("moved");
    fs::rename(site.images(), &moved).unwrap();
    let moved = ImageFolder::new(moved);
    assert_eq!(moved.id().unwrap(), Some(site.record("a").await.folder));
    let next = crate::retention::Keeper::new(
        moved.clone(),
        site.store.clone(),
        site.store.clone(),
        policy(),
    );
    assert_eq!(next.sweep(at(500)).await.unwrap().removed, 1);
    fs::write(moved.path().join(".folder-id"), "../x").unwrap();
    let error = next.sweep(at(501)).await.unwrap_err().to_string();
    assert!(
        error.contains(".folder-id") && error.contains("moved"),
        "{error}"
    );
}

#[tokio::test]
async fn bytes_are_counted_by_who_asked() {
    let site = Site::new().await;
    let keeper = site.keeper(Arc::new(Memory::default()));
    for (job, requester, bytes) in [("a", "anna", 100), ("b", "anna", 200), ("c", "bert", 300)] {
        let claim = site.begin(job, requester).await;
        site.deliver(job, bytes);
        site.end(job, 0, claim).await;
    }
    keeper.sweep(at(1)).await.unwrap();
    for (requester, bytes) in [("anna", 300), ("bert", 300), ("carl", 0), ("", 0)] {
        assert_eq!(
            site.store.bytes_of(requester).await.unwrap(),
            bytes,
            "{requester}"
        );
    }
}
