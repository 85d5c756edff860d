//! What a kickstart asks of the installed system, carried out in its root.
//!
//! [`tasks`] turns the commands into [`Task`]s without touching anything; [`carry_out`] does one.
//! What is not done is told as a [`NotApplied`]: no command of a kickstart is passed over in
//! silence.

mod accounts;
mod devices;
mod task;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::kickstart::{
    Command, Firewall, Firstboot, Keyboard, Lang, Placed, Selinux, Settings, Timezone,
};
use crate::process::Invocation;
use crate::report::NotApplied;
use crate::repository::Repository;
pub use task::{Action, IfMissing, Task, carry_out};

/// Everything that `settings` ask for but scripts, in the order in which it is done. `repositories`
/// are those that the image was made from, `image` is its volume id.
#[must_use]
pub fn tasks(settings: &Settings, repositories: &[Repository], image: &str) -> Vec<Task> {
    let mut tasks = Vec::new();
    for repo in settings.repos.iter().filter(|repo| repo.install) {
        let own = repositories.iter().find(|other| other.id == repo.name);
        if let Some(repository) = own {
            let name = format!("etc/yum.repos.d/{}.repo", repository.id);
            tasks.push(Task::write(
                &repo.place,
                "repo --install",
                name,
                repository.section(),
            ));
        }
    }
    tasks.extend(settings.lang.iter().flat_map(lang));
    tasks.extend(settings.keyboard.iter().flat_map(keyboard));
    tasks.extend(settings.timezone.iter().flat_map(timezone));
    tasks.extend(accounts::tasks(settings, image));
    if let Some(services) = &settings.services {
        let switch = |verb: &str, names: &[String]| -> Vec<Task> {
            let one = |name: &String| {
                Task::run(&services.place, "services", ["systemctl", verb, "--", name])
                    .or(IfMissing::NotApplied("it is not switched"))
            };
            names.iter().map(one).collect()
        };
        tasks.extend(switch("disable", &services.disabled));
        tasks.extend(switch("enable", &services.enabled));
    }
    tasks.extend(settings.firewall.iter().filter_map(firewall));
    tasks.extend(settings.selinux.iter().flat_map(selinux));
    tasks.extend(devices::tasks(settings));
    tasks.extend(settings.xconfig.iter().flat_map(|xconfig| {
        let place = &xconfig.place;
        let graphical = xconfig
            .startxonboot
            .then(|| target(place, "xconfig --startxonboot", "graphical.target"));
        let desktop = xconfig.defaultdesktop.as_ref().map(|name| {
            let text = format!("DESKTOP={}\n", quoted(name));
            Task::write(
                place,
                "xconfig --defaultdesktop",
                "etc/sysconfig/desktop",
                text,
            )
        });
        let other = xconfig.other.iter().map(|option| {
            let reason = "the display server finds out for itself";
            Task::refuse(place, format!("xconfig {option}"), reason)
        });
        graphical
            .into_iter()
            .chain(desktop)
            .chain(other)
            .collect::<Vec<_>>()
    }));
    if let Some(skipx) = &settings.skipx {
        tasks.push(target(&skipx.place, "skipx", "multi-user.target"));
    }
    tasks.extend(settings.firstboot.iter().flat_map(firstboot));
    tasks.extend(packages(settings));
    tasks.extend(settings.other.iter().map(other));
    tasks.extend(settings.other_sections.iter().map(|section| {
        let reason = "it is for the installer, which does not run";
        Task::refuse(section.place(), section.kind().to_string(), reason)
    }));
    let no_installer = settings
        .scripts
        .iter()
        .filter(|script| !super::script::runs(script));
    tasks.extend(no_installer.map(|script| {
        let reason = "it is for the installer, which does not run";
        Task::refuse(&script.place, script.kind.to_string(), reason)
    }));
    tasks
}

/// The commands among the tasks.
#[must_use]
pub fn commands(tasks: &[Task], root: &Path, shared: &Path) -> Vec<Invocation> {
    tasks
        .iter()
        .filter_map(|task| task.invocation(root, shared))
        .collect()
}

