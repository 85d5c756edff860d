//! What changes which key, and what does not: `docs/caches.md`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::initramfs::Initramfs;
use super::job::Job;
use super::kept::Tool;
use super::live::Image;
use crate::cache::Key;
use crate::compose::files::write;
use crate::compose::initramfs;
use crate::compose::repository_state::State;
use crate::compose::root::Kernel;
use crate::compose::solution::Package;
use crate::host::DnfVersion;
use crate::host::tests::complete;
use crate::kickstart::{Group, GroupContent, Kickstart};
use crate::plan::{BuildPlan, KickstartPlan, PlanOptions};
use crate::source_date::SourceDate;
use crate::spec::{Arch, BuildSpec, Format};

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
    kernel_date: u64,
    menu: &'static str,
    discinfo: &'static str,
    /// What else is changed in the plan.
    alter: fn(&mut BuildPlan),
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
            kernel_date: 1,
            menu: "menu",
            discinfo: "discinfo",
            alter: |_| {},
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
const KEYS: [&str; 6] = ["solution", "root", "kickstart", "initramfs", "image", "iso"];

/// A key, and what it was made of.
type Made = (Key, Value);

fn made(key: &Key, inputs: &impl Serialize) -> Made {
    assert_eq!(*key, Key::of(inputs));
    (key.clone(), serde_json::to_value(inputs).unwrap())
}

impl Build {
    fn keys(&self) -> [Made; 6] {
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
        (self.alter)(&mut plan);
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
        let solution = made(
            &job.solution_key().unwrap(),
            &job.solution_inputs().unwrap(),
        );
        let root_key = job.root_keys(&self.packages).0;
        let root = made(&root_key, &job.root_inputs(&self.packages));
        job.root_key = Some(root_key.clone());
        let mut live = Image::new(&plan);
        live.job.root_key = Some(root_key);
        live.job.source_date = job.source_date.clone();
        let kickstart = made(
            &live.kickstart_key().unwrap(),
            &live.kickstart_inputs().unwrap(),
        );
        let kernel = Kernel {
            version: self.kernel.to_owned(),
            image: "vmlinuz".into(),
        };
        let command = job
            .dracut()
            .bind(initramfs::KERNEL_VERSION, self.kernel)
            .bind(initramfs::KERNEL_DATE, "1");
        let files = self.files.to_owned();
        let inputs = job.initramfs_inputs(&kernel, &command, self.kernel_date, files);
        let initramfs = made(&Key::of(&inputs), &inputs);
        let image = made(&job.packed_key().unwrap(), &job.packed_inputs().unwrap());
        job.initramfs = Initramfs::Kept(initramfs.0.clone());
        job.image_key = Some(image.0.clone());
        let tree = job.layout.iso_tree();
        write(&tree.join("boot/grub2/grub.cfg"), self.menu).unwrap();
        write(&tree.join(".discinfo"), self.discinfo).unwrap();
        let iso = made(
            &job.iso_key().unwrap().unwrap(),
            &job.iso_inputs().unwrap().unwrap(),
        );
        [solution, root, kickstart, initramfs, image, iso]
    }
}

/// The names of the keys that differ from those of the usual build.
fn changed(build: &Build) -> BTreeSet<&'static str> {
    let usual = Build::default().keys();
    let keys = build.keys();
    let differs = usual.iter().zip(&keys).map(|(a, b)| a.0 != b.0);
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
    let of_root = set(&["root", "kickstart", "image", "iso"]);
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

/// Each place with a value in `inputs`, below the key's name; a list of texts is one.
fn places(name: &str, inputs: &Value) -> BTreeMap<String, Value> {
    let mut places = BTreeMap::new();
    let mut rest = vec![(name.to_owned(), inputs)];
    while let Some((place, value)) = rest.pop() {
        match value {
            Value::Object(fields) => {
                rest.extend(
                    fields
                        .iter()
                        .map(|(name, value)| (format!("{place}/{name}"), value)),
                );
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let items = items.iter().enumerate();
                rest.extend(items.map(|(number, value)| (format!("{place}/{number}"), value)));
            }
            value => {
                places.insert(place, value.clone());
            }
        }
    }
    places
}

/// The places that differ between two builds.
fn different(a: &[Made; 6], b: &[Made; 6]) -> BTreeSet<String> {
    let all = |made: &[Made; 6]| -> BTreeMap<String, Value> {
        let each = KEYS.iter().zip(made);
        each.flat_map(|(name, (_, inputs))| places(name, inputs))
            .collect()
    };
    let (a, b) = (all(a), all(b));
    let names = a.keys().chain(b.keys());
    names
        .filter(|name| a.get(*name) != b.get(*name))
        .cloned()
        .collect()
}

