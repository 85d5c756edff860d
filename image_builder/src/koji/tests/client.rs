//! What the client makes of a hub's answers.

use ::hub::{Hub, record};

use super::*;

#[tokio::test]
async fn builds_in_every_state() {
    let hub = Hub::of_captures().unwrap();
    let asked = [
        nvr("hello-world-tools-2.0-3.fc43"),
        id(2_750_011),
        nvr("deleted-pkg-0.1-1.fc43"),
        nvr("failed-pkg-0.1-1.fc43"),
        nvr("canceled-pkg-0.1-1.fc43"),
        nvr("building-pkg-0.1-1.fc43"),
        nvr("no-such-pkg-1.0-1.fc43"),
        id(999),
    ];
    let builds = client(&hub).get_builds(&asked).await.unwrap();
    let states: Vec<_> = builds
        .iter()
        .map(|build| build.as_ref().map(|build| build.state))
        .collect();
    use BuildState::*;
    assert_eq!(
        states,
        [
            Some(Complete),
            Some(Complete),
            Some(Deleted),
            Some(Failed),
            Some(Canceled),
            Some(Building),
            None,
            None
        ]
    );
    let draft = builds[1].as_ref().unwrap();
    assert!(draft.draft);
    assert_eq!(draft.nvr(), "draft-pkg-0.1-1.fc43,draft_2750011");
    assert_eq!((hub.round_trips(), hub.calls("getBuild")), (1, 8));

    let alone = client(&hub).get_build(&asked[0]).await.unwrap();
    assert_eq!(alone, builds[0]);
    let by_name = nvr(&draft.nvr());
    assert_eq!(client(&hub).get_build(&by_name).await.unwrap(), builds[1]);
}

#[tokio::test]
async fn epochs_and_sizes_beyond_32_bits() {
    let hub = Hub::of_captures().unwrap();
    let client = client(&hub);
    let epochal = client
        .get_build(&nvr("epochal-lib-3.0~rc1-1.fc43"))
        .await
        .unwrap();
    assert_eq!(epochal.unwrap().epoch, Some(2));
    let huge = client.list_rpms(BuildId(2_750_010)).await.unwrap();
    assert!(huge.iter().any(|rpm| rpm.size > 1 << 31), "{huge:?}");
    let none = client.list_rpms(BuildId(999)).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn fifty_builds_cost_two_round_trips() {
    let hub = Hub::empty().unwrap();
    let asked: Vec<_> = (1..=50)
        .map(|number| {
            let name = format!("package{number}");
            hub.insert_build(record::build(number, &name, "1", "1.fc43"));
            hub.insert_rpm(record::rpm(number, number, &name, "1", "1.fc43", "noarch"));
            match number % 2 {
                0 => id(number),
                _ => nvr(&format!("{name}-1-1.fc43")),
            }
        })
        .collect();
    let found = look_up(&client(&hub), &asked).await.unwrap();
    assert_eq!(found.len(), 50);
    for (candidate, asked) in found.iter().zip(&asked) {
        assert_eq!(candidate.asked, *asked);
        let build = candidate.build.as_ref().unwrap();
        assert_eq!(candidate.rpms[0].build_id, build.id);
    }
    assert_eq!(hub.requests(), 2);
    assert_eq!((hub.calls("getBuild"), hub.calls("listRPMs")), (50, 50));
}

#[tokio::test]
async fn batches_are_bounded() {
    let hub = Hub::of_captures().unwrap();
    let client = client(&hub).with_limits(Limits {
        batch: 2,
        ..limits()
    });
    let asked = [2_750_001, 2_750_002, 2_750_003, 2_750_006, 999].map(BuildId);
    let listed = client.list_rpms_of(&asked).await.unwrap();
    let counts: Vec<_> = listed.iter().map(Vec::len).collect();
    assert_eq!(counts, [14, 14, 2, 2, 0]);
    assert_eq!(hub.round_trips(), 3);
    assert_eq!(
        client.list_rpms_of(&[]).await.unwrap(),
        Vec::<Vec<Rpm>>::new()
    );
    assert_eq!(hub.round_trips(), 3);
}

#[tokio::test]
async fn a_batch_that_is_too_much_is_halved() {
    let hub = Hub::of_captures().unwrap();
    // The four together are 44 KB, the largest alone is 20 KB.
    let client = client(&hub).with_limits(Limits {
        body: 30_000,
        ..limits()
    });
    let asked = [2_750_001, 2_750_002, 2_750_003, 2_750_006].map(BuildId);
    let listed = client.list_rpms_of(&asked).await.unwrap();
    let counts: Vec<_> = listed.iter().map(Vec::len).collect();
    assert_eq!(counts, [14, 14, 2, 2]);
}

#[tokio::test]
async fn tags_and_side_tags() {
    let hub = Hub::of_captures().unwrap();
    let client = client(&hub);
    let testing = tag("f43-updates-testing");
    let nvrs = |builds: Vec<Build>| builds.iter().map(Build::nvr).collect::<Vec<_>>();
    let own = client
        .list_tagged(&testing, TagQuery::LATEST)
        .await
        .unwrap();
    assert_eq!(
        nvrs(own),
        [
            "caret-pkg-1.0^20240501git1a2b3c4-2.fc43",
            "hello-world-tools-2.0-3.fc43"
        ]
    );
    let all = client.get_latest_builds(&testing).await.unwrap();
    assert_eq!(all.len(), 10);

    hub.insert_build(record::build(2_900_000, "bash", "5.3", "1.fc43"));
    hub.insert_rpm(record::rpm(1, 2_900_000, "bash", "5.3", "1.fc43", "x86_64"));
    hub.tag("f43-build-side-112233", 2_900_000);
    let before = hub.requests();
    let side = tag("f43-build-side-112233");
    let found = look_up_tag(&client, &side, TagQuery::LATEST).await.unwrap();
    assert_eq!(hub.requests(), before + 1);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rpms[0].name, "bash");
    assert_eq!(found[0].build.as_ref().unwrap().nvr(), "bash-5.3-1.fc43");
}

#[tokio::test]
async fn signatures() {
    let hub = Hub::of_captures().unwrap();
    let found = client(&hub).query_rpm_sigs(&[43_000_030, 1]).await.unwrap();
    let keys: Vec<_> = found[0].iter().map(|one| one.sigkey.as_str()).collect();
    assert_eq!(keys, ["", "7d0245a7"]);
    assert!(found[1].is_empty());
    assert_eq!(hub.round_trips(), 1);
}