/// What of `%packages` nobody carries out.
fn packages(settings: &Settings) -> Option<Task> {
    let packages = settings.packages.as_ref()?;
    let default = packages.options.default.then(|| {
        // The section's own place is not kept; that of its first line is near enough.
        let groups = packages.groups.iter().map(|group| &group.place);
        let names = packages.packages.iter().map(|name| &name.place);
        groups.chain(names).next()
    })??;
    let reason = "which environment is the default is the installer's to say: name one with @^";
    Some(Task::refuse(default, "%packages --default", reason))
}

fn lang(lang: &Placed<Lang>) -> Vec<Task> {
    let place = &lang.place;
    let text = format!("LANG={}\n", quoted(&lang.locale));
    let mut tasks = vec![Task::write(place, "lang", "etc/locale.conf", text)];
    if !lang.addsupport.is_empty() {
        let reason = "translations come with packages: add langpacks to %packages";
        tasks.push(Task::refuse(place, "lang --addsupport", reason));
    }
    tasks
}

fn keyboard(keyboard: &Placed<Keyboard>) -> Vec<Task> {
    let place = &keyboard.place;
    let keymap = keyboard.vckeymap.as_ref().or(keyboard.layout.as_ref());
    // "de" is both a layout and a keymap; "de (nodeadkeys)" is only a layout.
    let plain = || {
        keyboard
            .xlayouts
            .first()
            .filter(|layout| !layout.contains('('))
    };
    let mut tasks = match keymap.or_else(plain) {
        Some(keymap) => {
            let text = format!("KEYMAP={}\n", quoted(keymap));
            vec![Task::write(place, "keyboard", "etc/vconsole.conf", text)]
        }
        None => vec![Task::refuse(
            place,
            "keyboard",
            "the console's keymap is not known: name it with --vckeymap",
        )],
    };
    if !keyboard.xlayouts.is_empty() {
        let name = "etc/X11/xorg.conf.d/00-keyboard.conf";
        tasks.push(Task::write(
            place,
            "keyboard --xlayouts",
            name,
            xorg(keyboard),
        ));
    }
    tasks
}

/// As systemd-localed writes it, so that it is read again by it
/// (<https://www.freedesktop.org/software/systemd/man/latest/systemd-localed.service.html>).
fn xorg(keyboard: &Keyboard) -> String {
    let split = |layout: &String| match layout.split_once('(') {
        Some((name, variant)) => (
            name.trim().to_owned(),
            variant.trim_end_matches(')').trim().to_owned(),
        ),
        None => (layout.trim().to_owned(), String::new()),
    };
    let (layouts, variants): (Vec<String>, Vec<String>) =
        keyboard.xlayouts.iter().map(split).unzip();
    let mut options = vec![("XkbLayout", layouts.join(","))];
    if variants.iter().any(|variant| !variant.is_empty()) {
        options.push(("XkbVariant", variants.join(",")));
    }
    if !keyboard.switch.is_empty() {
        options.push(("XkbOptions", keyboard.switch.join(",")));
    }
    let lines: String = options
        .iter()
        .map(|(name, value)| format!("    Option \"{name}\" {}\n", quoted(value)))
        .collect();
    format!(
        "Section \"InputClass\"\n    Identifier \"system-keyboard\"\n    \
         MatchIsKeyboard \"on\"\n{lines}EndSection\n"
    )
}

fn timezone(timezone: &Placed<Timezone>) -> Vec<Task> {
    let place = &timezone.place;
    let mut tasks = Vec::new();
    if let Some(zone) = &timezone.zone {
        tasks.push(Task {
            place: place.clone(),
            what: "timezone".to_owned(),
            action: Action::Link {
                name: "etc/localtime".to_owned(),
                target: format!("../usr/share/zoneinfo/{zone}"),
                needs: format!("usr/share/zoneinfo/{zone}"),
            },
        });
        let clock = if timezone.utc { "UTC" } else { "LOCAL" };
        // As hwclock(8) keeps it: drift, last adjustment, how the clock is set.
        let text = format!("0.0 0 0.0\n0\n{clock}\n");
        tasks.push(Task::write(place, "timezone", "etc/adjtime", text));
    }
    if timezone.nontp {
        tasks.push(
            Task::run(
                place,
                "timezone --nontp",
                ["systemctl", "disable", "chronyd.service"],
            )
            .or(IfMissing::Fine),
        );
    }
    if !timezone.ntpservers.is_empty() {
        let reason = "the image's own time service has its servers";
        tasks.push(Task::refuse(place, "timezone --ntpservers", reason));
    }
    tasks
}

