//! What a kickstart asks for, as values.

use super::arguments::{Arguments, Options};
use super::document::{Command, Kickstart, Section, SectionKind};
use super::error::{KickstartError, Mistake};
use super::packages::Packages;
use super::place::Placed;
use super::repo::{InstallUrl, Repo};
use super::scripts::Script;
use super::system::{
    Bootloader, Firewall, Firstboot, Keyboard, Lang, Network, Partition, RootPassword, Selinux,
    Services, SshKey, Timezone, User, UserGroup, Xconfig,
};
use crate::spec::ValueError;

/// What a flattened kickstart asks for. Whoever makes an image goes through the fields, and reports
/// [`other`](Self::other) and [`other_sections`](Self::other_sections) as not applied.
///
/// Of a command that stands more than once the last counts, but for lists; an option with a value
/// that the last one does not give is kept from those before, as in pykickstart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `url`
    pub url: Option<Placed<InstallUrl>>,
    /// `repo`, in their order; of two with the same name both are here.
    pub repos: Vec<Placed<Repo>>,
    /// `%packages`; `None` if there is no such section.
    pub packages: Option<Packages>,
    /// `lang`
    pub lang: Option<Placed<Lang>>,
    /// `keyboard`
    pub keyboard: Option<Placed<Keyboard>>,
    /// `timezone`
    pub timezone: Option<Placed<Timezone>>,
    /// `rootpw`
    pub rootpw: Option<Placed<RootPassword>>,
    /// `group`: to be made before users.
    pub groups: Vec<Placed<UserGroup>>,
    /// `user`
    pub users: Vec<Placed<User>>,
    /// `sshkey`
    pub ssh_keys: Vec<Placed<SshKey>>,
    /// `services`
    pub services: Option<Placed<Services>>,
    /// `firewall`
    pub firewall: Option<Placed<Firewall>>,
    /// `selinux`
    pub selinux: Option<Placed<Selinux>>,
    /// `network`, in their order; see [`hostname`](Self::hostname).
    pub networks: Vec<Placed<Network>>,
    /// `bootloader`
    pub bootloader: Option<Placed<Bootloader>>,
    /// `part`, in their order; see [`root_partition`](Self::root_partition).
    pub partitions: Vec<Placed<Partition>>,
    /// `xconfig`
    pub xconfig: Option<Placed<Xconfig>>,
    /// `firstboot`
    pub firstboot: Option<Placed<Firstboot>>,
    /// `skipx`: no graphical login.
    pub skipx: Option<Placed<()>>,
    /// `%pre`, `%post` and the like, in their order.
    pub scripts: Vec<Script>,
    /// All other commands, in their order.
    pub other: Vec<Command>,
    /// `%addon`, `%anaconda`, `%certificate`, in their order.
    pub other_sections: Vec<Section>,
}

/// A command's value, from its arguments.
pub(super) trait Read: Sized {
    /// What the command takes.
    const OPTIONS: Options;

    /// Its value; `before` is that of the same command further up.
    fn read(arguments: &Arguments<'_>, before: Option<&Self>) -> Result<Self, ValueError>;
}

/// `skipx` and its like: commands that are all said by their name.
impl Read for () {
    const OPTIONS: Options = Options {
        flags: &[],
        values: &[],
        words: 0,
    };

    fn read(_: &Arguments<'_>, _: Option<&Self>) -> Result<Self, ValueError> {
        Ok(())
    }
}

impl Kickstart {
    /// What it asks for. Flatten it first: what an `%include` names is not known here.
    ///
    /// # Errors
    ///
    /// [`KickstartError::Invalid`] with every mistake in commands, packages and headers of scripts,
    /// and every directive that was not followed.
    pub fn settings(&self) -> Result<Settings, KickstartError> {
        let (settings, mistakes) = self.settings_and_mistakes();
        match mistakes.is_empty() {
            true => Ok(settings),
            false => Err(KickstartError::Invalid(mistakes)),
        }
    }

