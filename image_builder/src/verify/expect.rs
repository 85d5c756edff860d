//! What on a console says that the system is up, and what says that it never will be.

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Matches what an image prints on its console when userspace is up: a login prompt, systemd's
/// multi-user or graphical target, or the start of the installer (anaconda).
pub const DEFAULT_EXPECT: &str = concat!(
    r"(?i:\blogin:)",
    r"|Reached target .*(?:[Mm]ulti-[Uu]ser|[Gg]raphical)(?:\.target| System| Interface)",
    r"|Starting installer, one moment",
    r"|anaconda \S+ for .+ started",
);

/// Why a boot did not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The expected line did not come within the time limit.
    TimedOut,
    /// The kernel stopped for good.
    KernelPanic,
    /// The initramfs or systemd gave up and offers an emergency shell.
    EmergencyShell,
    /// The initramfs refused to go on, without a shell.
    InitramfsFailed,
    /// The boot loader stopped at its own prompt.
    LoaderPrompt,
    /// The firmware found nothing to boot.
    NoBootableDevice,
    /// The guest switched itself off before the line came.
    PoweredOff,
    /// The guest halted, with its power still on.
    Halted,
    /// The guest reset itself (a triple fault does too) before the line came.
    Reset,
    /// QEMU itself ended.
    QemuExited,
}

impl FailureKind {
    /// For people: `kernel panic`.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            FailureKind::TimedOut => "timed out",
            FailureKind::KernelPanic => "kernel panic",
            FailureKind::EmergencyShell => "emergency shell",
            FailureKind::InitramfsFailed => "the initramfs gave up",
            FailureKind::LoaderPrompt => "the boot loader stopped at its prompt",
            FailureKind::NoBootableDevice => "the firmware found nothing to boot",
            FailureKind::PoweredOff => "the guest powered off",
            FailureKind::Halted => "the guest halted",
            FailureKind::Reset => "the guest reset itself",
            FailureKind::QemuExited => "QEMU exited",
        }
    }
}

/// Each is worded so that no healthy boot prints it; the tests below hold lines of healthy boots.
const FAILURES: &[(FailureKind, &str)] = &[
    (FailureKind::KernelPanic, r"Kernel panic - not syncing"),
    (
        FailureKind::EmergencyShell,
        concat!(
            r"\bEntering emergency mode\.|\bYou are in emergency mode\.",
            r"|Start(?:ing|ed) .*Dracut Emergency Shell",
            r"|Reached target .*(?:emergency\.target|Emergency Mode)",
            r"|^dracut:/\S*# *$|Generating .?/run/initramfs/rdsosreport\.txt",
            r"|Cannot open access to console, the root account is locked",
        ),
    ),
    (
        FailureKind::InitramfsFailed,
        r"\bdracut: (?:FATAL: |Refusing to continue)",
    ),
    (FailureKind::Halted, r"\breboot: System halted"),
    (
        FailureKind::LoaderPrompt,
        r"^\s*grub(?: rescue)?> *$|error: .*you need to load the kernel first|^\s*Shell> *$",
    ),
    (
        FailureKind::NoBootableDevice,
        r"^No bootable device\.|BdsDxe: No bootable option or device was found",
    ),
];

/// What a console line means for the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Nothing,
    Expected,
    Fatal(FailureKind),
}

/// Judges console lines.
#[derive(Debug)]
pub(super) struct Judge {
    expect: Regex,
    failures: Vec<(FailureKind, Regex)>,
}

