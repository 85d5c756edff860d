//! The commands that set up the installed system, as values.
//!
//! Sources: <https://pykickstart.readthedocs.io/en/latest/kickstart-docs.html>, and the classes in
//! `pykickstart/commands/` for what a repeated command keeps.

use super::arguments::{Arguments, Options};
use super::secret::Secret;
use super::settings::Read;
use crate::spec::ValueError;

/// A command that takes nothing it would have to be told here.
const NOTHING: Options = Options {
    flags: &[],
    values: &[],
    words: 0,
};

fn missing(what: &str) -> ValueError {
    ValueError::new(format!("{what} is missing"), "it must be given")
}

/// `lang`: the language of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lang {
    /// The locale: `en_US.UTF-8`.
    pub locale: String,
    /// `--addsupport`: locales that are installed beside it.
    pub addsupport: Vec<String>,
}

impl Read for Lang {
    const OPTIONS: Options = Options {
        values: &["--addsupport"],
        words: 1,
        ..NOTHING
    };

    fn read(arguments: &Arguments<'_>, before: Option<&Self>) -> Result<Self, ValueError> {
        let kept = || before.map(|lang| lang.addsupport.clone());
        Ok(Self {
            locale: arguments
                .word()
                .ok_or_else(|| missing("the locale"))?
                .to_owned(),
            addsupport: arguments
                .list("--addsupport")
                .or_else(kept)
                .unwrap_or_default(),
        })
    }
}

/// `keyboard`: at least one of the three is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyboard {
    /// The argument without an option, a keymap or a layout: `us`.
    pub layout: Option<String>,
    /// `--vckeymap`: the keymap of the console.
    pub vckeymap: Option<String>,
    /// `--xlayouts`: layouts of the desktop, as `de (nodeadkeys)`.
    pub xlayouts: Vec<String>,
    /// `--switch`: options that switch between them.
    pub switch: Vec<String>,
}

impl Read for Keyboard {
    const OPTIONS: Options = Options {
        values: &["--vckeymap", "--xlayouts", "--switch"],
        words: 1,
        ..NOTHING
    };

    fn read(arguments: &Arguments<'_>, before: Option<&Self>) -> Result<Self, ValueError> {
        let layout = arguments.word().map(str::to_owned);
        let keyboard = Self {
            layout: layout.or_else(|| before?.layout.clone()),
            vckeymap: arguments
                .text("--vckeymap")
                .or_else(|| before?.vckeymap.clone()),
            xlayouts: arguments
                .list("--xlayouts")
                .or_else(|| Some(before?.xlayouts.clone()))
                .unwrap_or_default(),
            switch: arguments
                .list("--switch")
                .or_else(|| Some(before?.switch.clone()))
                .unwrap_or_default(),
        };
        if keyboard.layout.is_none() && keyboard.vckeymap.is_none() && keyboard.xlayouts.is_empty()
        {
            return Err(missing("the layout"));
        }
        Ok(keyboard)
    }
}

/// `timezone`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timezone {
    /// The zone: `Europe/Sofia`.
    pub zone: Option<String>,
    /// `--utc`, `--isUtc`: whether the hardware's clock is set to UTC.
    pub utc: bool,
    /// `--nontp`: whether the clock is not set over the network.
    pub nontp: bool,
    /// `--ntpservers`
    pub ntpservers: Vec<String>,
}

impl Read for Timezone {
    const OPTIONS: Options = Options {
        flags: &["--utc", "--isUtc", "--nontp"],
        values: &["--ntpservers"],
        words: 1,
    };

    fn read(arguments: &Arguments<'_>, before: Option<&Self>) -> Result<Self, ValueError> {
        let timezone = Self {
            zone: arguments
                .word()
                .map(str::to_owned)
                .or_else(|| before?.zone.clone()),
            utc: arguments.has(&["--utc", "--isUtc"]),
            nontp: arguments.has(&["--nontp"]),
            ntpservers: arguments.list("--ntpservers").unwrap_or_default(),
        };
        if timezone.nontp && !timezone.ntpservers.is_empty() {
            return Err(ValueError::new(
                "--nontp and --ntpservers contradict each other",
                "leave one out",
            ));
        }
        if timezone.zone.is_none() && !timezone.utc && !timezone.nontp {
            return Err(missing("the time zone"));
        }
        Ok(timezone)
    }
}

/// How a password was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// As it is typed.
    Plain(Secret),
    /// `--iscrypted`: as `/etc/shadow` holds it.
    Hashed(Secret),
}

/// The password, if there is one, and whether it is hashed.
fn password(arguments: &Arguments<'_>, text: Option<&str>) -> Option<Password> {
    let secret = Secret::new(text?);
    Some(match arguments.last(&["--iscrypted", "--plaintext"]) {
        Some("--iscrypted") => Password::Hashed(secret),
        _ => Password::Plain(secret),
    })
}

