//! A description for kiwi out of a plan: <https://osinside.github.io/kiwi/image_description.html>.

use std::fmt::Write as _;

use super::{priority, source};
use crate::host::DnfVersion;
use crate::kickstart::{Password, Settings};
use crate::markup::escaped;
use crate::plan::BuildPlan;
use crate::report::NotApplied;

/// `config.xml`. kiwi brings an older schema up to its own: so dnf 4 is asked for in the last one
/// of kiwi 9, and dnf5 in the first one that has it.
pub(super) fn text(plan: &BuildPlan) -> String {
    let settings = &plan.kickstart.settings;
    let title = plan
        .image
        .live()
        .map_or(plan.title.as_str(), |live| &live.title);
    let (schema, dnf) = match plan.dnf {
        DnfVersion::Dnf4 => ("7.5", "dnf"),
        DnfVersion::Dnf5 => ("8.0", "dnf5"),
    };
    let mut xml = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        xml,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <image schemaversion=\"{schema}\" name=\"{name}\" displayname=\"{title}\">\n\
         \x20 <description type=\"system\">\n\
         \x20   <author>On-Demand Fedora Build Service</author>\n\
         \x20   <contact>{bugs}</contact>\n\
         \x20   <specification>{title}</specification>\n\
         \x20 </description>\n\
         \x20 <preferences>\n\
         \x20   <version>{version}</version>\n\
         \x20   <packagemanager>{dnf}</packagemanager>\n\
         \x20   <locale>{locale}</locale>\n\
         \x20   <keytable>{keymap}</keytable>\n\
         \x20   <timezone>{zone}</timezone>\n\
         \x20   <release-version>{release}</release-version>\n\
         \x20   <rpm-check-signatures>{signatures}</rpm-check-signatures>\n\
         \x20   <rpm-excludedocs>{no_docs}</rpm-excludedocs>\n\
         \x20   <type image=\"iso\" primary=\"true\" flags=\"dmsquash\" firmware=\"uefi\" \
         volid=\"{label}\" mediacheck=\"true\"{compression}{arguments}>\n\
         \x20     <bootloader name=\"grub2\" timeout=\"{timeout}\"/>\n\
         \x20   </type>\n\
         \x20 </preferences>\n",
        name = escaped(&plan.name),
        title = escaped(title),
        bugs = crate::spec::defaults::BUG_URL,
        version = escaped(&plan.version),
        locale = escaped(&locale(settings)),
        keymap = escaped(&keymap(settings)),
        zone = escaped(&zone(settings)),
        release = escaped(&plan.release.to_string()),
        signatures = plan
            .repositories
            .iter()
            .any(|repository| repository.gpg_check),
        no_docs = !plan.install.documentation,
        label = escaped(&plan.volume_id),
        compression = attribute(
            "squashfscompression",
            plan.spec
                .shared()
                .compression
                .map(|compression| compression.algorithm.to_string())
                .as_deref()
        ),
        arguments = attribute("kernelcmdline", arguments(settings)),
        timeout = timeout(settings),
    );
    write_users(settings, &mut xml);
    write_repositories(plan, &mut xml);
    write_packages(plan, &mut xml);
    xml.push_str("</image>\n");
    xml
}

const MENU_SECONDS: u32 = 3;

fn timeout(settings: &Settings) -> u32 {
    let bootloader = settings.bootloader.as_ref();
    bootloader
        .and_then(|bootloader| bootloader.value.timeout)
        .unwrap_or(MENU_SECONDS)
}

fn arguments(settings: &Settings) -> Option<&str> {
    settings.bootloader.as_ref()?.value.append.as_deref()
}

/// `de_DE`: kiwi wants it without its character set, which is UTF-8.
fn locale(settings: &Settings) -> String {
    let locale = settings
        .lang
        .as_ref()
        .map(|lang| lang.value.locale.as_str());
    let locale = locale.unwrap_or("en_US").split(['.', '@']).next();
    locale.unwrap_or_default().to_owned()
}

fn keymap(settings: &Settings) -> String {
    let keyboard = settings.keyboard.as_ref().map(|keyboard| &keyboard.value);
    keyboard
        .and_then(|keyboard| {
            keyboard
                .vckeymap
                .clone()
                .or_else(|| keyboard.layout.clone())
        })
        .unwrap_or_else(|| "us".to_owned())
}

