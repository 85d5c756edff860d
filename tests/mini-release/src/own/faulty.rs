//! Packages that fail, each in its way: what an engine must notice.

use crate::package::Package;

/// All of them. They are in no group, and in a repository of their own.
pub(super) fn packages() -> Vec<Package> {
    let package = |name, summary| Package::own(name, "1.0-1", summary);

    let mut bad_post = package("fbs-bad-post", "Its %post fails, which dnf only mentions");
    bad_post.scriptlets.post = Some("exit 1".to_owned());

    let mut bad_pre = package("fbs-bad-pre", "Its %pre fails, which leaves half a root");
    bad_pre.scriptlets.pre = Some("exit 1".to_owned());

    let mut slow_post = package("fbs-slow-post", "Its %post takes ten minutes");
    slow_post.scriptlets.post = Some("sleep 600".to_owned());

    let unsolvable = package("fbs-unsolvable", "It requires what nothing provides");

    vec![
        bad_post.requires(["bash"]),
        bad_pre.requires(["bash"]),
        slow_post.requires(["bash", "coreutils"]),
        unsolvable.requires(["no-such-capability"]),
    ]
}
