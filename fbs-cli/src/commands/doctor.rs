//! `fbs doctor`.

use image_builder::host::{Host, Missing, Requirement, boot_test_requirements, requirements};
use image_builder::spec::{Arch, Backend, RootFs};
use serde_json::json;

use crate::args::Doctor;
use crate::exit::Exit;
use crate::output;

/// What a host can be asked for.
struct Ability {
    name: String,
    missing: Vec<Missing>,
}

pub(crate) fn run(args: &Doctor) -> Exit {
    let host = Host::probe();
    let abilities = abilities(&host);
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
    let works = |backend: &Backend| {
        let mut named = abilities.iter().filter(|it| it.name == backend.as_str());
        named.any(|ability| ability.missing.is_empty())
    };
    if Backend::ALL.iter().any(works) {
        Exit::Done
    } else {
        Exit::Host
    }
}

/// Every backend, and the boot tests.
fn abilities(host: &Host) -> Vec<Ability> {
    let arch = host.arch.unwrap_or(Arch::X86_64);
    let needs = |backend| requirements(backend, arch, RootFs::Squashfs);
    let tools = Backend::ALL.iter().copied();
    let tools = tools.filter(|backend| !matches!(backend, Backend::Auto | Backend::Native));
    let erofs = requirements(Backend::Native, arch, RootFs::Erofs);
    let mut abilities = vec![
        ("native".to_owned(), needs(Backend::Native)),
        ("native with erofs".to_owned(), erofs),
    ];
    abilities.extend(tools.map(|backend| (backend.to_string(), needs(backend))));
    abilities.extend([
        ("boot test (BIOS)".to_owned(), boot_test_requirements(false)),
        ("boot test (UEFI)".to_owned(), boot_test_requirements(true)),
    ]);
    let missing = |(name, needs): (String, Vec<Requirement>)| Ability {
        missing: host.missing(&needs),
        name,
    };
    abilities.into_iter().map(missing).collect()
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
