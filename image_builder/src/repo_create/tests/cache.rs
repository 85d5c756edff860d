//! The cache: what two at once, a kill, and pruning do to it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use super::download::Fixture;
use super::server::Fault;
use super::{download, rpm, sigmd5};
use crate::cache::{self, EntryLock, Kind, Pruned};
use crate::repo_create::RpmCache;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn two_at_once_fetch_a_file_once() {
    let fixture = Fixture::new().await;
    let content = rpm("shared", 500_000);
    let url = fixture.server.add("shared", &content);
    fixture
        .server
        .fail("shared", [Fault::Slow(50_000, Duration::from_millis(20))]);
    let downloads = [download("shared", &content, &[url])];
    // Locks of two downloaders exclude each other as those of two processes do.
    let (one, two) = (fixture.downloader(), fixture.downloader());
    let (one, two) = tokio::join!(
        one.fetch(&downloads, &fixture.ctx),
        two.fetch(&downloads, &fixture.ctx)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(fixture.server.asked("shared").len(), 1);
    assert_eq!(one[0].path, two[0].path);
    assert_ne!(one[0].reused, two[0].reused);
}

#[tokio::test]
async fn what_a_kill_left_is_gone_on_with_or_thrown_away() {
    let fixture = Fixture::new().await;
    let content = rpm("killed", 500_000);
    let folder = fixture.cache().folder(&sigmd5(&content));
    fs::create_dir_all(&folder).unwrap();
    let part = folder.join("killed.rpm.part");
    fs::write(&part, &content[..200_000]).unwrap();
    fixture.fetch_one("killed", &content).await.unwrap();
    assert_eq!(fixture.server.asked("killed"), [200_000]);
    assert!(!part.exists());

    // Not the beginning of anything: the power failed.
    let content = rpm("zeros", 500_000);
    let folder = fixture.cache().folder(&sigmd5(&content));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("zeros.rpm.part"), vec![0; 200_000]).unwrap();
    fixture.fetch_one("zeros", &content).await.unwrap();
    assert_eq!(fixture.server.asked("zeros"), [0]);

    // All there, but not renamed any more.
    let content = rpm("whole", 500_000);
    let folder = fixture.cache().folder(&sigmd5(&content));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("whole.rpm.part"), &content).unwrap();
    fixture.fetch_one("whole", &content).await.unwrap();
    assert!(fixture.server.asked("whole").is_empty());
}

#[tokio::test]
async fn a_file_that_was_touched_is_read_again_and_a_damaged_one_replaced() {
    let fixture = Fixture::new().await;
    let content = rpm("touched", 100_000);
    let first = fixture.fetch_one("touched", &content).await.unwrap();
    let file = File::options().write(true).open(&first.path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + DAY).unwrap();
    drop(first);
    assert!(fixture.fetch_one("touched", &content).await.unwrap().reused);
    // The note was lost with the power, or the process was killed before it wrote it.
    let path = fixture
        .cache()
        .folder(&sigmd5(&content))
        .join("touched.rpm");
    fs::remove_file(path.with_extension("rpm.sha256")).unwrap();
    assert!(fixture.fetch_one("touched", &content).await.unwrap().reused);
    assert_eq!(fixture.server.asked("touched").len(), 1);

    let mut damaged = content.clone();
    damaged[90_000] ^= 1;
    fs::write(&path, damaged).unwrap();
    let again = fixture.fetch_one("touched", &content).await.unwrap();
    assert!(!again.reused);
    assert_eq!(fs::read(&again.path).unwrap(), content);
}

#[tokio::test]
async fn a_placed_file_is_a_link_and_outlives_the_entry() {
    let fixture = Fixture::new().await;
    let content = rpm("placed", 1000);
    let repo = tempfile::tempdir_in(fixture.dir.path()).unwrap();
    let cached = fixture.fetch_one("placed", &content).await.unwrap();
    for _ in 0..2 {
        let placed = cached.place(repo.path()).unwrap();
        let inode = |path| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(&placed), inode(&cached.path));
        assert_eq!(repo.path().read_dir().unwrap().count(), 1);
    }
    // In use: it stays. Then it goes, and the repository does not notice.
    let cache = fixture.cache();
    assert_eq!(prune(&cache, 0, Duration::ZERO).entries, 0);
    drop(cached);
    assert_eq!(prune(&cache, 0, Duration::ZERO).entries, 1);
    assert_eq!(fs::read(repo.path().join("placed.rpm")).unwrap(), content);
    assert!(!cache.folder(&sigmd5(&content)).exists());
    // Other file system or not, the content is what counts.
    let other = tempfile::tempdir_in("/dev/shm");
    if let Ok(other) = other {
        let cached = fixture.fetch_one("placed", &content).await.unwrap();
        let placed = cached.place(other.path()).unwrap();
        assert_eq!(fs::read(&placed).unwrap(), content);
        let modified = |path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified(&placed), modified(&cached.path));
    }
}

#[tokio::test]
async fn pruning_takes_the_old_and_then_the_longest_unused() {
    let fixture = Fixture::new().await;
    let now = SystemTime::now();
    let names = ["ancient", "old", "newer", "newest"];
    for (name, age) in names.iter().zip([100, 3, 2, 1]) {
        let cached = fixture.fetch_one(name, &rpm(name, 100_000)).await.unwrap();
        for file in cached.path.parent().unwrap().read_dir().unwrap() {
            let file = File::options()
                .write(true)
                .open(file.unwrap().path())
                .unwrap();
            file.set_modified(now - age * DAY).unwrap();
        }
    }
    let left = |name: &&&str| {
        let folder = fixture.cache().folder(&sigmd5(&rpm(name, 100_000)));
        folder.join(format!("{name}.rpm")).exists()
    };
    let cache = fixture.cache();
    assert_eq!(prune(&cache, u64::MAX, 30 * DAY).entries, 1);
    assert_eq!(
        names.iter().filter(left).collect::<Vec<_>>(),
        [&"old", &"newer", &"newest"]
    );
    // Used again, it is the last to go.
    fixture
        .fetch_one("old", &rpm("old", 100_000))
        .await
        .unwrap();
    let Pruned {
        entries,
        bytes,
        left: rest,
    } = prune(&cache, 150_000, 30 * DAY);
    assert_eq!(entries, 2);
    assert!(bytes > 200_000 && rest < 150_000, "{bytes} {rest}");
    assert_eq!(names.iter().filter(left).collect::<Vec<_>>(), [&"old"]);
}

fn prune(cache: &RpmCache, max_bytes: u64, max_age: Duration) -> Pruned {
    let folder = cache.root().parent().unwrap();
    cache::prune(folder, &[Kind::Rpms], max_bytes, max_age).unwrap()
}

#[test]
fn a_lock_is_on_the_file_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("entry");
    let shared = EntryLock::shared(&folder).unwrap().unwrap();
    assert!(EntryLock::shared(&folder).unwrap().is_some());
    assert!(EntryLock::exclusive(&folder).unwrap().is_none());
    // Whoever holds a lock on a folder that was removed holds nothing.
    fs::remove_dir_all(&folder).unwrap();
    assert!(EntryLock::exclusive(&folder).unwrap().is_some());
    drop(shared);
}