    pub(super) fn settings_and_mistakes(&self) -> (Settings, Vec<Mistake>) {
        let mut mistakes: Vec<Mistake> = self.includes().map(not_followed).collect();
        let mut settings = Settings::default();
        for command in self.commands() {
            if let Err(error) = settings.command(command) {
                mistakes.push(Mistake {
                    place: command.place().clone(),
                    subject: Some(command.name().to_owned()),
                    error,
                });
            }
        }
        let is_packages = |section: &&Section| section.kind == SectionKind::Packages;
        if self.sections().any(|section| is_packages(&section)) {
            let sections = self.sections().filter(is_packages);
            settings.packages = Some(Packages::read(sections, &mut mistakes));
        }
        for section in self.sections().filter(|section| !is_packages(section)) {
            if let Err(error) = settings.section(section) {
                mistakes.push(Mistake {
                    place: section.place().clone(),
                    subject: Some(section.kind.to_string()),
                    error,
                });
            }
        }
        (settings, mistakes)
    }
}

fn not_followed(include: &super::document::Include) -> Mistake {
    Mistake {
        place: include.place().clone(),
        subject: None,
        error: ValueError::new(
            "another text is included here",
            "flatten the kickstart first",
        ),
    }
}

impl Settings {
    /// The host's name: of several the last one counts.
    pub fn hostname(&self) -> Option<Placed<&str>> {
        self.networks.iter().rev().find_map(|network| {
            Some(Placed {
                value: network.hostname.as_deref()?,
                place: network.place.clone(),
            })
        })
    }

    /// `part /`: of several the last one counts.
    pub fn root_partition(&self) -> Option<&Placed<Partition>> {
        let mut from_last = self.partitions.iter().rev();
        from_last.find(|partition| partition.mountpoint == "/")
    }

    fn command(&mut self, command: &Command) -> Result<(), ValueError> {
        match command.name() {
            "url" => one(&mut self.url, command),
            "repo" => more(&mut self.repos, command),
            "lang" => one(&mut self.lang, command),
            "keyboard" => one(&mut self.keyboard, command),
            "timezone" => one(&mut self.timezone, command),
            "rootpw" => one(&mut self.rootpw, command),
            "group" => more(&mut self.groups, command),
            "user" => more(&mut self.users, command),
            "sshkey" => more(&mut self.ssh_keys, command),
            "services" => one(&mut self.services, command),
            "firewall" => one(&mut self.firewall, command),
            "selinux" => one(&mut self.selinux, command),
            "network" => more(&mut self.networks, command),
            "bootloader" => one(&mut self.bootloader, command),
            "part" | "partition" => more(&mut self.partitions, command),
            "xconfig" => one(&mut self.xconfig, command),
            "firstboot" => one(&mut self.firstboot, command),
            "skipx" => one(&mut self.skipx, command),
            _ => {
                self.other.push(command.clone());
                Ok(())
            }
        }
    }

    fn section(&mut self, section: &Section) -> Result<(), ValueError> {
        match section.kind {
            SectionKind::Packages => {}
            SectionKind::Pre
            | SectionKind::PreInstall
            | SectionKind::Post
            | SectionKind::OnError
            | SectionKind::Traceback => self.scripts.extend(Script::read(section)?),
            SectionKind::Certificate | SectionKind::Addon | SectionKind::Anaconda => {
                self.other_sections.push(section.clone());
            }
        }
        Ok(())
    }
}

/// Reads a command of which one value counts.
fn one<T: Read>(slot: &mut Option<Placed<T>>, command: &Command) -> Result<(), ValueError> {
    let before = slot.as_ref().map(|placed| &placed.value);
    *slot = Some(read(command, before)?);
    Ok(())
}

/// Reads a command that may stand many times.
fn more<T: Read>(list: &mut Vec<Placed<T>>, command: &Command) -> Result<(), ValueError> {
    list.push(read(command, None)?);
    Ok(())
}

fn read<T: Read>(command: &Command, before: Option<&T>) -> Result<Placed<T>, ValueError> {
    let arguments = Arguments::read(command.arguments(), &T::OPTIONS)?;
    Ok(Placed {
        value: T::read(&arguments, before)?,
        place: command.place().clone(),
    })
}