fn firewall(firewall: &Placed<Firewall>) -> Option<Task> {
    if firewall.use_system_defaults {
        return None;
    }
    let mut argv = vec!["firewall-offline-cmd".to_owned()];
    // Opened ports mean that it is on, as in the installer.
    argv.push(match firewall.enabled {
        Some(false) => "--disabled".to_owned(),
        _ => "--enabled".to_owned(),
    });
    let each = |option: &'static str, values: &[String]| {
        let values = values.to_vec();
        values
            .into_iter()
            .map(move |value| format!("{option}={value}"))
    };
    argv.extend(each("--trust", &firewall.trusts));
    argv.extend(each("--port", &firewall.ports));
    argv.extend(each("--remove-service", &firewall.remove_services));
    argv.extend(each("--service", &firewall.services));
    let absent = match firewall.enabled {
        // Where there is none, none is on.
        Some(false) => IfMissing::Fine,
        _ => IfMissing::NotApplied("the root has no firewalld"),
    };
    Some(Task::run(&firewall.place, "firewall", argv).or(absent))
}

fn selinux(selinux: &Placed<Selinux>) -> Vec<Task> {
    let place = &selinux.place;
    let set = Task {
        place: place.clone(),
        what: "selinux".to_owned(),
        action: Action::Assign {
            name: "etc/selinux/config".to_owned(),
            key: "SELINUX",
            value: selinux.value.as_str().to_owned(),
            // Without the policy it is off.
            absent: match selinux.value {
                Selinux::Disabled => IfMissing::Fine,
                _ => IfMissing::NotApplied("the root has no SELinux policy"),
            },
        },
    };
    let enforced = (selinux.value == Selinux::Enforcing).then(|| {
        let reason = "the image's files have no labels, so it starts in permissive mode";
        Task::refuse(place, "selinux --enforcing", reason)
    });
    [set].into_iter().chain(enforced).collect()
}

fn firstboot(firstboot: &Placed<Firstboot>) -> Vec<Task> {
    const SERVICE: &str = "initial-setup.service";
    let place = &firstboot.place;
    let switch = |verb| Task::run(place, "firstboot", ["systemctl", verb, SERVICE]);
    let enable = || switch("enable").or(IfMissing::NotApplied("the root has no initial-setup"));
    match firstboot.value {
        Firstboot::Disabled => vec![switch("disable").or(IfMissing::Fine)],
        Firstboot::Enabled => vec![enable()],
        Firstboot::Reconfig => vec![
            Task::write(
                place,
                "firstboot --reconfig",
                "etc/reconfigSys",
                String::new(),
            ),
            enable(),
        ],
    }
}

/// The target that the system starts.
fn target(place: &crate::kickstart::Place, what: &str, unit: &str) -> Task {
    Task {
        place: place.clone(),
        what: what.to_owned(),
        action: Action::Link {
            name: "etc/systemd/system/default.target".to_owned(),
            target: format!("/usr/lib/systemd/system/{unit}"),
            needs: format!("usr/lib/systemd/system/{unit}"),
        },
    }
}

/// A command that is for nobody here.
fn other(command: &Command) -> Task {
    let reason = match command.name() {
        "autopart" | "btrfs" | "clearpart" | "fcoe" | "ignoredisk" | "iscsi" | "iscsiname"
        | "logvol" | "mount" | "nvdimm" | "raid" | "reqpart" | "snapshot" | "volgroup"
        | "zerombr" | "zfcp" | "zipl" => "no disk is partitioned",
        "cdrom" | "cmdline" | "driverdisk" | "eula" | "graphical" | "halt" | "harddrive"
        | "install" | "liveimg" | "logging" | "mediacheck" | "method" | "nfs" | "poweroff"
        | "reboot" | "rescue" | "shutdown" | "sshpw" | "text" | "updates" | "upgrade" | "vnc"
        | "autostep" | "interactive" | "rdp" => "it is for the installer, which does not run",
        _ => "the native engine does not carry it out",
    };
    Task::refuse(command.place(), command.name(), reason)
}

/// A value of a shell-like file, in quotes that it cannot end.
fn quoted(text: &str) -> String {
    let plain = |c: &char| !matches!(c, '"' | '\\' | '$' | '`' | '\n');
    format!("\"{}\"", text.chars().filter(plain).collect::<String>())
}