fn zone(settings: &Settings) -> String {
    let timezone = settings.timezone.as_ref();
    timezone
        .and_then(|timezone| timezone.value.zone.clone())
        .unwrap_or_else(|| "UTC".to_owned())
}

fn write_users(settings: &Settings, xml: &mut String) {
    let root = settings.rootpw.as_ref().filter(|root| !root.value.lock);
    let root = root.and_then(|root| Some(("root", root.value.password.as_ref()?, &[][..])));
    let others = settings.users.iter().filter_map(|user| {
        let user = &user.value;
        Some((
            user.name.as_str(),
            user.password.as_ref()?,
            user.groups.as_slice(),
        ))
    });
    let users: Vec<_> = root.into_iter().chain(others).collect();
    if users.is_empty() {
        return;
    }
    xml.push_str("  <users>\n");
    for (name, password, groups) in users {
        let (secret, format) = match password {
            Password::Plain(secret) => (secret, "plain"),
            Password::Hashed(secret) => (secret, "encrypted"),
        };
        let groups = (!groups.is_empty()).then(|| groups.join(","));
        let _ = writeln!(
            xml,
            "    <user name=\"{}\" password=\"{}\" pwdformat=\"{format}\"{}/>",
            escaped(name),
            escaped(secret.expose()),
            attribute("groups", groups.as_deref())
        );
    }
    xml.push_str("  </users>\n");
}

fn write_repositories(plan: &BuildPlan, xml: &mut String) {
    for repository in &plan.repositories {
        let Some((address, kind)) = source(repository) else {
            continue;
        };
        let _ = writeln!(
            xml,
            "  <repository type=\"rpm-md\" alias=\"{}\" priority=\"{}\" sourcetype=\"{kind}\" \
             package_gpgcheck=\"{}\">\n    <source path=\"{}\">",
            escaped(&repository.id),
            priority(repository),
            repository.gpg_check,
            escaped(address)
        );
        for key in repository.gpg_keys.iter().filter(|_| repository.gpg_check) {
            let _ = writeln!(xml, "      <signing key=\"{}\"/>", escaped(key));
        }
        xml.push_str("    </source>\n  </repository>\n");
    }
}

fn write_packages(plan: &BuildPlan, xml: &mut String) {
    let pattern = match plan.install.weak_dependencies {
        true => "plusRecommended",
        false => "onlyRequired",
    };
    let _ = writeln!(xml, "  <packages type=\"image\" patternType=\"{pattern}\">");
    for name in &plan.packages {
        let (element, name) = match (name.strip_prefix('-'), name.strip_prefix('@')) {
            (Some(name), _) => ("ignore", name),
            // An environment is a pattern with a ^ for dnf: `@^server-product-environment`.
            (None, Some(name)) => ("namedCollection", name),
            (None, None) => ("package", name.as_str()),
        };
        let _ = writeln!(xml, "    <{element} name=\"{}\"/>", escaped(name));
    }
    xml.push_str(
        "  </packages>\n  <packages type=\"bootstrap\">\n    <package name=\"filesystem\"/>\n    \
         <package name=\"basesystem\"/>\n  </packages>\n",
    );
}

fn attribute(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| {
        format!(" {name}=\"{}\"", escaped(value))
    })
}

/// What of a kickstart is not in the description.
pub(super) fn not_applied(settings: &Settings) -> Vec<NotApplied> {
    let reason = "kiwi's description has packages, repositories, language, keyboard, time zone, \
                  passwords and boot arguments alone";
    let left = |place: String, what: &str| NotApplied {
        place,
        what: what.to_owned(),
        reason: reason.to_owned(),
    };
    let mut parts = Vec::new();
    let places = [
        ("services", settings.services.as_ref().map(|it| &it.place)),
        ("firewall", settings.firewall.as_ref().map(|it| &it.place)),
        ("selinux", settings.selinux.as_ref().map(|it| &it.place)),
        ("xconfig", settings.xconfig.as_ref().map(|it| &it.place)),
        ("firstboot", settings.firstboot.as_ref().map(|it| &it.place)),
        ("skipx", settings.skipx.as_ref().map(|it| &it.place)),
    ];
    parts.extend(
        places
            .into_iter()
            .filter_map(|(what, place)| Some(left(place?.to_string(), what))),
    );
    let lists = [
        ("group", places_of(&settings.groups)),
        ("sshkey", places_of(&settings.ssh_keys)),
        ("network", places_of(&settings.networks)),
        ("part", places_of(&settings.partitions)),
    ];
    for (what, places) in lists {
        parts.extend(places.into_iter().map(|place| left(place, what)));
    }
    let commands = settings.other.iter();
    parts.extend(commands.map(|command| left(command.place().to_string(), command.name())));
    let scripts = settings.scripts.iter();
    parts.extend(scripts.map(|script| left(script.place.to_string(), script.kind.as_str())));
    let sections = settings.other_sections.iter();
    parts
        .extend(sections.map(|section| left(section.place().to_string(), section.kind().as_str())));
    parts
}

