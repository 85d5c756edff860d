//! What changes which key, and what does not: `docs/caches.md`.

use std::collections::BTreeSet;

use super::initramfs::Initramfs;
use super::job::Job;
use crate::cache::Key;
use crate::compose::files::write;
use crate::compose::initramfs;
use crate::compose::repository_state::State;
use crate::compose::root::Kernel;
use crate::compose::solution::Package;
use crate::host::tests::complete;
use crate::plan::{BuildPlan, KickstartPlan, PlanOptions};
use crate::source_date::SourceDate;
use crate::spec::{BuildSpec, Format};

/// Everything that a build's keys could depend on.
struct Build {
    /// Keys of `[DEFAULT]`.
    default: &'static str,
    /// Keys of `[boot]`.
    spec: &'static str,
    cache: &'static str,
    now: &'static str,
    epoch: Option<&'static str>,
    state: &'static str,
    packages: Vec<Package>,
    processors: usize,
    files: &'static str,
    kernel: &'static str,
    menu: &'static str,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            default: "",
            spec: "",
            cache: "/c",
            now: "2026-11-21T09:42:24Z",
            epoch: None,
            state: "as it is",
            packages: vec![package("bash", "5"), package("kernel", "6")],
            processors: 2,
            files: "files",
            kernel: "6.1.0",
            menu: "menu",
        }
    }
}

fn package(name: &str, version: &str) -> Package {
    Package {
        name: name.to_owned(),
        nevra: format!("{name}-{version}-1.x86_64"),
        header: format!("{name} {version}"),
        built: 1_000_000,
    }
}

/// Names as in the documentation, in the order in which they follow from each other.
const KEYS: [&str; 5] = ["solution", "root", "initramfs", "image", "iso"];

impl Build {
    fn keys(&self) -> [Key; 5] {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "[DEFAULT]\ntype=boot\nrelease=43\narch=x86_64\n{}\n[boot]\n43_url=http://a/os\n{}\n",
            self.default, self.spec
        );
        let spec = BuildSpec::parse(&text, Format::Ini, "boot.conf").unwrap();
        let mut options = PlanOptions::new(self.now.parse().unwrap(), dir.path(), self.cache);
        options.source_date_epoch = self.epoch.map(str::to_owned);
        let mut host = complete();
        host.processors = self.processors;
        let mut plan = BuildPlan::new(&spec, &KickstartPlan::default(), &host, &options).unwrap();
        plan.paths.work = dir.path().join(&plan.job);
        let mut job = Job::new(&plan, &plan.packages);
        let states = plan.repositories.iter();
        job.states = Some(
            states
                .map(|_| State::Listed(self.state.to_owned()))
                .collect(),
        );
        if plan.source_date.is_none() {
            job.source_date = SourceDate::of_package(1_000_000, "bash".to_owned());
        }
        let solution = job.solution_key().unwrap();
        let (root, _) = job.root_keys(&self.packages);
        job.root_key = Some(root.clone());
        let kernel = Kernel {
            version: self.kernel.to_owned(),
            image: "vmlinuz".into(),
        };
        let command = job
            .dracut()
            .bind(initramfs::KERNEL_VERSION, self.kernel)
            .bind(initramfs::KERNEL_DATE, "1");
        let inputs = job.initramfs_inputs(&kernel, &command, 1, self.files.to_owned());
        let initramfs = Key::of(&inputs);
        let image = job.packed_key().unwrap();
        job.initramfs = Initramfs::Kept(initramfs.clone());
        job.image_key = Some(image.clone());
        write(
            &job.layout.iso_tree().join("boot/grub2/grub.cfg"),
            self.menu,
        )
        .unwrap();
        write(&job.layout.iso_tree().join(".discinfo"), "discinfo").unwrap();
        let iso = job.iso_key().unwrap().unwrap();
        [solution, root, initramfs, image, iso]
    }
}

/// The names of the keys that differ from those of the usual build.
fn changed(build: &Build) -> BTreeSet<&'static str> {
    let usual = Build::default().keys();
    let keys = build.keys();
    let differs = usual.iter().zip(&keys).map(|(a, b)| a != b);
    KEYS.into_iter()
        .zip(differs)
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name)
        .collect()
}

