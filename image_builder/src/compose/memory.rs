//! How much memory is free for files.

use std::path::{Path, PathBuf};

/// Bytes that programs can have without others being pushed out: what the kernel calls available
/// ([proc_meminfo(5)](https://man7.org/linux/man-pages/man5/proc_meminfo.5.html)), or less where a control
/// group gives less. None where nobody says.
pub(crate) fn available() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let host = of_meminfo(&meminfo)?;
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(match of_group(Path::new("/sys/fs/cgroup"), &group) {
        Some(allowed) => allowed.min(host),
        None => host,
    })
}

fn of_meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// What the control group of a process and those above it leave
/// (<https://docs.kernel.org/admin-guide/cgroup-v2.html>); none where they set no limit. `groups` is the
/// text of `/proc/self/cgroup`.
fn of_group(top: &Path, groups: &str) -> Option<u64> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let number =
        |file: PathBuf| -> Option<u64> { std::fs::read_to_string(file).ok()?.trim().parse().ok() };
    let own = top.join(path);
    own.ancestors()
        .take_while(|folder| folder.starts_with(top))
        .filter_map(|folder| {
            let limit = number(folder.join("memory.max"))?;
            let used = number(folder.join("memory.current")).unwrap_or_default();
            Some(limit.saturating_sub(used))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_is_available() {
        let text = "MemTotal:       24632832 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(of_meminfo(text), Some(2 << 20));
        assert_eq!(of_meminfo("MemTotal: 1 kB\n"), None);
        assert!(available().unwrap() > 0);
    }

    #[test]
    fn the_strictest_control_group_counts() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("machine/job");
        std::fs::create_dir_all(&own).unwrap();
        let groups = "1:name=systemd:/other\n0::/machine/job\n";
        assert_eq!(of_group(dir.path(), groups), None);
        std::fs::write(own.join("memory.max"), "max\n").unwrap();
        assert_eq!(of_group(dir.path(), groups), None);
        let machine = dir.path().join("machine");
        std::fs::write(machine.join("memory.max"), "1000\n").unwrap();
        std::fs::write(machine.join("memory.current"), "400\n").unwrap();
        assert_eq!(of_group(dir.path(), groups), Some(600));
        assert_eq!(of_group(dir.path(), "0::/\n"), None);
    }
}