/// The keys of what something is made of, which change with that.
const FOLLOWING: [&str; 4] = ["image/root", "iso/image", "iso/initramfs", "kickstart/root"];

/// What the host's programs are: another test's.
const TOOLS: [&str; 2] = ["image/tool", "iso/tools"];

fn altered(alter: fn(&mut BuildPlan)) -> Build {
    Build {
        alter,
        ..Build::default()
    }
}

/// A change for each input, with the places that it is seen in.
fn changes() -> Vec<(Build, &'static [&'static str])> {
    let repository: &[(fn(&mut BuildPlan), _)] = &[
        (
            |plan| plan.repositories[0].id = "x".to_owned(),
            &["solution/repositories/0/id"] as &[_],
        ),
        (
            |plan| plan.repositories[0].priority = Some(7),
            &["solution/repositories/0/priority"],
        ),
        (
            |plan| plan.repositories[0].cost = Some(7),
            &["solution/repositories/0/cost"],
        ),
        (
            |plan| plan.repositories[0].exclude.push("vi*".to_owned()),
            &["solution/repositories/0/exclude"],
        ),
        (
            |plan| plan.repositories[0].include.push("vi*".to_owned()),
            &["solution/repositories/0/include"],
        ),
        (
            |plan| plan.repositories[0].groups = false,
            &["solution/repositories/0/groups"],
        ),
    ];
    let install: &[(fn(&mut BuildPlan), _)] = &[
        (
            |plan| plan.install.weak_dependencies = true,
            &["solution/install/weak_dependencies"] as &[_],
        ),
        (
            |plan| plan.install.ignore_missing = true,
            &["solution/install/ignore_missing"],
        ),
        (
            |plan| plan.install.ignore_broken = true,
            &["solution/install/ignore_broken"],
        ),
        (
            |plan| plan.install.multilib = true,
            &["solution/install/multilib"],
        ),
        (
            |plan| plan.install.connection_seconds = Some(7),
            &["solution/install/connection_seconds"],
        ),
        (
            |plan| plan.install.retries = Some(7),
            &["solution/install/retries"],
        ),
        (
            |plan| plan.install.environment = Some("e".to_owned()),
            &["solution/install/environment"],
        ),
        (
            |plan| plan.install.excluded_groups.push("g".to_owned()),
            &["solution/install/excluded_groups"],
        ),
        (
            |plan| {
                plan.install.groups.push(Group {
                    name: "g".to_owned(),
                    content: GroupContent::Mandatory,
                });
            },
            &[
                "solution/install/groups/0/name",
                "solution/install/groups/0/content",
            ],
        ),
        (
            |plan| plan.install.documentation = true,
            &[
                "solution/install/documentation",
                "root/family/documentation",
            ],
        ),
        (
            |plan| plan.install.languages = Some(vec!["de".to_owned()]),
            &["solution/install/languages", "root/family/languages"],
        ),
    ];
    let other: &[(fn(&mut BuildPlan), _)] = &[
        (
            |plan| plan.dnf = DnfVersion::Dnf4,
            &["solution/dnf"] as &[_],
        ),
        (
            |plan| plan.arch = Arch::Aarch64,
            &[
                "solution/arch",
                "root/family/arch",
                "initramfs/command",
                "iso/commands",
            ],
        ),
        (
            |plan| plan.release = "44".parse().unwrap(),
            &["solution/release", "root/family/release"],
        ),
        (
            |plan| {
                plan.repositories[0].gpg_check = true;
                plan.repositories[0].gpg_keys.push("file:///key".to_owned());
            },
            &["root/family/signatures"],
        ),
        (
            |plan| plan.kickstart.text = Kickstart::parse("# another\n", "a.ks").unwrap(),
            &["kickstart/kickstart"],
        ),
        (
            |plan| {
                let text = Kickstart::parse("lang de_DE.UTF-8\n", "a.ks").unwrap();
                plan.kickstart.settings = text.settings().unwrap();
            },
            &["kickstart/tasks"],
        ),
        (
            |plan| plan.volume_id = "OTHER".to_owned(),
            &["iso/commands", "iso/early_config"],
        ),
    ];
    let spec = |spec| Build {
        spec,
        ..Build::default()
    };
    let package = |change: fn(&mut Package)| {
        let mut build = Build::default();
        change(&mut build.packages[0]);
        build
    };
    let plans = [repository, install, other].concat();
    let mut changes: Vec<_> = plans
        .into_iter()
        .map(|(alter, places)| (altered(alter), places))
        .collect();
    changes.extend([
        (spec("packages=vim"), &["solution/packages"] as &'static [_]),
        (
            Build {
                state: "another",
                ..Build::default()
            },
            &["solution/repositories/0/state/listed"],
        ),
        (
            package(|one| one.name = "x".to_owned()),
            &["root/packages/0/name"],
        ),
        (
            package(|one| one.nevra = "x".to_owned()),
            &["root/packages/0/nevra"],
        ),
        (
            package(|one| one.header = "x".to_owned()),
            &["root/packages/0/header"],
        ),
        (package(|one| one.built = 7), &["root/packages/0/built"]),
        (
            Build {
                epoch: Some("1700000000"),
                ..Build::default()
            },
            &[
                "root/family/source_date_epoch",
                "kickstart/source_date_epoch",
                "image/source_date_epoch",
                "iso/source_date_epoch",
            ],
        ),
        (
            Build {
                kernel: "6.2.0",
                ..Build::default()
            },
            &["initramfs/kernel", "initramfs/command"],
        ),
        (
            Build {
                kernel_date: 2,
                ..Build::default()
            },
            &["initramfs/source_date_epoch"],
        ),
        (
            Build {
                files: "others",
                ..Build::default()
            },
            &["initramfs/files"],
        ),
        (
            spec("compression=zstd:15"),
            &["image/method/Zstd/level", "initramfs/command"],
        ),
        (
            spec("compression=small"),
            &["image/block_size", "initramfs/command"],
        ),
        (
            spec("rootfs=erofs"),
            &["image/method", "image/command", "initramfs/command"],
        ),
        (
            Build {
                menu: "another",
                ..Build::default()
            },
            &["iso/menu"],
        ),
        (
            Build {
                discinfo: "another",
                ..Build::default()
            },
            &["iso/discinfo"],
        ),
    ]);
    changes
}

#[test]
fn a_change_of_each_input_changes_its_key_and_no_other() {
    let usual = Build::default().keys();
    let of = |place: &String| {
        let name = place.split('/').next().unwrap();
        KEYS.into_iter().find(|key| *key == name).unwrap()
    };
    let is_own = |place: &&String| {
        let tools = TOOLS.iter().any(|tool| place.starts_with(tool));
        !tools && !FOLLOWING.contains(&place.as_str())
    };
    let mut unseen: BTreeSet<String> = KEYS
        .iter()
        .zip(&usual)
        .flat_map(|(name, (_, inputs))| places(name, inputs).into_keys())
        .filter(|place| is_own(&place))
        .collect();
    // The second package is as the first.
    unseen.retain(|place| !place.starts_with("root/packages/1/"));
    let mut wrong = Vec::new();
    for (build, expected) in changes() {
        let keys = build.keys();
        let seen = different(&usual, &keys);
        let own: BTreeSet<&str> = seen.iter().filter(is_own).map(of).collect();
        let wanted: BTreeSet<&str> = expected
            .iter()
            .map(|place| of(&(*place).to_owned()))
            .collect();
        if own != wanted || !expected.iter().all(|place| seen.contains(*place)) {
            wrong.push(format!("{expected:?}: {seen:?}"));
        }
        // What stands in its inputs is in a key.
        for (name, (a, b)) in KEYS.iter().zip(usual.iter().zip(&keys)) {
            let is_seen = seen.iter().any(|place| of(place) == *name);
            assert_eq!(a.0 != b.0, is_seen, "{name}, {expected:?}");
        }
        unseen.retain(|place| !seen.contains(place));
    }
    assert_eq!(wrong, [] as [String; 0]);
    assert_eq!(unseen, BTreeSet::new(), "inputs that nothing here changes");
}

#[test]
fn another_tool_is_one_of_another_path_size_or_time() {
    let dir = tempfile::tempdir().unwrap();
    let tool = |name: &str, text: &str, seconds: u64| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(then).unwrap();
        Key::of(&Tool::file(&path))
    };
    let usual = tool("a", "1", 1);
    assert_eq!(usual, tool("a", "1", 1));
    let others = [tool("b", "1", 1), tool("a", "12", 1), tool("a", "1", 2)];
    assert!(!others.contains(&usual));
    assert_ne!(usual, Key::of(&Tool::file(&dir.path().join("none"))));
}

#[test]
fn the_documentation_names_every_input() {
    let text = include_str!("../../../../docs/caches.md");
    let sources = [
        include_str!("solve.rs"),
        include_str!("root.rs"),
        include_str!("live.rs"),
        include_str!("initramfs.rs"),
        include_str!("packed_root.rs"),
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
    // All of them: a derive that is written otherwise would be passed over.
    assert_eq!(seen, 43, "inputs");
}