fn of_spec(spec: &'static str) -> BTreeSet<&'static str> {
    changed(&Build {
        spec,
        ..Build::default()
    })
}

fn set(names: &[&'static str]) -> BTreeSet<&'static str> {
    names.iter().copied().collect()
}

#[test]
fn where_and_when_a_build_is_changes_no_key() {
    let nothing = set(&[]);
    assert_eq!(changed(&Build::default()), nothing);
    assert_eq!(
        changed(&Build {
            cache: "/other",
            ..Build::default()
        }),
        nothing
    );
    let later = Build {
        now: "2027-01-01T00:00:00Z",
        ..Build::default()
    };
    assert_eq!(changed(&later), nothing);
    let default = "staging=/elsewhere\nboot_test=none\nemail=a@example.org";
    assert_eq!(
        changed(&Build {
            default,
            ..Build::default()
        }),
        nothing
    );
    for spec in [
        "outdir=/elsewhere",
        "timeout=1h",
        "proxy=http://proxy:3128/",
    ] {
        assert_eq!(of_spec(spec), nothing, "{spec}");
    }
}

#[test]
fn wishes_and_repositories_change_the_solution() {
    assert_eq!(of_spec("packages=vim"), set(&["solution"]));
    let newer = Build {
        state: "another",
        ..Build::default()
    };
    assert_eq!(changed(&newer), set(&["solution"]));
    assert_eq!(
        of_spec("updates=yes\n43-updates_url=http://a/updates"),
        set(&["solution"])
    );
}

#[test]
fn packages_change_the_root_and_what_is_made_of_it() {
    let of_root = set(&["root", "image", "iso"]);
    let mut newer = Build::default();
    newer.packages[0] = package("bash", "6");
    assert_eq!(changed(&newer), of_root);
    // The same version with another content.
    let mut rebuilt = Build::default();
    rebuilt.packages[0].header = "other".to_owned();
    assert_eq!(changed(&rebuilt), of_root);
    let mut more = Build::default();
    more.packages.push(package("vim", "9"));
    assert_eq!(changed(&more), of_root);
    let dated = Build {
        epoch: Some("1700000000"),
        ..Build::default()
    };
    assert_eq!(changed(&dated), of_root);
    let checked = of_spec("gpgcheck=yes\ngpgkey=/etc/key");
    assert_eq!(checked, of_root);
}

#[test]
fn what_goes_into_the_initramfs_changes_it() {
    let of_initramfs = set(&["initramfs", "iso"]);
    assert_eq!(
        changed(&Build {
            files: "others",
            ..Build::default()
        }),
        of_initramfs
    );
    assert_eq!(
        changed(&Build {
            kernel: "6.2.0",
            ..Build::default()
        }),
        of_initramfs
    );
}

#[test]
fn compression_and_file_system_change_what_is_packed() {
    let packed = set(&["initramfs", "image", "iso"]);
    assert_eq!(of_spec("compression=zstd:15"), packed);
    assert!(of_spec("rootfs=erofs").is_superset(&set(&["image", "iso"])));
}

#[test]
fn menu_and_label_change_the_iso_alone() {
    assert_eq!(
        changed(&Build {
            menu: "another",
            ..Build::default()
        }),
        set(&["iso"])
    );
    assert_eq!(of_spec("product=Other"), set(&["iso"]));
}

#[test]
fn the_documentation_names_every_input() {
    let text = include_str!("../../../../docs/caches.md");
    let sources = [
        include_str!("solve.rs"),
        include_str!("root.rs"),
        include_str!("live.rs"),
        include_str!("initramfs.rs"),
        include_str!("image.rs"),
    ];
    let mut seen = 0;
    for source in sources {
        for part in source
            .split("#[derive(Debug, Serialize)]\n")
            .skip(1)
            .chain(source.split("#[derive(Debug, Clone, Serialize)]\n").skip(1))
        {
            let fields = part.split_once('{').unwrap().1.split_once("\n}").unwrap().0;
            for line in fields
                .lines()
                .map(str::trim)
                .filter(|line| !line.starts_with("//"))
            {
                let Some((name, _)) = line.split_once(':') else {
                    continue;
                };
                assert!(
                    text.contains(&format!("`{name}`")),
                    "{name} is not in docs/caches.md"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "{seen} inputs");
}
