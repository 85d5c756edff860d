//! Records with the members of a real hub's, for builds and RPMs that no capture has.

use serde_json::{Value, json};

/// A complete build. Change members of it as a test needs: `build["state"] = 3.into()`.
pub fn build(id: u64, name: &str, version: &str, release: &str) -> Value {
    let time = "2026-11-21 08:08:00.000000+00:00";
    json!({
        "build_id": id, "id": id, "package_id": id, "task_id": id + 1000, "volume_id": 0,
        "name": name, "package_name": name, "version": version, "release": release,
        "nvr": format!("{name}-{version}-{release}"), "epoch": null, "state": 1, "draft": false,
        "volume_name": "DEFAULT", "owner_id": 1, "owner_name": "admin", "source": null,
        "extra": null, "cg_id": null, "cg_name": null, "creation_event_id": 1,
        "completion_time": time, "creation_time": time, "start_time": time,
        "completion_ts": 1_795_248_480.5, "creation_ts": 1_795_248_480.5,
        "start_ts": 1_795_248_480.5, "promoter_id": null, "promoter_name": null,
        "promotion_time": null, "promotion_ts": null,
    })
}

/// An RPM of a build.
pub fn rpm(id: u64, build_id: u64, name: &str, version: &str, release: &str, arch: &str) -> Value {
    json!({
        "id": id, "build_id": build_id, "name": name, "version": version, "release": release,
        "nvr": format!("{name}-{version}-{release}"), "arch": arch, "epoch": null,
        "size": 1000, "payloadhash": format!("{id:032x}"), "draft": false,
        "metadata_only": false, "buildroot_id": 1, "buildtime": 1_795_248_469,
        "external_repo_id": 0, "external_repo_name": "INTERNAL", "extra": null,
    })
}

/// An update of Bodhi's.
pub fn update(id: &str, builds: &[&str]) -> Value {
    let builds: Vec<Value> = builds
        .iter()
        .map(|nvr| {
            json!({"nvr": nvr, "type": "rpm", "signed": true, "epoch": 0, "release_id": 1,
                   "ci_url": null})
        })
        .collect();
    json!({
        "can_edit": false, "ci_allowed": false,
        "update": {
            "alias": id, "builds": builds, "status": "testing", "request": null,
            "title": "an update", "from_tag": null, "type": "bugfix", "severity": "low",
            "release": {"name": "F43", "long_name": "Fedora 43", "dist_tag": "f43",
                        "version": "43", "branch": "f43", "id_prefix": "FEDORA"},
            "url": format!("https://bodhi.example/updates/{id}"),
        }
    })
}
