//! Builds that share a host, a spec, a work folder, a cache and a staging folder.

use fbs_suite::{Folders, need, turn};

#[test]
fn two_at_a_time_do_not_meet() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let running = [folders.build().start(), folders.build().start()];
    let ended = running.map(fbs_suite::Running::finish);
    for done in &ended {
        done.assert_exit(0);
    }
    let deliveries = folders.deliveries();
    assert_eq!(deliveries.len(), 2);
    for delivery in &deliveries {
        delivery.assert_outcome("succeeded").assert_files();
    }
    assert_ne!(deliveries[0].report["job"], deliveries[1].report["job"]);
    assert_eq!(deliveries[0].packages(), deliveries[1].packages());
    folders.assert_nothing_left();
}