impl Judge {
    pub(super) fn new(expect: &str) -> Result<Self, regex::Error> {
        // A console speaks ASCII: without Unicode's tables `(?i)` needs none of them.
        let regex = |pattern| RegexBuilder::new(pattern).unicode(false).build();
        let compile = |&(kind, pattern): &(FailureKind, &'static str)| Ok((kind, regex(pattern)?));
        Ok(Self {
            expect: regex(expect)?,
            failures: FAILURES.iter().map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// The expectation comes first: someone may well wait for a panic.
    pub(super) fn line(&self, line: &str) -> Meaning {
        if self.expect.is_match(line.as_bytes()) {
            return Meaning::Expected;
        }
        self.failure(line)
    }

    /// Looks for failures only, as in what the firmware says to its debug port.
    pub(super) fn failure(&self, line: &str) -> Meaning {
        let fatal = self
            .failures
            .iter()
            .find(|(_, p)| p.is_match(line.as_bytes()));
        fatal.map_or(Meaning::Nothing, |(kind, _)| Meaning::Fatal(*kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_system_that_is_up() {
        let judge = Judge::new(DEFAULT_EXPECT).unwrap();
        for line in [
            "localhost login: ",
            "localhost-live login: liveuser (automatic login)",
            "[  OK  ] Reached target multi-user.target - Multi-User System.",
            "[  OK  ] Reached target Multi-User System.",
            "[  OK  ] Reached target graphical.target - Graphical Interface.",
            "[   12.3] systemd[1]: Reached target Graphical Interface.",
            "Starting installer, one moment...",
            "anaconda 43.37-1.fc43 for Fedora 43 started.",
        ] {
            assert_eq!(judge.line(line), Meaning::Expected, "{line}");
        }
    }

    #[test]
    fn a_healthy_boot_means_nothing_until_it_is_up() {
        let judge = Judge::new(DEFAULT_EXPECT).unwrap();
        for line in [
            "",
            "SeaBIOS (version 1.16.2-debian-1.16.2-1)",
            "Booting from DVD/CD...",
            "BdsDxe: loading Boot0001 \"UEFI QEMU DVD-ROM QM00003 \" from PciRoot(0x0)",
            "BdsDxe: starting Boot0001 \"UEFI QEMU DVD-ROM QM00003 \" from PciRoot(0x0)",
            "GNU GRUB  version 2.06",
            "Press enter to boot the selected OS, `e' to edit the commands before booting",
            "or `c' for a command-line.",
            "error: no suitable video mode found.",
            "error: ../../grub-core/fs/fshelp.c:257:file `/boot/grub2/unicode.pf2' not found.",
            "[    0.000000] Command line: BOOT_IMAGE=/vmlinuz panic=30 systemd.unit=emergency.target",
            "[    0.000000] Linux version 6.17.1-300.fc43.x86_64",
            "[    0.5] pci 0000:00:01.0: PIIX3: Enabling Passive Release",
            "[    1.2] systemd[1]: Running in initrd.",
            "[    1.3] systemd[1]: Reached target initrd-usr-fs.target - Initrd /usr File System.",
            "         Starting dracut-initqueue.service - dracut initqueue hook...",
            "[  OK  ] Finished dracut-pre-pivot.service - dracut pre-pivot and cleanup hook.",
            "dracut-emergency.service was skipped: Dracut Emergency Shell",
            "[  OK  ] Stopped target multi-user.target - Multi-User System.",
            "[  OK  ] Reached target basic.target - Basic System.",
            "         Starting systemd-user-sessions.service - Permit User Sessions...",
            "sulogin: cannot open password database",
            "         Starting systemd-logind.service - User Login Management...",
            "[  OK  ] Reached target rescue.target - Rescue Mode.",
        ] {
            assert_eq!(judge.line(line), Meaning::Nothing, "{line}");
        }
    }

    #[test]
    fn knows_each_dead_end() {
        let judge = Judge::new(DEFAULT_EXPECT).unwrap();
        use FailureKind::{
            EmergencyShell, Halted, InitramfsFailed, KernelPanic, LoaderPrompt, NoBootableDevice,
        };
        for (kind, line) in [
            (
                KernelPanic,
                "[    1.568] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            ),
            (
                EmergencyShell,
                "Entering emergency mode. Exit the shell to continue.",
            ),
            (
                EmergencyShell,
                "You are in emergency mode. After logging in, type \"journalctl -xb\" to view",
            ),
            (
                EmergencyShell,
                "         Starting dracut-emergency.service - Dracut Emergency Shell...",
            ),
            (
                EmergencyShell,
                "         Starting dracut-emergency.…ce - Dracut Emergency Shell...",
            ),
            (
                EmergencyShell,
                "[  OK  ] Reached target emergency.target - Emergency Mode.",
            ),
            (EmergencyShell, "[  OK  ] Reached target Emergency Mode."),
            (EmergencyShell, "dracut:/# "),
            (
                EmergencyShell,
                "Generating \"/run/initramfs/rdsosreport.txt\"",
            ),
            (
                InitramfsFailed,
                "[   23.3] dracut: FATAL: Failed to find a root filesystem in /run/initramfs/live/LiveOS/squashfs.img.",
            ),
            (
                InitramfsFailed,
                "[   23.318454] dracut: Refusing to continue",
            ),
            (Halted, "[   24.809675] reboot: System halted"),
            (LoaderPrompt, "grub rescue> "),
            (LoaderPrompt, "grub> "),
            (LoaderPrompt, "error: you need to load the kernel first."),
            (
                LoaderPrompt,
                "error: ../../grub-core/loader/i386/pc/linux.c:422:you need to load the kernel first.",
            ),
            (LoaderPrompt, "Shell> "),
            (NoBootableDevice, "No bootable device."),
            (
                NoBootableDevice,
                "BdsDxe: No bootable option or device was found.",
            ),
        ] {
            assert_eq!(judge.line(line), Meaning::Fatal(kind), "{line}");
        }
    }

    #[test]
    fn what_is_expected_is_no_failure() {
        let judge = Judge::new("Kernel panic").unwrap();
        let line = "Kernel panic - not syncing: as ordered";
        assert_eq!(judge.line(line), Meaning::Expected);
        assert_eq!(
            judge.failure(line),
            Meaning::Fatal(FailureKind::KernelPanic)
        );
    }

    #[test]
    fn takes_what_people_write() {
        for (pattern, line) in [
            ("(?i)WELCOME to fedora", "Welcome to Fedora"),
            ("gr\u{fc}n .* bereit$", "gr\u{fc}n ist \u{2026} bereit"),
            (r"^ready: \d+$", "ready: 42"),
        ] {
            let judge = Judge::new(pattern).unwrap();
            assert_eq!(judge.line(line), Meaning::Expected, "{pattern}");
        }
        assert!(Judge::new("(").is_err());
    }
}
