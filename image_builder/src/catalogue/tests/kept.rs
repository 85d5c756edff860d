//! What is kept of what was read, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::oneshot;

use super::primary;
use super::site::{Site, reader};
use crate::catalogue::{Catalogue, CatalogueError, Catalogues};
use crate::repository::Repository;

type Key = Vec<(String, Vec<crate::repository::Source>, bool)>;

fn key(name: &str) -> Key {
    vec![(name.to_owned(), Vec::new(), true)]
}

/// Asks for a name; gives how often something was read.
async fn ask(kept: &Catalogues, count: &Arc<AtomicUsize>, name: &str, good: bool) -> usize {
    let reading = count.clone();
    let read = async move {
        reading.fetch_add(1, SeqCst);
        match good {
            true => Ok(Catalogue::default()),
            false => Err(CatalogueError::Broken),
        }
    };
    let outcome = kept.read_by(key(name), read).await;
    assert_eq!(outcome.is_ok(), good);
    count.load(SeqCst)
}

#[tokio::test]
async fn those_who_ask_at_once_cause_one_reading() {
    let site = Site::start().await;
    let text = primary(&[("vim", "")]);
    site.repository("/os", &[("primary", "p.xml", text.as_bytes())]);
    let wanted = [Repository::new("43", vec![site.source("/os")])];
    let kept = Catalogues::new(reader());
    assert!(kept.at_hand(&wanted).is_none());
    let (one, other) = tokio::join!(kept.of(&wanted), kept.of(&wanted));
    assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
    assert_eq!(kept.at_hand(&wanted).unwrap().unwrap().len(), 1);
    assert_eq!(
        kept.of(&wanted).await.unwrap().find("vi", 9).packages.len(),
        1
    );
    assert_eq!(site.asked("/os/repodata/p.xml"), 1);
    // Other groups, or another place, are another catalogue.
    let without = Repository {
        groups: false,
        ..wanted[0].clone()
    };
    assert!(kept.at_hand(&[without]).is_none());
}

#[tokio::test(start_paused = true)]
async fn two_are_kept_for_an_hour_and_failures_for_a_minute() {
    let (kept, count) = (Catalogues::new(reader()), Arc::default());
    assert_eq!(ask(&kept, &count, "bad", false).await, 1);
    assert_eq!(ask(&kept, &count, "a", true).await, 2);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(ask(&kept, &count, "bad", false).await, 2);
    assert_eq!(ask(&kept, &count, "b", true).await, 3);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(ask(&kept, &count, "bad", false).await, 4);
    // Of three the one goes that was not asked for the longest.
    assert_eq!(ask(&kept, &count, "a", true).await, 4);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(ask(&kept, &count, "c", true).await, 5);
    assert_eq!(ask(&kept, &count, "a", true).await, 5);
    assert_eq!(ask(&kept, &count, "b", true).await, 6);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(ask(&kept, &count, "b", true).await, 7);
}

#[tokio::test]
async fn a_reading_goes_on_when_nobody_waits_and_few_are_read_at_once() {
    let kept = Catalogues::new(reader());
    let mut ends = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let (end, ended) = oneshot::channel::<()>();
        ends.push(end);
        let read = async move {
            let _ = ended.await;
            Ok(Catalogue::default())
        };
        let asked = kept.read_by(key(name), read);
        // Whoever asked leaves.
        assert!(tokio::time::timeout(Duration::ZERO, asked).await.is_err());
    }
    let error = kept
        .read_by(key("e"), async { Ok(Catalogue::default()) })
        .await;
    assert!(matches!(
        *error.unwrap_err(),
        CatalogueError::Busy { most: 4 }
    ));
    drop(ends);
    let never = async { unreachable!("it is being read already") };
    kept.read_by(key("a"), never).await.unwrap();
    // A reading that breaks is told, and not remembered.
    let broken = kept.read_by(key("f"), async { panic!("on purpose") }).await;
    assert!(matches!(*broken.unwrap_err(), CatalogueError::Broken));
    kept.read_by(key("f"), async { Ok(Catalogue::default()) })
        .await
        .unwrap();
}
