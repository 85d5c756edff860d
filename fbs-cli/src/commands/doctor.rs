//! `fbs doctor`.

use image_builder::host::{Host, Missing, boot_test_requirements, requirements};
use image_builder::spec::{Arch, Backend, RootFs};
use serde_json::json;

use crate::args::Doctor;
use crate::exit::Exit;
use crate::output;

/// What a host can be asked for.
struct Ability {
    name: &'static str,
    missing: Vec<Missing>,
}

pub(crate) fn run(args: &Doctor) -> Exit {
    let host = Host::probe();
    let arch = host.arch.unwrap_or(Arch::X86_64);
    let abilities = [
        (
            "native",
            requirements(Backend::Native, arch, RootFs::Squashfs),
        ),
        (
            "native with erofs",
            requirements(Backend::Native, arch, RootFs::Erofs),
        ),
        (
            "lorax",
            requirements(Backend::Lorax, arch, RootFs::Squashfs),
        ),
        ("boot test (BIOS)", boot_test_requirements(false)),
        ("boot test (UEFI)", boot_test_requirements(true)),
    ]
    .map(|(name, needs)| Ability {
        name,
        missing: host.missing(&needs),
    });
    if args.json {
        let found: Vec<_> = abilities
            .iter()
            .map(|ability| {
                json!({
                    "name": ability.name,
                    "works": ability.missing.is_empty(),
                    "missing": ability.missing,
                })
            })
            .collect();
        output::json_pretty(&json!({ "host": host, "abilities": found }));
    } else {
        output::text(&render(&host, &abilities));
    }
    // A host that can build nothing is what this command is asked about.
    let works = |name: &str| {
        abilities
            .iter()
            .any(|ability| ability.name == name && ability.missing.is_empty())
    };
    if works("native") || works("lorax") {
        Exit::Done
    } else {
        Exit::Host
    }
}

fn render(host: &Host, abilities: &[Ability]) -> String {
    let arch = host
        .arch
        .map_or_else(|| "an unknown architecture".to_owned(), |a| a.to_string());
    let mut text = format!(
        "{}: {}, {arch}, {} processors\n",
        host.name, host.system, host.processors
    );
    if !host.is_root {
        text.push_str("not root: images can be planned, verified and booted, not built\n");
    }
    for ability in abilities {
        if ability.missing.is_empty() {
            text.push_str(&format!("  {:<20} works\n", ability.name));
            continue;
        }
        text.push_str(&format!("  {:<20} does not work; missing:\n", ability.name));
        for missing in &ability.missing {
            text.push_str(&format!("  {:<20}   {missing}\n", ""));
        }
        if let Some(install) = host.install_command(&ability.missing) {
            text.push_str(&format!("  {:<20}   install with: {install}\n", ""));
        }
    }
    text
}