fn places_of<T>(placed: &[crate::kickstart::Placed<T>]) -> Vec<String> {
    placed.iter().map(|one| one.place.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::kickstart_file::tests::plan;
    use super::*;

    #[test]
    fn it_has_what_kiwi_knows_of_a_kickstart() {
        let mut plan = plan(
            "[DEFAULT]\ntype=live\nrelease=43\nbackend=kiwi\nbid=7\n[live]\nlabel=L\n\
             title=A & \"B\"\n43_url=http://r/?a&b\ngpgkey=/k\ncompression=zstd\nconfig=a.ks\n",
            "lang de_DE.UTF-8\nkeyboard --vckeymap=de\ntimezone Europe/Berlin --utc\n\
             rootpw --iscrypted $6$x\nbootloader --timeout=9 --append=\"quiet\"\n\
             user --name=liveuser --password=p --groups=wheel,video\nservices --enabled=a\n\
             %packages\n@^workstation\n@core\nvim\n-nano\n%end\n%post\ntrue\n%end\n",
        );
        plan.name = "N".to_owned();
        assert_eq!(
            text(&plan),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
<image schemaversion=\"8.0\" name=\"N\" displayname=\"A &amp; &quot;B&quot;\">
  <description type=\"system\">
    <author>On-Demand Fedora Build Service</author>
    <contact>https://bugzilla.redhat.com</contact>
    <specification>A &amp; &quot;B&quot;</specification>
  </description>
  <preferences>
    <version>43</version>
    <packagemanager>dnf5</packagemanager>
    <locale>de_DE</locale>
    <keytable>de</keytable>
    <timezone>Europe/Berlin</timezone>
    <release-version>43</release-version>
    <rpm-check-signatures>true</rpm-check-signatures>
    <rpm-excludedocs>false</rpm-excludedocs>
    <type image=\"iso\" primary=\"true\" flags=\"dmsquash\" firmware=\"uefi\" volid=\"L\" mediacheck=\"true\" squashfscompression=\"zstd\" kernelcmdline=\"quiet\">
      <bootloader name=\"grub2\" timeout=\"9\"/>
    </type>
  </preferences>
  <users>
    <user name=\"root\" password=\"$6$x\" pwdformat=\"encrypted\"/>
    <user name=\"liveuser\" password=\"p\" pwdformat=\"plain\" groups=\"wheel,video\"/>
  </users>
  <repository type=\"rpm-md\" alias=\"fbs-side\" priority=\"1\" sourcetype=\"baseurl\" package_gpgcheck=\"false\">
    <source path=\"file:///w/side\">
    </source>
  </repository>
  <repository type=\"rpm-md\" alias=\"43\" priority=\"99\" sourcetype=\"baseurl\" package_gpgcheck=\"true\">
    <source path=\"http://r/?a&amp;b\">
      <signing key=\"file:///k\"/>
    </source>
  </repository>
  <packages type=\"image\" patternType=\"plusRecommended\">
    <namedCollection name=\"^workstation\"/>
    <namedCollection name=\"core\"/>
    <package name=\"vim\"/>
    <ignore name=\"nano\"/>
    <package name=\"kernel\"/>
    <package name=\"dracut-live\"/>
    <package name=\"grub2-efi-x64\"/>
    <package name=\"grub2-efi-x64-cdboot\"/>
    <package name=\"grub2-efi-x64-modules\"/>
    <package name=\"grub2-pc\"/>
    <package name=\"grub2-pc-modules\"/>
    <package name=\"shim-x64\"/>
  </packages>
  <packages type=\"bootstrap\">
    <package name=\"filesystem\"/>
    <package name=\"basesystem\"/>
  </packages>
</image>
"
        );
        let left = not_applied(&plan.kickstart.settings);
        let left: Vec<String> = left
            .iter()
            .map(|l| format!("{} {}", l.place, l.what))
            .collect();
        assert_eq!(left, ["image.ks:7 services", "image.ks:14 %post"]);
    }
}
