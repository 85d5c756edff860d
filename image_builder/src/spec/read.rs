//! From the entries of a section to what it says.

use std::collections::BTreeMap;

use super::keys::repository_key;
use super::reader::Reader;
use super::repository::{RepositoryId, RepositoryUrls};
use super::sections::{BootSpec, DvdSpec, LiveSpec, Shared};
use super::text;

pub(crate) fn shared(from: &mut Reader<'_, '_>) -> Shared {
    Shared {
        nvr: from.nvrs("nvr"),
        bid: from.build_ids("bid"),
        tag: from.list("tag"),
        bodhi: from.list("bodhi"),
        require_landed: from.take("require_landed"),
        multilib: from.take_as("multilib", text::flag),
        allow_two_builds: from.take_as("allow_two_builds", text::flag),
        koji_hub: from.take_as("koji_hub", text::link),
        koji_files: from.take_as("koji_files", text::link),
        bodhi_url: from.take_as("bodhi_url", text::link),
        sigkey: from.list("sigkey"),
        koji_gpgkey: from.take("koji_gpgkey"),
        packages: from.packages("packages"),
        groups: from.groups("groups"),
        updates: from.take_as("updates", text::flag),
        updates_testing: from.take_as("updates-testing", text::flag),
        repositories: repositories(from),
        proxy: from.take("proxy"),
        gpgcheck: from.take_as("gpgcheck", text::flag),
        gpgkey: from.take("gpgkey"),
        backend: from.take("backend"),
        compression: from.take("compression"),
        rootfs: from.take("rootfs"),
        boot_test: from.take("boot_test"),
        timeout: from.take("timeout"),
    }
}

fn repositories(from: &mut Reader<'_, '_>) -> BTreeMap<RepositoryId, RepositoryUrls> {
    let mut found: BTreeMap<_, RepositoryUrls> = BTreeMap::new();
    for key in from.view.keys() {
        let Some((id, ending)) = repository_key(key) else {
            continue;
        };
        let Some(location) = from.take(key) else {
            continue;
        };
        let urls = found.entry(id).or_default();
        match ending {
            "_url" => urls.url = Some(location),
            _ => urls.mirror = Some(location),
        }
    }
    found
}

pub(crate) fn boot(from: &mut Reader<'_, '_>) -> BootSpec {
    BootSpec {
        product: from.take_as("product", text::text),
        release: from.take("release"),
        version: from.take_as("version", text::word),
        outdir: from.take_as("outdir", text::folder),
        workdir: from.take_as("workdir", text::folder),
        shared: shared(from),
    }
}

pub(crate) fn dvd(from: &mut Reader<'_, '_>) -> DvdSpec {
    DvdSpec {
        name: from.take_as("name", text::word),
        version: from.take_as("version", text::word),
        flavor: from.take_as("flavor", text::word),
        destdir: from.take_as("destdir", text::folder),
        cachedir: from.take_as("cachedir", text::folder),
        workdir: from.take_as("workdir", text::folder),
        bugurl: from.take_as("bugurl", text::link),
        nosource: from.take_as("nosource", text::flag),
        sourceisos: from.take_as("sourceisos", text::flag),
        force: from.take_as("force", text::flag),
        stage: from.take("stage"),
        config: from.take("config"),
        shared: shared(from),
    }
}

pub(crate) fn live(from: &mut Reader<'_, '_>) -> LiveSpec {
    LiveSpec {
        label: from.take_as("label", text::label),
        title: from.take_as("title", text::text),
        product: from.take_as("product", text::text),
        releasever: from.take("releasever"),
        tmpdir: from.take_as("tmpdir", text::folder),
        cachedir: from.take_as("cachedir", text::folder),
        logfile: from.take_as("logfile", text::file),
        profile: from.take_as("profile", text::word),
        post_timeout: from.take("post_timeout"),
        config: from.take("config"),
        shared: shared(from),
    }
}