/// `rootpw`: a password, a locked account, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPassword {
    /// The password.
    pub password: Option<Password>,
    /// `--lock`: nobody can log in as root with it.
    pub lock: bool,
    /// `--allow-ssh`: root may log in over ssh with it.
    pub allow_ssh: bool,
}

impl Read for RootPassword {
    const OPTIONS: Options = Options {
        flags: &["--iscrypted", "--plaintext", "--lock", "--allow-ssh"],
        words: 1,
        ..NOTHING
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        let lock = arguments.has(&["--lock"]);
        let password = password(arguments, arguments.word().filter(|text| !text.is_empty()));
        if password.is_none() && !lock {
            return Err(missing("the password"));
        }
        Ok(Self {
            password,
            lock,
            allow_ssh: arguments.has(&["--allow-ssh"]),
        })
    }
}

/// `user`: an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `--name`
    pub name: String,
    /// `--groups`: further groups, as `wheel` or `data(5000)` with a number for a new one.
    pub groups: Vec<String>,
    /// `--password`; without one nobody can log in.
    pub password: Option<Password>,
    /// `--uid`
    pub uid: Option<u32>,
    /// `--gid` of the user's own group.
    pub gid: Option<u32>,
    /// `--homedir`; `/home/NAME` if not given.
    pub homedir: Option<String>,
    /// `--shell`
    pub shell: Option<String>,
    /// `--gecos`: the full name.
    pub gecos: Option<String>,
    /// `--lock`: the account is locked.
    pub lock: bool,
}

impl Read for User {
    const OPTIONS: Options = Options {
        flags: &["--iscrypted", "--plaintext", "--lock"],
        values: &[
            "--name",
            "--groups",
            "--password",
            "--uid",
            "--gid",
            "--homedir",
            "--shell",
            "--gecos",
        ],
        words: 0,
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        Ok(Self {
            name: arguments.required("--name")?,
            groups: arguments.list("--groups").unwrap_or_default(),
            password: password(arguments, arguments.value(&["--password"])),
            uid: arguments.number("--uid")?,
            gid: arguments.number("--gid")?,
            homedir: arguments.text("--homedir"),
            shell: arguments.text("--shell"),
            gecos: arguments.text("--gecos"),
            lock: arguments.has(&["--lock"]),
        })
    }
}

/// `group`: a group of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserGroup {
    /// `--name`
    pub name: String,
    /// `--gid`
    pub gid: Option<u32>,
}

impl Read for UserGroup {
    const OPTIONS: Options = Options {
        values: &["--name", "--gid"],
        ..NOTHING
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        Ok(Self {
            name: arguments.required("--name")?,
            gid: arguments.number("--gid")?,
        })
    }
}

/// `sshkey`: a key that may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    /// `--username`
    pub username: String,
    /// The line for `authorized_keys`.
    pub key: String,
}

impl Read for SshKey {
    const OPTIONS: Options = Options {
        values: &["--username"],
        words: 1,
        ..NOTHING
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        Ok(Self {
            username: arguments.required("--username")?,
            key: arguments
                .word()
                .ok_or_else(|| missing("the key"))?
                .to_owned(),
        })
    }
}

/// `services`: those to be disabled are so before those to be enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// `--disabled`
    pub disabled: Vec<String>,
    /// `--enabled`
    pub enabled: Vec<String>,
}

impl Read for Services {
    const OPTIONS: Options = Options {
        values: &["--disabled", "--enabled"],
        ..NOTHING
    };

    fn read(arguments: &Arguments<'_>, before: Option<&Self>) -> Result<Self, ValueError> {
        let services = Self {
            disabled: arguments
                .list("--disabled")
                .or_else(|| Some(before?.disabled.clone()))
                .unwrap_or_default(),
            enabled: arguments
                .list("--enabled")
                .or_else(|| Some(before?.enabled.clone()))
                .unwrap_or_default(),
        };
        if services.disabled.is_empty() && services.enabled.is_empty() {
            return Err(ValueError::new(
                "it names no service",
                "expected --enabled=LIST or --disabled=LIST",
            ));
        }
        Ok(services)
    }
}

/// `firewall`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firewall {
    /// `--enabled` or `--disabled`; `None` if neither is said.
    pub enabled: Option<bool>,
    /// `--port`: `1234:udp`, `imap:tcp`.
    pub ports: Vec<String>,
    /// `--service`, and `--ssh`, `--http`, `--ftp`, `--smtp`.
    pub services: Vec<String>,
    /// `--remove-service`
    pub remove_services: Vec<String>,
    /// `--trust`: network devices from which all is let in.
    pub trusts: Vec<String>,
    /// `--use-system-defaults`: nothing is changed.
    pub use_system_defaults: bool,
}

