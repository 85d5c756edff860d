//! `network`, `bootloader`, `part`: of which a live image takes only a part.

use super::task::Task;
use crate::kickstart::Settings;

pub(super) fn tasks(settings: &Settings) -> Vec<Task> {
    let mut tasks = Vec::new();
    if let Some(hostname) = settings.hostname() {
        let text = format!("{}\n", hostname.value);
        tasks.push(Task::write(
            &hostname.place,
            "network --hostname",
            "etc/hostname",
            text,
        ));
    }
    for network in &settings.networks {
        let device = network.device.is_some() || network.bootproto.is_some();
        let given = device || network.onboot.is_some() || network.activate.is_some();
        if given || !network.other.is_empty() {
            let reason = "the image's own network service looks after devices";
            tasks.push(Task::refuse(&network.place, "network", reason));
        }
    }
    if let Some(bootloader) = &settings.bootloader {
        let place = &bootloader.place;
        let reason = "no boot loader is installed on a disk";
        let location = bootloader.location.as_deref();
        if location.is_some_and(|location| location != "none") {
            tasks.push(Task::refuse(place, "bootloader --location", reason));
        }
        if bootloader.disabled {
            let reason = "a live image does not start without";
            tasks.push(Task::refuse(place, "bootloader --disabled", reason));
        }
        for option in &bootloader.other {
            tasks.push(Task::refuse(place, format!("bootloader {option}"), reason));
        }
    }
    for part in &settings.partitions {
        let place = &part.place;
        if part.mountpoint != "/" {
            let what = format!("part {}", part.mountpoint);
            tasks.push(Task::refuse(
                place,
                what,
                "a live image has one file system",
            ));
            continue;
        }
        let reason = "`rootfs` of the spec chooses the file system";
        let options = [
            part.fstype.as_ref().map(|_| "--fstype"),
            part.label.as_ref().map(|_| "--label"),
        ];
        let named = options.into_iter().flatten().map(str::to_owned);
        for option in named.chain(part.other.iter().cloned()) {
            tasks.push(Task::refuse(place, format!("part / {option}"), reason));
        }
    }
    tasks
}
