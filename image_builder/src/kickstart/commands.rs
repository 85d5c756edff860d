//! The commands that Fedora knows, or once knew.

use super::document::Kickstart;
use super::error::Mistake;
use crate::spec::ValueError;
use crate::spec::value::closest;

/// Every command of the releases that pykickstart 3.78 knows, sorted.
const COMMANDS: [&str; 86] = [
    "auth",
    "authconfig",
    "authselect",
    "autopart",
    "autostep",
    "bootc",
    "bootloader",
    "btrfs",
    "cdrom",
    "clearpart",
    "cmdline",
    "device",
    "deviceprobe",
    "dmraid",
    "driverdisk",
    "eula",
    "fcoe",
    "firewall",
    "firstboot",
    "graphical",
    "group",
    "halt",
    "harddrive",
    "hmc",
    "ignoredisk",
    "install",
    "interactive",
    "iscsi",
    "iscsiname",
    "key",
    "keyboard",
    "lang",
    "langsupport",
    "lilo",
    "lilocheck",
    "liveimg",
    "logging",
    "logvol",
    "mediacheck",
    "method",
    "module",
    "monitor",
    "mount",
    "mouse",
    "multipath",
    "network",
    "nfs",
    "nvdimm",
    "ostreecontainer",
    "ostreesetup",
    "part",
    "partition",
    "poweroff",
    "raid",
    "rdp",
    "realm",
    "reboot",
    "repo",
    "reqpart",
    "rescue",
    "rhsm",
    "rootpw",
    "selinux",
    "services",
    "shutdown",
    "skipx",
    "snapshot",
    "sshkey",
    "sshpw",
    "stratisfs",
    "stratispool",
    "syspurpose",
    "text",
    "timesource",
    "timezone",
    "unsupported_hardware",
    "updates",
    "upgrade",
    "url",
    "user",
    "vnc",
    "volgroup",
    "xconfig",
    "zerombr",
    "zfcp",
    "zipl",
];

impl Kickstart {
    /// The commands that no release of Fedora knows. They are kept all the same: a tool may know
    /// them.
    pub fn unknown_commands(&self) -> Vec<Mistake> {
        let unknown = |name: &str| COMMANDS.binary_search(&name).is_err();
        self.commands()
            .filter(|command| unknown(command.name()))
            .map(|command| Mistake {
                place: command.place().clone(),
                subject: Some(crate::spec::value::on_one_line(command.name())),
                error: match closest(command.name(), COMMANDS) {
                    Some(known) => {
                        ValueError::new("unknown command", format!("did you mean \"{known}\"?"))
                    }
                    None => ValueError::new("unknown command", "it is kept as it is"),
                },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_ones_are_told() {
        assert!(COMMANDS.is_sorted());
        let text = "lang C\nlnag C\nfrobnicate\nzipl\n";
        let kickstart = Kickstart::parse(text, "a.ks").unwrap();
        let unknown = kickstart.unknown_commands();
        let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
        assert_eq!(
            unknown,
            [
                "a.ks:2: lnag: unknown command; did you mean \"lang\"?",
                "a.ks:3: frobnicate: unknown command; it is kept as it is"
            ]
        );
    }
}