impl Read for Firewall {
    const OPTIONS: Options = Options {
        flags: &[
            "--enabled",
            "--enable",
            "--disabled",
            "--disable",
            "--ssh",
            "--http",
            "--ftp",
            "--smtp",
            "--telnet",
            "--high",
            "--medium",
            "--use-system-defaults",
        ],
        values: &["--port", "--service", "--remove-service", "--trust"],
        words: 0,
    };

    fn read(arguments: &Arguments<'_>, before: Option<&Self>) -> Result<Self, ValueError> {
        let mut firewall = before.cloned().unwrap_or_default();
        let switches = ["--enabled", "--enable", "--disabled", "--disable"];
        if let Some(switch) = arguments.last(&switches) {
            firewall.enabled = Some(switch.starts_with("--enable"));
        }
        firewall.ports.extend(arguments.lists("--port"));
        firewall.services.extend(arguments.lists("--service"));
        for service in ["ssh", "http", "ftp", "smtp"] {
            if arguments.has(&[&format!("--{service}")]) {
                firewall.services.push(service.to_owned());
            }
        }
        let removed = arguments.lists("--remove-service");
        firewall.remove_services.extend(removed);
        firewall.trusts.extend(arguments.lists("--trust"));
        firewall.use_system_defaults |= arguments.has(&["--use-system-defaults"]);
        Ok(firewall)
    }
}

/// `selinux`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selinux {
    /// `--enforcing`
    Enforcing,
    /// `--permissive`
    Permissive,
    /// `--disabled`
    Disabled,
}

impl Selinux {
    /// The word in `/etc/selinux/config`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforcing => "enforcing",
            Self::Permissive => "permissive",
            Self::Disabled => "disabled",
        }
    }
}

impl Read for Selinux {
    const OPTIONS: Options = Options {
        flags: &["--enforcing", "--permissive", "--disabled"],
        ..NOTHING
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        match arguments.last(Self::OPTIONS.flags) {
            Some("--enforcing") => Ok(Self::Enforcing),
            Some("--permissive") => Ok(Self::Permissive),
            Some("--disabled") => Ok(Self::Disabled),
            _ => Err(ValueError::new(
                "it says nothing",
                "expected --enforcing, --permissive or --disabled",
            )),
        }
    }
}

/// `network`: a device, or the host's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `--hostname`
    pub hostname: Option<String>,
    /// `--device`
    pub device: Option<String>,
    /// `--bootproto`: `dhcp`, `static`, ...
    pub bootproto: Option<String>,
    /// `--onboot`
    pub onboot: Option<bool>,
    /// `--activate`, `--no-activate`: in the installer.
    pub activate: Option<bool>,
    /// The names of all other options that are given.
    pub other: Vec<String>,
}

impl Read for Network {
    const OPTIONS: Options = Options {
        flags: &[
            "--nodns",
            "--notksdevice",
            "--noipv4",
            "--noipv6",
            "--activate",
            "--no-activate",
            "--nodefroute",
            "--ipv4-ignore-auto-dns",
            "--ipv6-ignore-auto-dns",
        ],
        values: &[
            "--bootproto",
            "--dhcpclass",
            "--device",
            "--essid",
            "--ethtool",
            "--gateway",
            "--hostname",
            "--ip",
            "--mtu",
            "--nameserver",
            "--netmask",
            "--onboot",
            "--wepkey",
            "--wpakey",
            "--ipv6",
            "--ipv6gateway",
            "--bondslaves",
            "--bondopts",
            "--vlanid",
            "--teamslaves",
            "--teamconfig",
            "--interfacename",
            "--bridgeslaves",
            "--bridgeopts",
            "--bindto",
            "--ipv4-dns-search",
            "--ipv6-dns-search",
        ],
        words: 0,
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        let activate = arguments.last(&["--activate", "--no-activate"]);
        Ok(Self {
            hostname: arguments.text("--hostname"),
            device: arguments.text("--device"),
            bootproto: arguments.text("--bootproto"),
            onboot: arguments.boolean("--onboot")?,
            activate: activate.map(|name| name == "--activate"),
            other: arguments.beside(&[
                "--hostname",
                "--device",
                "--bootproto",
                "--onboot",
                "--activate",
                "--no-activate",
            ]),
        })
    }
}

/// `bootloader`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bootloader {
    /// `--append`: further arguments of the kernel, as one text.
    pub append: Option<String>,
    /// `--timeout`: seconds that the menu waits.
    pub timeout: Option<u32>,
    /// `--location`: `mbr`, `partition`, `boot` or `none`.
    pub location: Option<String>,
    /// `--disabled`: none is installed.
    pub disabled: bool,
    /// The names of all other options that are given.
    pub other: Vec<String>,
}

