use super::*;
use crate::cache::prune;
use crate::compose::mounts::apart;
use crate::host::tests::complete;
use crate::plan::{BuildPlan, KickstartPlan, PlanOptions};
use crate::spec::{BuildSpec, Format};

fn plan(cache: &Path) -> BuildPlan {
    let text = "[DEFAULT]\ntype=boot\nrelease=43\narch=x86_64\n[boot]\n43_url=http://a/os\n";
    let spec = BuildSpec::parse(text, Format::Ini, "boot.conf").unwrap();
    let now = "2026-11-21T09:42:24Z".parse().unwrap();
    let options = PlanOptions::new(now, cache.with_file_name("top"), cache);
    let mut plan = BuildPlan::new(&spec, &KickstartPlan::default(), &complete(), &options).unwrap();
    plan.paths.work = cache.with_file_name("work");
    plan
}

fn note(base: Option<&Key>) -> RootNote {
    RootNote {
        family: Key::of(&"family"),
        packages: Vec::new(),
        source_date_epoch: 1,
        base: base.cloned(),
        kickstart: None,
    }
}

/// A root with a file that says whose it is.
fn folder(path: PathBuf, whose: &str) -> PathBuf {
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("whose"), whose).unwrap();
    path
}

/// What another build kept.
fn put(job: &Job<'_>, key: &Key, base: Option<&Key>) -> Entry<RootNote> {
    let store = job.store(Kind::Root);
    let fresh = store.fresh().unwrap();
    folder(fresh.data(), "another's");
    store.put(key, &fresh, note(base)).unwrap()
}

/// Who made each of `layers`, and whether it is there for others.
fn whose(layers: &[Layer]) -> Vec<(String, Keeping)> {
    let of = |layer: &Layer| {
        let whose = std::fs::read_to_string(layer.path.join("whose")).unwrap();
        (whose, layer.keeping)
    };
    layers.iter().map(of).collect()
}

#[tokio::test]
async fn a_root_that_another_build_kept_on_another_base_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(&dir.path().join("cache"));
    let job = Job::new(&plan, &[]);
    let ctx = BuildContext::default();
    let (base, other, key) = (Key::of(&"base"), Key::of(&"other"), Key::of(&"root"));
    let others = |layers: &[Layer]| {
        let all_kept = ("another's".to_owned(), Keeping::Kept);
        assert_eq!(whose(layers), [all_kept.clone(), all_kept]);
        assert_eq!(layers[1].key, base);
    };
    drop(put(&job, &base, None));
    drop(put(&job, &key, Some(&base)));
    // Of a fresh one, and of the difference to another one.
    let changes = folder(dir.path().join("fresh"), "ours");
    let layers = job.keep_layer(&ctx, &key, changes, note(None), Vec::new());
    others(&layers.await.unwrap());
    let below = vec![put(&job, &other, None).into()];
    let changes = folder(dir.path().join("difference"), "ours");
    let layers = job.keep_layer(&ctx, &key, changes, note(Some(&other)), below);
    others(&layers.await.unwrap());

    // Where the base of what the other one kept is gone, ours is as good.
    assert!(job.store(Kind::Root).remove(&base).unwrap());
    let changes = folder(dir.path().join("left"), "ours");
    let layers = job.keep_layer(&ctx, &key, changes, note(None), Vec::new());
    let own = vec![("ours".to_owned(), Keeping::Never)];
    assert_eq!(whose(&layers.await.unwrap()), own);
    // What was not whole went, so that the next one is kept.
    let changes = folder(dir.path().join("next"), "ours");
    let layers = job.keep_layer(&ctx, &key, changes, note(None), Vec::new());
    let own = vec![("ours".to_owned(), Keeping::Kept)];
    assert_eq!(whose(&layers.await.unwrap()), own);
}

#[tokio::test]
async fn a_root_that_the_cache_has_no_room_for_is_used_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().to_owned();
    let done = apart(move || async move {
        let disk = Memory::mount(&top.join("cache"), 1 << 20).unwrap();
        let plan = plan(disk.path());
        let job = Job::new(&plan, &[]);
        let ctx = BuildContext::default();
        let changes = folder(top.join("changes"), "ours");
        std::fs::write(changes.join("large"), vec![1; 2 << 20]).unwrap();
        let key = Key::of(&"root");
        let layers = job.keep_layer(&ctx, &key, changes, note(None), Vec::new());
        let layers = layers.await.unwrap();
        assert_eq!(whose(&layers), [("ours".to_owned(), Keeping::Never)]);
        let left = prune(
            disk.path(),
            &[Kind::Root],
            u64::MAX,
            std::time::Duration::MAX,
        );
        assert_eq!(left.unwrap().left, 0);
        // Nor does a file that does not fit fail anything.
        let file = layers[0].path.join("large");
        assert!(!job.keep(&ctx, "Packed root", (Kind::Image, &key), &file, ()));
        assert!(job.told_not_kept.into_inner());
    });
    done.await.unwrap();
}