impl Read for Bootloader {
    const OPTIONS: Options = Options {
        flags: &[
            "--linear",
            "--nolinear",
            "--lba32",
            "--upgrade",
            "--useLilo",
            "--iscrypted",
            "--leavebootorder",
            "--extlinux",
            "--disabled",
            "--nombr",
            "--sdboot",
        ],
        values: &[
            "--append",
            "--location",
            "--password",
            "--md5pass",
            "--driveorder",
            "--timeout",
            "--default",
            "--boot-drive",
            "--hvargs",
        ],
        words: 0,
    };

    fn read(arguments: &Arguments<'_>, before: Option<&Self>) -> Result<Self, ValueError> {
        let timeout = arguments.number("--timeout")?;
        let own = ["--append", "--timeout", "--location", "--disabled"];
        Ok(Self {
            append: arguments
                .text("--append")
                .or_else(|| before?.append.clone()),
            timeout: timeout.or_else(|| before?.timeout),
            location: arguments
                .text("--location")
                .or_else(|| before?.location.clone()),
            disabled: arguments.has(&["--disabled"]),
            other: arguments.beside(&own),
        })
    }
}

/// `part`, `partition`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Where it is mounted, or another use: `/`, `swap`, `pv.01`; pungi's `iso`.
    pub mountpoint: String,
    /// `--size` in MiB.
    pub size_mib: Option<u64>,
    /// `--fstype`
    pub fstype: Option<String>,
    /// `--label`
    pub label: Option<String>,
    /// The names of all other options that are given.
    pub other: Vec<String>,
}

impl Read for Partition {
    const OPTIONS: Options = Options {
        flags: &[
            "--active",
            "--asprimary",
            "--grow",
            "--noformat",
            "--recommended",
            "--encrypted",
            "--backuppassphrase",
            "--hibernation",
            "--resize",
        ],
        values: &[
            "--start",
            "--end",
            "--fstype",
            "--type",
            "--maxsize",
            "--onbiosdisk",
            "--ondisk",
            "--ondrive",
            "--onpart",
            "--usepart",
            "--size",
            "--bytes-per-inode",
            "--fsoptions",
            "--label",
            "--passphrase",
            "--fsprofile",
            "--escrowcert",
            "--cipher",
            "--mkfsoptions",
            "--luks-version",
            "--pbkdf",
            "--pbkdf-memory",
            "--pbkdf-time",
            "--pbkdf-iterations",
            "--hw-passphrase",
        ],
        words: 1,
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        let fstype = arguments.value(&["--fstype", "--type"]);
        Ok(Self {
            mountpoint: arguments
                .word()
                .ok_or_else(|| missing("the mount point"))?
                .to_owned(),
            size_mib: arguments.number("--size")?,
            fstype: fstype.map(str::to_owned),
            label: arguments.text("--label"),
            other: arguments.beside(&["--size", "--fstype", "--type", "--label"]),
        })
    }
}

/// `xconfig`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xconfig {
    /// `--startxonboot`: the system starts with a graphical login.
    pub startxonboot: bool,
    /// `--defaultdesktop`: `GNOME`, `KDE`.
    pub defaultdesktop: Option<String>,
    /// The names of all other options that are given.
    pub other: Vec<String>,
}

impl Read for Xconfig {
    const OPTIONS: Options = Options {
        flags: &["--startxonboot", "--noprobe"],
        values: &[
            "--card",
            "--defaultdesktop",
            "--depth",
            "--driver",
            "--hsync",
            "--monitor",
            "--resolution",
            "--server",
            "--videoram",
            "--vsync",
        ],
        words: 0,
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        Ok(Self {
            startxonboot: arguments.has(&["--startxonboot"]),
            defaultdesktop: arguments.text("--defaultdesktop"),
            other: arguments.beside(&["--startxonboot", "--defaultdesktop"]),
        })
    }
}

/// `firstboot`: the setup that runs when the system starts for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firstboot {
    /// `--enabled`
    Enabled,
    /// `--disabled`
    Disabled,
    /// `--reconfig`: enabled, and all is asked again.
    Reconfig,
}

impl Read for Firstboot {
    const OPTIONS: Options = Options {
        flags: &[
            "--enabled",
            "--enable",
            "--disabled",
            "--disable",
            "--reconfig",
        ],
        ..NOTHING
    };

    fn read(arguments: &Arguments<'_>, _before: Option<&Self>) -> Result<Self, ValueError> {
        match arguments.last(Self::OPTIONS.flags) {
            Some("--enabled" | "--enable") => Ok(Self::Enabled),
            Some("--disabled" | "--disable") => Ok(Self::Disabled),
            Some("--reconfig") => Ok(Self::Reconfig),
            _ => Err(ValueError::new(
                "it says nothing",
                "expected --enabled, --disabled or --reconfig",
            )),
        }
    }
}
